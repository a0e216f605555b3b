"""One line that moves while a query runs and stays as its last word."""

from __future__ import annotations

import sys
import time
from typing import Any

from probav_magics.show import publish

_PATIENCE = 0.7  # seconds without a line: most queries are done by then
_PAUSE = 0.25


class ProgressLine:
    """Show how far a query is: pass it to the engine as `progress`.

    In a notebook it is one text output that is replaced in place, so that a saved notebook holds its last
    state and no empty widget; in a terminal a line that overwrites itself; elsewhere nothing.

    Parameters
    ----------
    shell : InteractiveShell
    quiet : bool
        Show nothing.
    """

    def __init__(self, shell: Any, quiet: bool = False) -> None:
        self._notebook = hasattr(shell, "kernel")
        self._quiet = quiet or not (self._notebook or sys.stderr.isatty())
        self._began = self._shown = time.monotonic()
        self._handle: Any = None
        self._width = 0
        self.bytes = 0

    @property
    def seconds(self) -> float:
        """Time since the start."""
        return time.monotonic() - self._began

    def __call__(self, done: int, total: int, read: int) -> None:
        """Take the engine's word: tasks done, tasks in all, bytes read."""
        self.bytes = read
        now = time.monotonic()
        last = done >= total
        if self._quiet or (self._width == 0 and (last or self.seconds < _PATIENCE)):
            return
        if last or now - self._shown >= _PAUSE:
            self._shown = now
            self._show(self._text(done, total), last)

    def _text(self, done: int, total: int) -> str:
        share = done / max(total, 1)
        if done >= total:
            left = f"{self.seconds:.1f} s"
        elif done:
            left = f"{_duration(self.seconds / share - self.seconds)} left"
        else:
            left = "starting"
        bar = "█" * round(20 * share) + "░" * (20 - round(20 * share))
        return f"{bar} {share:4.0%}  {done} of {total} tasks, {self.bytes / 1e6:,.1f} MB read, {left}"

    def _show(self, text: str, last: bool) -> None:
        if self._notebook:
            data = {"text/plain": text}
            if self._handle is None:
                self._handle = publish(data, raw=True, display_id=True)
            else:
                self._handle.update(data, raw=True)
        else:
            sys.stderr.write("\r" + text.ljust(self._width) + ("\n" if last else ""))
            sys.stderr.flush()
        self._width = len(text)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
