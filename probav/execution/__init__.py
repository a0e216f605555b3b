"""Engines: the same tasks in threads of this process, or as a Spark job."""

from __future__ import annotations

from collections.abc import Callable

from probav.accumulate import Accumulator
from probav.archive import Progress
from probav.choices import ENGINES
from probav.errors import QueryError, did_you_mean
from probav.query import Task

Engine = Callable[[list[Task], Accumulator, Progress | None], None]
LONG = 20.0  # seconds: shorter than that, a cluster doesn't pay


def engine(name: str) -> Engine:
    """Return an engine: a function that runs tasks in any order and gives an accumulator what they count.

    Parameters
    ----------
    name : {"local", "spark"}

    Raises
    ------
    QueryError
        If there is no such engine.
    EngineError
        If Spark can't be used here.
    """
    if name == "local":
        from probav.execution.local import execute

        return execute
    if name == "spark":
        from probav.execution.spark import execute

        return execute
    raise QueryError(f"There is no engine {name!r}.{did_you_mean(name, ENGINES)}")


def choose(name: str, seconds: Callable[[], float]) -> str:
    """Return the engine "auto" means for a query that takes so many seconds; any other name as it is.

    Threads, unless the work is long and a session on a real cluster is running: a local Spark master has no
    more cores than the threads have. `seconds` is called only where that is to be decided.
    """
    if name != "auto":
        return name
    from probav.execution.spark import on_cluster

    return "spark" if on_cluster() and seconds() > LONG else "local"
