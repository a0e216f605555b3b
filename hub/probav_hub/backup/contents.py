"""What of a hub's state goes into a backup: all but what is made again, and what is of this run only."""

from __future__ import annotations

import io
import os
import sqlite3
import stat
import tempfile
from collections.abc import Iterator
from contextlib import closing
from fnmatch import fnmatch
from pathlib import Path

from pydantic import BaseModel

from probav_hub.backup import sums
from probav_hub.errors import HubError

# homes and disks come as archives of their own; the settings of a run hold its passwords and are made anew
LEFT_OUT = (
    "homes", "disks", "sandboxes", "logs", "proxy", "demo", "demo-archive", "replaced-*", "lock", "*.lock",
    "*.pid", "*.port", "*.sqlite.*", "settings.json", "*.log", "*.log.*", "*-wal", "*-shm", "*-journal",
)  # fmt: skip
_SQLITE = b"SQLite format 3\0"
_TRIES = 5


def files(state: Path) -> Iterator[Path]:
    """Yield the files of a state folder that belong into a backup."""
    for parent, folders, names in os.walk(state):
        folders[:] = sorted(name for name in folders if not _is_left_out(name))
        for name in sorted(names, reverse=True):  # of a dbm: the index before the data, which only grow
            file = Path(parent, name)
            if not _is_left_out(name) and stat.S_ISREG(file.lstat().st_mode):
                yield file


def _is_left_out(name: str) -> bool:
    return any(fnmatch(name, pattern) for pattern in LEFT_OUT)


def save(source: Path, target: Path) -> str:
    """Copy a file as it is at one moment, though it may be written to; return the copy's SHA-256.

    Raises
    ------
    HubError
        If it can't be read, is written all the time, or is a damaged database.
    """
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        with source.open("rb") as opened:
            is_database = opened.read(len(_SQLITE)) == _SQLITE
        if is_database:
            return _database(source, target)
        return _plain(source, target)
    except OSError as error:
        raise HubError(f"{source} can't be copied to {target}: {error.strerror or error}.") from None


def _plain(source: Path, target: Path) -> str:
    for _ in range(_TRIES):
        with source.open("rb") as opened:
            before = os.fstat(opened.fileno())
            data = opened.read()
            after = source.stat()
        if (before.st_mtime_ns, before.st_size) == (after.st_mtime_ns, after.st_size):
            return sums.copy(io.BytesIO(data), target, stat.S_IMODE(before.st_mode))
    raise HubError(f"{source} was written to each time it was copied: try again later.")


def _database(source: Path, target: Path) -> str:
    """Copy a database by SQLite's own way, which lets others read and write meanwhile."""
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        made = Path(folder, "copy")
        try:
            with (
                closing(
                    sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True, timeout=30)
                ) as here,
                closing(sqlite3.connect(made)) as there,
            ):
                here.backup(there)
                there.execute("PRAGMA journal_mode = DELETE")  # one file, whatever the original had
                damage = [row[0] for row in there.execute("PRAGMA integrity_check(3)")]
        except sqlite3.Error as error:
            damage = [str(error)]
        if damage != ["ok"]:
            raise HubError(
                f"The database {source} is damaged: {' '.join('; '.join(damage).split())}. "
                "docs/runbook.md says how to go on; older backups are as they were."
            )
        with made.open("rb") as opened:
            return sums.copy(opened, target, stat.S_IMODE(source.stat().st_mode))


def named(given: BaseModel) -> dict[str, Path]:
    """Return the files that a configuration names, by the setting: a certificate, and secrets."""
    found: dict[str, Path] = {}
    for name, value in given:
        if isinstance(value, BaseModel):
            found |= {f"{name}.{inner}": file for inner, file in named(value).items()}
        elif isinstance(value, Path) and (name.endswith("_file") or name in ("certificate", "key")):
            found[name] = value
    return found
