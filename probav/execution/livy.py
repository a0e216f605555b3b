"""The distributed engine for clusters that are reached over a Livy server: descriptors go, counts come back.

A session on the cluster gets this package as text, once; then tasks go in statements of bounded size, and
counts come back in such. What runs on executors is what the engine "spark" runs there.
"""

from __future__ import annotations

import atexit
import base64
import inspect
import json
import os
from collections.abc import Callable

from probav.accumulate import Accumulator
from probav.archive import Progress
from probav.errors import EngineError
from probav.execution import counting, executor, spark
from probav.execution import livy_remote as remote
from probav.execution.livy_client import Server, Session, StatementError
from probav.execution.packing import pack_task
from probav.query import Task

PIECE = 4_000_000  # characters of one statement, or of its output
TASKS_PER_CORE = 4  # partitions of a job
ROUNDS = 8  # tasks of a job for each core; at least MIN_TASKS
MIN_TASKS = 1024
OLDEST_PYTHON = (3, 11)

_sessions: dict[Server, tuple[Session, int]] = {}  # this process's, with their parallelism


def parallelism() -> int:
    """Return how many tasks the session runs at a time; starts it if need be.

    Raises
    ------
    EngineError
        If no server is configured, or it or its session fails.
    """
    return _session(Server.configured())[1]


def execute(tasks: list[Task], accumulator: Accumulator, progress: Progress | None = None) -> None:
    """Run tasks in a PySpark session of the configured Livy server, and add up what they count.

    Raises
    ------
    EngineError
        If no server is configured, it or its session fails, or a task does.
    """
    session, cores = _session(Server.configured())
    shared = counting.Job.of(tasks[0].query, accumulator.zones).pack()
    size = max(MIN_TASKS, ROUNDS * cores)
    read = 0
    for first in range(0, len(tasks), size):
        batch = range(first, min(first + size, len(tasks)))

        def partly(share: float, batch: range = batch, read: int = read) -> None:
            if progress is not None and share < 1:
                progress(batch.start + int(share * len(batch)), len(tasks), read)

        text = remote.probav_text([(number, pack_task(tasks[number])) for number in batch])
        parts = max(1, min(len(batch), TASKS_PER_CORE * cores))
        try:
            answers = _run(session, text, shared, parts, partly)
        except StatementError as error:
            raise EngineError(_one_line(error)) from None
        found = ((number, key, base64.b64decode(packed)) for number, key, packed in answers)
        read += counting.gather(found, tasks, accumulator)
        if progress is not None:
            progress(batch.stop, len(tasks), read)


def _run(
    session: Session, text: str, shared: bytes, parts: int, tick: Callable[[float], None]
) -> list[tuple[int, int, str]]:
    """Run rows of tasks as one Spark job of the session; return the rows of its answers."""
    pieces = [text[start : start + PIECE] for start in range(0, len(text), PIECE)]
    for piece in pieces[:-1]:
        session.statement(f"probav_take({piece!r})")
    name = f"{counting.count.__module__}:{counting.count.__qualname__}"
    printed = session.statement(
        f"probav_take({pieces[-1]!r})\n"
        f"probav_size = probav_run(spark, {name!r}, {base64.b64encode(shared).decode()!r}, {parts})\n"
        f"print('probav:%d:%s' % (probav_size, probav_give(0, {PIECE})))",
        tick,
    )
    size, found = _marked(printed).split(":", 1)
    while len(found) < int(size):
        found += _marked(session.statement(f"print('probav:' + probav_give({len(found)}, {PIECE}))"))
    answers: list[tuple[int, int, str]] = json.loads(found)
    return answers


def _marked(printed: str) -> str:
    """Return what follows our mark in what a statement printed; others may print, too."""
    for line in printed.splitlines():
        if line.startswith("probav:"):
            return line.removeprefix("probav:").strip()
    raise EngineError(
        f"A Livy session answered {printed[:200]!r}, and not what it was asked for: is it PySpark?"
    )


def _session(server: Server) -> tuple[Session, int]:
    """Return this process's session of a server, a new one if need be, and how many tasks it runs at once."""
    known = _sessions.get(server)
    if known and known[0].process == os.getpid() and known[0].alive:
        return known
    session = Session(server)
    try:
        _sessions[server] = session, _furnish(session)
    except BaseException as error:
        session.end()
        if isinstance(error, StatementError):
            raise EngineError(_one_line(error)) from None
        raise
    return _sessions[server]


def _furnish(session: Session) -> int:
    """Give a new session what the engine needs there, and return how many tasks it runs at a time."""
    about = json.loads(
        _marked(session.statement(f"{inspect.getsource(remote)}\nprint('probav:' + probav_about(spark))\n"))
    )
    if tuple(about["python"]) < OLDEST_PYTHON:
        raise EngineError(
            f"{session} runs Python {'.'.join(map(str, about['python']))}, and probav needs "
            f"{'.'.join(map(str, OLDEST_PYTHON))} or newer: let the cluster's administrator set "
            "spark.pyspark.python to such a one (docs/livy.md)."
        )
    expected, versions, code, always = spark._own_code()
    package = json.dumps([expected, versions, code and base64.b64encode(code).decode(), always])
    session.statement(f"probav_prepare({inspect.getsource(executor)!r}, {package!r})")
    return max(1, int(about["parallelism"]))


def _one_line(error: StatementError) -> str:
    """Return which session failed and why, without the remote traceback."""
    where, *rest = str(error).splitlines()
    missing = [line.strip() for line in rest if line.strip().startswith("ModuleNotFoundError")]
    cause = spark._cause(RuntimeError("\n".join(missing or rest)))
    return f"{where.rsplit(': ', 1)[0]}: {cause}"


@atexit.register
def close() -> None:
    """End the sessions that this process has started."""
    for session, _ in list(_sessions.values()):
        if session.process == os.getpid():
            session.end()
    _sessions.clear()
