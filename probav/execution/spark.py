"""The distributed engine. The only module that knows Spark, and it imports it only when it is used.

Rows of descriptors go out, rows of results come back; pixels never travel. All that runs on a cluster goes
through `each`: one job, classic Spark or Spark Connect alike.
"""

from __future__ import annotations

import os
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from probav.accumulate import Accumulator
from probav.archive import Progress
from probav.errors import BudgetError, EngineError
from probav.execution import counting, executor
from probav.execution.packing import pack_task, unpack_counts
from probav.query import Task
from probav.reducing import Reduced

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

Tick = Callable[[float], None]
"""Takes the share of a job that is done, 0 to 1."""
_ANSWER = "number long, key long, data binary"
_TASKS_PER_CORE = 4
_TASKS_PER_PARTITION = 32  # at most: what a lost executor loses is little
_POLL = 0.25  # seconds between two looks at a job's progress
_PATIENCE = 2.0  # seconds for a job that is cancelled to end
_SHARES = (0.0, 1.0)  # of a job's stages in its progress: spreading payloads, calling the function
_MERGED_SHARES = (0.0, 0.8, 0.2)  # and merging
_MANY = 2000  # tasks whose counts are added up on the cluster, as they would keep the driver busy


def session() -> SparkSession:
    """Return the process's Spark session, started if there is none, as its environment configures it.

    Raises
    ------
    EngineError
        If pyspark is not installed or Spark can't start, for want of Java for instance.
    """
    try:
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise EngineError(
            "engine='spark' needs pyspark, which is not installed: install probav[spark], "
            "or use engine='local'."
        ) from error
    active = SparkSession.getActiveSession()
    if active is not None:
        return active
    try:
        return SparkSession.builder.appName("probav").getOrCreate()
    except Exception as error:
        raise EngineError(
            f"Spark can't start: {error}. Is there a Java 17 or newer (JAVA_HOME)? "
            "engine='local' works without."
        ) from error


def running_cores() -> int:
    """Return how many tasks the session that runs does at a time; 0 if none runs."""
    if "pyspark" not in sys.modules:
        return 0
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    # after an interrupt this thread is another one to Java, where no session is active
    runs = SparkContext._active_spark_context is not None or SparkSession.getActiveSession() is not None
    return parallelism() if runs else 0


def parallelism() -> int:
    """Return how many tasks Spark runs at a time, as far as can be told."""
    spark = session()
    given = int(spark.conf.get("spark.cores.max", "0") or 0)
    if given:
        return given
    executors = int(spark.conf.get("spark.dynamicAllocation.maxExecutors", "0") or 0)
    if executors:
        return executors * int(spark.conf.get("spark.executor.cores", "1") or 1)
    if _is_remote(spark):  # Spark Connect has no context; what its server is set to is all there is
        return int(spark.conf.get("spark.sql.shuffle.partitions", "8") or 8)
    return int(spark.sparkContext.defaultParallelism)


def each(
    function: str,
    payloads: list[bytes],
    shared: bytes = b"",
    tick: Tick | None = None,
    merged: str | None = None,
) -> Iterator[tuple[int, int, bytes]]:
    """Call a function of this package with each payload on the executors; yield what it yields.

    Parameters
    ----------
    function : str
        "module:name"; called with `shared` and a payload, it yields pairs of a key and bytes.
    payloads : list of bytes
    shared : bytes
        What all calls need.
    tick : callable, optional
        Told how much of the job is done.
    merged : str, optional
        A function called with `shared`, a key and all its bytes, on the executors too: yields bytes, which
        come back instead.

    Yields
    ------
    number, key, data : int, int, bytes
        Which payload (-1 for what is merged), the key, and the bytes.

    Raises
    ------
    EngineError
        If Spark can't start or the job fails.
    """
    import pyarrow as pa
    from pyspark import cloudpickle

    by_value: Any = cloudpickle.register_pickle_by_value
    by_value(executor)
    handled = sys.exception()  # by who calls: it is the context of all that is raised here
    spark = session()
    given = {"number": pa.array(range(len(payloads)), pa.int64()), "data": pa.array(payloads, pa.binary())}
    try:
        frame = spark.createDataFrame(pa.table(given)).repartition(_partitions(len(payloads)))
        frame = frame.mapInArrow(executor.runner(function, shared, *_own_code()), _ANSWER)
        if merged is not None:
            merger = executor.merger(merged, shared, *_own_code())
            frame = frame.groupBy("key").applyInArrow(merger, _ANSWER)
        table = _collected(spark, frame, tick, _SHARES if merged is None else _MERGED_SHARES)
    except (EngineError, BudgetError):
        raise
    except Exception as error:
        if _is_interrupt(error, handled):
            raise KeyboardInterrupt from error
        raise EngineError(f"The Spark job failed: {_cause(error)}") from error
    for batch in table.to_batches():
        for number, key, data in zip(*batch.columns, strict=True):
            yield number.as_py(), key.as_py(), data.as_py()


