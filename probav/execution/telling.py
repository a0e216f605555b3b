"""Which engine runs a query, told to whoever asks: "auto" decides late, and a progress bar names it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_listener: ContextVar[Callable[[str], None] | None] = ContextVar("probav_engine", default=None)


@contextmanager
def told(listener: Callable[[str], None]) -> Iterator[None]:
    """Tell a listener, within a `with` of this thread, the name of each engine that begins to run tasks."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def tell(name: str) -> None:
    """Say that an engine begins."""
    listener = _listener.get()
    if listener is not None:
        listener(name)
