"""The end of a process that used Icechunk: its threads leave Python before the interpreter goes.

A result that a thread of Icechunk hands to asyncio wakes the waiting thread before it is out of Python. If
the interpreter ends in between, CPython before 3.14 ends the thread in the middle of compiled Rust, which
aborts the process (SIGABRT) although all its work was done: one short program in a hundred.
"""

from __future__ import annotations

import sys
import time
from asyncio import base_events
from types import FrameType

_SECONDS = 1.0


def wait() -> None:
    """Wait until no thread of Icechunk is in Python, a second at most; to be called at exit."""
    end = time.monotonic() + _SECONDS
    while any(_hands_over(frame) for frame in sys._current_frames().values()) and time.monotonic() < end:
        time.sleep(0.001)


def _hands_over(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code is base_events.BaseEventLoop.call_soon_threadsafe.__code__:
            return True
        frame = frame.f_back
    return False
