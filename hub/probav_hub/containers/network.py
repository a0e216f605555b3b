"""The network of users' containers, and the address at which they find the hub."""

from __future__ import annotations

from typing import Any

from probav_hub.containers.engine import is_podman, said
from probav_hub.errors import HubError

LABEL = "probav.hub"


def gateway(engine: Any, name: str) -> str:
    """Return the machine's own address on a network of the engine, which is made if there is none.

    Raises
    ------
    HubError
        If it can't be made, or has no such address.
    """
    from docker.errors import NotFound

    with said(f"The network {name}"):
        try:
            found = engine.inspect_network(name)
        except NotFound:
            engine.create_network(name, driver="bridge", labels={LABEL: name}, options=_options(engine))
            found = engine.inspect_network(name)
    for part in found.get("IPAM", {}).get("Config") or []:
        address = str(part.get("Gateway", "")).partition("/")[0]
        if address and ":" not in address:
            return address
    raise HubError(
        f"The network {name} gives this machine no address (IPv4), so servers on it can't find the hub: "
        "name another in docker.network; one that isn't there is made."
    )


def _options(engine: Any) -> dict[str, str]:
    """Return what keeps containers from each other, or from other networks, as the engine can."""
    return {"isolate": "true"} if is_podman(engine) else {"com.docker.network.bridge.enable_icc": "false"}
