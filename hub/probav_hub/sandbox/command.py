"""The command that starts a sandbox: bubblewrap makes what is seen, setpriv gives up every privilege."""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path

from probav_hub.sandbox.plan import Bind, Plan
from probav_hub.sandbox.programs import need

BWRAP, SETPRIV = "bwrap", "setpriv"
_SYSTEM = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")  # beside /usr; often links into it
_TMP, _VAR_TMP = "/tmp", "/var/tmp"  # noqa: S108 - the sandbox's own
_TEMPORARY = 2**30


def sandbox(plan: Plan, etc: list[Bind], seccomp: int, info: int) -> list[str]:
    """Return the command that runs a plan's command in its sandbox.

    Parameters
    ----------
    plan : Plan
    etc : list of Bind
        What makes up /etc.
    seccomp, info : int
        Open files: the filter of system calls; where bubblewrap writes the number of the first process.
    """
    command = [need(BWRAP), "--die-with-parent", "--new-session", "--unshare-pid", "--unshare-ipc",
               "--unshare-uts", "--hostname", "probav", "--unshare-cgroup-try",
               "--ro-bind", "/usr", "/usr"]  # fmt: skip
    for path in _SYSTEM:
        if os.path.islink(path):
            command += ["--symlink", os.readlink(path), path]
        elif os.path.isdir(path):
            command += ["--ro-bind", path, path]
    command += ["--proc", "/proc", "--dev", "/dev"]
    for path in (_TMP, "/dev/shm"):  # noqa: S108 - the sandbox's own
        command += ["--size", str(plan.temporary or _TEMPORARY), "--perms", "1777", "--tmpfs", path]
    command += [
        "--dir",
        "/var",
        "--symlink",
        _TMP,
        _VAR_TMP,
        "--dir",
        "/run",
        "--perms",
        "0755",
        "--dir",
        "/etc",
    ]
    hidden = [Bind("", path) for path in plan.hidden if any(_holds(bind.target, path) for bind in plan.binds)]
    for bind in _outermost_first([*etc, *plan.binds, *hidden]):
        for parent in reversed(Path(bind.target).parents[:-1]):  # which bubblewrap would make for root alone
            command += ["--perms", "0755", "--dir", str(parent)]
        if bind.source:
            command += ["--bind" if bind.writable else "--ro-bind", bind.source, bind.target]
        else:
            command += ["--perms", "0755", "--tmpfs", bind.target]
    command += ["--perms", "0755", "--dir", "/home", "--bind", plan.home, plan.inner_home,
                "--remount-ro", "/", "--chdir", plan.inner_home,
                "--add-seccomp-fd", str(seccomp), "--info-fd", str(info), "--"]  # fmt: skip
    return [*command, *unprivileged(plan), *plan.command]


def unprivileged(plan: Plan) -> list[str]:
    """Return the command that makes what follows it the user's, with no way back."""
    groups = ",".join(str(number) for number in plan.groups.values())
    return [need(SETPRIV), f"--reuid={plan.uid}", f"--regid={plan.uid}",
            f"--groups={groups}" if groups else "--clear-groups", "--no-new-privs", "--bounding-set=-all",
            "--inh-caps=-all", "--ambient-caps=-all", "--"]  # fmt: skip


def environment() -> list[Bind]:
    """Return the folders that make up this Python's environment, and Java's where it is apart."""
    folders = [sys.prefix, sys.base_prefix, *_development(), *_java()]
    found = {*folders, *map(os.path.realpath, folders)}
    return [
        Bind(folder, folder) for folder in sorted(found) if not _is_system(folder) and os.path.isdir(folder)
    ]


def _development() -> list[str]:
    """Return folders that packages under development are imported from (editable installations)."""
    folders = []
    for file in Path(sysconfig.get_path("purelib")).glob("*.pth"):
        lines = file.read_text(errors="replace").splitlines()
        folders += [line for line in lines if line.startswith("/") and os.path.isdir(line)]
    return folders


def _java() -> list[str]:
    home = os.environ.get("JAVA_HOME")
    return [home] if home and os.path.isdir(home) else []


def _is_system(folder: str) -> bool:
    return any(_holds(system, folder) for system in ("/usr", *_SYSTEM))


def _holds(outer: str, inner: str) -> bool:
    """Return whether a path is another's folder, or the same."""
    return inner == outer or inner.startswith(f"{outer.rstrip('/')}/")


def _outermost_first(binds: list[Bind]) -> list[Bind]:
    """Return binds in an order in which none covers another that it holds."""
    return sorted(binds, key=lambda bind: bind.target.count("/"))
