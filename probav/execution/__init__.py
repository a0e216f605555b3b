"""Engines: the same tasks in threads of this process, or as a Spark job."""

from __future__ import annotations

from collections.abc import Callable

from probav.accumulate import Accumulator
from probav.archive import Progress
from probav.choices import ENGINES
from probav.errors import QueryError, did_you_mean
from probav.execution.local import threads
from probav.execution.telling import tell
from probav.query import Task, prepare
from probav.reducing import Reduced
from probav.steps import Steps
from probav.tasks import results_of, task_counts

Engine = Callable[[list[Task], Accumulator, Progress | None], None]
"""Runs tasks in any order and gives an accumulator what they count."""
JOB = 0.7  # seconds that a job of a running Spark session takes before and after its work
SHARE = 0.8  # of the speed that the number of cores promises: the last tasks wait for each other


def engine(name: str) -> Engine:
    """Return an engine.

    Parameters
    ----------
    name : {"local", "spark", "livy"}

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
    if name == "livy":
        from probav.execution.livy import execute

        return execute
    raise QueryError(f"There is no engine {name!r}.{did_you_mean(name, ENGINES)}")


def run_batches(
    name: str, batches: list[list[Task]], zones: int, progress: Progress | None = None
) -> list[Reduced]:
    """Run the tasks of a query; return its final numbers, in any order.

    Parameters
    ----------
    name : {"local", "spark", "livy"}
    batches : list of lists of Task
        Of one query. What a batch counts fits into the memory of one process.
    zones : int
        How many zones the query's area has.
    progress : callable, optional
    """
    tell(name)
    if name == "spark":
        from probav.execution.spark import execute_merged, merges

        tasks = [task for batch in batches for task in batch]
        if merges(len(tasks), len(batches)):
            return execute_merged(tasks, zones, progress)
    steps = Steps(progress, total=sum(map(len, batches)))
    found = []
    for tasks in batches:
        query = tasks[0].query
        accumulator = Accumulator(
            results_of(tasks), prepare(query).reducer, task_counts(tasks, zones), query.classes
        )
        engine(name)(tasks, accumulator, steps.of_run())
        found += accumulator.done
    return found


def at_once(name: str) -> int:
    """Return how many tasks an engine runs at a time."""
    if name == "spark":
        from probav.execution.spark import parallelism

        return parallelism()
    if name == "livy":
        from probav.execution.livy import parallelism as behind_livy

        return behind_livy()
    return threads()


def choose(name: str, seconds: Callable[[], float]) -> str:
    """Return the engine "auto" means for a query that takes threads so many seconds; another name as it is.

    Spark, if a session is running that has more cores than threads have, and the query is long enough to pay
    for a job. `seconds` is called only where that is to be decided.
    """
    if name != "auto":
        return name
    from probav.execution.spark import running_cores

    cores = running_cores()
    if cores * SHARE <= threads():
        return "local"
    local = seconds()
    return "spark" if JOB + local * threads() / (cores * SHARE) < local else "local"
