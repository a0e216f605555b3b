"""Namespaces of a node: its processes, mounts and network, apart from the machine's.

The first process in them is the parent of all: when it ends, the kernel ends the others, containers too, and
takes mounts and network away. What stays is empty cgroups, which are removed here.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helm.node.process import Process, TookTooLong, wait_for
from helm.node.programs import Unavailable

HOST, NODE = "10.243.0.1", "10.243.0.2"  # the two ends of the cable between machine and node
PODS, SERVICES = "10.244.0.0/24", "10.96.0.0/16"
CABLE = "probav-node"  # the machine's end; its name keeps a second node away
CGROUPS = Path("/sys/fs/cgroup")
CGROUP = "probav-node"
# what a node writes where it is told nothing else, each on a file system of its own
_OWN = ("/run", "/var/lib/cni", "/var/lib/kubelet", "/var/log")
_BEGIN = """
set -e
mount --make-rprivate /
mount --make-rshared /
for folder in {own}; do mkdir -p $folder; mount -t tmpfs -o mode=755 tmpfs $folder; done
mount --make-rshared /
ip link set lo up
touch {ready}
exec sleep infinity
"""


@dataclass
class Space:
    """A node's namespaces."""

    folder: Path
    pid: int

    def words(self, *words: Any) -> list[str]:
        """Return the command that runs another one in the node."""
        enter = ["nsenter", "--target", str(self.pid), "--net", "--mount", "--pid"]
        return [*enter, *(str(word) for word in words)]

    def run(self, *words: Any, seconds: float = 60, **options: Any) -> str:
        """Run a command in the node and return what it prints."""
        done = subprocess.run(self.words(*words), capture_output=True, text=True, timeout=seconds, **options)
        if done.returncode:
            raise RuntimeError(f"{' '.join(map(str, words))}: {done.stdout}\n{done.stderr}".strip())
        return str(done.stdout)

    def start(self, name: str, *words: Any, **environment: str) -> Process:
        """Return a process of the node, with its log in the node's folder."""
        return Process(self.words(*words), self.folder / f"{name}.log", environment)


@contextmanager
def space(folder: Path) -> Iterator[Space]:
    """Make the namespaces of a node, with a cable to this machine, and take all away at the end.

    Raises
    ------
    Unavailable
        If this machine lets nobody make them, not even root: most containers don't.
    """
    ready = folder / "ready"
    script = _BEGIN.format(own=" ".join(_OWN), ready=ready)
    words = [
        "unshare",
        "--net",
        "--mount",
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
        "sh",
        "-c",
        script,
    ]
    first = Process(words, folder / "space.log")
    with first:
        try:
            wait_for(ready.exists, 20, first.said)
        except TookTooLong:
            raise Unavailable(f"this machine gives no namespaces: {first.said()}") from None
        (child,) = Path(f"/proc/{first.process.pid}/task/{first.process.pid}/children").read_text().split()
        made = Space(folder, int(child))
        try:
            _cable(made)
            _cgroups()
            yield made
        finally:
            first.process.kill()  # and with it all of the node
            first.process.wait(20)
            with contextlib.suppress(Unavailable):  # it has gone with the network
                _ip("link", "delete", CABLE)
            wait_for(_without_cgroups, 30, lambda: f"cgroups {CGROUP} are still in use")


def _cable(of: Space) -> None:
    _ip("link", "add", CABLE, "type", "veth", "peer", "name", "eth0", "netns", str(of.pid))
    _ip("address", "add", f"{HOST}/30", "dev", CABLE)
    _ip("link", "set", CABLE, "up")
    of.run("ip", "address", "add", f"{NODE}/30", "dev", "eth0")
    of.run("ip", "link", "set", "eth0", "up")
    of.run("ip", "route", "add", "default", "via", HOST)
    of.run("sysctl", "-q", "-w", "net.ipv4.ip_forward=1")
    for network in (PODS, SERVICES):
        _ip("route", "add", network, "via", NODE, "dev", CABLE)


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True)
    if done.returncode:
        raise Unavailable(f"this machine gives no network: ip {' '.join(words)}: {done.stderr.strip()}")


def _cgroups() -> None:
    for controller in _controllers():
        (controller / CGROUP).mkdir(exist_ok=True)
    cpus = CGROUPS / "cpuset" / CGROUP  # of version 1: no process fits in before both are said
    for name in ("cpuset.cpus", "cpuset.mems"):
        if (cpus / name).exists():
            (cpus / name).write_text((cpus.parent / name).read_text())


def _without_cgroups() -> bool:
    for controller in _controllers():
        for folder, _, _ in os.walk(controller / CGROUP, topdown=False):
            with contextlib.suppress(OSError):
                Path(folder).rmdir()
    return not any((controller / CGROUP).exists() for controller in _controllers())


def _controllers() -> list[Path]:
    if (CGROUPS / "cgroup.controllers").exists():
        return [CGROUPS]
    return [each for each in CGROUPS.iterdir() if each.is_dir() and not each.is_symlink()]


def lacking() -> str:
    """Return what this machine lacks for a node; empty where it has all."""
    if os.geteuid() != 0:
        return "a node needs root"
    programs = (
        "unshare",
        "nsenter",
        "ip",
        "iptables",
        "ipset",
        "conntrack",
        "runc",
        "podman",
        "sysctl",
        "openssl",
    )
    if missing := [name for name in programs if not shutil.which(name)]:
        return f"a node needs {', '.join(missing)}"
    return "" if plugins() else "a node needs the package containernetworking-plugins"


def plugins() -> Path | None:
    """Return the folder of the network's plug-ins."""
    for folder in ("/usr/lib/cni", "/opt/cni/bin", "/usr/libexec/cni"):
        if all((Path(folder) / name).is_file() for name in ("ptp", "host-local", "portmap")):
            return Path(folder)
    return None
