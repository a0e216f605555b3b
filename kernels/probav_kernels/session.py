"""The lazy `spark` of a notebook: the session starts when something of it is used."""

from __future__ import annotations

import os
import sys
import time
from functools import cache
from typing import TYPE_CHECKING, Any

from probav_kernels.environment import target
from probav_kernels.interrupt import cancel_jobs_on_interrupt
from probav_kernels.java import find_java

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


class LazySpark:
    """Stand in for the SparkSession of this process; looking at it never starts it.

    Attributes are those of the session: `spark.sql(...)`, `spark.sparkContext`. After `spark.stop()` the next
    use starts a new one.
    """

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in _names():  # IPython asks every object for its own names
            raise AttributeError(f"a Spark session has no attribute {name!r}")
        if str(sys._getframe(1).f_globals.get("__name__")).startswith("jedi."):  # Tab looks at every value
            return getattr(_session_class(), name)
        if name == "stop" and self._running() is None:
            return lambda: None
        return getattr(self.session(), name)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *_names()})

    def __repr__(self) -> str:
        return f"Spark {self.describe()}"

    def session(self) -> SparkSession:
        """Return the session of this process, started first if need be.

        Raises
        ------
        JavaNotFoundError
            If there is no Java to start it with.
        """
        running = self._running()
        if running is not None:
            return running
        if "PROBAV_JAVA" not in os.environ and not os.environ.get("SPARK_REMOTE"):
            find_java()
        sys.stdout.write(f"Starting Spark ({target()}) ... ")
        sys.stdout.flush()
        began = time.monotonic()
        session: SparkSession = _session_class().builder.getOrCreate()
        cancel_jobs_on_interrupt()
        sys.stdout.write(f"{time.monotonic() - began:.0f} s\n")
        return session

    def describe(self) -> str:
        """Return the state of the session in one line, without starting it."""
        session = self._running()
        if session is None:
            return f"not started: {target()}, starts on first use"
        if os.environ.get("SPARK_REMOTE"):
            return f"running: Spark Connect {target()}, Spark {session.version}"
        context = session.sparkContext
        parts = [
            f"running: {target()}",
            f"{context.defaultParallelism} cores",
            f"Spark {context.version}",
            f"UI {context.uiWebUrl}" if context.uiWebUrl else "no UI",
            f"application {context.applicationId}",
        ]
        return ", ".join(parts)

    @staticmethod
    def _running() -> SparkSession | None:
        """Return the session of this process, whoever started it, if it has not been stopped."""
        if os.environ.get("SPARK_REMOTE"):
            connect: Any = sys.modules.get("pyspark.sql.connect.session")
            remote: Any = connect and connect.SparkSession._default_session
            return None if remote is None or remote.is_stopped else remote
        classic: Any = sys.modules.get("pyspark.sql.session")
        local: SparkSession | None = classic and classic.SparkSession._instantiatedSession
        return local if local is not None and local.sparkContext._jsc is not None else None


def _session_class() -> type[SparkSession]:
    from pyspark.sql import SparkSession  # half a second, so not before it is needed

    return SparkSession


@cache
def _names() -> frozenset[str]:
    return frozenset(name for name in dir(_session_class()) if not name.startswith("_"))
