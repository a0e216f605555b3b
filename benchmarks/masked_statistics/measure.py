"""Time one call, and run a task in a process of its own."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

THREADS = 2
_ROOT = Path(__file__).parents[2]
T = TypeVar("T")


@dataclass(frozen=True)
class Spent:
    """Seconds of one call: on the clock, and of all processors (child processes included)."""

    wall: float
    cpu: float

    def scaled(self, factor: float) -> Spent:
        """Return a multiple."""
        return Spent(self.wall * factor, self.cpu * factor)

    def at_least(self, least: float) -> Spent:
        """Return the same, where it is less than some seconds these."""
        return Spent(max(self.wall, least), max(self.cpu, least))

    def plus(self, other: Spent, factor: float = 1.0) -> Spent:
        """Return the sum with a multiple of another."""
        return Spent(self.wall + factor * other.wall, self.cpu + factor * other.cpu)


def timed(action: Callable[[], T]) -> tuple[T, Spent]:
    """Call something; return what it gave and what it took."""
    before, start = _processor(), time.perf_counter()
    found = action()
    return found, Spent(time.perf_counter() - start, _processor() - before)


def _processor() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def best(spent: list[Spent]) -> Spent:
    """Return the quickest on the clock and the least processor time."""
    return Spent(min(one.wall for one in spent), min(one.cpu for one in spent))


def peak_memory() -> int:
    """Return the largest resident size of this process so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def run_apart(task: dict[str, Any], timeout: float = 600) -> dict[str, Any]:
    """Run a task of `child.py` in a new process with two threads; return what it printed as its last line.

    Raises
    ------
    RuntimeError
        If it fails.
    subprocess.TimeoutExpired
        If it takes too long, and has printed nothing; it is ended then, and what it printed last counts.
    """
    names = ["PROBAV_THREADS", *(f"{name}_NUM_THREADS" for name in ("NUMBA", "OMP", "OPENBLAS", "GDAL"))]
    env = {**os.environ, **dict.fromkeys(names, str(THREADS))}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.masked_statistics.child", json.dumps(task)],
            capture_output=True, text=True, cwd=_ROOT, env=env, timeout=timeout,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        if not error.stdout:
            raise
        return dict(json.loads(error.stdout.splitlines()[-1]))
    if done.returncode:
        raise RuntimeError(f"{task} failed:\n{done.stderr[-2000:]}")
    return dict(json.loads(done.stdout.splitlines()[-1]))
