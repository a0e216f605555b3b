"""JupyterHub configured to start users' servers in containers."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from probav_hub import profiles
from probav_hub.accounting import configured as accounting
from probav_hub.configuration import Configuration
from probav_hub.containers import folders
from probav_hub.containers.engine import client, socket
from probav_hub.containers.network import gateway
from probav_hub.containers.spawner import ContainerSpawner
from probav_hub.settings import Settings

PULL = {"never": "never", "missing": "ifnotpresent", "always": "always"}
OF_THE_MACHINE = ("PATH", "JUPYTER_CONFIG_PATH", "JAVA_HOME", "TMPDIR", "SPARK_CONF_DIR", "HADOOP_CONF_DIR")


def configure(c: Any, settings: Settings) -> None:
    """Fill JupyterHub's configuration object `c`, after `config.configure` has filled the rest."""
    given = settings.configuration
    docker = given.docker
    address = socket(docker.socket)
    c.JupyterHub.spawner_class = ContainerSpawner
    c.Spawner.pre_spawn_hook = None  # the image brings samples into the home
    c.Spawner.cmd, c.Spawner.args = None, []  # the image's
    c.Spawner.ip, c.Spawner.port = "0.0.0.0", 8888  # noqa: S104 - of the container, whose network is its own
    c.Spawner.environment = environment(c.Spawner.environment, settings)
    own = c.ContainerSpawner
    own.client_kwargs = {"base_url": address}
    own.image, own.pull_policy = docker.image, PULL[docker.pull]
    own.prefix, own.network_name = docker.name, docker.network
    own.owner = settings.state
    own.remove = own.use_internal_ip = True  # no port of the machine is opened
    own.poll_interval = 5  # a port whose server has died is soon no longer the user's
    own.archive = settings.archive
    own.notebooks = settings.notebooks or ""
    own.published, own.shared = str(given.published or ""), str(given.shared or "")
    own.homes = str(docker.homes or "")
    c.Spawner.apply_user_options = with_limits(c.Spawner.apply_user_options, given)
    the_way_to_the_hub(c, settings, address)


def environment(before: dict[str, str], settings: Settings) -> dict[str, str]:
    """Return a server's environment: what names the machine's programs and folders stays."""
    kept = {name: value for name, value in before.items() if name not in OF_THE_MACHINE}
    return {**kept, "PROBAV_ARCHIVE": settings.archive if "://" in settings.archive else folders.ARCHIVE}


def the_way_to_the_hub(c: Any, settings: Settings, address: str) -> None:
    """Let containers reach the hub: through its door, or by its name where it is in one itself."""
    docker, port = settings.configuration.docker, settings.hub_port
    if docker.hub_host:  # where the hub itself listens
        c.JupyterHub.hub_ip = docker.hub_host
        doors(c, docker.hub_host)
        return
    found = gateway(client(address), docker.network)
    c.Spawner.hub_connect_url = f"http://{found}:{port}"
    doors(c, found, port)


def doors(c: Any, address: str, hub_port: int | None = None) -> None:
    """Open doors at an address or name on the containers' network: to accounting, and to the hub."""
    ports = {"door": hub_port} if hub_port else {}
    if told := c.Spawner.environment.get(accounting.URL):
        where = urlsplit(told)
        ports["door-accounting"] = where.port or 80
        c.Spawner.environment[accounting.URL] = where._replace(netloc=f"{address}:{where.port}").geturl()
    for name, each in ports.items():
        command = [sys.executable, "-I", "-m", "probav_hub.containers.door", address, str(each)]
        c.JupyterHub.services = [*c.JupyterHub.services, {"name": name, "command": command}]


def with_limits(before: Callable[..., Any], given: Configuration) -> Callable[..., Any]:
    """Return what applies a user's choice, as `before` does, and the rest of its profile."""

    async def apply(spawner: Any, options: dict[str, Any]) -> None:
        if asyncio.iscoroutine(done := before(spawner, options)):
            await done
        groups = [group.name for group in spawner.user.groups]
        named = options.get("profile")
        chosen = profiles.choose(given.profiles, groups, str(named) if named else None)
        spawner.take(chosen, given.docker.image)

    return apply
