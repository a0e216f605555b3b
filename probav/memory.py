"""How much memory this process may still take; of the system's files alone, so that a server asks cheaply."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

_GROUPS = Path("/sys/fs/cgroup")
_PROCESS = Path("/proc/self")
_MACHINE = Path("/proc/meminfo")
_EVENTS = Path("/proc/vmstat")
_FILES = (  # limit, used, and what of it the system takes back by itself
    ("memory.max", "memory.current", "inactive_file"),
    ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)
_NONE = 1 << 60  # cgroups without a limit give a number as high


def limit() -> int | None:
    """Return the bytes that this process and those beside it may take in all."""
    known = [most for most, _ in _groups()]
    given = os.environ.get("PROBAV_MEM_LIMIT") or os.environ.get("MEM_LIMIT") or ""
    known += [int(given)] if given.isdigit() and int(given) > 0 else []
    known += [total] if (total := _machine("MemTotal")) is not None else []
    return min(known, default=None)


def free() -> int | None:
    """Return the bytes that can still be taken: of the container, or of the machine; None if nobody says."""
    left = [most - used for most, used in _groups()]
    left += [available] if (available := _machine("MemAvailable")) is not None else []
    return max(0, min(left)) if left else None


def ended() -> int | None:
    """Return how many processes the system has ended for want of memory since it started.

    In a container this counts those of its host, too. None if nobody says.
    """
    try:
        lines = _EVENTS.read_text().splitlines()
    except OSError:
        return None
    found = [int(line.split()[1]) for line in lines if line.startswith("oom_kill ")]
    return found[0] if found else None


def _groups() -> Iterator[tuple[int, int]]:
    """Yield limit and use of each control group this process is in, its parents among them."""
    try:
        lines = (_PROCESS / "cgroup").read_text().splitlines()
    except OSError:  # no Linux
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers not in ("", "memory"):
            continue
        root = _GROUPS / controllers
        inner = root / path.strip("/")
        for folder in {root, inner, *(parent for parent in inner.parents if parent.is_relative_to(root))}:
            for names in _FILES:
                found = _group(folder, *names)
                if found is not None:
                    yield found


def _group(folder: Path, most: str, used: str, kept: str) -> tuple[int, int] | None:
    try:
        text = (folder / most).read_text().strip()
        if not text.isdigit() or int(text) > _NONE:  # "max"
            return None
        stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        return int(text), int((folder / used).read_text()) - int(stat.get(kept, 0))
    except (OSError, ValueError):
        return None


def _machine(name: str) -> int | None:
    try:
        lines = _MACHINE.read_text().splitlines()
    except OSError:
        return None
    found = [line.split()[1] for line in lines if line.startswith(f"{name}:")]
    return int(found[0]) * 1024 if found else None
