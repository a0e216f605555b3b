"""Look at the machine before a local hub starts, and get the archive ready."""

from __future__ import annotations

import errno
import json
import os
import random
import secrets
import socket
import subprocess
import sys
from pathlib import Path

from probav_hub import proxy
from probav_hub.authentication import secret
from probav_hub.configuration import Configuration
from probav_hub.errors import EngineError, HubError
from probav_hub.settings import Settings, data_folder, writable

LASTING_PORTS = range(20000, 32000)
# a hub on one's own machine: nobody waits for its cores
PERSONAL = Configuration(culling=None, accounting=None)


def check_port(port: int, address: str = "127.0.0.1") -> None:
    """Raise HubError if nothing can listen on the port."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            why = "is taken" if error.errno == errno.EADDRINUSE else f"cannot be used ({error.strerror})"
            raise HubError(
                f"Port {port} of {address} {why}: free it, or name another, as in `make run PORT=8001`."
            ) from None


def free_ports(count: int) -> list[int]:
    """Return ports of 127.0.0.1 that nothing listens on."""
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def lasting_port(state: Path, is_needed: bool) -> int:
    """Return the hub's own port: that of the last run, where servers that still run look for the hub.

    A new one is below those that the system gives to connections, so that it is free at the next start, too.

    Raises
    ------
    HubError
        If servers may need the last one, and it is taken.
    """
    try:
        last = int(json.loads((state / "settings.json").read_text())["hub_port"])
    except (OSError, ValueError, KeyError):
        last = 0
    ports = [last] if last else []
    for port in [*ports, *random.sample(LASTING_PORTS, 100)]:
        try:
            check_port(port)
        except HubError:
            if port == last and is_needed:
                raise HubError(
                    f"Port {port} of 127.0.0.1 is taken, and servers that still run find the hub there: "
                    f"free it, or remove {state / 'settings.json'} and start those servers anew."
                ) from None
        else:
            return port
    raise HubError(f"No port of 127.0.0.1 from {LASTING_PORTS[0]} to {LASTING_PORTS[-1]} is free.")


def check_java() -> None:
    """Raise HubError if the kernels would find no Java for Spark."""
    shown = subprocess.run([sys.executable, "-m", "probav_kernels.java"], capture_output=True, text=True)
    if shown.returncode:
        raise HubError(shown.stderr.strip().splitlines()[-1])


def list_kernels() -> None:
    """List the kernels for Livy where $PROBAV_SPARK_LIVY_URL names one, and R's where R has what it needs.

    Raises
    ------
    HubError
        If the first can't be listed.
    """
    if os.environ.get("PROBAV_SPARK_LIVY_URL"):
        shown = _kernels("livy")
        if shown.returncode:
            raise HubError(shown.stderr.strip().splitlines()[-1])
    _kernels("r")  # without R, or without its packages, it is no longer listed


def _kernels(module: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", f"probav_kernels.{module}", "install"]
    return subprocess.run(command, capture_output=True, text=True)


def settings(
    *,
    state: Path,
    port: int | None,
    archive: str,
    notebooks: Path | None,
    token: str | None = None,
    configuration: Configuration = PERSONAL,
) -> Settings:
    """Check port, folders, Java and Node, and return the settings of one run with a new password.

    Raises
    ------
    HubError
        With the first thing that is in the way.
    """
    if port is not None:
        check_port(port, configuration.address)
    data = writable(data_folder())
    if configuration.spawner != "docker":  # containers bring their own
        check_java()
        list_kernels()
    hub_port = lasting_port(state, is_needed=configuration.keep_servers)
    proxy_port, free_port = free_ports(2)
    return Settings(
        state=str(writable(state)),
        port=free_port if port is None else port,
        hub_port=hub_port,
        proxy_port=proxy_port,
        password=secret(named) if (named := configuration.authentication.password_file) else _password(),
        archive=archive,
        notebooks=str(notebooks.resolve()) if notebooks else None,
        proxy=proxy.command(data),
        token=token,
        configured=configuration.model_dump(mode="json"),
    )


def _password() -> str:
    return secrets.token_urlsafe(9)


def demo_archive() -> str:
    """Return where the demo archive is, or will be."""
    return str(data_folder() / "demo-archive")


def chosen_archive() -> str | None:
    """Return the archive that PROBAV_ARCHIVE names, its path made absolute, if it names one."""
    named = os.environ.get("PROBAV_ARCHIVE")
    return named if not named or "://" in named else os.path.abspath(named)


def run_engine(*arguments: str | Path) -> None:
    """Run `probav archive ...` on this terminal, as its progress and messages are for the user.

    Raises
    ------
    EngineError
        If it fails; what was wrong is on the terminal already.
    """
    command = [sys.executable, "-m", "probav.cli", "archive", *arguments]
    code = subprocess.run(command, stdin=subprocess.DEVNULL).returncode
    if code:
        raise EngineError(f"`probav archive {arguments[0]}` failed with exit code {code}.")
