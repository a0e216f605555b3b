"""The processes that are parts of one hub, found again by a mark in their environment when nobody holds them.

JupyterHub, its proxy and the services that it starts carry the mark; users' servers don't. A hub that was
killed leaves proxy and services behind, which know secrets that are no longer true and hold its port: the
next start ends them, and nothing of another hub's.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import psutil

from probav_hub.errors import HubError
from probav_hub.settings import Settings, writable

MARK = "PROBAV_HUB_PART_OF"
PATIENCE = 5  # seconds between asking and killing
LAST_STOP_SECONDS = 60  # a hub whose supervisor was killed may be stopping its servers


def mark(state: Path | str) -> dict[str, str]:
    """Return the variable that makes a process, and what it starts, a part of the hub of a state folder."""
    return {MARK: os.path.realpath(state)}


def mark_services(c: Any, state: Path | str) -> None:
    """Mark the services that JupyterHub, configured by `c`, is to start: it hands them no environment."""
    for service in c.JupyterHub.services:
        if "command" in service:
            service["environment"] = {**service.get("environment", {}), **mark(state)}


@contextlib.contextmanager
def only_hub(state: Path) -> Iterator[list[str]]:
    """Hold the lock of a state folder, end what an earlier hub of it left, and yield the names of that.

    Raises
    ------
    HubError
        If a hub of this folder runs.
    """
    with open(writable(state) / "lock", "w") as lock:  # of no child: files are closed when a program starts
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise HubError(f"Your hub runs already{_where(state)}: use it, or stop it first.") from None
        yield end(left(state), LAST_STOP_SECONDS)


def _where(state: Path) -> str:
    with contextlib.suppress(OSError, ValueError, TypeError):
        return f", at {Settings.load(state / 'settings.json').url}"
    return ""


def left(state: Path | str) -> list[psutil.Process]:
    """Return the running parts of the hub of a state folder, whoever their parent is."""
    ((name, value),) = mark(state).items()
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.uids().real == os.getuid() and process.environ().get(name) == value:
                found.append(process)
    return found


def end(processes: Iterable[psutil.Process], patience: float = PATIENCE) -> list[str]:
    """Ask processes to end, kill those that don't, and return their names."""
    running, names = list(processes), []
    for process in running:
        with contextlib.suppress(psutil.Error):
            names.append(process.name())
    for how in (psutil.Process.terminate, psutil.Process.kill):
        for process in running:
            with contextlib.suppress(psutil.NoSuchProcess):
                how(process)
        _, running = psutil.wait_procs(running, timeout=patience)
    return names
