"""What would keep users' containers from starting, or from keeping to what the configuration says."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from probav_hub.configuration import Configuration
from probav_hub.containers import engine, folders
from probav_hub.errors import HubError

LABEL = "org.probav.jupyterhub"  # of our images: JupyterHub's version in them

Found = tuple[str, str, str]  # setting, what is wrong, what to do


def problems(given: Configuration) -> Iterator[Found]:
    """Yield all that is wrong; nothing is made or started."""
    if find_spec("dockerspawner") is None:
        yield "spawner", "DockerSpawner is not installed.", "Run `pip install 'probav-hub[docker]'`."
        return
    yield from _settings(given)
    yield from _archive(given)
    try:
        client = engine.client(engine.socket(given.docker.socket))
    except HubError as error:
        remedy = "Start the engine, or let this user reach its socket: who can, is root of this machine."
        yield "docker.socket", str(error), remedy
        return
    for name in dict.fromkeys([given.docker.image, *(each.image for each in given.profiles if each.image)]):
        yield from _image(client, name, given.docker.pull)


def _settings(given: Configuration) -> Iterator[Found]:
    for profile in given.profiles:
        if profile.disk:
            yield (
                f"profiles.{profile.name}.disk", "engines of containers can't keep a home to a size.",
                "Leave it out; give homes a file system of their own, or take `sandbox`.",
            )  # fmt: skip
    if given.jupyterhub.get("JupyterHub", {}).get("internal_ssl"):
        yield (
            "jupyterhub.JupyterHub.internal_ssl", "is not made for the door between containers and hub.",
            "Leave it out: containers' traffic stays within this machine.",
        )  # fmt: skip
    for name, folder in (("docker.homes", given.docker.homes), ("shared", given.shared)):
        if folder and os.geteuid() and not os.access(folder, os.W_OK):
            yield name, f"the hub can't make folders in {folder}.", "Let it write there, or run it as root."


def _archive(given: Configuration) -> Iterator[Found]:
    if not given.archive:
        if find_spec("probav") is None:
            yield "archive", "there is none, and nothing here can make one.", "Name an archive."
        return
    path = Path(given.archive)
    if "://" not in given.archive and path.is_dir():
        mode = path.stat().st_mode
        if not (mode & stat.S_IROTH and mode & stat.S_IXOTH):
            yield (
                "archive", f"servers' user can't read {path} ({stat.filemode(mode)}).",
                f"Run `chmod -R o+rX {path}`.",
            )  # fmt: skip


def _image(client: Any, name: str, pull: str) -> Iterator[Found]:
    from docker.errors import ImageNotFound

    setting = "docker.image"
    try:
        with engine.said(f"The image {name}"):
            found = client.inspect_image(name)
    except HubError as error:
        missing = isinstance(error.__cause__, ImageNotFound)
        if missing and pull != "never" and not name.startswith("localhost/"):
            return  # it will be fetched
        yield setting, str(error), "`make images` builds ours; `pull: missing` fetches a registry's."
        return
    try:
        folders.identity(name, found)
    except HubError as error:
        yield setting, str(error), "A container's root is too near to the machine's."
    own, there = _hub_version(), (found["Config"].get("Labels") or {}).get(LABEL, "")
    if there and there.split(".")[:2] != own.split(".")[:2]:
        yield (
            setting, f"{name} holds JupyterHub {there}; the hub is {own}.",
            "Build images and hub from one lock, with `make images`.",
        )  # fmt: skip


def _hub_version() -> str:
    import jupyterhub

    return str(jupyterhub.__version__)
