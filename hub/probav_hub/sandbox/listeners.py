"""Who listens on a port of this machine: all users share its loopback address."""

from __future__ import annotations

from pathlib import Path

_LISTENS = "0A"  # TCP_LISTEN in the kernel's tables
_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))


def owners(port: int) -> set[int]:
    """Return the numbers of the users that listen on a port."""
    found = set()
    for table in _TABLES:
        for line in table.read_text().splitlines()[1:] if table.exists() else ():
            words = line.split()
            if words[3] == _LISTENS and int(words[1].rpartition(":")[2], 16) == port:
                found.add(int(words[7]))
    return found
