"""What a Scala cell prints, and what it says when it fails."""

from __future__ import annotations

import codecs
import os
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

_MOST = 65536  # bytes at a time: who prints without end waits for the reader, and floods no browser
_FRAME = re.compile(r"\s+at |\s+\.\.\. \d+ (elided|more)")
_FRAMES = 2  # of a stack, besides those of cells


class Pipe:
    """A named pipe that Java writes UTF-8 to, with a folder that only this user can enter.

    Parameters
    ----------
    write : callable
        Takes each new piece of text.
    """

    def __init__(self, write: Callable[[str], Any]) -> None:
        self._write = write
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._folder = Path(tempfile.mkdtemp(prefix="probav-scala-"))
        self.path = str(self._folder / "printed")
        self.is_heard = True
        os.mkfifo(self.path, 0o600)
        self._end = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)

    def read(self) -> None:
        """Hand over what is new, at most as much as a pipe holds."""
        try:
            data = os.read(self._end, _MOST)
        except BlockingIOError:  # nothing yet
            return
        text = self._decoder.decode(data)
        if text and self.is_heard:
            self._write(text)

    def __enter__(self) -> Pipe:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._end)  # who still prints then is told that nobody listens
        shutil.rmtree(self._folder, ignore_errors=True)


def shortened(text: str) -> str:
    """Return an error with the first lines of each stack, and those of cells, alone."""
    kept: list[str] = []
    frames = left_out = 0
    for line in text.splitlines():
        if not _FRAME.match(line):
            frames, left_out = 0, 0
            kept.append(line)
        elif "<console>" in line or frames < _FRAMES:
            frames += 1
            kept.append(line)
        else:
            left_out += 1
            if left_out > 1:
                kept.pop()
            kept.append("  ...")
    return "\n".join(kept)


def without(head: str, text: str) -> str:
    """Return an error without what was put before the first line of a cell; its mark moves along."""
    lines = text.splitlines(keepends=True) if head else [text]
    for index, line in enumerate(lines):
        is_below = index == 0 or head in lines[index - 1]  # of a first line 2.13 shows the mark alone
        if head and is_below and line.strip() == "^":
            lines[index] = line.replace(" " * len(head), "", 1)
    return "".join(line.replace(head, "", 1) for line in lines)
