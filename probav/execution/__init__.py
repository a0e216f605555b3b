"""Engines: the same tasks in threads of this process, or as a Spark job."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from probav.archive import Progress
from probav.choices import ENGINES
from probav.errors import QueryError, did_you_mean
from probav.histogram import Partial
from probav.query import Task

Engine = Callable[[list[Task], Progress | None], Iterator[Partial]]


def engine(name: str) -> Engine:
    """Return an engine: a function that runs tasks in any order and yields their partial results.

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


def choose(name: str, seconds: float) -> str:
    """Return the engine "auto" means for a query of this many seconds; any other name as it is.

    Threads, unless the work is long and a session on a real cluster is running: a local Spark master has no
    more cores than the threads have.
    """
    if name != "auto":
        return name
    from probav.execution.spark import on_cluster

    return "spark" if seconds > 20 and on_cluster() else "local"
