"""Limits of memory, cores and processes: control groups of Linux, version 1 or 2."""

from __future__ import annotations

import errno
import os
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from probav_hub.errors import HubError

ROOT, OWN = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
CONTROLLERS = ("memory", "cpu", "pids")
HUB = "probav-hub"  # version 2: where the hub's own processes move, as a group with groups in it holds none
_PERIOD = 100_000  # microseconds
_PATIENCE = 5.0  # seconds


@dataclass(frozen=True)
class Limits:
    """What a server may use.

    Attributes
    ----------
    memory : int or None
        Bytes, with swap.
    cpu : float or None
        Cores.
    processes : int or None
        Processes and threads.
    """

    memory: int | None = None
    cpu: float | None = None
    processes: int | None = None


@dataclass(frozen=True)
class Usage:
    """What the processes of a group have used so far.

    Attributes
    ----------
    memory_peak : int
        Bytes.
    oom_kills : int
        Processes that were killed as there was no more memory.
    refused : int
        Processes that were not started as there were too many.
    throttled : float
        Seconds for which the limit of cores held them back.
    cpu : float
        Core-seconds.
    """

    memory_peak: int = 0
    oom_kills: int = 0
    refused: int = 0
    throttled: float = 0.0
    cpu: float = 0.0


class Group(ABC):
    """A control group of one server."""

    @property
    @abstractmethod
    def folders(self) -> list[Path]:
        """Return its folders in the hierarchies."""

    @abstractmethod
    def limit(self, limits: Limits) -> None:
        """Set its limits."""

    @abstractmethod
    def usage(self) -> Usage:
        """Return what its processes have used."""

    def create(self, limits: Limits) -> None:
        """Make the group.

        Raises
        ------
        HubError
            If the machine does not let us.
        """
        try:
            for folder in self.folders:
                folder.mkdir(exist_ok=True)
            self.limit(limits)
        except OSError as error:
            self.remove()
            raise HubError(
                f"The limits of a server can't be set: {error.filename or self.folders[0]}: "
                f"{error.strerror}. The hub needs control groups that it may write to: run it as root, under "
                "systemd with `Delegate=yes`, in a container with its own writable cgroup."
            ) from None

    def join(self) -> None:
        """Put this process, and what it starts, into the group."""
        for folder in self.folders:
            _write(folder / "cgroup.procs", 0)  # 0: who writes

    def processes(self) -> set[int]:
        """Return the processes in it."""
        return {pid for folder in self.folders for pid in _numbers(folder / "cgroup.procs")}

    def kill(self) -> None:
        """End its processes and wait until they are gone."""
        deadline = time.monotonic() + _PATIENCE
        while self.processes() and time.monotonic() < deadline:
            self._kill()
            time.sleep(0.02)

    def _kill(self) -> None:
        for pid in self.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def remove(self) -> None:
        """End its processes and remove it."""
        self.kill()
        for folder in self.folders:
            deadline = time.monotonic() + _PATIENCE
            while folder.is_dir():
                try:
                    folder.rmdir()
                except OSError as error:  # what ended is not yet gone
                    if error.errno != errno.EBUSY or time.monotonic() > deadline:
                        break
                    time.sleep(0.02)


class GroupV1(Group):
    """A group in the hierarchies of version 1, one a controller."""

    def __init__(self, parents: dict[str, Path], name: str) -> None:
        self._of = {controller: parent / name for controller, parent in parents.items()}

    @property
    def folders(self) -> list[Path]:
        """Return one for each controller."""
        return list(dict.fromkeys(self._of.values()))

    def limit(self, limits: Limits) -> None:
        """Set its limits."""
        memory, cpu = self._of["memory"], self._of["cpu"]
        if limits.memory:
            _write(memory / "memory.limit_in_bytes", limits.memory)
            if (swap := memory / "memory.memsw.limit_in_bytes").exists():  # where swap is counted at all
                _write(swap, limits.memory)
        if limits.cpu:
            _write(cpu / "cpu.cfs_period_us", _PERIOD)
            _write(cpu / "cpu.cfs_quota_us", _quota(limits.cpu))
        if limits.processes:
            _write(self._of["pids"] / "pids.max", limits.processes)

    def usage(self) -> Usage:
        """Return what its processes have used."""
        memory = self._of["memory"]
        cpu = _pairs(self._of["cpu"] / "cpu.stat")
        peak = _numbers(memory / "memory.max_usage_in_bytes")
        used = _numbers(self._of["cpuacct"] / "cpuacct.usage") if "cpuacct" in self._of else []
        return Usage(
            memory_peak=peak[0] if peak else 0,
            oom_kills=_pairs(memory / "memory.oom_control").get("oom_kill", 0),
            refused=_pairs(self._of["pids"] / "pids.events").get("max", 0),
            throttled=cpu.get("throttled_time", 0) / 1e9,
            cpu=used[0] / 1e9 if used else 0.0,
        )


