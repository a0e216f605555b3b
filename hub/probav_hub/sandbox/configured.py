"""JupyterHub configured to start users' servers in sandboxes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from probav_hub import profiles
from probav_hub.sandbox.spawner import SandboxSpawner
from probav_hub.settings import Settings


def configure(c: Any, settings: Settings) -> None:
    """Fill JupyterHub's configuration object `c`, after `config.configure` has filled the rest."""
    given = settings.configuration
    c.JupyterHub.spawner_class = SandboxSpawner
    c.Spawner.pre_spawn_hook = None  # root writes into no home: `welcome` brings the samples, as the user
    c.Spawner.args = []  # the server is not root's
    own = c.SandboxSpawner
    own.state_folder = settings.state
    own.archive = settings.archive
    own.notebooks = settings.notebooks or ""
    own.published = str(given.published or "")
    own.shared = str(given.shared or "")
    if given.jupyterhub.get("JupyterHub", {}).get("internal_ssl"):
        certificates(c, settings)
    c.Spawner.apply_user_options = with_limits(c.Spawner.apply_user_options, given.profiles)


def certificates(c: Any, settings: Settings) -> None:
    """Let all parts of the hub know each other by certificates, as JupyterHub's `internal_ssl` asks for."""
    folder = settings.configuration.jupyterhub["JupyterHub"].get("internal_certs_location")
    folder = folder or str(Path(settings.state, "certificates"))
    c.JupyterHub.internal_certs_location = folder
    c.ConfigurableHTTPProxy.api_url = f"https://127.0.0.1:{settings.proxy_port}"
    for service in c.JupyterHub.services:
        if service["name"] == "culler":
            service["command"] += ["--ssl-enabled=true", f"--internal-certs-location={folder}"]


def with_limits(before: Callable[..., Any], offered: tuple[Any, ...]) -> Callable[..., Any]:
    """Return what applies a user's choice, as `before` does, and its limits of disk, processes and time."""

    async def apply(spawner: Any, options: dict[str, Any]) -> None:
        if asyncio.iscoroutine(done := before(spawner, options)):
            await done
        groups = [group.name for group in spawner.user.groups]
        named = options.get("profile")
        spawner.take(profiles.choose(offered, groups, str(named) if named else None))

    return apply
