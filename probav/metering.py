"""What queries read, told to meters: whoever pays for it, such as a hub, can count and limit it.

A meter is found by an entry point of the group `probav.meters`, which names a callable that returns one, or
None where nothing is to be metered. The engine knows nothing else of it. What Spark's executors read, they
tally, and the process whose query it is tells it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from typing import Protocol

from probav.archive import Progress
from probav.errors import BudgetError

GROUP = "probav.meters"
_tallied: list[int] | None = None  # sizes, while an executor works; it does one task at a time


@dataclass(frozen=True)
class Planned:
    """What a query is about to read: stored bytes, and by which engine."""

    bytes: int
    engine: str


class Meter(Protocol):
    """Counts what queries read. What it answers, if anything, is why a query may not go on.

    Its methods are called by several threads at once.
    """

    def before(self, planned: Planned) -> str | None:
        """Take note of a query that begins."""

    def read(self, size: int, ahead: int = 0) -> str | None:
        """Take note of bytes that were read; `ahead` of them are so far an estimate that comes again."""

    def after(self) -> None:
        """Take note of a query's end."""


@cache
def meters() -> tuple[Meter, ...]:
    """Return the meters of this process; an executor has none."""
    if getattr(sys.modules["probav"], "provided", None):
        return ()
    made = [entry.load()() for entry in entry_points(group=GROUP)]
    return tuple(meter for meter in made if meter is not None)


def read(size: int) -> int:
    """Tell the meters that this process has read some bytes, and return the number.

    Raises
    ------
    BudgetError
        If one of them says that it is enough.
    """
    if _tallied is not None:
        _tallied.append(size)
    for meter in meters():
        _stop(meter.read(size))
    return size


def is_heard() -> bool:
    """Return whether anybody wants to know what this process reads."""
    return _tallied is not None or bool(meters())


@contextmanager
def tally() -> Iterator[list[int]]:
    """Keep the sizes of all that this process reads within a `with`, on an executor, for whose job it is."""
    global _tallied
    sizes: list[int] = []
    _tallied = sizes
    try:
        yield sizes
    finally:
        _tallied = None


def executors_read(size: int) -> None:
    """Tell the meters what executors have read by now: the work is done, so that none can end it."""
    for meter in meters():
        meter.read(size)


@contextmanager
def metered(engine: str, planned: Callable[[], int], progress: Progress) -> Iterator[Progress]:
    """Tell the meters of a query, within a `with`; its progress is to be told to what is returned.

    Parameters
    ----------
    engine : {"local", "spark", "livy"}
    planned : callable
        Returns how many bytes the query is about to read.
    progress : callable

    Raises
    ------
    BudgetError
        If a meter says that the query may not begin, or go on.
    """
    found = meters()
    if not found:
        yield progress
        return
    plan = Planned(planned(), engine)
    for meter in found:
        _stop(meter.before(plan))
    elsewhere = _Elsewhere(plan, progress)
    try:
        yield progress if engine == "local" else elsewhere.step  # threads of this process call `read`
    finally:
        executors_read(elsewhere.read)
        for meter in found:
            meter.after()


class _Elsewhere:
    """The progress of a query that others read for; what they read is an estimate until they say it."""

    def __init__(self, plan: Planned, progress: Progress) -> None:
        self._plan, self._progress = plan, progress
        self.read = 0

    def step(self, done: int, total: int, read: int) -> None:
        """Pass a step on, unless a meter says that it is enough."""
        guess = self._plan.bytes * done // max(total, 1)
        self.read = read if read and done == total else max(read, guess)
        for meter in meters():
            _stop(meter.read(0, ahead=self.read))
        self._progress(done, total, read)


def _stop(why: str | None) -> None:
    if why is not None:
        raise BudgetError(why)
