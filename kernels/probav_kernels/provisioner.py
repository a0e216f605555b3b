"""Start a kernel within the limits of its server's profile, and end all of it with it.

Jupyter finds `LimitedProvisioner` by the name that the kernel specs give, "probav-provisioner". JupyterHub
tells a server its limits as CPU_LIMIT and MEM_LIMIT; $PROBAV_CPU_LIMIT and $PROBAV_MEM_LIMIT say them where
there is no hub. Here they only size what a kernel starts; that they are kept to is the spawner's work.
"""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import psutil
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

from probav_kernels.configuration import PREFIX, ConfigurationError, Settings, load

_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_MIB = 2**20
_HEAP_LEAST, _HEAP_MOST = (
    512 * _MIB,
    4096 * _MIB,
)  # below, Spark refuses to start; above, a notebook gains nothing
_THREADS = (
    "PROBAV_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)
_PATIENCE = 3.0  # seconds for what a kernel started to end by itself


def cores(text: str) -> int | None:
    """Return the whole cores of a limit such as 2 or 0.5, at least one; None where there is no limit."""
    try:
        limit = float(text)
    except ValueError:
        return None
    return max(1, int(limit)) if 0 < limit < float("inf") else None


def size(text: str) -> int | None:
    """Return the bytes of a limit such as 2147483648, 2G or 1.5g; None where there is no limit."""
    found = re.fullmatch(r"\s*([0-9.]+)\s*([KMGT]?)(?:i?B)?\s*", text, re.IGNORECASE)
    try:
        limit = float(found[1]) * _UNITS[found[2].upper()] if found else 0
    except ValueError:
        return None
    return int(limit) or None


def limits(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that keep a kernel within its server's limits.

    What the environment, or the file of Spark's settings, says already is left alone.

    Parameters
    ----------
    environment : mapping
        The variables that the kernel starts with.
    """
    found: dict[str, str] = {}
    settings = _settings(environment)
    is_here = settings is not None and not settings.is_remote and not settings.livy_url  # Spark's driver
    cpu = cores(environment.get("PROBAV_CPU_LIMIT") or environment.get("CPU_LIMIT", ""))
    if cpu:
        cpu = min(cpu, len(os.sched_getaffinity(0)))
        found |= dict.fromkeys(_THREADS, str(cpu))
        if settings is not None and is_here and settings.is_local and not settings.cores:
            found[f"{PREFIX}CORES"] = str(cpu)
    memory = size(environment.get("PROBAV_MEM_LIMIT") or environment.get("MEM_LIMIT", ""))
    if memory:  # a quarter each; the other half is data, the server and other kernels
        found["PROBAV_MEMORY"] = str(memory // 4)
        if settings is not None and is_here and not _driver_memory(settings):
            heap = min(max(memory // 4, _HEAP_LEAST), _HEAP_MOST)
            found[f"{PREFIX}DRIVER_MEMORY"] = f"{heap // _MIB}m"
    return {name: value for name, value in found.items() if not environment.get(name)}


def _settings(environment: Mapping[str, str]) -> Settings | None:
    try:
        return load(environment)
    except ConfigurationError:  # the kernel says it
        return None


def _driver_memory(settings: Settings) -> str | None:
    return settings.driver_memory or settings.conf.get("spark.driver.memory")


class LimitedProvisioner(LocalProvisioner):
    """A local kernel within its server's limits, whose session of processes ends with it.

    A kernel is the leader of a session of processes. What it started belongs to it, Spark's Java and Python
    workers too, and ends with the kernel however that ended. What should outlive a kernel must leave its
    session (`setsid`).
    """

    _ending = 0.0  # when what a dead kernel left was first told to end; 0 where it was not

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        """Return what the kernel is launched with, with the limits in its environment."""
        self._ending = 0.0
        launched: dict[str, Any] = await super().pre_launch(**kwargs)
        launched["env"].update(limits(launched["env"]))
        return launched

    async def poll(self) -> int | None:
        """Return the kernel's code once it and what it left have ended, and end what it left.

        A restart begins only then and so takes no time: Jupyter's server, told to end during one, does not.
        """
        code: int | None = await super().poll()
        if code is None or self.process is None or self.pid is None or self.pid != self.pgid:
            return code  # it lives, is cleared away, or led no session of its own
        if not (left := _members(self.pid)):
            return code
        now = time.monotonic()
        if not self._ending:
            self._ending = now
            _send(left, signal.SIGTERM)
        elif now - self._ending > _PATIENCE:
            _send(left, signal.SIGKILL)
        return code if now - self._ending > 2 * _PATIENCE else None


def _members(session: int) -> list[int]:
    """Return the living processes of a session."""
    found = []
    for pid in psutil.pids():
        try:
            if os.getsid(pid) == session and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                found.append(pid)
        except (OSError, psutil.Error):
            continue
    return found


def _send(pids: list[int], number: int) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
