"""What one server's sandbox is made of: written by the hub, read by the process that keeps it."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

PLAN, PHASE, RESULT, FIGURES = "plan.json", "phase", "result.json", "figures.json"


@dataclass(frozen=True)
class Bind:
    """A folder or file of the host that the sandbox sees.

    Attributes
    ----------
    source, target : str
        On the host; in the sandbox.
    writable : bool
    """

    source: str
    target: str
    writable: bool = False


@dataclass(frozen=True)
class Plan:
    """One server's sandbox.

    Attributes
    ----------
    user : str
    uid : int
        The user's number, and that of the user's own group.
    home : str
        Folder of the host that is the user's home.
    command : list of str
        What runs, as the user, in the home.
    groups : dict
        Numbers of the groups that the user is in.
    binds : list of Bind
        What is seen beside the home and the system's own programs.
    hidden : list of str
        Folders of the host that are empty in the sandbox, even where a bind holds them.
    image : str or None
        File of the home's file system, where it has one of its own.
    log : str
        File of what the server says.
    cgroup : str
        Name of the control group.
    memory, cpu, processes, disk, temporary : numbers or None
        Limits: bytes, cores, count, bytes of the home, bytes of /tmp.
    hours : float or None
        After so long the server is ended.
    grace : float
        Seconds that a server has to end by itself.
    """

    user: str
    uid: int
    home: str
    command: list[str]
    log: str
    cgroup: str
    groups: dict[str, int] = field(default_factory=dict)
    binds: list[Bind] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)
    image: str | None = None
    memory: int | None = None
    cpu: float | None = None
    processes: int | None = None
    disk: int | None = None
    temporary: int | None = None
    hours: float | None = None
    grace: float = 20.0

    @property
    def inner_home(self) -> str:
        """Return where the sandbox sees the home."""
        return f"/home/{self.user}"

    def save(self, folder: Path) -> None:
        """Write the plan into a sandbox's folder, for the hub's user only."""
        write(folder / PLAN, asdict(self))

    @classmethod
    def load(cls, folder: Path) -> Plan:
        """Read the plan of a sandbox's folder."""
        values = json.loads((folder / PLAN).read_text())
        values["binds"] = [Bind(**bind) for bind in values["binds"]]
        return cls(**values)


def write(file: Path, value: Any) -> None:
    """Write a value as JSON, at once and for the hub's user only."""
    partial = file.with_name(f".{file.name}.{os.getpid()}")
    with open(partial, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as opened:
        json.dump(value, opened)
    partial.replace(file)


def read(file: Path) -> dict[str, Any]:
    """Return what was written to a file; nothing where there is none."""
    try:
        found: dict[str, Any] = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return found
