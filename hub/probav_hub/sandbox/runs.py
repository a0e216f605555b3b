"""Sandboxes that run or have run: a folder each, found again by a hub that has been started anew."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from probav_hub.sandbox import cgroups
from probav_hub.sandbox.plan import FIGURES, PHASE, RESULT, read, write

FOLDER = "sandboxes"
KEEPER = "keeper.json"
_MAKING, _KEPT = 60.0, 86400.0  # seconds: one that is being made has no keeper yet; a hub reads how one ended


@dataclass(frozen=True)
class Run:
    """One sandbox's folder.

    Attributes
    ----------
    folder : Path
    """

    folder: Path

    @classmethod
    def new(cls, state: Path, user: str, server: str) -> Run:
        """Make a folder for a sandbox, for the hub's user only."""
        (state / FOLDER).mkdir(mode=0o700, exist_ok=True)
        folder = state / FOLDER / f"probav-{user}-{server}-{secrets.token_hex(4)}"
        folder.mkdir(mode=0o700)
        write(folder / KEEPER, {"user": user, "server": server})
        return cls(folder)

    def kept_by(self, pid: int) -> None:
        """Write down which process keeps the sandbox."""
        known = read(self.folder / KEEPER)
        write(self.folder / KEEPER, {**known, "pid": pid, "started": started(pid)})

    @property
    def of(self) -> tuple[str, str]:
        """Return the user and the name of the server."""
        known = read(self.folder / KEEPER)
        return known.get("user", ""), known.get("server", "")

    @property
    def pid(self) -> int:
        """Return its keeper, 0 if that has ended."""
        known = read(self.folder / KEEPER)
        pid = int(known.get("pid", 0))
        return pid if pid and started(pid) == known["started"] else 0

    @property
    def phase(self) -> str:
        """Return what its start is at."""
        with suppress(OSError, ValueError):
            return str(json.loads((self.folder / PHASE).read_text()))
        return ""

    @property
    def result(self) -> dict[str, Any]:
        """Return how it ended, nothing while it has not."""
        return read(self.folder / RESULT)

    @property
    def figures(self) -> dict[str, Any]:
        """Return what it has used by now."""
        return self.result or read(self.folder / FIGURES)

    @property
    def age(self) -> float:
        """Return the seconds since something was last written down."""
        try:
            return time.time() - self.folder.stat().st_mtime
        except OSError:  # another sweeps, too
            return 0.0

    def end(self, patience: float) -> None:
        """End it, and what it left if its keeper was killed, and remove the folder."""
        if pid := self.pid:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
            deadline = time.monotonic() + patience
            while self.pid and time.monotonic() < deadline:
                time.sleep(0.05)
            if pid := self.pid:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self.remove()

    def remove(self) -> None:
        """Remove the control group of a sandbox that has ended, if it is still there, and then its folder.

        A group whose processes take longer to go than anybody waits keeps the folder: another sweep finds it.
        """
        folders = []
        with suppress(OSError, ValueError):
            folders = [Path(name) for name in json.loads((self.folder / "cgroup.json").read_text())]
            if any(folder.is_dir() for folder in folders):
                cgroups.at(folders).remove()
        if not any(folder.is_dir() for folder in folders):
            shutil.rmtree(self.folder, ignore_errors=True)


def all_of(state: Path) -> list[Run]:
    """Return the sandboxes that have a folder."""
    return [Run(folder) for folder in sorted((state / FOLDER).glob("*"))]


def sweep(state: Path, user: str, server: str) -> None:
    """Remove what sandboxes left whose keepers were killed, and one of a server that is to start again.

    The second is of a hub that was killed before it could write down that it had started it.
    """
    for run in all_of(state):
        if run.of == (user, server):
            run.end(patience=10)
        elif not run.pid and run.age > (_KEPT if run.result else _MAKING):
            run.remove()


def started(pid: int) -> float | None:
    """Return when a living process was started: another may get its number later."""
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.Error:
        return None
