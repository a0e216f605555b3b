"""Make a backup of a hub, running or not, and look whether one is whole."""

from __future__ import annotations

import fcntl
import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from probav_hub.backup import contents, homes, sums
from probav_hub.configuration import Configuration
from probav_hub.errors import HubError

FORMAT = 1
MANIFEST = "manifest.json"
CONFIGURATION = "configuration/probav-hub.yaml"
STATE = "state"
_PARTIAL = ".partial-"


def backup(
    file: Path,
    given: Configuration,
    state: Path,
    folder: Path,
    *,
    keep: int | None = None,
    with_homes: bool = True,
) -> Path:
    """Make a backup below a folder and return where it is.

    Parameters
    ----------
    file : Path
        `probav-hub.yaml`.
    given : Configuration
        What it says.
    state : Path
        Folder of what the hub keeps.
    folder : Path
        Of backups; this one becomes a folder named after the time.
    keep : int or None
        Remove older ones until so many are left.
    with_homes : bool
        With homes and groups' folders.

    Raises
    ------
    HubError
        If there is nothing to save, something can't be saved, or there is no room; then nothing is left.
    """
    if not (state / "jupyterhub.sqlite").exists():
        raise HubError(f"{state} holds no hub: start it once with `probav-hub up --config {file}`.")
    if folder.resolve().is_relative_to(state.resolve()):
        raise HubError(f"{folder} is in the hub's own state folder {state}: name another disk's.")
    with _alone(folder):
        name = f"{datetime.now(UTC):%Y-%m-%dT%H-%M-%SZ}"
        while (folder / name).exists():
            name += "+"
        made, partial = folder / name, folder / f"{_PARTIAL}{name}"
        try:
            partial.mkdir(mode=0o700)
            sealed = _fill(partial, file, given, state, with_homes, newest(folder))
            sums.write(partial, sealed)
            partial.rename(made)
        except OSError as error:
            raise HubError(f"No backup was made in {folder}: {error.strerror or error}.") from None
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        for older in all_of(folder)[: -keep if keep else 0]:
            shutil.rmtree(older)
    return made


def _fill(
    partial: Path, file: Path, given: Configuration, state: Path, with_homes: bool, before: Path | None
) -> dict[str, str]:
    """Copy everything into a new backup and return the SHA-256 of each file."""
    done: dict[str, str] = {}
    named = {}
    for setting, source in {"": file, **contents.named(given)}.items():
        name = f"configuration/{setting}" if setting else CONFIGURATION
        done[name] = contents.save(source, partial / name)
        named[setting or "file"] = str(source.resolve())
    for source in contents.files(state):
        name = f"{STATE}/{source.relative_to(state)}"
        done[name] = contents.save(source, partial / name)
    if with_homes and given.spawner == "docker" and not given.docker.homes:
        print("Homes are volumes of the engine: docs/operator.md says how to copy them.", file=sys.stderr)  # noqa: T201
    signatures = {}
    old = _signatures(before)
    for home in homes.all_of(given, state) if with_homes else []:
        seen = "" if home.image else home.signature()
        if before is not None and (seen or home.signature()) == old[0].get(home.archive):
            homes.again(home, before, partial)
            done[home.archive] = old[1][home.archive]
        else:
            done[home.archive], complaints = homes.save(home, partial)
            for line in complaints:
                print(f"{home.name}: {line}", file=sys.stderr)  # noqa: T201 - for who started the backup
        signatures[home.archive] = seen or home.signature()  # to read an image is to mount it
    text = json.dumps(_manifest(state, given, named, signatures, with_homes), indent=1)
    (partial / MANIFEST).write_text(text, encoding="utf-8")
    return {**done, MANIFEST: sums.digest(partial / MANIFEST)}


def _manifest(
    state: Path, given: Configuration, named: dict[str, str], signatures: dict[str, str], with_homes: bool
) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "probav_hub": version("probav-hub"),
        "jupyterhub": version("jupyterhub"),
        "spawner": given.spawner,
        "state": str(state.resolve()),
        "files": named,
        "homes": signatures,
        "with_homes": with_homes,
    }


def _signatures(before: Path | None) -> tuple[dict[str, str], dict[str, str]]:
    """Return the signatures of an earlier backup's homes, and the SHA-256 of its files."""
    if before is None:
        return {}, {}
    try:
        found = manifest(before)["homes"]
        listed = sums.read(before)
    except HubError:
        return {}, {}
    return {
        name: sign for name, sign in found.items() if (before / name).is_file() and name in listed
    }, listed


def manifest(folder: Path) -> dict[str, Any]:
    """Return what a backup says of itself.

    Raises
    ------
    HubError
        If it is none, or of a format to come.
    """
    try:
        found = dict(json.loads((folder / MANIFEST).read_text(encoding="utf-8")))
        form = int(found["format"])
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise HubError(f"{folder} is no backup of a hub: {MANIFEST} can't be read: {error}.") from None
    if form > FORMAT:
        raise HubError(
            f"{folder} was made by probav-hub {found.get('probav_hub')}: install that, or a newer one."
        )
    return found


def all_of(folder: Path) -> list[Path]:
    """Return the finished backups of a folder, the oldest first."""
    return sorted(file.parent for file in folder.glob(f"[0-9]*/{sums.FILE}"))


def newest(folder: Path) -> Path | None:
    """Return the newest backup of a folder, if there is one."""
    found = all_of(folder)
    return found[-1] if found else None


def verify(folder: Path) -> tuple[int, int]:
    """Read all of a backup; return how many files it has, and their bytes.

    Raises
    ------
    HubError
        With all that is not as it was made.
    """
    manifest(folder)
    return sums.verify(folder)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let one backup be made at a time, and clear away what one that was killed left."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = open(folder / ".lock", "w")
    except OSError as error:
        raise HubError(f"{folder} can't be written to: {error.strerror}.") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise HubError(f"Another backup is being made in {folder}: wait for its end.") from None
        for left in folder.glob(f"{_PARTIAL}*"):
            shutil.rmtree(left, ignore_errors=True)
        yield