class GroupV2(Group):
    """A group in the one hierarchy of version 2."""

    def __init__(self, parent: Path, name: str) -> None:
        self._folder = parent / name

    @property
    def folders(self) -> list[Path]:
        """Return its one folder."""
        return [self._folder]

    def limit(self, limits: Limits) -> None:
        """Set its limits."""
        if limits.memory:
            _write(self._folder / "memory.max", limits.memory)
            if (swap := self._folder / "memory.swap.max").exists():
                _write(swap, 0)
        if limits.cpu:
            _write(self._folder / "cpu.max", f"{_quota(limits.cpu)} {_PERIOD}")
        if limits.processes:
            _write(self._folder / "pids.max", limits.processes)

    def usage(self) -> Usage:
        """Return what its processes have used."""
        cpu = _pairs(self._folder / "cpu.stat")
        peak = _numbers(self._folder / "memory.peak") or _numbers(self._folder / "memory.current")
        return Usage(
            memory_peak=peak[0] if peak else 0,
            oom_kills=_pairs(self._folder / "memory.events").get("oom_kill", 0),
            refused=_pairs(self._folder / "pids.events").get("max", 0),
            throttled=cpu.get("throttled_usec", 0) / 1e6,
            cpu=cpu.get("usage_usec", 0) / 1e6,
        )

    def _kill(self) -> None:
        if (at_once := self._folder / "cgroup.kill").exists():  # Linux 5.14
            _write(at_once, 1)
        else:
            super()._kill()


def group(name: str, root: Path = ROOT, own: Path = OWN) -> Group:
    """Return the group of a name below this process's own; it need not exist.

    Parameters
    ----------
    name : str
    root : Path
        Where control groups are mounted.
    own : Path
        The kernel's file that says which this process's are.

    Raises
    ------
    HubError
        If there are none of memory, cores and processes.
    """
    paths = _own(own)
    if (root / "cgroup.controllers").exists():
        parent = _below(root, paths.get("", "/"))
        return GroupV2(_divided(parent.parent if parent.name == HUB else parent), name)
    parents = {
        controller: _below(root / controller, paths.get(controller, "/"))
        for controller in (*CONTROLLERS, "cpuacct")
        if (root / controller).is_dir()
    }
    _refuse_without(set(parents), root)
    return GroupV1(parents, name)


def at(folders: list[Path]) -> Group:
    """Return the group that was made in some folders, as its `folders` said."""
    if len(folders) == 1 and not (folders[0] / "memory.limit_in_bytes").exists():
        return GroupV2(folders[0].parent, folders[0].name)
    return _Abandoned(folders)


class _Abandoned(GroupV1):
    """A group of version 1 of which its folders are known and no more is wanted than its end."""

    def __init__(self, folders: list[Path]) -> None:
        super().__init__({str(number): folder.parent for number, folder in enumerate(folders)}, "")
        self._of = {str(number): folder for number, folder in enumerate(folders)}


def _divided(parent: Path) -> Path:
    """Return a group of version 2, made one that hands controllers on."""
    there = (parent / "cgroup.controllers").read_text().split()
    _refuse_without(set(there), parent)
    wanted = [name for name in CONTROLLERS if name not in _words(parent / "cgroup.subtree_control")]
    if not wanted:
        return parent
    order = " ".join(f"+{name}" for name in wanted)
    try:
        _write(parent / "cgroup.subtree_control", order)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise HubError(
                f"{parent} can't hand limits on: {error.strerror}. Run the hub as root, and under systemd "
                "with `Delegate=yes`."
            ) from None
        (parent / HUB).mkdir(exist_ok=True)
        for pid in _numbers(parent / "cgroup.procs"):
            with suppress(ProcessLookupError):
                _write(parent / HUB / "cgroup.procs", pid)
        _write(parent / "cgroup.subtree_control", order)
    return parent


def _refuse_without(there: set[str], where: Path) -> None:
    missing = [name for name in CONTROLLERS if name not in there]
    if missing:
        raise HubError(
            f"{where} has no control of {', '.join(missing)}, without which a server would have no limit: "
            "enable it (kernel parameters, `Delegate=yes` of systemd's unit), or take spawner: docker."
        )


def _below(root: Path, path: str) -> Path:
    """Return a group's folder; in a container without its own view of groups the path may lead nowhere."""
    folder = root / path.lstrip("/")
    return folder if folder.is_dir() else root


def _own(file: Path) -> dict[str, str]:
    """Return this process's group of each controller; that of version 2 under no name."""
    found = {}
    for line in file.read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        found.update(dict.fromkeys(controllers.split(","), path))
    return found


def _quota(cores: float) -> int:
    return max(1000, round(cores * _PERIOD))  # the kernel's least


def _write(file: Path, value: object) -> None:
    with open(file, "w") as opened:
        opened.write(str(value))


def _words(file: Path) -> list[str]:
    with suppress(OSError):
        return file.read_text().split()
    return []


def _numbers(file: Path) -> list[int]:
    return [int(word) for word in _words(file) if word.isdecimal()]


def _pairs(file: Path) -> dict[str, int]:
    """Return a file of `name number` lines."""

    def lines() -> Iterator[tuple[str, int]]:
        words = _words(file)
        for name, number in zip(words[::2], words[1::2], strict=False):
            if number.isdecimal():
                yield name, int(number)

    return dict(lines())
