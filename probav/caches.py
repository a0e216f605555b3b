"""What one call leaves for the next: weights of zones, labels of blocks, bounded in memory."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")


def cache_budget() -> int:
    """Bytes that caches of this process may take: $PROBAV_CACHE_MEMORY, else 256 MiB; 0 turns them off."""
    given = os.environ.get("PROBAV_CACHE_MEMORY", "")
    return int(given) if given.isdigit() else 256 << 20


class ByteCache:
    """Keeps what was made last, up to a number of bytes. Threads may share one.

    Parameters
    ----------
    budget : callable
        Gives the number of bytes. What is kept is no part of a copy.
    """

    def __init__(self, budget: Callable[[], int] = cache_budget) -> None:
        self._budget = budget
        self._kept: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], T], size: Callable[[T], int]) -> T:
        """Return what is kept under a key, else make and keep it.

        Parameters
        ----------
        key : hashable
        make : callable
        size : callable
            Gives the bytes of what was made.
        """
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                found: T = self._kept[key][0]
                return found
        made = make()
        budget = self._budget()
        with self._lock:
            if key not in self._kept:
                self._kept[key] = made, size(made)
                self._bytes += self._kept[key][1]
            while self._bytes > budget:
                self._bytes -= self._kept.popitem(last=False)[1][1]
        return made

    def __contains__(self, key: Hashable) -> bool:
        with self._lock:
            return key in self._kept

    def __reduce__(self) -> Any:
        return ByteCache, (self._budget,)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._kept.clear()
            self._bytes = 0


CACHE = ByteCache()
"""Shared by all queries of a process."""
