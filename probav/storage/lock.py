"""The write lock of an archive on a disk, where Icechunk alone loses one of two concurrent commits."""

from __future__ import annotations

import getpass
import json
import logging
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import filelock

from probav.errors import ArchiveError
from probav.storage.location import local_path

LOCK_SECONDS = 3600.0
FIRST_WORD_SECONDS, NEXT_WORD_SECONDS = 2.0, 60.0  # when a waiting process says whom it waits for
_MOST = 4096  # bytes read of a lock file

_log = logging.getLogger("probav")


@contextmanager
def lock(url: str) -> Iterator[None]:
    """Hold the write lock of the archive at `url`; object stores compare and swap, and have none.

    The lock is the kernel's (`flock`): it ends with its holder, however that ends. Its file beside the
    archive says who holds it. Whoever waits says so, after two seconds and then every minute.

    Raises
    ------
    ArchiveError
        If the lock can't be had, because of whom or why.
    """
    path = local_path(url)
    if path is None:
        yield
        return
    path = path.resolve()  # one lock, whatever links lead to the archive
    file = path.with_name(f"{path.name}.lock")
    held = filelock.FileLock(file, mode=0o664)  # a group may share it
    try:
        _acquire(held, file, path)
    except OSError as error:
        if isinstance(error, ArchiveError):
            raise
        raise ArchiveError(f"Can't lock {path} for writing: {error}.") from error
    try:
        _write_owner(file)
        yield
    finally:
        held.release()


def _acquire(held: filelock.BaseFileLock, file: Path, path: Path) -> None:
    start = time.monotonic()
    wait = FIRST_WORD_SECONDS
    while True:
        left = LOCK_SECONDS - (time.monotonic() - start)
        try:
            held.acquire(timeout=max(0.0, min(wait, left)))
            return
        except filelock.Timeout as error:
            if time.monotonic() - start >= LOCK_SECONDS:
                raise ArchiveError(
                    f"Can't write to {path}: after {LOCK_SECONDS:g} s {owner(file)} is still writing to it; "
                    "wait for it, or stop it."
                ) from error
            _log.warning("Waiting for %s, which is writing to %s", owner(file), path)
            wait = NEXT_WORD_SECONDS


def _write_owner(file: Path) -> None:
    about = {
        "pid": os.getpid(),
        "user": _user(),
        "host": socket.gethostname(),
        "command": " ".join([Path(sys.argv[0] or sys.executable).name, *sys.argv[1:3]])[:200],
        "since": time.time(),
    }
    with suppress(OSError):  # a full disk: it is only for those who wait
        number = os.open(file, os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW)
        with os.fdopen(number, "w") as stream:
            json.dump(about, stream)


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # an id without a name, as in many containers
        return str(os.getuid())


def owner(file: Path) -> str:
    """Return who holds, or last held, the lock of a lock file, in words."""
    try:
        with file.open("rb") as stream:
            about: dict[str, Any] = json.loads(stream.read(_MOST))
        seconds = max(0.0, time.time() - float(about["since"]))
        age = f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
        return (
            f"process {about['pid']} of {about['user']} on {about['host']} ({about['command']}), since {age}"
        )
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
