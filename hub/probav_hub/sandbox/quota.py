"""Homes of a limited size.

A home with a limit is a file system of its own, in a file that takes what is in it and no more than the
limit: the kernel refuses the rest, whatever a program tries, and nobody else runs out of space by it.
Limits of the file system that the homes are in (project quotas) would need it to be made or mounted for them;
this needs loop devices only. Where there are none, homes are measured every few seconds and a server is ended
whose home is too large: a home may then be over its limit by what a program writes in these seconds.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import time
from pathlib import Path
from typing import IO

from probav_hub.errors import HubError
from probav_hub.sandbox.programs import PATH, find, need

TOOLS = ("mkfs.ext4", "e2fsck", "resize2fs", "mount")
_LEAST = 16 * 2**20  # bytes; a file system with a journal needs some
_FULL = 2**20  # a home with less left is full


def has_images() -> bool:
    """Return whether homes can be file systems of their own here."""
    return os.path.exists("/dev/loop-control") and not missing_tools()


def missing_tools() -> list[str]:
    """Return the programs for images that are not there."""
    return [tool for tool in TOOLS if find(tool) is None]


class Home:
    """A home while a server uses it.

    Parameters
    ----------
    folder : Path
        Where it is on the host.
    image : Path or None
        File of its file system, if it has or is to have one.
    uid : int
        Whose it is.
    """

    def __init__(self, folder: Path, image: Path | None, uid: int) -> None:
        self.folder, self.image, self.uid = folder, image, uid
        self._lock: IO[str] | None = None

    def open(self, limit: int | None) -> None:
        """Make the home, mount it in this process's view of folders, and keep it from being changed below.

        Raises
        ------
        HubError
            If it can't be, or holds more than the limit.
        """
        self.folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = open(self.folder.with_name(f".{self.folder.name}.lock"), "w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_alone = True
        except OSError:  # another server of this user runs, or is about to
            fcntl.flock(self._lock, fcntl.LOCK_SH)
            is_alone = False
        if is_alone and not self.folder.is_dir():
            self.folder.mkdir(mode=0o700)
        if is_alone:
            self._own()
        if self.image is not None and (limit or self.image.exists()):
            if limit and not self.image.exists():
                self._make(limit, is_alone)
            elif limit and is_alone and self.image.stat().st_size < limit:
                self._grow(limit)
            self._mount()
        elif limit and (used := usage(self.folder)) > limit:
            raise HubError(
                f"The home of {self.folder.name} holds {words(used)}, and the limit is {words(limit)}: "
                "choose a profile with more disk, or ask the hub's administrator to remove files."
            )
        fcntl.flock(self._lock, fcntl.LOCK_SH)

    def _own(self) -> None:
        """Give the home to its user, once: nobody can have put links into what was not theirs yet."""
        if self.folder.stat().st_uid != self.uid:
            for parent, folders, files in os.walk(self.folder):
                for name in (*folders, *files):
                    os.chown(os.path.join(parent, name), self.uid, self.uid, follow_symlinks=False)
            os.chown(self.folder, self.uid, self.uid)
        self.folder.chmod(0o700)

    def _make(self, limit: int, is_alone: bool) -> None:
        assert self.image is not None
        if not is_alone:
            raise HubError(
                f"The home of {self.folder.name} gets a limit, and another server of this user runs in it: "
                "stop that one first."
            )
        self.image.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        partial = self.image.with_suffix(".partial")
        partial.unlink(missing_ok=True)
        with open(partial, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.truncate(max(limit, _LEAST))
        has_files = any(self.folder.iterdir())
        try:
            _run(["mkfs.ext4", "-q", "-F", "-m", "0", "-E", f"root_owner={self.uid}:{self.uid}",
                  *(["-d", str(self.folder)] if has_files else []), str(partial)])  # fmt: skip
        except HubError as error:
            partial.unlink()
            raise HubError(
                f"The home of {self.folder.name} can't get a limit of {words(limit)}. {error}"
            ) from None
        if has_files:  # they are in the image; what it was made of is left for the operator to remove
            before = f".{self.folder.name}.before-{time.strftime('%Y-%m-%dT%H-%M-%S')}"
            self.folder.rename(self.folder.with_name(before))
            self.folder.mkdir(mode=0o700)
        partial.replace(self.image)

    def _grow(self, limit: int) -> None:
        """Make room for more; not while another server has it mounted, and it never becomes smaller."""
        assert self.image is not None
        _run(["e2fsck", "-f", "-p", str(self.image)], well=(0, 1))  # 1: it put something right
        os.truncate(self.image, limit)
        _run(["resize2fs", str(self.image)])

    def _mount(self) -> None:
        assert self.image is not None
        _run(["mount", "-o", "loop,nosuid,nodev,discard", str(self.image), str(self.folder)])
        lost = self.folder / "lost+found"  # root's own, and of no use to a user
        if lost.is_dir() and not lost.is_symlink() and lost.stat().st_uid == 0:
            lost.rmdir()
        os.chown(self.folder, self.uid, self.uid)
        self.folder.chmod(0o700)

    def is_full(self, limit: int | None) -> bool:
        """Return whether nothing more can be written."""
        if self.image is not None and os.path.ismount(self.folder):
            found = os.statvfs(self.folder)
            return found.f_bavail * found.f_frsize < _FULL
        return limit is not None and usage(self.folder) > limit

    def used(self) -> int:
        """Return the bytes that it holds."""
        if self.image is not None and os.path.ismount(self.folder):
            found = os.statvfs(self.folder)
            return (found.f_blocks - found.f_bfree) * found.f_frsize
        return usage(self.folder)


def usage(folder: Path) -> int:
    """Return the bytes that a folder takes on its disk; a file of several names counts once."""
    total, seen = 0, set()
    for _, _, files, descriptor in os.fwalk(folder, follow_symlinks=False):  # no link leads out of it
        for name in files:
            try:
                found = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            except OSError:  # it has just gone
                continue
            if found.st_nlink == 1 or found.st_ino not in seen:
                seen.add(found.st_ino)
                total += found.st_blocks * 512
    return total


def words(size: int) -> str:
    """Return a size as one reads it."""
    for unit, factor in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if size >= factor:
            return f"{size / factor:.3g} {unit}"
    return f"{size} bytes"


def _run(command: list[str], well: tuple[int, ...] = (0,)) -> None:
    done = subprocess.run(
        [need(command[0]), *command[1:]],
        env={"PATH": PATH, "LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode not in well:
        why = " ".join((done.stderr or done.stdout).split()) or f"exit code {done.returncode}"
        raise HubError(f"`{command[0]}` failed: {why}")
