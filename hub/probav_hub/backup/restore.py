"""Bring back what a backup holds, and replace nothing that is there unless told to."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from probav_hub.backup import contents, homes, sums, take
from probav_hub.configuration import Configuration, load
from probav_hub.errors import HubError
from probav_hub.parts import only_hub
from probav_hub.settings import data_folder

_ASIDE = "replaced-"  # a backup leaves these out
_STAYS = ("lock", "hub.log", "proxy")


def restore(backup: Path, file: Path, *, force: bool = False) -> Iterator[str]:
    """Bring back configuration, secrets, state and homes; yield a line for each that is done.

    Parameters
    ----------
    backup : Path
        One backup's folder.
    file : Path
        `probav-hub.yaml`: where there is one, it says where to restore to; else the backup's becomes it.
    force : bool
        Move aside what the state folder holds, and replace secrets that differ.

    Raises
    ------
    HubError
        If the backup is damaged, of a newer hub, a hub runs, or something is in the way.
    """
    said = take.manifest(backup)
    count, size = take.verify(backup)
    yield f"{backup}: {count} files, {size / 1e6:.1f} MB, all as they were written"
    theirs, ours = str(said["jupyterhub"]), version("jupyterhub")
    if _major(theirs) > _major(ours):
        raise HubError(
            f"{backup} is of JupyterHub {theirs}, whose database this one ({ours}) "
            "can't read: install that, or a newer one."
        )
    if not file.exists():
        _put(backup / take.CONFIGURATION, file)
        yield f"{file}: brought back"
    given = load(file)
    state = given.state or data_folder() / "hub"
    with only_hub(state):
        _no_servers(state)
        yield from _make_room(state, force)
        yield from _named(backup, given, force)
        yield from _state(backup, state)
        yield from _homes(backup, given, state, force)
    yield f"`probav-hub check {file}` says whether all is right; then start the hub."


def _make_room(state: Path, force: bool) -> Iterator[str]:
    there = [each for each in state.iterdir() if each.name not in _STAYS and not each.name.startswith(_ASIDE)]
    if not there:
        return
    if not force:
        names = ", ".join(sorted(each.name for each in there)[:5])
        raise HubError(
            f"{state} holds a hub already ({names}): name another "
            "`state`, or move it aside with --force; nothing has been changed."
        )
    aside = state / f"{_ASIDE}{time.strftime('%Y-%m-%dT%H-%M-%S')}"
    aside.mkdir(mode=0o700)
    for each in there:
        try:
            each.rename(aside / each.name)
        except OSError as error:
            raise HubError(f"{each} can't be moved to {aside}: {error.strerror}.") from None
    yield f"{state}: what was there is in {aside} now; remove it when all is well"


def _named(backup: Path, given: Configuration, force: bool) -> Iterator[str]:
    """Bring back certificate and secrets to where the configuration wants them."""
    for setting, target in contents.named(given).items():
        source = backup / "configuration" / setting
        if not source.exists():
            yield f"{setting}: the backup has none; {target} is as it was"
        elif not target.exists():
            _put(source, target)
            yield f"{target}: brought back"
        elif sums.digest(target) != sums.digest(source):
            if force:
                target.rename(target.with_name(f"{target.name}.before-{time.strftime('%Y-%m-%dT%H-%M-%S')}"))
                _put(source, target)
                yield f"{target}: replaced; the other is beside it"
            else:
                yield f"{target}: left as it is, though it differs from the backup's"


def _state(backup: Path, state: Path) -> Iterator[str]:
    folder = backup / take.STATE
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    for file in sorted(files, key=lambda each: each.name == "jupyterhub.sqlite"):  # the hub's own comes last
        _put(file, state / file.relative_to(folder))
    yield f"{state}: {len(files)} files of databases and secrets"


def _homes(backup: Path, given: Configuration, state: Path, force: bool) -> Iterator[str]:
    for kind, parent in (("homes", homes.parent(given, state)), ("shared", given.shared)):
        archives = sorted((backup / kind).glob(f"*{homes.SUFFIX}"))
        if archives and parent is None:
            yield "shared: the configuration names no such folder; the backup's stay packed"
            continue
        for archive in archives:
            assert parent is not None
            parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            folder = parent / archive.name.removesuffix(homes.SUFFIX)
            if folder.exists() and any(folder.iterdir()):
                if not force:
                    yield f"{folder}: left as it is, as it is not empty"
                    continue
                folder.rename(parent / f".{folder.name}.before-{time.strftime('%Y-%m-%dT%H-%M-%S')}")
            elif folder.exists():
                folder.rmdir()
            homes.bring_back(archive, folder)
            yield f"{folder}: brought back"


def _no_servers(state: Path) -> None:
    """Raise HubError if a sandbox of a hub that has ended still runs: it writes into a home."""
    if not (state / "sandboxes").is_dir():
        return
    from probav_hub.sandbox.runs import all_of

    running = sorted({run.of[0] for run in all_of(state) if run.pid})
    if running:
        raise HubError(
            f"Servers of {', '.join(running)} still run: start the hub, stop them on its "
            "admin page, and stop the hub again."
        )


def _put(source: Path, target: Path) -> None:
    """Copy a file with its mode; its folder is made, for its owner only, where there is none."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with source.open("rb") as opened:
            mode = os.fstat(opened.fileno()).st_mode & 0o7777
            partial = target.with_name(f".{target.name}.{os.getpid()}")
            sums.copy(opened, partial, mode)
        partial.chmod(mode)
        shutil.move(partial, target)
    except OSError as error:
        raise HubError(f"{target} can't be written: {error.strerror or error}.") from None


def _major(text: str) -> int:
    return int(text.split(".")[0])
