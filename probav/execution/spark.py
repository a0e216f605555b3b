"""The distributed engine. The only module that knows Spark, and it imports it only when it is used.

Rows of descriptors go out, rows of partial results come back; pixels never travel. An executor needs this
package and the archive's URL, nothing of the driver.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from probav.archive import Progress
from probav.errors import EngineError
from probav.histogram import Partial
from probav.query import Query, Task, run

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import SparkSession

_TASK = "query string, row long, col long, runs binary, edges binary, weights binary"
_PARTIAL = (
    "shape string, groups binary, positions binary, whole binary, parts binary, bins binary, bytes long"
)
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


def execute(tasks: list[Task], progress: Progress | None = None) -> Iterator[Partial]:
    """Run tasks as one Spark job and yield their partial results.

    Raises
    ------
    EngineError
        If Spark can't start or the job fails.
    """
    spark = session()
    rows = [_to_row(task) for task in tasks]
    parts = _partitions(spark, len(rows))
    try:
        frame = spark.createDataFrame(rows, _TASK).repartition(parts).mapInArrow(_run_batches, _PARTIAL)
        done, read = 0, 0
        for row in frame.toLocalIterator(prefetchPartitions=True):
            partial = _from_row(row)
            if partial is None:  # the end of a task
                done, read = done + 1, read + int(row["bytes"])
                if progress is not None:
                    progress(done, len(tasks), read)
            else:
                yield partial
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


def _to_row(task: Task) -> tuple[Any, ...]:
    return (
        json.dumps(asdict(task.query)),
        *task.block,
        task.runs.astype("<i8").tobytes(),
        task.edges.astype("<i8").tobytes(),
        task.weights.astype("<i8").tobytes(),
    )


def _to_task(row: dict[str, Any]) -> Task:
    query = json.loads(row["query"])
    query["dates"] = tuple(query["dates"])
    return Task(
        Query(**query),
        (row["row"], row["col"]),
        np.frombuffer(row["runs"], "<i8").reshape(-1, 4),
        np.frombuffer(row["edges"], "<i8").reshape(-1, 3),
        np.frombuffer(row["weights"], "<i8"),
    )


def _run_batches(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Run the tasks of a partition, on an executor."""
    import pyarrow as pa

    names = [field.split()[0] for field in _PARTIAL.split(", ")]
    types = [pa.string(), *[pa.binary()] * 5, pa.int64()]
    schema = pa.schema(list(zip(names, types, strict=True)))
    for batch in batches:
        for row in batch.to_pylist():
            partials, size = run(_to_task(row))
            rows = [_from_partial(partial) for partial in partials]
            rows.append(("", b"", b"", b"", b"", b"", size))
            yield pa.RecordBatch.from_pylist([dict(zip(names, item, strict=True)) for item in rows], schema)


def _from_partial(partial: Partial) -> tuple[Any, ...]:
    arrays = (partial.groups, partial.positions, partial.whole, partial.parts)
    bins = b"" if partial.values is None else partial.values.astype("<f8").tobytes()
    shape = json.dumps({"shape": partial.whole.shape, "wide": partial.values is not None})
    return (shape, *(array.astype("<i8").tobytes() for array in arrays), bins, 0)


def _from_row(row: Any) -> Partial | None:
    if not row["shape"]:
        return None
    shape = json.loads(row["shape"])
    return Partial(
        np.frombuffer(row["groups"], "<i8"),
        np.frombuffer(row["positions"], "<i8"),
        np.frombuffer(row["whole"], "<i8").reshape(shape["shape"]),
        np.frombuffer(row["parts"], "<i8").reshape(shape["shape"]),
        np.frombuffer(row["bins"], "<f8") if shape["wide"] else None,
    )
