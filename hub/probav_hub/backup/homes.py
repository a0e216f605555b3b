"""Homes as tar archives, one a home; a home that has not changed is the last backup's archive again.

GNU tar walks folders by descriptors and follows no link: a user who moves folders about meanwhile leads it
nowhere, though it may be root's.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from probav_hub.backup import sums
from probav_hub.configuration import Configuration
from probav_hub.errors import HubError

SUFFIX = ".tar.gz"
_MAKE = (
    "--create", "--file=-", "--use-compress-program=gzip -1", "--one-file-system", "--numeric-owner",
    "--sparse", "--xattrs", "--ignore-failed-read", "--warning=no-file-changed", "--warning=no-file-removed",
    "--warning=no-file-ignored", "--exclude=./.cache", "--exclude=./.local/share/jupyter/runtime",
)  # fmt: skip
_BACK = ("--extract", "--file=-", "--gzip", "--numeric-owner", "--preserve-permissions", "--xattrs")
_CHANGED = 1  # exit code of tar: files were written to while it read them


@dataclass(frozen=True)
class Home:
    """A folder that is saved as one archive.

    Attributes
    ----------
    kind : str
        `homes` or `shared`.
    name : str
        Of the user or group.
    folder : Path
    image : Path or None
        The file system that is mounted at the folder in the user's sandbox only.
    uid : int
        Whose that is.
    """

    kind: str
    name: str
    folder: Path
    image: Path | None = None
    uid: int = 0

    @property
    def archive(self) -> str:
        """Return the archive's path in a backup."""
        return f"{self.kind}/{self.name}{SUFFIX}"

    def signature(self) -> str:
        """Return what changes with anything that is written to the home."""
        if self.image:
            found = self.image.stat()
            return f"{found.st_size} {found.st_blocks} {found.st_mtime_ns}"
        digest = hashlib.sha256()
        for parent, folders, files, descriptor in os.fwalk(self.folder, follow_symlinks=False):
            folders.sort()
            if parent == str(self.folder) and ".cache" in folders:
                folders.remove(".cache")
            for name in sorted([*folders, *files]):
                try:
                    found = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
                except OSError:  # it has just gone
                    continue
                figures = found.st_mode, found.st_size, found.st_mtime_ns, found.st_ctime_ns
                digest.update(f"{parent}\0{name}\0{figures}".encode(errors="surrogateescape"))
        return digest.hexdigest()


def parent(given: Configuration, state: Path) -> Path:
    """Return the folder that homes are in, also where it is not there yet."""
    return (given.docker.homes if given.spawner == "docker" else None) or state / "homes"


def all_of(given: Configuration, state: Path) -> list[Home]:
    """Return the homes of a hub, and the folders of its groups."""
    folder = parent(given, state)
    images = {image.stem: image for image in sorted((state / "disks").glob("*.ext4"))}
    names = {folder.name for folder in _folders(folder)} | images.keys()
    found = [
        Home(
            "homes",
            name,
            folder / name,
            images.get(name),
            _number(state, name) if name in images else 0,
        )
        for name in sorted(names)
    ]
    return found + [Home("shared", folder.name, folder) for folder in _folders(given.shared)]


def _folders(parent: Path | None) -> list[Path]:
    if parent is None or not parent.is_dir():
        return []
    found = [each for each in parent.iterdir() if each.is_dir() and not each.is_symlink()]
    return sorted(each for each in found if not each.name.startswith("."))


def _number(state: Path, user: str) -> int:
    from probav_hub.sandbox.accounts import Accounts  # of a hub with sandboxes alone

    return Accounts(state).user(user)


def save(home: Home, backup: Path) -> tuple[str, list[str]]:
    """Write the archive of a home; return its SHA-256 and what tar complained about.

    Raises
    ------
    HubError
        If the home can't be read.
    """
    target = backup / home.archive
    target.parent.mkdir(mode=0o700, exist_ok=True)
    command = ["tar", *_MAKE, f"--directory={home.folder}", "."]
    if home.image:
        command = [
            sys.executable, "-I", "-m", "probav_hub.backup.image",
            str(home.folder), str(home.image), str(home.uid), *command,
        ]  # fmt: skip
    with tempfile.TemporaryFile("w+", errors="replace") as said:
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=said,
            env={**os.environ, "LC_ALL": "C"},
        ) as process:
            assert process.stdout
            made = sums.copy(process.stdout, target)
        said.seek(0)
        lines = said.read().splitlines()
    if process.returncode not in (0, _CHANGED):
        why = lines[-1] if lines else f"exit code {process.returncode}"
        raise HubError(f"{home.folder} can't be saved: {why}")
    return made, lines


def again(home: Home, before: Path, backup: Path) -> None:
    """Take the archive of an earlier backup: the same file by another name where that can be."""
    target = backup / home.archive
    target.parent.mkdir(mode=0o700, exist_ok=True)
    try:
        os.link(before / home.archive, target)
    except OSError:
        shutil.copy2(before / home.archive, target)


def bring_back(archive: Path, folder: Path) -> None:
    """Unpack an archive into a new folder.

    Raises
    ------
    HubError
        If that fails.
    """
    folder.mkdir(parents=True, mode=0o700)
    with archive.open("rb") as opened:
        done = subprocess.run(
            ["tar", *_BACK, f"--directory={folder}"],
            stdin=opened, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"},
        )  # fmt: skip
    if done.returncode:
        why = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1]
        raise HubError(f"{archive} can't be unpacked into {folder}: {why}")
