"""Reading in child processes: damaged files crash the C libraries, and HDF5 reads one file at a time in each.

Of 1,500 mutated files each, SZIP-compressed HDF5 crashed twice (SIGFPE), HDF4 four times (SIGSEGV, SIGABRT),
and not always with the damaged file but with one read later. So a child that met a bad file reads no other.
"""

from __future__ import annotations

import itertools
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probav.errors import EngineError, SourceError
from probav.grid import Grid
from probav.products import Variable
from probav.readers.granules import Granule
from probav.readers.pipes import Pipe

_MEMORY = 4 << 30  # bytes a child may take on top of its libraries


class ReaderPool:
    """Child processes that open and read granules; safe to use from any number of threads.

    Parameters
    ----------
    processes : int, optional
        Default: the cores this process may use.
    timeout : float, seconds
        A child that gives no answer for so long is ended.
    """

    def __init__(self, processes: int | None = None, timeout: float = 120) -> None:
        self._lock = threading.Lock()
        self._template = _Template()
        self._children = [
            _Child(self._template, timeout) for _ in range(processes or len(os.sched_getaffinity(0)))
        ]
        self._load = [0] * len(self._children)  # open granules of each

    def open(self, granule: Granule) -> GuardedGranule:
        """Open the files of a granule, as `open_granule` does; use it as a context manager.

        Raises
        ------
        SourceError
            If a file is damaged, contradicts its name or the product table, or crashes or stalls its reader.
        """
        with self._lock:
            chosen = min(range(len(self._load)), key=self._load.__getitem__)
            self._load[chosen] += 1
        try:
            return GuardedGranule(granule, self._children[chosen], lambda: self._release(chosen))
        except BaseException:
            self._release(chosen)
            raise

    def _release(self, chosen: int) -> None:
        with self._lock:
            self._load[chosen] -= 1

    def close(self) -> None:
        """End the children."""
        for child in self._children:
            with child.lock:
                child.end()
        self._template.end()

    def __enter__(self) -> ReaderPool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class GuardedGranule:
    """A granule open in a child process, with the interface of `OpenGranule`."""

    _keys = itertools.count()

    def __init__(self, granule: Granule, child: _Child, release: Callable[[], None]) -> None:
        self.name = granule.name
        self._release: Callable[[], None] | None = release
        # a child's working folder is that of its start
        self._granule = replace(granule, files=tuple(file.absolute() for file in granule.files))
        self._child = child
        self._key = next(self._keys)
        self._life = -1  # of the child that has it open
        self._paths: dict[str, Path] = {}
        self.grid: Grid
        self.variables: dict[str, Variable]
        self.notes: tuple[str, ...]
        self.grid, self.variables, self.notes, self._paths = self._ask("open")

    def read(self, variable: str, start: int = 0, stop: int | None = None) -> NDArray[np.generic]:
        """Read rows of a variable; see `OpenGranule.read`."""
        rows: NDArray[np.generic] = self._ask("read", variable, start, stop)
        return rows

    def close(self) -> None:
        """Close the files."""
        release, self._release = self._release, None
        if release is None:
            return
        release()
        with self._child.lock:
            if self._life == self._child.life and self._child.pid is not None:
                try:
                    self._child.ask("close", self._key)
                except _Died:
                    pass  # closed with it

    def __enter__(self) -> GuardedGranule:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, command: str, *arguments: Any) -> Any:
        """Ask the child; twice, because it may have died of what another file did to its memory."""
        with self._child.lock:
            for attempt in (1, 2):
                try:
                    if self._life != self._child.start():
                        opened = self._child.ask("open", self._key, self._granule)
                        self._life = self._child.life
                        if command == "open":
                            return opened
                    return self._child.ask(command, self._key, *arguments)
                except SourceError:
                    self._child.end()
                    raise
                except _Died as died:
                    if died.final or attempt == 2:
                        path = self._paths.get(arguments[0]) if arguments else None
                        files = str(path or ", ".join(map(str, self._granule.files)))
                        raise SourceError(f"{files} can't be read (damaged or incomplete?): {died}") from None
        raise AssertionError("unreachable")


