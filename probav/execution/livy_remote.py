"""What the engine "livy" runs on the cluster's driver: this text is sent to a session as its first statement.

Standard library only, and nothing younger than Python 3.6, so that an old cluster can say that it is too old.
Names begin with `probav_`, as they live among the names of the session.
"""

import base64
import json
import sys
import types
from typing import Any

probav_state: Any = {"taken": [], "answers": ""}


def probav_about(spark: Any) -> str:
    """Return what the caller must know of this place, as JSON."""
    found = {"python": list(sys.version_info[:2]), "parallelism": spark.sparkContext.defaultParallelism}
    return json.dumps(found)


def probav_prepare(source: str, package: str) -> None:
    """Keep the module that comes first on executors, given as source, and what it takes of our package."""
    from pyspark import cloudpickle

    module: Any = types.ModuleType("probav_executor")
    exec(compile(source, "probav_executor.py", "exec"), module.__dict__)  # noqa: S102 - our own text
    sys.modules[module.__name__] = module
    by_value: Any = cloudpickle.register_pickle_by_value
    by_value(module)
    expected, versions, code, always = json.loads(package)
    probav_state["package"] = expected, versions, code and base64.b64decode(code), always


def probav_take(piece: str) -> None:
    """Keep a piece of the rows of tasks for the next run."""
    probav_state["taken"].append(piece)


def probav_run(spark: Any, function: str, shared: str, parts: int) -> int:
    """Call a function with each row taken, as one Spark job, and keep the answers; return their size."""
    rows = [(number, base64.b64decode(data)) for number, data in json.loads("".join(probav_state["taken"]))]
    probav_state["taken"] = []
    runner = sys.modules["probav_executor"].runner
    call = runner(function, base64.b64decode(shared), *probav_state["package"])
    frame = spark.createDataFrame(rows, "number long, data binary").repartition(parts)
    answers = frame.mapInArrow(call, "number long, key long, data binary").collect()
    probav_state["answers"] = probav_text([(row[0], row[1], row[2]) for row in answers])
    return len(probav_state["answers"])


def probav_give(first: int, size: int) -> Any:
    """Return a piece of the answers; after the last one they are forgotten here."""
    piece = probav_state["answers"][first : first + size]
    if first + size >= len(probav_state["answers"]):
        probav_state["answers"] = ""
    return piece


def probav_text(rows: Any) -> str:
    """Return rows of numbers that end with bytes as one line of text, without blanks."""
    found = [(*row[:-1], base64.b64encode(row[-1]).decode()) for row in rows]
    return json.dumps(found, separators=(",", ":"))
