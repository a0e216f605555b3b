"""A cluster of one node: control plane on this machine, all else in the node's namespaces."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from platformdirs import user_cache_path

from helm import tool
from helm.node import images, parts
from helm.node.control import Control, control
from helm.node.process import Process, wait_for
from helm.node.programs import CONTROL, NODE, Unavailable, programs
from helm.node.space import HOST, PODS, Space, lacking, space
from helm.node.space import NODE as ADDRESS

NAME = "node"


@dataclass
class Cluster:
    """A cluster of one node that runs."""

    control: Control
    space: Space
    processes: dict[str, Process]

    def kubectl(self, *words: Any, objects: Any = None, seconds: float = 120) -> str:
        """Run kubectl as admin and return what it prints.

        Raises
        ------
        RuntimeError
            With what it says is wrong.
        """
        given = None if objects is None else yaml.safe_dump_all(objects)
        done = subprocess.run(
            [tool.program("kubectl"), "--kubeconfig", self.control.folder / "kubeconfig", *map(str, words)],
            capture_output=True, text=True, timeout=seconds, input=given,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"kubectl {' '.join(map(str, words))}: {done.stdout}{done.stderr}".strip())
        return done.stdout

    def said(self) -> str:
        """Return the ends of all logs."""
        return "\n\n".join(each.said() for each in self.processes.values())


@contextmanager
def cluster(folder: Path, name_server: bool = True) -> Iterator[Cluster]:
    """Run a cluster of one node with the images of `make images`.

    Raises
    ------
    Unavailable
        If this machine can't have one; says why.
    """
    if why := lacking():
        raise Unavailable(why)
    built = programs(CONTROL | NODE)
    ours, kept = images.ours(), user_cache_path("probav") / "kubernetes"
    with contextlib.ExitStack() as stack:
        lock = stack.enter_context((kept / "node.lock").open("w"))
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Unavailable("another node runs on this machine") from None
        root = images.store(kept, ours)
        inside = stack.enter_context(space(folder))
        plane = stack.enter_context(control(built, folder, HOST, "*", PODS, 6443))
        config, folders = folder / "kubeconfig", os.pathsep.join
        path = folders([str(built["containerd"].parent), os.environ["PATH"]])
        running = {
            "containerd": inside.start(
                "containerd", built["containerd"], "--config",
                parts.containerd(folder, root, shutil.which("runc") or "runc"), PATH=path,
            ),
            "scheduler": Process(
                [built["kube-scheduler"], "--kubeconfig", config, "--leader-elect=false", "--secure-port", 0],
                folder / "scheduler.log",
            ),
            "kubelet": inside.start(
                "kubelet", built["kubelet"], "--kubeconfig", config, "--config",
                parts.kubelet(folder, folder / "authority.crt"), "--hostname-override", NAME,
                "--node-ip", ADDRESS, "--cert-dir", folder / "kubelet-certs",
            ),
            "proxy": inside.start(
                "proxy", built["kube-proxy"], "--kubeconfig", config, "--proxy-mode", "iptables",
                "--hostname-override", NAME, "--cluster-cidr", PODS, "--conntrack-max-per-core", 0,
                "--conntrack-tcp-timeout-established", "0", "--conntrack-tcp-timeout-close-wait", "0",
            ),
            "policies": inside.start(
                "policies", built["kube-router"], "--kubeconfig", config, "--run-router=false",
                "--run-service-proxy=false", "--run-firewall=true", "--hostname-override", NAME,
                "--service-cluster-ip-range", "10.96.0.0/16", "--iptables-sync-period", "10s",
            ),
        }  # fmt: skip
        made = Cluster(plane, inside, running)
        stack.enter_context(running["containerd"])
        wait_for(lambda: _answers(inside, built), 60, running["containerd"].said)
        images.bring_in(inside, built, ours)
        for name in ("scheduler", "kubelet"):
            stack.enter_context(running[name])
        wait_for(lambda: " Ready" in made.kubectl("get", "nodes"), 120, running["kubelet"].said)
        for name in ("proxy", "policies"):
            stack.enter_context(running[name])
        if name_server:
            made.kubectl("apply", "-f", "-", objects=parts.names())
            made.kubectl("-n", "kube-system", "rollout", "status", "deployment/kube-dns", "--timeout=100s")
        yield made
        _clear(made)


def _answers(inside: Space, built: dict[str, Path]) -> bool:
    try:
        inside.run(built["ctr"], "--address", parts.SOCKET, "version")
    except RuntimeError:
        return False
    return True


def _clear(made: Cluster) -> None:
    """Let the kubelet end all pods, so that containerd's store keeps images only."""
    with contextlib.suppress(RuntimeError, subprocess.TimeoutExpired):
        made.kubectl("delete", "pods,deployments,replicasets,statefulsets,daemonsets,jobs", "--all",
                     "--all-namespaces", "--grace-period=1", "--wait=true", seconds=90)  # fmt: skip
