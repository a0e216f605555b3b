"""Run JupyterHub as a child of this process and leave nothing of it behind, but servers that are to go on."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Collection, Iterator
from pathlib import Path
from types import FrameType, TracebackType

import psutil
import requests
from urllib3.exceptions import InsecureRequestWarning

from probav_hub import parts
from probav_hub.errors import HubError
from probav_hub.settings import CONFIG_FILE, VARIABLE, Settings

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER, PR_GET_CHILD_SUBREAPER = 1, 36, 37  # linux/prctl.h
START_SECONDS = 120
STOP_SECONDS = 60


class Stopped(BaseException):
    """The user, or the system, asks this process to end."""


@contextlib.contextmanager
def stoppable() -> Iterator[None]:
    """Turn Ctrl-C, SIGTERM and a closed terminal into `Stopped`."""

    def stop(number: int, frame: FrameType | None) -> None:
        for each in signals:  # stopping is not interrupted
            signal.signal(each, signal.SIG_IGN)
        raise Stopped

    signals = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # else it was started with nohup
        signals.append(signal.SIGHUP)
    before = {each: signal.signal(each, stop) for each in signals}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


class Hub:
    """A running JupyterHub; leaving the context ends it and every process it brought about.

    The processes of users detach themselves from their parents; this process adopts them (a "subreaper"), so
    that they are its descendants for certain when it looks for what is left. With `keep_servers` users'
    servers are left alone, and the next hub of the same state folder finds them.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self._alone = contextlib.ExitStack()
        self._others: list[psutil.Process] = []

    def __enter__(self) -> Hub:
        self._alone.enter_context(parts.only_hub(Path(self.settings.state)))
        self._others = psutil.Process().children()
        self._alone.enter_context(_adopting())
        self.settings.save()
        parent = os.getpid()

        def die_with_parent() -> None:
            _prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
            if os.getppid() != parent:
                os._exit(1)

        with contextlib.suppress(FileNotFoundError):  # servers that go on write to the one they know
            self.settings.log.replace(self.settings.log.with_suffix(".log.1"))
        with open(self.settings.log, "ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "jupyterhub", "--config", CONFIG_FILE],
                cwd=self.settings.state,
                env={**_environment(), VARIABLE: str(self.settings.file), **parts.mark(self.settings.state)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches this process alone
                preexec_fn=die_with_parent,
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process and self._process.poll() is None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_SECONDS)
        parts.end(parts.left(self.settings.state))
        if not self.settings.configuration.keep_servers:
            parts.end(born_since(self._others))
        self._alone.close()

    def wait_until_ready(self) -> None:
        """Return when the hub answers through its proxy.

        Raises
        ------
        HubError
            If it ends instead, or takes too long.
        """
        deadline = time.monotonic() + START_SECONDS
        with local_requests() as http, warnings.catch_warnings():
            warnings.simplefilter("ignore", InsecureRequestWarning)
            http.verify = False  # the certificate is for the hub's name, and nothing is told to who answers
            while time.monotonic() < deadline:
                self._check()
                with contextlib.suppress(requests.ConnectionError, requests.Timeout):
                    if http.get(f"{self.settings.near_url}/hub/api/", timeout=5).ok:
                        return
                time.sleep(0.2)
        raise HubError(f"JupyterHub did not answer within {START_SECONDS} s; see {self.settings.log}.")

    def wait(self) -> None:
        """Return never, unless the hub ends by itself.

        Raises
        ------
        HubError
            If it does.
        """
        while True:
            self._check()
            self.reap()
            with contextlib.suppress(subprocess.TimeoutExpired):
                if self._process:
                    self._process.wait(1)

    def reap(self) -> None:
        """Let go of adopted processes that have ended: they would stay as zombies."""
        own = self._process.pid if self._process else 0
        with contextlib.suppress(OSError):  # of Linux alone, as is adoption
            children = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
            for pid in map(int, children.split()):
                if pid != own:
                    with contextlib.suppress(ChildProcessError):
                        os.waitpid(pid, os.WNOHANG)

    def _check(self) -> None:
        if self._process and self._process.poll() is not None:
            raise HubError(f"JupyterHub ended: {last_line(self.settings.log)} (see {self.settings.log})")


def born_since(others: Collection[psutil.Process]) -> list[psutil.Process]:
    """Return this process's descendants, but for some children and theirs."""
    found = [child for child in psutil.Process().children() if child not in others]
    for child in list(found):
        with contextlib.suppress(psutil.NoSuchProcess):
            found += child.children(recursive=True)
    return found


def _environment() -> dict[str, str]:
    """Return this process's environment, with programs of its Python first: JupyterHub calls `alembic`."""
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", os.defpath)])
    return {**os.environ, "PATH": path}


def local_requests() -> requests.Session:
    """Return an HTTP session that ignores proxies of the environment: everything here is on loopback."""
    session = requests.Session()
    session.trust_env = False
    return session


def last_line(log: Path) -> str:
    """Return the last line of a log that says something."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else "it left no message"


@contextlib.contextmanager
def _adopting() -> Iterator[None]:
    """Adopt what descendants leave; then again only if it was so before: nobody else waits for them."""
    before = ctypes.c_int(0)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_GET_CHILD_SUBREAPER, ctypes.byref(before), 0, 0, 0)
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    try:
        yield
    finally:
        _prctl(PR_SET_CHILD_SUBREAPER, before.value)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
