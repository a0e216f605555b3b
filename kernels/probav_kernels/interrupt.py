"""The Spark jobs of a cell: named after it, and cancelled when it is interrupted."""

from __future__ import annotations

import itertools
import os
import signal
import sys
import threading
from types import FrameType
from typing import Any

_cell = ("", "")  # group and description of the jobs of the cell that runs
_runs = itertools.count(1)  # a cancelled group takes no more jobs, and not every run has a new number


def before_cell(info: Any = None) -> None:
    """Name the jobs of the cell that begins, and let an interrupt cancel them (IPython's `pre_run_cell`)."""
    global _cell
    shell: Any = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    number = getattr(shell, "execution_count", 0)
    lines = str(getattr(info, "raw_cell", "") or "").strip().splitlines()
    group = f"probav-{os.getpid()}-cell-{number}-run-{next(_runs)}"
    _cell = (group, f"[{number}] {lines[0][:80]}" if lines else f"[{number}]")
    cancel_jobs_on_interrupt()
    name_jobs()


def name_jobs() -> None:
    """Put the jobs of this thread, from now on, into the group of the cell that runs."""
    group, description = _cell
    if not group:
        return
    context, remote = _context(), _remote()
    if context is not None and context._jsc is not None:
        try:
            context.setJobGroup(group, description, True)  # tasks that run are interrupted, too
        except Exception:  # a session whose Java has ended: the cell finds out, if it uses it
            return
    elif remote is not None:
        remote.clearTags()
        remote.addTag(group)


def cancel_jobs_on_interrupt() -> None:
    """Let an interrupt of this cell cancel its jobs.

    PySpark sets such a handler when its context starts, but it waits for the very connection that the job
    keeps busy, and the kernel puts its own back before the next cell.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, _cancel_jobs)


def _cancel_jobs(number: int, frame: FrameType | None) -> None:
    context, remote = _context(), _remote()
    group = _cell[0]
    if context is not None:  # in a thread: this one may be waiting for an answer on its connection to the JVM
        _abandon_connection(context)
        if group:
            threading.Thread(target=_cancel_group, args=(context, group)).start()
        else:
            threading.Thread(target=context.cancelAllJobs).start()
    elif remote is not None:
        threading.Thread(
            target=remote.interruptTag if group else remote.interruptAll, args=(group,) * bool(group)
        ).start()
    raise KeyboardInterrupt


def _cancel_group(context: Any, group: str) -> None:
    """Cancel the jobs of a group that run, and with Spark 4 those that are still being planned."""
    if context.version < "4":
        context.cancelJobGroup(group)
    else:
        context._jsc.sc().cancelJobGroupAndFutureJobs(group)


def _context() -> Any:
    module: Any = sys.modules.get("pyspark.core.context")
    return module and module.SparkContext._active_spark_context


def _remote() -> Any:
    module: Any = sys.modules.get("pyspark.sql.connect.session")
    session = module and module.SparkSession._default_session
    return None if session is None or session.is_stopped else session


def _abandon_connection(context: Any) -> None:
    """Let this thread's next call of the JVM open a connection of its own.

    Py4J, interrupted in a call, asks the JVM to shut the sockets of all threads, and for a moment those that
    are being opened end, too: one interrupt in six then showed a Py4JNetworkError. It leaves a connection
    without a socket alone, and the abandoned socket closes with its last reference.
    """
    find = getattr(context._gateway._gateway_client, "get_thread_connection", None)
    connection = find and find()
    if connection is not None:
        connection.socket = None
