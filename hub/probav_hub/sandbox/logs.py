"""What servers say, in files that stay small: a user can fill no disk of the hub's by it."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType

_MOST = 2**20  # bytes; one earlier file of as many is kept


class Log:
    """A file that is begun anew, with the one before kept, when it has grown large."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __enter__(self) -> Log:
        self.file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.close()

    def write(self, text: bytes) -> None:
        """Add what was said."""
        if self._opened.tell() + len(text) > _MOST:
            self._opened.close()
            self.file.replace(self.file.with_name(f"{self.file.name}.1"))
            self._open()
        self._opened.write(text)
        self._opened.flush()

    def _open(self) -> None:
        self._opened = open(self.file, "ab", opener=lambda path, flags: os.open(path, flags, 0o600))


def last_line(file: Path) -> str:
    """Return the last line that says something; nothing where there is none."""
    try:
        with open(file, "rb") as opened:
            opened.seek(max(0, os.fstat(opened.fileno()).st_size - 8192))
            lines = [line.strip() for line in opened.read().decode(errors="replace").splitlines()]
    except OSError:
        return ""
    return next((line for line in reversed(lines) if line), "")
