"""Wait for a condition, never for a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import pytest

T = TypeVar("T")


def wait_for(what: Callable[[], T], seconds: float, otherwise: str | Callable[[], object] = "") -> T:
    """Return the first true answer; fail and explain when there is none in time."""
    deadline = time.monotonic() + seconds
    while not (answer := what()):
        if time.monotonic() > deadline:
            said = otherwise() if callable(otherwise) else otherwise
            pytest.fail(f"not within {seconds:.0f} s: {said or what}")
        time.sleep(0.05)
    return answer
