"""What a hub suffers from that has run for a while: certificate, disk, databases, what was left behind."""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from importlib.util import find_spec
from pathlib import Path

from probav_hub import parts, prepare
from probav_hub.configuration import Configuration
from probav_hub.errors import HubError
from probav_hub.service import certificate
from probav_hub.settings import Settings, data_folder

LEAST_ROOM = 512 * 2**20  # bytes: a database that can't grow stops the hub
LITTLE_ROOM = 10 * 2**30
_ARCHIVE_SECONDS = 60
Found = tuple[str, str, str]  # a setting, what is wrong with it, the remedy


def problems(given: Configuration) -> Iterator[Found]:
    """Yield what keeps a hub from starting, or from going on."""
    yield from _certificate(given)
    state = given.state or data_folder() / "hub"
    if state.is_dir() and (free := shutil.disk_usage(state).free) < LEAST_ROOM:
        yield (
            "state", f"{free >> 20} MiB are free on the disk of {state}.",
            "Make room before the databases can't be written: docs/runbook.md says where to look.",
        )  # fmt: skip
    for file in sorted(state.glob("*.sqlite")) if state.is_dir() else []:
        if damage := _damage(file):
            yield (
                "state", f"the database {file} is damaged: {damage}.",
                "Stop the hub and restore it from a backup: docs/runbook.md says how.",
            )  # fmt: skip


def notes(given: Configuration) -> Iterator[str]:
    """Yield what an operator had better know, though the hub starts."""
    state = given.state or data_folder() / "hub"
    if is_running(state):
        with suppress(OSError, ValueError, TypeError):
            yield f"The hub of {state} runs, at {Settings.load(state / 'settings.json').url}."
    elif state.is_dir() and (left := parts.left(state)):
        names = ", ".join(sorted({f"{process.pid}" for process in left}))
        yield f"A hub that was killed left processes ({names}): the next start ends them."
    with suppress(HubError):
        if given.tls and 0 <= (days := certificate.days_left(given.tls.certificate)) < certificate.RENEW_DAYS:
            yield (
                f"The certificate {given.tls.certificate} is valid for {days:.0f} more days: renew it, then "
                "run `probav-hub reload`."
            )
    yield from _room(state)
    if given.spawner == "sandbox":
        from probav_hub.sandbox.machine import warnings

        yield from warnings(profile.disk for profile in given.profiles)
    if given.archive and (why := _archive(given.archive)):
        yield f"The archive {given.archive} can't be opened, and queries will fail: {why}"


def is_running(state: Path) -> bool:
    """Return whether a hub holds the state folder."""
    try:
        with open(state / "lock") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _certificate(given: Configuration) -> Iterator[Found]:
    if given.tls is None:
        return
    with suppress(HubError):  # what can't be read is told already
        certificate.names(given.tls.certificate)
        yield from _validity(given.tls.certificate)
    port = given.tls.redirect_from
    if port is None:
        return
    if not given.is_open:
        yield (
            "tls.redirect_from", f"the proxy would listen on port {port} of all addresses, the hub does not.",
            "Leave it out where the hub does not listen on all addresses.",
        )  # fmt: skip
    elif not is_running(given.state or data_folder() / "hub"):
        try:
            prepare.check_port(port, given.address)
        except HubError as error:
            yield "tls.redirect_from", str(error), "Stop what listens there, or leave it out."


def _validity(file: Path) -> Iterator[Found]:
    try:
        if certificate.days_left(file) < 0:
            yield (
                "tls.certificate", f"{file} has expired, and browsers refuse it.",
                "Renew it; a hub that runs takes it up with `probav-hub reload`.",
            )  # fmt: skip
    except HubError as error:  # of a time to come
        yield "tls.certificate", str(error), "A certificate of now is needed."


def _damage(file: Path) -> str:
    """Return what is wrong with a database, nothing if it is whole or busy."""
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=5)) as database:
            found = [str(row[0]) for row in database.execute("PRAGMA quick_check(1)")]
    except sqlite3.OperationalError as error:
        return "" if "locked" in str(error) else str(error)
    except sqlite3.Error as error:
        return str(error)
    return "" if found == ["ok"] else " ".join("; ".join(found).split())


def _room(state: Path) -> Iterator[str]:
    while not state.is_dir():  # not made yet
        state = state.parent
    free, files = shutil.disk_usage(state).free, os.statvfs(state)
    if LEAST_ROOM <= free < LITTLE_ROOM:
        yield f"{free / 2**30:.1f} GiB are free on the disk of {state}: homes and databases grow there."
    if files.f_files and files.f_favail < files.f_files // 50:
        yield f"{files.f_favail} more files can be made on the disk of {state}."


def _archive(archive: str) -> str:
    """Return why an archive can't be opened, asking the engine where it is installed beside the hub."""
    if find_spec("probav") is None:
        return ""
    command = [sys.executable, "-m", "probav.cli", "archive", "info", "--archive", archive]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_ARCHIVE_SECONDS
        )
    except subprocess.TimeoutExpired:
        return f"it did not answer within {_ARCHIVE_SECONDS} s."
    return "" if done.returncode == 0 else _last(done.stderr)


def _last(said: str) -> str:
    return (said.strip() or "no reason was given.").splitlines()[-1].removeprefix("probav: ")
