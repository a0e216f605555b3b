"""One line that moves while a query runs and stays as its last word."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

from probav.execution.telling import told
from probav_magics.show import publish, size

_PATIENCE = 0.7  # seconds without a line: most queries are done by then
_PAUSE = 0.25
_WIDTH = 20


class ProgressLine:
    """Show how far a query is: pass it to the engine as `progress`, within a `with`.

    In a notebook it is one text output that is replaced in place, so that a saved notebook holds its last
    state and no empty widget; in a terminal a line that overwrites itself; elsewhere nothing. It belongs to
    one call, whatever runs it: threads, Spark, or a session of Spark that was started again.

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
        self._work: float | None = None  # when an engine began
        self._ended: float | None = None
        self._engine = ""
        self._handle: Any = None
        self._width = 0
        self._done, self._total, self.bytes = 0, 0, 0
        self._told = told(self._begin)

    def __enter__(self) -> ProgressLine:
        self._told.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: Any, trace: TracebackType | None) -> None:
        self._told.__exit__(None, None, None)
        self._ended = time.monotonic()
        if kind is not None and self._width:
            self._show(self._text("stopped after"), last=True)

    @property
    def seconds(self) -> float:
        """Time from the start to the end, or until now."""
        return (self._ended or time.monotonic()) - self._began

    def __call__(self, done: int, total: int, read: int) -> None:
        """Take the engine's word: tasks done, tasks in all, bytes read."""
        self._done, self._total, self.bytes = done, total, read
        now = time.monotonic()
        last = done >= total
        if self._quiet or (self._width == 0 and (last or self.seconds < _PATIENCE)):
            return
        if last or now - self._shown >= _PAUSE:
            self._shown = now
            self._show(self._text("in" if last else ""), last)

    def _begin(self, engine: str) -> None:
        self._engine = engine
        self._work = self._work or time.monotonic()

    def _text(self, end: str = "") -> str:
        """Return the line: share, tasks, bytes, both a second, time left or, after `end`, taken; engine."""
        share = self._done / max(self._total, 1)
        working = max(time.monotonic() - (self._work or self._began), 1e-3)
        bar = "█" * round(_WIDTH * share) + "░" * (_WIDTH - round(_WIDTH * share))
        words = [f"{self._done} of {self._total} tasks ({_rate(self._done / working)})"]
        if self.bytes:  # Spark tells at the end
            words.append(f"{size(self.bytes)} read ({size(self.bytes / working)}/s)")
        if end:
            words.append(f"{end} {_duration(self.seconds)}")
        else:
            left = (self._total - self._done) * working / max(self._done, 1)
            words.append(f"{_duration(left)} left" if self._done else "starting")
        if self._engine:
            words.append(f"engine {self._engine}")
        return f"{bar} {share:4.0%}  {', '.join(words)}"

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


def _rate(tasks: float) -> str:
    return f"{tasks:.0f}/s" if tasks >= 10 else f"{tasks:.1f}/s" if tasks >= 0.1 else f"{60 * tasks:.1f}/min"


def _duration(seconds: float) -> str:
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
