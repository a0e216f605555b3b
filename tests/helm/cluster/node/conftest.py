"""A real node: a kubelet, containerd, a network with policies, and the images of `make images`."""

from __future__ import annotations

import base64
import json
import secrets
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from helm import tool
from helm.node import Cluster, Unavailable, cluster
from probav_hub.processes import local_requests
from probav_hub.remote_kernel import RemoteKernel


@pytest.fixture(scope="session")
def node(helm, tmp_path_factory) -> Iterator[Cluster]:
    made = cluster(tmp_path_factory.mktemp("node"))
    try:
        running = made.__enter__()
    except Unavailable as error:
        pytest.skip(f"no node of Kubernetes: {error}")
    try:
        yield running
    finally:
        made.__exit__(None, None, None)


# --- the whole chart on it ----------------------------------------------------------------------------------

LAB = "lab"
PROFILES = [
    {"name": "spark", "title": "With Spark", "cpu": 1, "memory": "3G", "spark_executors": 1,
     "executor_cores": 1, "executor_memory": "1G"},
    {"name": "small", "title": "Small", "cpu": 1, "memory": "1G"},
    {"name": "tiny", "title": "Tiny", "cpu": 1, "memory": "64M"},
]  # fmt: skip
OURS = {"name": "probav-hub", "tag": "0.1.0"}
OPERATOR = secrets.token_hex(16)  # the token of a program that may delete users
DELETING = ["admin:users", "delete:servers"]
VALUES: dict[str, Any] = {
    "global": {"probav": {
        "hub": {"culling": None, "profiles": PROFILES},
        "homes": {"storageClass": "lab", "size": "1G"},
        "archive": {"claim": "archive"},
        "guaranteedCpu": 0.1,
        "spark": {"maxExecutors": 1},
    }},
    "jupyterhub": {
        "hub": {
            "db": {"pvc": {"storageClassName": "lab"}}, "resources": {"requests": {"cpu": "50m"}},
            "services": {"operator": {"apiToken": OPERATOR}},
            "loadRoles": {"operator": {"services": ["operator"], "scopes": DELETING}},
        },
        "proxy": {"chp": {"image": OURS, "resources": {"requests": {"cpu": "50m"}}}},
        "prePuller": {"hook": {"enabled": False}, "continuous": {"enabled": False}},
    },
}  # fmt: skip


@dataclass
class Lab:
    """The chart on a node, as its users and its operator see it."""

    node: Cluster
    chart: Path

    def install(self, *options: str) -> None:
        """Install or upgrade the chart, and wait until all runs."""
        config = str(self.node.control.folder / "kubeconfig")
        values = self.node.space.folder / "values.yaml"
        values.write_text(yaml.safe_dump(VALUES))
        tool.run("upgrade", "--install", "hub", self.chart, "--namespace", LAB, "--values", values, "--wait",
                 "--timeout", "110s", "--kubeconfig", config, *options)  # fmt: skip
        # of an upgrade helm waits for the new objects only
        for name in ("hub", "proxy", "probav-spark"):
            self.kubectl("rollout", "status", f"deployment/{name}", "--timeout=110s", seconds=115)

    def kubectl(self, *words: Any, **options: Any) -> str:
        return self.node.kubectl("--namespace", LAB, *words, **options)

    def field(self, path: str, *words: str) -> str:
        return self.kubectl("get", *words, "-o", f"jsonpath={{{path}}}")

    @property
    def url(self) -> str:
        return f"http://{self.field('.spec.clusterIP', 'service', 'proxy-public')}"

    def log_in(self, user: str) -> requests.Session:
        """Log in by the form, and return a session with a token of the user."""
        password = base64.b64decode(self.field(".data.password", "secret", "probav-login")).decode()
        http = local_requests()
        http.get(f"{self.url}/hub/login", timeout=60).raise_for_status()
        form = {"username": user, "password": password, "_xsrf": http.cookies["_xsrf"]}
        http.post(f"{self.url}/hub/login?next=/hub/token", data=form, timeout=60).raise_for_status()
        xsrf = next(each.value for each in http.cookies if each.name == "_xsrf" and each.path == "/hub/")
        token = http.post(
            f"{self.url}/hub/api/users/{user}/tokens", headers={"X-XSRFToken": xsrf}, timeout=60
        )
        token.raise_for_status()
        http.cookies.clear()
        http.headers["Authorization"] = f"token {token.json()['token']}"
        return http

    def delete(self, user: str) -> int:
        """Delete a user as the operator does, and return the status."""
        headers = {"Authorization": f"token {OPERATOR}"}
        url = f"{self.url}/hub/api/users/{user}"
        return local_requests().delete(url, headers=headers, timeout=120).status_code

    def spawn(self, http: requests.Session, user: str, profile: str) -> str:
        """Start a user's server, and return why there is none; empty where there is."""
        api = f"{self.url}/hub/api/users/{user}"
        answer = http.post(f"{api}/server", json={"profile": profile}, timeout=300)
        if not answer.ok:
            return str(answer.json()["message"])
        with http.get(f"{api}/server/progress", stream=True, timeout=300) as progress:
            for line in progress.iter_lines():
                if line.startswith(b"data:"):
                    told = json.loads(line.removeprefix(b"data:"))
                    if told.get("ready") or told.get("failed"):
                        return "" if told.get("ready") else str(told["message"])
        return "the progress ended without a word"

    def kernel(self, http: requests.Session, user: str) -> RemoteKernel:
        return RemoteKernel(http, f"{self.url}/user/{user}", "probav-python")

    def reaches(self, pod: str, host: str, port: int) -> str:
        """Return whether a process in a pod gets a connection: yes, or what it gets instead."""
        code = (
            f"import socket\ntry:\n socket.create_connection(({host!r}, {port}), 3).close(); print('yes')\n"
            "except OSError as error: print(type(error).__name__)"
        )
        return self.kubectl("exec", pod, "--", "python", "-c", code).strip()

    def address(self, pod: str) -> str:
        return self.field(".status.podIP", "pod", pod)


@pytest.fixture(scope="session")
def lab(node, parent, demo_archive) -> Iterator[Lab]:
    if parent is None:
        pytest.skip(f"{tool.PARENT} names no checked-out chart of JupyterHub")
    subprocess.run(["chmod", "-R", "o+rX", demo_archive], check=True)
    for level in demo_archive.parents[:3]:
        level.chmod(0o755)
    node.kubectl("create", "namespace", LAB)
    node.kubectl("label", "namespace", LAB, "pod-security.kubernetes.io/enforce=restricted")
    folders = []
    for name in ("1", "2", "3", "4", "5", "6"):
        folder = node.space.folder / f"volume-{name}"
        folder.mkdir()
        folder.chmod(0o777)
        folders.append(volume(f"lab-{name}", "lab", folder, "ReadWriteOnce"))
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim",
             "metadata": {"name": "archive", "namespace": LAB},
             "spec": {"accessModes": ["ReadOnlyMany"], "storageClassName": "archive",
                      "resources": {"requests": {"storage": "1Gi"}}}}  # fmt: skip
    archive = volume("archive", "archive", demo_archive, "ReadOnlyMany")
    node.kubectl("apply", "-f", "-", objects=[*folders, archive, claim])
    with tool.chart(parent) as chart:
        made = Lab(node, chart)
        made.install()
        yield made


def volume(name: str, kind: str, folder: Path, mode: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name},
        "spec": {"capacity": {"storage": "20Gi"}, "accessModes": [mode], "storageClassName": kind,
                 "persistentVolumeReclaimPolicy": "Retain", "hostPath": {"path": str(folder)}},
    }  # fmt: skip
