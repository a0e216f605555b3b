"""What a container sees of the machine: home, archive, published, and the folders of its user's groups."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from probav_hub.errors import HubError

HOME = "/home/probav"
ARCHIVE, PUBLISHED, SHARED = "/archive", "/published", "/shared"
SAMPLES = "/opt/probav/sample_notebooks"

Binds = dict[str, str]


def binds(spawner: Any, user: str, groups: list[str], identity: tuple[int, int]) -> tuple[Binds, Binds]:
    """Return what is bound into a server's container to write and to read, made where it is missing.

    Parameters
    ----------
    spawner : ContainerSpawner
    user : str
    groups : list of str
        The user's.
    identity : tuple of int
        Numbers of user and group inside.

    Raises
    ------
    HubError
        If a folder can't be made, or given to the server's user.
    """
    written: Binds = {f"{spawner.prefix}-home-{{username}}": HOME}
    if spawner.homes:
        written = {str(_own(Path(spawner.homes), user, identity, 0o700)): HOME}
    if spawner.shared:
        for group in groups:
            folder = _own(Path(spawner.shared), group, identity, 0o2770)
            written[str(folder)] = f"{SHARED}/{group}"
    local = "" if "://" in spawner.archive else spawner.archive
    given = ((local, ARCHIVE), (spawner.published, PUBLISHED), (spawner.notebooks, SAMPLES))
    return written, {source: target for source, target in given if source}


def identity(name: str, image: dict[str, Any]) -> tuple[int, int]:
    """Return the numbers of user and group that an image runs as, by what the engine says of it.

    Raises
    ------
    HubError
        If they are root's, or names.
    """
    found = str(image.get("Config", {}).get("User") or "0")
    user, _, group = found.partition(":")
    if not user.isdecimal() or not (group or user).isdecimal() or int(user) == 0:
        raise HubError(
            f"The image {name} runs as {'root' if user in ('0', 'root') else found!r}: take one whose USER "
            "is the number of another user, as in `USER 1000:1000`."
        )
    return int(user), int(group or user)


def _own(above: Path, name: str, identity: tuple[int, int], mode: int) -> Path:
    """Return the folder of a user or group, made as the server's own."""
    if name in ("", ".", "..") or "/" in name or "\0" in name or ":" in name:
        raise HubError(f"The name {name!r} can be no folder's: ask the hub's administrator.")
    folder = above / name
    try:
        if not folder.exists():
            folder.mkdir(parents=True)
            os.chown(folder, *identity)
            folder.chmod(mode)
    except OSError as error:
        raise HubError(
            f"The folder {folder} can't be made for the server's user {identity[0]}: {error.strerror}; make "
            f"it and give it to that user, as in `install -d -o {identity[0]} -g {identity[1]} {folder}`."
        ) from None
    return folder
