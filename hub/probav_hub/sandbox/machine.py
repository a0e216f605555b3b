"""Whether this machine can keep users apart."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from probav_hub.errors import HubError
from probav_hub.sandbox import cgroups, quota, seccomp
from probav_hub.sandbox.programs import find

PACKAGES = {"bwrap": "bubblewrap", "setpriv": "util-linux"}


def problems() -> list[str]:
    """Return all that keeps sandboxes from starting here, each with its remedy."""
    return list(_problems())


def _problems() -> Iterator[str]:
    if os.geteuid():
        yield (
            "Only root can give each user's processes a number of their own; this is user "
            f"{os.geteuid()}: run the hub as root, or take spawner: docker."
        )
    for program, package in PACKAGES.items():
        if find(program) is None:
            yield f"There is no program `{program}`: install {package}, as in `apt install {package}`."
    looks: list[Callable[[], object]] = [seccomp.program, *([] if os.geteuid() else [_try_group])]
    for look in looks:
        try:
            look()
        except HubError as error:
            yield str(error)
    if not Path("/proc/self/ns/pid").exists():
        yield "This kernel has no namespaces of processes: take spawner: docker."


def warnings(disks: Iterable[object] = ()) -> list[str]:
    """Return what sandboxes do without here.

    Parameters
    ----------
    disks : iterable
        The profiles' limits of homes.
    """
    if not any(disks) or quota.has_images():
        return []
    missing = quota.missing_tools()
    why = f"programs are missing: {', '.join(missing)}" if missing else "there are no loop devices"
    return [
        f"Homes can't be file systems of their own ({why}): they are measured every few seconds, and a "
        "server whose home is too large is ended."
    ]


def _try_group() -> None:
    """Raise HubError if no group with limits can be made."""
    group = cgroups.group(f"probav-check-{secrets.token_hex(8)}")  # its own: servers start at a time
    try:
        group.create(cgroups.Limits(memory=2**26, cpu=1, processes=64))
    finally:
        group.remove()
