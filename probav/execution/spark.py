"""The distributed engine. The only module that knows Spark, and it imports it only when it is used.

Rows of descriptors go out, rows of partial results come back; pixels never travel. An executor needs this
package and the archive's URL, nothing of the driver.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from probav.accumulate import Accumulator
from probav.archive import Progress
from probav.errors import EngineError
from probav.histogram import Partial
from probav.query import Query, Task, prepare, run
from probav.reducing import Reduced

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import SparkSession

_TASK = "number long, query string, arrays binary"
_ANSWER = "number long, kind string, bytes long, arrays binary"
_PAYLOAD = "number long, data binary"
_TASKS_PER_CORE = 4


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


def on_cluster() -> bool:
    """Return whether a Spark session is running on something else than this machine's cores."""
    import sys

    if "pyspark" not in sys.modules:
        return False
    from pyspark.sql import SparkSession

    active = SparkSession.getActiveSession()
    if active is None:
        return False
    return not str(active.conf.get("spark.master", "local")).startswith("local")


def each(function: Callable[[bytes], bytes], payloads: list[bytes]) -> Iterator[tuple[int, bytes]]:
    """Call a function of this package with each payload on the executors; yield (index, answer) as they come.

    Raises
    ------
    EngineError
        If Spark can't start or the job fails.
    """
    import pyarrow as pa

    spark = session()
    schema = pa.schema([("number", pa.int64()), ("data", pa.binary())])

    def call(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for row in batch.to_pylist():
                answer = {"number": row["number"], "data": function(row["data"])}
                yield pa.RecordBatch.from_pylist([answer], schema)

    frame = spark.createDataFrame(list(enumerate(payloads)), _PAYLOAD)
    try:
        answers = frame.repartition(_partitions(spark, len(payloads))).mapInArrow(call, _PAYLOAD)
        for row in answers.toLocalIterator(prefetchPartitions=True):
            yield row["number"], bytes(row["data"])
    except Exception as error:
        raise EngineError(f"The Spark job failed: {_cause(error)}") from error


def parallelism() -> int:
    """Return how many tasks Spark runs at a time."""
    spark = session()
    return int(spark.conf.get("spark.probav.cores", "0") or 0) or _default_parallelism(spark)


def _partitions(spark: SparkSession, tasks: int) -> int:
    return max(1, min(tasks, _TASKS_PER_CORE * parallelism()))


def execute(tasks: list[Task], accumulator: Accumulator, progress: Progress | None = None) -> None:
    """Run tasks as one Spark job, and add what they count to the accumulator.

    Raises
    ------
    EngineError
        If Spark can't start or the job fails.
    """
    spark = session()
    rows = [_to_row(number, task) for number, task in enumerate(tasks)]
    parts = _partitions(spark, len(rows))
    try:
        frame = spark.createDataFrame(rows, _TASK).repartition(parts).mapInArrow(_run_batches, _ANSWER)
        done, read = 0, 0
        for row in frame.toLocalIterator(prefetchPartitions=True):
            if row["kind"] == "partial":
                arrays = _unpacked(row["arrays"])
                partial = Partial(int(arrays.pop("variable")), **arrays)
                accumulator.add(partial, np.zeros(len(partial.groups), bool))
            elif row["kind"] == "reduced":
                arrays = _unpacked(row["arrays"])
                accumulator.take(Reduced(int(arrays.pop("variable")), **arrays))
            else:
                accumulator.finish(tasks[row["number"]].zones)
                done, read = done + 1, read + int(row["bytes"])
                if progress is not None:
                    progress(done, len(tasks), read)
    except EngineError:
        raise
    except Exception as error:
        raise EngineError(f"The Spark job failed: {_cause(error)}") from error


def _default_parallelism(spark: SparkSession) -> int:
    try:
        return int(spark.sparkContext.defaultParallelism)
    except Exception:  # Spark Connect has no context; the cluster sizes its tasks itself
        return int(spark.conf.get("spark.sql.shuffle.partitions", "8") or 8)


def _cause(error: BaseException) -> str:
    """Return the line of a Python worker's traceback that says what went wrong."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    own = [line for line in lines if line.startswith(("probav.errors.", "MemoryError", "OSError"))]
    return (own or lines or [type(error).__name__])[0]


def _packed(**arrays: Any) -> bytes:
    data = io.BytesIO()
    np.savez(data, **arrays)
    return data.getvalue()


def _unpacked(data: Any) -> dict[str, Any]:
    with np.load(io.BytesIO(bytes(data)), allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def _to_row(number: int, task: Task) -> tuple[Any, ...]:
    arrays = {name: getattr(task, name) for name in _TASK_ARRAYS}
    return number, json.dumps(asdict(task.query)), _packed(block=np.array(task.block), **arrays)


_TASK_ARRAYS = ("dates", "runs", "edges", "weights", "zones", "alone")


def _to_task(row: dict[str, Any]) -> Task:
    query: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in json.loads(row["query"]).items()
    }
    arrays = _unpacked(row["arrays"])
    top, left = arrays.pop("block").tolist()
    return Task(Query(**query), (top, left), **arrays)


class _Answers:
    """What a task counts, as rows: final numbers of zones that are complete, counts of the others."""

    def __init__(self, number: int, task: Task) -> None:
        self._number = number
        self._reducer = prepare(task.query).reducer
        self.rows: list[tuple[Any, ...]] = []

    def add(self, partial: Partial, complete: NDArray[np.bool_]) -> None:
        """Take counts over, some of whose groups are complete."""
        if complete.any():
            reduced = self._reducer.partial(partial, np.flatnonzero(complete))
            arrays = {field.name: getattr(reduced, field.name) for field in fields(reduced)}
            self.rows.append((self._number, "reduced", 0, _packed(**arrays)))
        if not complete.all():
            rest = partial.only(np.flatnonzero(~complete))
            arrays = {field.name: getattr(rest, field.name) for field in fields(rest)}
            self.rows.append((self._number, "partial", 0, _packed(**arrays)))


def _run_batches(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Run the tasks of a partition, on an executor."""
    import pyarrow as pa

    names = [field.split()[0] for field in _ANSWER.split(", ")]
    types = [pa.int64(), pa.string(), pa.int64(), pa.binary()]
    schema = pa.schema(list(zip(names, types, strict=True)))
    for batch in batches:
        for row in batch.to_pylist():
            task = _to_task(row)
            answers = _Answers(row["number"], task)
            size = run(task, answers)
            rows = [*answers.rows, (row["number"], "done", size, b"")]
            yield pa.RecordBatch.from_pylist([dict(zip(names, item, strict=True)) for item in rows], schema)
