"""A real API server of Kubernetes (with etcd), the chart in it, a hub and the broker as processes here.

There is no kubelet: `kubelet` does for executors what one would do, as processes with what their pods say.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from helm import tool
from helm.node import Unavailable
from helm.node.control import control, free_port
from helm.node.parts import kubeconfig
from helm.node.process import Process, wait_for
from helm.node.programs import CONTROL, programs

LAB = "lab"
VALUES = {
    "hub": {
        "culling": None,
        "profiles": [
            {"name": "small", "title": "Small", "cpu": 1, "memory": "2G"},
            {"name": "spark", "title": "With Spark", "cpu": 1, "memory": "2G", "spark_executors": 2,
             "executor_cores": 1, "executor_memory": "1G"},
        ],
    },
}  # fmt: skip


@dataclass
class Api:
    """The API server, asked with a token."""

    url: str
    token: str
    authority: Path

    def ask(self, method: str, path: str, body: Any = None, **options: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.token}", **options.pop("headers", {})}
        return requests.request(
            method, f"{self.url}{path}", json=body, headers=headers, verify=str(self.authority), timeout=30,
            **options
        )  # fmt: skip

    def get(self, path: str, **parameters: str) -> Any:
        answer = self.ask("GET", path, params=parameters)
        return None if answer.status_code == 404 else answer.json()

    def pods(self, selector: str = "") -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.get(f"/api/v1/namespaces/{LAB}/pods", labelSelector=selector)[
            "items"
        ]
        return found

    def status(self, pod: dict[str, Any], **status: Any) -> None:
        self.ask(
            "PATCH", f"/api/v1/namespaces/{LAB}/pods/{pod['metadata']['name']}/status", {"status": status},
            headers={"Content-Type": "application/merge-patch+json"},
        )  # fmt: skip

    def account(self, name: str) -> Api:
        """Return the API server as a service account may use it."""
        path = f"/api/v1/namespaces/{LAB}/serviceaccounts/{name}/token"
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        answer = self.ask("POST", path, request)
        assert answer.ok, answer.text
        return Api(self.url, answer.json()["status"]["token"], self.authority)

    def kubeconfig(self, file: Path) -> Path:
        return kubeconfig(file, self.url, self.authority, self.token, LAB)


@pytest.fixture(scope="session")
def api(tmp_path_factory) -> Iterator[Api]:
    try:
        built = programs(CONTROL)
    except Unavailable as error:
        pytest.skip(str(error))
    with control(built, tmp_path_factory.mktemp("api")) as plane:
        made = Api(plane.url, plane.token, plane.authority)
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {
            "name": LAB, "labels": {"pod-security.kubernetes.io/warn": "restricted"}}}  # fmt: skip
        assert made.ask("POST", "/api/v1/namespaces", namespace).status_code == 201
        account = f"/api/v1/namespaces/{LAB}/serviceaccounts/default"
        wait_for(
            lambda: made.get(account), 60, lambda: (plane.folder / "controllers.log").read_text()[-3000:]
        )
        yield made


@pytest.fixture(scope="session")
def kubectl(api, tmp_path_factory) -> Callable[..., str]:
    config = api.kubeconfig(tmp_path_factory.mktemp("kubectl") / "config")

    def run(*words: str, objects: Any = ()) -> str:
        done = subprocess.run(
            [tool.program("kubectl"), "--kubeconfig", config, *words], capture_output=True, text=True,
            timeout=120, input=yaml.safe_dump_all(objects),
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.fixture(scope="session")
def installed(api, kubectl, helm) -> Api:
    """Install the chart, without JupyterHub's: hub and broker are processes here."""
    kubectl("apply", "--namespace", LAB, "-f", "-", objects=tool.render({"global": {"probav": VALUES}}))
    broker = api.account("probav-spark")
    # the policy of admission takes a moment until it is in force
    config = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "probe"},
              "spec": {"containers": [{"name": "x", "image": "x"}]}}  # fmt: skip
    probe = lambda: broker.ask("POST", f"/api/v1/namespaces/{LAB}/pods?dryRun=All", config).text  # noqa: E731
    wait_for(lambda: "The broker makes" in probe(), 60, probe)
    return api


# --- hub and broker -----------------------------------------------------------------------------------------

