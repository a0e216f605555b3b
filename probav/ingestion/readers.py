"""The reading processes of this process."""

from __future__ import annotations

import atexit
from functools import cache

from probav.execution.local import threads
from probav.ingestion.plan import Open
from probav.readers import ReaderPool


@cache
def opening(processes: int | None = None) -> Open:
    """Return what opens granules in reading processes, which take a second to start and end with this one.

    Parameters
    ----------
    processes : int, optional
        One a thread, if not given.
    """
    pool = ReaderPool(processes or threads())
    atexit.register(pool.close)
    return pool.open
