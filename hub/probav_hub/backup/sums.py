"""What a backup consists of: every file with its SHA-256, as `sha256sum --check SHA256SUMS` reads it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import IO

from probav_hub.errors import HubError

FILE = "SHA256SUMS"
_CHUNK = 2**20


def copy(source: IO[bytes], target: Path, mode: int = 0o600) -> str:
    """Write what can be read to a new file, on the disk when this returns, and return its SHA-256."""
    digest = hashlib.sha256()
    with open(target, "xb", opener=lambda path, flags: os.open(path, flags, mode)) as file:
        while chunk := source.read(_CHUNK):
            digest.update(chunk)
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()


def digest(file: Path) -> str:
    """Return a file's SHA-256."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def write(folder: Path, sums: dict[str, str]) -> None:
    """List the files of a backup; nothing may be added afterwards."""
    lines = "".join(f"{sums[name]}  {name}\n" for name in sorted(sums))
    with open(folder / FILE, "x", encoding="utf-8") as file:
        file.write(lines)
        file.flush()
        os.fsync(file.fileno())


def read(folder: Path) -> dict[str, str]:
    """Return the listed SHA-256 of each file.

    Raises
    ------
    HubError
        If there is no list, or it is none.
    """
    try:
        lines = (folder / FILE).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise HubError(
            f"{folder} is no backup, or one that was not finished: {FILE} can't be read: {error}."
        ) from None
    rows = [line.split("  ", 1) for line in lines if "  " in line]
    found = {name: made for made, name in rows}
    if len(found) != len(lines):
        raise HubError(f"{folder / FILE} is damaged: take another backup.")
    return found


def verify(folder: Path, say: Callable[[str], None] = lambda name: None) -> tuple[int, int]:
    """Read all files of a backup and return how many they are, and their bytes.

    Raises
    ------
    HubError
        With all that is missing, changed, or not listed.
    """
    sums = read(folder)
    there = {
        str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_symlink() or not file.is_dir()
    }
    wrong = [f"{name} is missing" for name in sorted(sums.keys() - there)]
    wrong += [f"{name} is not of the backup" for name in sorted(there - sums.keys() - {FILE})]
    size = 0
    for name in sorted(sums.keys() & there):
        say(name)
        try:
            size += (folder / name).stat().st_size
            if digest(folder / name) != sums[name]:
                wrong.append(f"{name} is damaged")
        except OSError as error:
            wrong.append(f"{name} can't be read ({error.strerror})")
    if wrong:
        raise HubError(
            f"{folder} is not as it was made: {'; '.join(wrong[:10])}"
            f"{f'; and {len(wrong) - 10} more' if len(wrong) > 10 else ''}. Take another backup."
        )
    return len(sums), size