CONFIG = """
import json, os
from pathlib import Path
from probav_hub import proxy
from probav_hub.kubernetes.configured import configure
from probav_hub.settings import data_folder
given = json.loads(os.environ["LAB"])
c = get_config()
c.JupyterHub.services, c.JupyterHub.load_roles = [], []
c.JupyterHub.bind_url = f"http://127.0.0.1:{given['port']}"
c.JupyterHub.hub_ip, c.JupyterHub.hub_port = "127.0.0.1", given["hub"]
c.JupyterHub.cleanup_servers = False
c.JupyterHub.tornado_settings = {"slow_spawn_timeout": 0}
c.ConfigurableHTTPProxy.command = proxy.command(data_folder())
c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{given['proxy']}"
c.KubeSpawner.namespace = "lab"
c.KubeSpawner.common_labels = {"app": "jupyterhub", "release": "hub"}
c.KubeSpawner.extra_labels = {"hub.jupyter.org/network-access-hub": "true"}
c.KubeSpawner.image = "probav-user:0.1.0"
state = Path(given["state"])
configure(c, given["values"], state, state / "password", "127.0.0.7")
c.Spawner.http_timeout = 3600  # nothing answers in a pod without a kubelet
c.JupyterHub.services.append({"name": "program", "api_token": given["token"]})
c.JupyterHub.load_roles.append({"name": "program", "services": ["program"],
                                "scopes": ["admin:users", "admin:servers", "tokens"]})
"""


@dataclass
class Hub:
    """A hub whose servers are pods."""

    api: str
    token: str
    process: Process
    cluster: Api

    def ask(self, method: str, path: str, body: Any = None) -> requests.Response:
        headers = {"Authorization": f"token {self.token}"}
        return requests.request(method, f"{self.api}{path}", json=body, headers=headers, timeout=30)

    def pod(self, user: str, server: str = "") -> dict[str, Any] | None:
        for pod in self.cluster.pods("component=singleuser-server"):
            notes = pod["metadata"]["annotations"]
            if (
                notes["hub.jupyter.org/username"] == user
                and notes.get("hub.jupyter.org/servername", "") == server
            ):
                return pod
        return None

    def start(self, user: str, profile: str) -> dict[str, Any]:
        """Ask for a server, let its pod run, and return it."""
        self.ask("POST", f"/users/{user}")
        answer = self.ask("POST", f"/users/{user}/server", {"profile": profile})
        assert answer.status_code in (201, 202), answer.text
        pod: dict[str, Any] = wait_for(lambda: self.pod(user), 60, self.process.said)
        ready = [{"type": "Ready", "status": "True"}]
        running = {"name": "notebook", "ready": True, "restartCount": 0, "image": "x", "imageID": "x",
                   "state": {"running": {}}}  # fmt: skip
        self.cluster.status(pod, phase="Running", podIP="127.0.0.1", podIPs=[{"ip": "127.0.0.1"}],
                            conditions=ready, containerStatuses=[running])  # fmt: skip
        return self.pod(user) or {}


@pytest.fixture(scope="session")
def hub_account(installed, kubectl, parent) -> Api:
    """Return the API server as the hub may use it; as an admin may without the chart of JupyterHub."""
    if parent is None:
        return installed
    objects = tool.render({"global": {"probav": VALUES}}, parent)
    rights = [each for each in objects if each["metadata"]["name"] == "hub"
              and each["kind"] in ("ServiceAccount", "Role", "RoleBinding")]  # fmt: skip
    kubectl("apply", "--namespace", LAB, "-f", "-", objects=rights)
    return installed.account("hub")


@pytest.fixture(scope="session")
def hub(installed, hub_account, tmp_path_factory) -> Iterator[Hub]:
    folder = tmp_path_factory.mktemp("hub")
    (folder / "password").write_text("pass-word-of-the-lab")
    (folder / "password").chmod(0o600)
    (folder / "config.py").write_text(CONFIG)
    port, own, proxy = free_port(), free_port(), free_port()
    token = secrets.token_hex(16)
    given = {"port": port, "hub": own, "proxy": proxy, "state": str(folder), "token": token, "values": VALUES}
    process = Process(
        [sys.executable, "-m", "jupyterhub", "--config", folder / "config.py"], folder / "hub.log",
        {"LAB": json.dumps(given), "KUBECONFIG": str(hub_account.kubeconfig(folder / "kubeconfig"))},
    )  # fmt: skip
    with process:
        made = Hub(f"http://127.0.0.1:{own}/hub/api", token, process, installed)
        wait_for(lambda: requests.get(made.api, timeout=5).ok, 120, process.said)
        yield made


@pytest.fixture(scope="session")
def brokers(installed, hub, tmp_path_factory) -> Callable[..., contextlib.AbstractContextManager[str]]:
    """Run a broker with its own account, and some values of its own, and give its URL."""
    return partial(begin_broker, installed, hub, tmp_path_factory)


@pytest.fixture(scope="session")
def broker(brokers) -> Iterator[str]:
    with brokers() as url:
        yield url


