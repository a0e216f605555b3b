"""Answers that a shaky connection to an object store breaks off: asked for again.

Icechunk tries a request again that fails, but not one whose answer breaks off in the middle.
"""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import icechunk
from zarr.storage import WrapperStore

from probav.storage.location import FIRST_WAIT_MS, LONGEST_WAIT_MS, TRIES, local_path

T = TypeVar("T")
_BROKEN_OFF = re.compile(
    r"streaming|chunk stream|I/O error|dispatch failure|timeout|timed out|connection|incomplete", re.I
)


def broken_off(error: BaseException) -> bool:
    """Return whether an error of Icechunk may be gone when the same is asked again."""
    return isinstance(error, icechunk.IcechunkError) and bool(_BROKEN_OFF.search(str(error)))


def pause(number: int) -> float:
    """Return how many seconds to wait after a number of tries: doubling, half of it by chance."""
    longest = min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2**number) / 1000
    return random.uniform(longest / 2, longest)  # noqa: S311  # nothing to keep secret


def steady(url: str, ask: Callable[[], T]) -> T:
    """Return what `ask` returns, asking an object store again if its answer breaks off."""
    tries = 1 if local_path(url) is not None else TRIES
    for number in range(tries - 1):
        try:
            return ask()
        except icechunk.IcechunkError as error:
            if not broken_off(error):
                raise
        time.sleep(pause(number))
    return ask()


class SteadyStore(WrapperStore[Any]):
    """A store on an object store whose reads are asked for again if the answer breaks off."""

    async def get(self, key: str, prototype: Any, byte_range: Any = None) -> Any:
        """Return the bytes of a key."""
        return await _steady(lambda: self._store.get(key, prototype, byte_range))

    async def exists(self, key: str) -> bool:
        """Return whether there is a key."""
        return bool(await _steady(lambda: self._store.exists(key)))

    async def getsize(self, key: str) -> int:
        """Return the length of the bytes of a key."""
        return int(await _steady(lambda: self._store.getsize(key)))


async def _steady(ask: Callable[[], Awaitable[T]]) -> T:
    for number in range(TRIES - 1):
        try:
            return await ask()
        except icechunk.IcechunkError as error:
            if not broken_off(error):
                raise
        await asyncio.sleep(pause(number))
    return await ask()
