"""Programs of a cluster, built by Go from the modules in `go/` and kept in the user's cache."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

from platformdirs import user_cache_path

HERE = Path(__file__).parent / "go"
CONTROL = {  # of a cluster
    "server": ("kubernetes", "go.etcd.io/etcd/server/v3"),
    "kube-apiserver": ("kubernetes", "k8s.io/kubernetes/cmd/kube-apiserver"),
    "kube-controller-manager": ("kubernetes", "k8s.io/kubernetes/cmd/kube-controller-manager"),
}
NODE = {  # and of a node of it
    "kube-scheduler": ("kubernetes", "k8s.io/kubernetes/cmd/kube-scheduler"),
    "kube-proxy": ("kubernetes", "k8s.io/kubernetes/cmd/kube-proxy"),
    "kubelet": ("kubernetes", "k8s.io/kubernetes/cmd/kubelet"),
    "containerd": ("node", "github.com/containerd/containerd/v2/cmd/containerd"),
    "containerd-shim-runc-v2": ("node", "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2"),
    "ctr": ("node", "github.com/containerd/containerd/v2/cmd/ctr"),
    "kube-router": ("node", "github.com/cloudnativelabs/kube-router/v2/cmd/kube-router"),
    "coredns": ("node", "github.com/coredns/coredns"),
    "pause": ("node", "./pause"),
}
BUILD = "PROBAV_BUILD_KUBERNETES"


class Unavailable(RuntimeError):
    """What a cluster or node needs and this machine has not; says what."""


def programs(wanted: dict[str, tuple[str, str]]) -> dict[str, Path]:
    """Return programs, built first where $PROBAV_BUILD_KUBERNETES is 1.

    Parameters
    ----------
    wanted : dict
        `CONTROL`, or with it `NODE`.

    Raises
    ------
    Unavailable
        If one is not there and can't be built.
    """
    found = {name: _folder(module) / name for name, (module, _) in wanted.items()}
    missing = [name for name, file in found.items() if not file.is_file()]
    if missing and os.environ.get(BUILD) != "1":
        raise Unavailable(f"{', '.join(missing)} of Kubernetes not built: `make test-kubernetes` does that")
    if missing and not shutil.which("go"):
        raise Unavailable(f"{', '.join(missing)} of Kubernetes can't be built: there is no Go")
    for name in missing:
        _build(*wanted[name], found[name])
    return found


def _folder(module: str) -> Path:
    made_of = f"{(HERE / module / 'go.sum').read_text()}{_flags(module)}"
    digest = hashlib.sha256(made_of.encode()).hexdigest()[:12]
    return user_cache_path("probav") / "kubernetes" / digest


def _flags(module: str) -> str:
    """Return the linker's flags, which tell Kubernetes its version: helm asks for it."""
    found = re.search(r"k8s.io/kubernetes v(\d+)\.(\d+)\.\d+", (HERE / module / "go.mod").read_text())
    if not found:
        return "-s -w"
    said = {"gitVersion": found[0].split()[1], "gitMajor": found[1], "gitMinor": found[2]}
    named = (f"-X k8s.io/component-base/version.{name}={value}" for name, value in said.items())
    return " ".join(["-s -w", *named])


def _build(module: str, package: str, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_suffix(".partial")
    done = subprocess.run(
        ["go", "build", "-trimpath", f"-ldflags={_flags(module)}", "-o", partial, package], cwd=HERE / module,
        capture_output=True, text=True, env={**os.environ, "CGO_ENABLED": "0"},
    )  # fmt: skip
    if done.returncode:
        last = (done.stderr.strip() or "no message").splitlines()[-1]
        raise Unavailable(f"{package} can't be built: {last}")
    partial.replace(file)
