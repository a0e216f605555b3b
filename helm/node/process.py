"""Processes with a log each, which end with the process that started them."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import requests

_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG


class TookTooLong(AssertionError):
    """What was waited for did not come."""


def wait_for(what: Callable[[], Any], seconds: float, otherwise: Callable[[], str] = lambda: "") -> Any:
    """Return what `what` returns as soon as that is something.

    Raises
    ------
    TookTooLong
        With what `otherwise` says.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(requests.ConnectionError, requests.Timeout):
            if found := what():
                return found
        time.sleep(0.1)
    raise TookTooLong(f"waited {seconds:.0f} s in vain: {otherwise()}")


@dataclass
class Process:
    """A process with its log, which ends with the process that started it."""

    words: list[Any]
    log: Path
    environment: dict[str, str] = field(default_factory=dict)

    def __enter__(self) -> Process:
        libc, signals = ctypes.CDLL(None), signal.SIGTERM
        die_with_the_tests = partial(libc.prctl, _DEATH_SIGNAL, signals, 0, 0, 0)
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [str(word) for word in self.words], env={**os.environ, **self.environment}, stdout=log,
                stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True,
                cwd=self.log.parent, preexec_fn=die_with_the_tests,
            )  # fmt: skip
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(20)

    def said(self) -> str:
        """Return the end of its log."""
        return f"{self.words[0]} said:\n{self.log.read_text(errors='replace')[-3000:]}"