class _Died(Exception):
    """A child ended in the middle of a request; `final` if asking again is no use."""

    def __init__(self, reason: str, final: bool) -> None:
        super().__init__(reason)
        self.final = final


class _Child:
    """One reader with the files it holds open, replaced when it dies. All methods under its `lock`."""

    def __init__(self, template: _Template, timeout: float) -> None:
        self.lock = threading.Lock()
        self.life = 0  # counts the processes
        self.pid: int | None = None
        self._template = template
        self._timeout = timeout

    def start(self) -> int:
        """Return the running process's number, after starting one where there is none."""
        if self.pid is None:
            self._folder = tempfile.TemporaryDirectory(prefix="probav-reader-")  # for what it unpacks
            self._pipe, self.pid = self._template.fork(self._folder.name)
            self.life += 1
        return self.life

    def ask(self, *request: Any) -> Any:
        try:
            self._pipe.send(request)
            answer = self._pipe.receive(self._timeout)
        except TimeoutError:
            self.end()
            raise _Died(f"no answer of its library for {self._timeout:g} s", final=True) from None
        except (EOFError, OSError):
            raise _Died(f"its library crashed ({self.end()})", final=False) from None
        except BaseException:  # an interrupt between question and answer: the next answer would be this one's
            self.end()
            raise
        if isinstance(answer, Exception):
            raise answer
        return answer

    def end(self) -> str:
        """End the process, which has nothing to lose; return how it ended."""
        pid, self.pid = self.pid, None
        if pid is None:
            return "not running"
        self._pipe.close()
        code = self._template.end_of(pid)
        self._folder.cleanup()
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"


class _Template:
    """The process that forks the readers, started when it is needed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def fork(self, folder: str) -> tuple[Pipe, int]:
        """Return a pipe to a new reader with a temporary folder, and its process id."""
        ours, theirs = socket.socketpair()
        with self._lock, theirs:
            for attempt in (1, 2):  # it may have been ended, for want of memory
                if self._process is None:
                    self._start()
                try:
                    socket.send_fds(self._control, [f"{_MEMORY} {folder}".encode()], [theirs.fileno()])
                    return Pipe(ours), self._pipe.receive()
                except (EOFError, OSError):
                    self._stop()
                    if attempt == 2:
                        raise
        raise AssertionError("unreachable")

    def end_of(self, pid: int) -> int:
        """Kill a reader if it lives; return its exit code."""
        with self._lock:
            try:
                os.kill(
                    pid, signal.SIGKILL
                )  # nothing for one that has ended: its code is still to be fetched
                self._control.sendall(str(pid).encode())
                code: int = self._pipe.receive()
            except (EOFError, OSError):  # the template is gone
                return -signal.SIGKILL
            return code

    def end(self) -> None:
        with self._lock:
            if self._process is not None:
                self._stop()

    def _stop(self) -> None:
        process, self._process = self._process, None
        assert process is not None
        self._control.close()
        process.kill()
        process.wait()

    def _start(self) -> None:
        self._control, theirs = socket.socketpair()
        path = os.pathsep.join(filter(None, sys.path))  # as the parent: notebooks and Spark extend it
        with theirs, tempfile.TemporaryFile() as said:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "probav.readers.worker", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
                pass_fds=[theirs.fileno()],
                # a process with threads can't be forked safely
                env=os.environ | {"PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
            )
            theirs.close()  # or its end would never be seen
            self._pipe = Pipe(self._control)
            try:
                self._pipe.receive()
            except (EOFError, OSError):
                self._stop()
                said.seek(0)
                lines = said.read().decode(errors="replace").strip().splitlines() or ["it says nothing"]
                raise EngineError(f"The reading process {sys.executable} can't start: {lines[-1]}") from None
