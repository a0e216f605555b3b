"""The lazy `spark` of a notebook: the session starts when something of it is used."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Any

from probav_kernels import ui
from probav_kernels.configuration import ConfigurationError, load, pairs
from probav_kernels.environment import configure, target
from probav_kernels.interrupt import cancel_jobs_on_interrupt, name_jobs
from probav_kernels.java import find_java
from probav_kernels.state import State, state_of

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_PATIENCE = 5.0  # seconds for a master to take a connection


class SparkStartError(RuntimeError):
    """The Spark session can't start; says why in one line."""

    def _render_traceback_(self) -> list[str]:
        """Show IPython's user the sentence alone."""
        return [str(self)]


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
        SparkStartError
            If its master can't be reached or takes no application.
        """
        running = self._running()
        if running is not None:
            return running
        remote = bool(os.environ.get("SPARK_REMOTE"))
        if "PROBAV_JAVA" not in os.environ and not remote:
            find_java()
        _reach(target())
        steps = _Steps(f"Starting Spark ({target()}) ... ")
        try:
            if not remote:
                from pyspark import SparkContext

                SparkContext._ensure_initialized()  # the Java virtual machine, or the one there is
                steps.done("Java")
            session: SparkSession = _session_class().builder.getOrCreate()
        except Exception as error:
            steps.end("failed")
            raise SparkStartError(f"Spark can't start on {target()}: {_first_line(error)}") from error
        steps.done("session")
        steps.end()
        cancel_jobs_on_interrupt()
        name_jobs()
        ui.announce(session)
        return session

    def stop(self) -> None:
        """Stop the session, if there is one, and end its Java: all memory is given back."""
        session = self._running()
        ui.withdraw()
        if session is not None:
            session.stop()
        _end_java()

    def restart(self, conf: Iterable[str] = (), packages: Iterable[str] = ()) -> SparkSession:
        """Stop the session and start it again, with some settings changed for this process.

        Parameters
        ----------
        conf : iterable of str
            Settings of Spark, spark.name=value.
        packages : iterable of str
            Maven coordinates, group:artifact:version.

        Raises
        ------
        ConfigurationError
            If a setting or a coordinate is none, or the driver of Spark Connect would have to change.
        """
        changes, packages = pairs(list(conf), "restart"), tuple(packages)
        for name in packages:
            if len(name.split(":")) != 3:
                raise ConfigurationError(f"{name!r} is no Maven coordinate; expected group:artifact:version.")
        settings = load().changed(changes, packages)
        if settings.is_remote and (changes or packages):
            raise ConfigurationError(
                f"The driver of {target()} is not this kernel's: its server sets its settings and packages."
            )
        self.stop()
        configure(settings)
        return self.session()

    def state(self) -> State:
        """Return what runs, without starting it."""
        return state_of(self._running(), target())

    def describe(self) -> str:
        """Return the state of the session in one line, without starting it."""
        return str(self.state())

    @staticmethod
    def _running() -> SparkSession | None:
        """Return the session of this process, whoever started it, if it has not been stopped."""
        if os.environ.get("SPARK_REMOTE"):
            connect: Any = sys.modules.get("pyspark.sql.connect.session")
            remote: Any = connect and connect.SparkSession._default_session
            return None if remote is None or remote.is_stopped else remote
        classic: Any = sys.modules.get("pyspark.sql.session")
        local: Any = classic and classic.SparkSession._instantiatedSession
        if local is None or local.sparkContext._jsc is None:
            return None
        return None if forget_if_java_ended(local) else local


class _Steps:
    """One line that grows with each step of a start and the seconds it took."""

    def __init__(self, text: str) -> None:
        self._began = self._last = time.monotonic()
        self._any = False
        self._write(text)

    def done(self, name: str) -> None:
        now = time.monotonic()
        self._write(f"{', ' if self._any else ''}{name} {now - self._last:.1f} s")
        self._last, self._any = now, True

    def end(self, word: str = "") -> None:
        self._write(f"{', ' if word and self._any else ''}{word}\n")

    @staticmethod
    def _write(text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()


def _reach(master: str) -> None:
    """Raise an error at once where Spark would try for minutes."""
    scheme, _, rest = master.partition("://")
    if scheme not in ("spark", "sc"):
        return
    last: OSError | None = None
    for address in rest.split("/")[0].split(","):
        host, _, port = address.rpartition(":")
        try:
            socket.create_connection((host, int(port)), timeout=_PATIENCE).close()
        except ValueError:
            raise SparkStartError(f"{master} is no address; expected {scheme}://host:port.") from None
        except OSError as error:
            last = error
        else:
            return
    what = "Spark Connect server" if scheme == "sc" else "Spark master"
    raise SparkStartError(
        f"There is no {what} at {master}: {last}. Is it running, and is the address right "
        "(PROBAV_SPARK_MASTER, spark.toml)?"
    )


def forget_if_java_ended(session: Any, seconds: float = 0) -> bool:
    """Tell whether a session's Java is gone, by System.exit or killed; if so, another one can be started.

    Parameters
    ----------
    session : SparkSession
        A classic one.
    seconds : float
        How long to wait for a Java that is about to go.
    """
    context: Any = session.sparkContext
    process = getattr(context._gateway, "proc", None)
    if process is None:
        return False
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    context._jsc = type(context)._active_spark_context = None
    type(session)._instantiatedSession = type(session)._activeSession = None
    ui.withdraw()
    _end_java()
    return True


def _end_java() -> None:
    """End the Java that PySpark started; the next session starts one with the settings of then."""
    module: Any = sys.modules.get("pyspark.core.context")
    context: Any = module and module.SparkContext
    gateway = context and context._gateway
    if not gateway:
        return
    gateway.shutdown()
    process = getattr(gateway, "proc", None)
    if process is not None:
        process.stdin.close()  # it ends when this does
        process.wait(timeout=30)
    context._gateway = context._jvm = None


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    causes = [line for line in lines if "Exception" in line or "Error" in line]
    return (causes or lines or [type(error).__name__])[-1 if causes else 0]


def _session_class() -> type[SparkSession]:
    from pyspark.sql import SparkSession  # half a second, so not before it is needed

    return SparkSession


@cache
def _names() -> frozenset[str]:
    return frozenset(name for name in dir(_session_class()) if not name.startswith("_"))