def execute(tasks: list[Task], accumulator: Accumulator, progress: Progress | None = None) -> None:
    """Run tasks as one Spark job, and add what they count to the accumulator.

    Raises
    ------
    EngineError
        If Spark can't start or the job fails.
    """
    payloads = [pack_task(task) for task in tasks]
    shared = counting.Job.of(tasks[0].query, accumulator.zones).pack()
    answers = each(_name(counting.count), payloads, shared, _shown(progress, len(tasks)))
    read = counting.gather(answers, tasks, accumulator)
    if progress is not None:
        progress(len(tasks), len(tasks), read)


def execute_merged(tasks: list[Task], zones: int, progress: Progress | None = None) -> list[Reduced]:
    """Run tasks as one Spark job that adds up what they count on the cluster; return the final numbers.

    Whatever the number of tasks and of zones, the driver sees neither counts nor more than the result.

    Raises
    ------
    EngineError
        If Spark can't start or the job fails.
    """
    payloads = [pack_task(task) for task in tasks]
    shared = counting.Job.of(tasks[0].query, zones).pack()
    found, read = [], 0
    answers = each(
        _name(counting.count), payloads, shared, _shown(progress, len(tasks)), _name(counting.merge)
    )
    for _, key, data in answers:
        if key == counting.DONE:
            read += int.from_bytes(data, "little")
            continue
        counts = unpack_counts(data)
        assert isinstance(counts, Reduced)
        found.append(counts)
    if progress is not None:
        progress(len(tasks), len(tasks), read)
    return found


def merges(tasks: int, batches: int) -> bool:
    """Return whether counts are better added up on the cluster than at the driver."""
    return batches > 1 or tasks > _MANY


def _name(function: Callable[..., Any]) -> str:
    return f"{function.__module__}:{function.__qualname__}"


def _shown(progress: Progress | None, total: int) -> Tick | None:
    if progress is None:
        return None
    return lambda share: progress(min(int(share * total), total - 1), total, 0)


