"""Interrupting a cell cancels its Spark jobs, too."""

from __future__ import annotations

import signal
import sys
import threading
from types import FrameType
from typing import Any


def cancel_jobs_on_interrupt(info: object = None) -> None:
    """Let an interrupt of this cell cancel jobs; for IPython's `pre_run_cell` event.

    PySpark sets such a handler when its context starts, but it waits for the very connection that the job
    keeps busy, and the kernel puts its own back before the next cell.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, _cancel_jobs)


def _cancel_jobs(number: int, frame: FrameType | None) -> None:
    module: Any = sys.modules.get("pyspark.core.context")
    context: Any = module and module.SparkContext._active_spark_context
    if context is not None:  # in a thread: this one may be waiting for an answer on its connection to the JVM
        _abandon_connection(context)
        threading.Thread(target=context.cancelAllJobs).start()
    raise KeyboardInterrupt


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
