"""Programs of the system: found where the system has them, whatever the hub's or a user's PATH says."""

from __future__ import annotations

import shutil

from probav_hub.errors import HubError

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def find(name: str) -> str | None:
    """Return a program's path, None where there is none."""
    return shutil.which(name, path=PATH)


def need(name: str) -> str:
    """Return a program's path.

    Raises
    ------
    HubError
        If there is none.
    """
    found = find(name)
    if found is None:
        raise HubError(f"There is no program `{name}` in {PATH}: `probav-hub check` says what to install.")
    return found