def _partitions(tasks: int) -> int:
    return max(1, min(tasks, max(_TASKS_PER_CORE * parallelism(), tasks // _TASKS_PER_PARTITION)))


def _is_remote(spark: SparkSession) -> bool:
    return type(spark).__module__.startswith("pyspark.sql.connect")


def _own_code() -> tuple[str, dict[str, str], bytes | None, bool]:
    """Return what executors are told of the driver's package, and its code where it is to travel."""
    ship = os.environ.get("PROBAV_SPARK_SHIP", "auto")
    if ship not in ("auto", "always", "never"):
        raise EngineError(f"PROBAV_SPARK_SHIP is {ship!r}; expected auto, always or never.")
    expected, code = _package()
    return expected, executor.versions(), None if ship == "never" else code, ship == "always"


@cache
def _package() -> tuple[str, bytes]:
    folder = str(Path(__file__).parents[1])
    return executor.digest(folder), executor.archive(folder)


def _collected(spark: SparkSession, frame: Any, tick: Tick | None, shares: tuple[float, ...]) -> Any:
    """Return the rows of a frame, computed in a thread: this one tells of progress and takes interrupts.

    The jobs belong to the group of the caller's, a notebook's cell for instance, or to one of their own.
    """
    from pyspark import InheritableThread

    jobs = _ConnectJobs(spark) if _is_remote(spark) else _ClassicJobs(spark)
    found: dict[str, Any] = {}

    def work() -> None:
        try:
            found["table"] = frame.toArrow()
        except BaseException as error:
            found["error"] = error

    with jobs:
        thread = InheritableThread(target=work, **jobs.inherited)
        thread.daemon = True
        thread.start()
        try:
            last = 0.0
            while thread.is_alive():
                thread.join(_POLL)
                share = _share(jobs.stages(), shares) if tick is not None else 0.0
                if tick is not None and share > last:
                    tick(share)
                    last = share
        except BaseException:
            jobs.cancel()
            thread.join(_PATIENCE)
            raise
    if "error" in found:
        raise found["error"]
    return found["table"]


def _share(stages: list[tuple[int, int]], shares: tuple[float, ...]) -> float:
    """Return how much is done, of the stages that have begun: their tasks done, and all their tasks.

    Those to come are not known before: Spark plans them by what the earlier ones found.
    """
    return sum(share * done / total for (done, total), share in zip(stages, shares, strict=False))


def _cancel_group(context: Any, group: str) -> None:
    """Cancel the jobs of a group that run, and with Spark 4 those that are still being planned."""
    if context.version < "4":
        context.cancelJobGroup(group)
    else:
        context._jsc.sc().cancelJobGroupAndFutureJobs(group)


class _ClassicJobs:
    """The jobs of one call of a session: named, followed, cancelled."""

    def __init__(self, spark: SparkSession) -> None:
        self._context: Any = spark.sparkContext
        self.inherited: dict[str, Any] = {}

    def __enter__(self) -> None:
        group = self._context.getLocalProperty("spark.jobGroup.id")
        self._own = group is None
        self._group = str(group or f"probav-{uuid.uuid4()}")
        if self._own:
            self._context.setJobGroup(self._group, "probav")
        self._tracker = self._context.statusTracker()
        self._before = set(self._tracker.getJobIdsForGroup(self._group))

    def __exit__(self, *_: object) -> None:
        if self._own:
            for name in ("id", "description"):
                self._context.setLocalProperty(f"spark.job{'Group' if name == 'id' else ''}.{name}", None)

    def stages(self) -> list[tuple[int, int]]:
        """Return tasks done and all tasks of each stage that has begun, in their order."""
        found = {}
        for job in set(self._tracker.getJobIdsForGroup(self._group)) - self._before:
            info = self._tracker.getJobInfo(job)
            for stage in map(self._tracker.getStageInfo, info.stageIds if info else ()):
                # others are to come, or skipped as an earlier job has done their work
                if stage is not None and (stage.numCompletedTasks or stage.numActiveTasks):
                    found[stage.stageId] = stage.numCompletedTasks, stage.numTasks
        return [found[number] for number in sorted(found)]

    def cancel(self) -> None:
        """Cancel them; those to come, too, unless they share their group with the rest of a cell."""
        cancel = _cancel_group if self._own else type(self._context).cancelJobGroup
        threading.Thread(target=cancel, args=(self._context, self._group)).start()


class _ConnectJobs:
    """The same behind Spark Connect, which has tags instead of groups and tells of progress itself."""

    def __init__(self, spark: SparkSession) -> None:
        self._spark: Any = spark
        self._stages: list[tuple[int, int]] = []
        self.inherited: dict[str, Any] = {"session": spark}

    def __enter__(self) -> None:
        self._tag = f"probav-{uuid.uuid4()}"
        self._spark.addTag(self._tag)
        self._spark.registerProgressHandler(self._handle)

    def __exit__(self, *_: object) -> None:
        self._spark.removeProgressHandler(self._handle)
        self._spark.removeTag(self._tag)

    def _handle(self, stages: Any, **_: Any) -> None:
        known = stages or ()
        found = {stage.stage_id: (stage.num_completed_tasks, stage.num_tasks) for stage in known}
        self._stages = [found[number] for number in sorted(found) if found[number][1]]

    def stages(self) -> list[tuple[int, int]]:
        """Return tasks done and all tasks of each stage that is known, in their order."""
        return self._stages

    def cancel(self) -> None:
        """Cancel them."""
        threading.Thread(target=self._spark.interruptTag, args=(self._tag,)).start()


def _is_interrupt(error: BaseException, handled: BaseException | None) -> bool:
    """Return whether an error came of an interrupt: Py4J, interrupted while it sends, fails to clean up.

    `handled` is what was being handled before, which is no cause.
    """
    while (before := error.__context__) is not None and before is not handled:
        if isinstance(before, KeyboardInterrupt):
            return True
        error = before
    return False


def _cause(error: BaseException) -> str:
    """Return the line of a Python worker's traceback that says what went wrong."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    own = [line for line in lines if line.startswith(("probav.errors.", "MemoryError", "OSError"))]
    unfit = [
        line.partition("RuntimeError: probav: ")[2] for line in lines if "RuntimeError: probav: " in line
    ]
    return (unfit or own or lines or [type(error).__name__])[0]
