"""What a Spark session has and does, as a table that a notebook shows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psutil

from probav_kernels.ui import address

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@dataclass(frozen=True)
class Executor:
    """One executor of a session ("driver" is the driver itself, which computes too on a local master).

    Attributes
    ----------
    id, host : str
    cores : int
    active, done, failed : int
        Tasks.
    memory_used, memory : int
        Bytes for Spark's own storage, used and at most.
    """

    id: str
    host: str
    cores: int
    active: int
    done: int
    failed: int
    memory_used: int
    memory: int


@dataclass(frozen=True)
class State:
    """The state of a kernel's Spark.

    Attributes
    ----------
    target : str
        Master, or address of Spark Connect.
    running : bool
    version, application, ui : str or None
        `ui` is where to look at it in a browser.
    cores : int or None
        How many tasks run at a time.
    driver_memory : int or None
        Bytes that the driver's Java takes of this machine.
    executors : list of Executor
    """

    target: str
    running: bool
    version: str | None = None
    application: str | None = None
    ui: str | None = None
    cores: int | None = None
    driver_memory: int | None = None
    executors: list[Executor] = field(default_factory=list)

    def __str__(self) -> str:
        if not self.running:
            return f"not started: {self.target}, starts on first use"
        if self.application is None:
            return f"running: Spark Connect {self.target}, Spark {self.version}"
        parts = [
            f"running: {self.target}",
            f"{self.cores} cores",
            f"Spark {self.version}",
            f"UI {self.ui}" if self.ui else "no UI",
            f"application {self.application}",
        ]
        return ", ".join(parts)


def state_of(session: SparkSession | None, target: str) -> State:
    """Return the state of a session, or of none."""
    if session is None:
        return State(target, running=False)
    if target.startswith("sc://"):
        return State(target, running=True, version=session.version)
    context: Any = session.sparkContext
    return State(
        target,
        running=True,
        version=context.version,
        application=context.applicationId,
        ui=address(session),
        cores=context.defaultParallelism,
        driver_memory=_resident(context),
        executors=_executors(context),
    )


def _resident(context: Any) -> int | None:
    process = getattr(context._gateway, "proc", None)
    try:
        return None if process is None else int(psutil.Process(process.pid).memory_info().rss)
    except psutil.Error:
        return None


def _executors(context: Any) -> list[Executor]:
    """Ask the same store that Spark's UI shows."""
    listed = context._jsc.sc().statusStore().executorList(True)
    return [
        Executor(
            id=item.id(),
            host=item.hostPort(),
            cores=item.totalCores(),
            active=item.activeTasks(),
            done=item.completedTasks(),
            failed=item.failedTasks(),
            memory_used=item.memoryUsed(),
            memory=item.maxMemory(),
        )
        for item in map(listed.apply, range(listed.size()))
    ]