@contextlib.contextmanager
def begin_broker(installed: Api, hub: Hub, tmp_path_factory: Any, **spark: Any) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("broker")
    values = {"global": {"probav": {**VALUES, "spark": spark}}}
    config = next(each for each in tool.render(values) if each["kind"] == "ConfigMap")
    (folder / "values.yaml").write_text(config["data"]["values.yaml"])
    port = free_port()
    process = Process(
        [sys.executable, "-m", "probav_hub.kubernetes"], folder / "broker.log",
        {"PROBAV_VALUES": str(folder / "values.yaml"), "PROBAV_PORT": str(port),
         "PROBAV_ADDRESS": "127.0.0.1", "POD_NAMESPACE": LAB, "JUPYTERHUB_API_URL": hub.api,
         "KUBECONFIG": str(installed.account("probav-spark").kubeconfig(folder / "kubeconfig"))},
    )  # fmt: skip
    with process:
        url = f"http://127.0.0.1:{port}"
        wait_for(lambda: requests.get(f"{url}/healthz", timeout=5).ok, 60, process.said)
        yield url


@pytest.fixture(scope="session")
def environment() -> Callable[[dict[str, Any], str], dict[str, str]]:
    """Return the variables of a server's pod, with addresses of this machine for the names of the cluster."""

    def of(pod: dict[str, Any], broker: str) -> dict[str, str]:
        found = {each["name"]: each.get("value", "127.0.0.1") for each in pod["spec"]["containers"][0]["env"]}
        return {name: value.replace("http://probav-spark:8080", broker) for name, value in found.items()}

    return of


# --- what a kubelet does ------------------------------------------------------------------------------------


class Kubelet(threading.Thread):
    """Run executors' pods as processes here, and tell the API server what becomes of them."""

    def __init__(self, api: Api, folder: Path) -> None:
        super().__init__(daemon=True)
        self._api, self._folder, self._stopped = api, folder, threading.Event()
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.most = 0

    def run(self) -> None:
        while not self._stopped.wait(0.3):
            with contextlib.suppress(requests.RequestException):
                self._look()

    def _look(self) -> None:
        pods = {pod["metadata"]["name"]: pod for pod in self._api.pods("component=spark-executor")}
        running = [each for each in pods.values() if each["status"]["phase"] in ("Pending", "Running")]
        self.most = max(self.most, len(running))
        for name, pod in pods.items():
            if name not in self.processes and pod["status"]["phase"] == "Pending":
                self._begin(name, pod)
            elif name in self.processes and pod["status"]["phase"] == "Running":
                code = self.processes[name].poll()
                if code is not None:
                    self._tell(pod, "Failed" if code else "Succeeded", {"terminated": {"exitCode": code}})
        for name, process in self.processes.items():
            if name not in pods and process.poll() is None:
                process.terminate()

    def _begin(self, name: str, pod: dict[str, Any]) -> None:
        (container,) = pod["spec"]["containers"]
        fields = {"status.podIP": "127.0.0.1", "metadata.name": name}
        home = self._folder / name
        home.mkdir()
        given = {each["name"]: each["value"] for each in container["env"] if "value" in each}
        given |= {
            each["name"]: fields[each["valueFrom"]["fieldRef"]["fieldPath"]]
            for each in container["env"] if "valueFrom" in each
        }  # fmt: skip
        given |= {"HOME": str(home), "SPARK_LOCAL_DIRS": str(home)}
        with (home / "log").open("wb") as log:
            words = [sys.executable if word == "python" else word for word in container["command"]]
            kept = {key: os.environ[key] for key in ("PATH", "LANG", "LD_LIBRARY_PATH") if key in os.environ}
            self.processes[name] = subprocess.Popen(
                words, env={**kept, **given}, cwd=home, stdout=log, stderr=subprocess.STDOUT,
                start_new_session=True,
            )  # fmt: skip
        self._tell(pod, "Running", {"running": {}})

    def _tell(self, pod: dict[str, Any], phase: str, state: dict[str, Any]) -> None:
        status = {"name": "spark-kubernetes-executor", "ready": phase == "Running", "restartCount": 0,
                  "image": "x", "imageID": "x", "state": state}  # fmt: skip
        self._api.status(pod, phase=phase, podIP="127.0.0.1", containerStatuses=[status])

    def stop(self) -> None:
        self._stopped.set()
        self.join(30)
        for process in self.processes.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

    def said(self) -> str:
        return "\n".join(re.sub(r"^", f"{log.parent.name}: ", log.read_text(errors="replace")[-1500:],
                                flags=re.M)
                         for log in sorted(self._folder.glob("*/log")))  # fmt: skip


@pytest.fixture
def kubelet(installed, tmp_path) -> Iterator[Kubelet]:
    running = Kubelet(installed, tmp_path)
    running.start()
    yield running
    running.stop()
