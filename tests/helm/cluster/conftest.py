"""A real API server of Kubernetes (with etcd), the chart in it, a hub and the broker as processes here.

There is no kubelet: `kubelet` does for executors what one would do, as processes with what their pods say.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from platformdirs import user_cache_path

from helm import tool

SOURCES = Path(__file__).parent / "api_server"
PACKAGES = {
    "server": "go.etcd.io/etcd/server/v3",
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
    "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
}
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


def wait_for(what: Callable[[], Any], seconds: float, otherwise: Callable[[], str] = lambda: "") -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(requests.ConnectionError, requests.Timeout):
            if found := what():
                return found
        time.sleep(0.1)
    pytest.fail(f"waited {seconds:.0f} s in vain: {otherwise()}")


@pytest.fixture(scope="session")
def until() -> Callable[..., Any]:
    return wait_for


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def programs() -> dict[str, Path]:
    """Return etcd, API server and controllers, built by Go where `make test-kubernetes` asks for it."""
    digest = hashlib.sha256((SOURCES / "go.sum").read_bytes()).hexdigest()[:12]
    folder = user_cache_path("probav") / "kubernetes" / digest
    missing = [name for name in PACKAGES if not (folder / name).is_file()]
    if missing and os.environ.get("PROBAV_BUILD_KUBERNETES") != "1":
        pytest.skip("no API server of Kubernetes is built: `make test-kubernetes` does that")
    if missing and not shutil.which("go"):
        pytest.skip("no API server of Kubernetes can be built: there is no Go")
    folder.mkdir(parents=True, exist_ok=True)
    for name in missing:
        done = subprocess.run(
            ["go", "build", "-trimpath", "-ldflags=-s -w", "-o", folder / name, PACKAGES[name]], cwd=SOURCES,
            capture_output=True, text=True, env={**os.environ, "CGO_ENABLED": "0"},
        )  # fmt: skip
        if done.returncode:
            pytest.skip(f"{PACKAGES[name]} can't be built: {done.stderr.strip().splitlines()[-1]}")
    return {name: folder / name for name in PACKAGES}


@dataclass
class Process:
    """A process with its log, which ends with the test session."""

    words: list[Any]
    log: Path
    environment: dict[str, str] = field(default_factory=dict)

    def __enter__(self) -> Process:
        libc, terminated = ctypes.CDLL(None), signal.SIGTERM
        die_with_the_tests = partial(libc.prctl, 1, terminated, 0, 0, 0)  # PR_SET_PDEATHSIG
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [str(word) for word in self.words], env={**os.environ, **self.environment}, stdout=log,
                stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True,
                cwd=self.log.parent, preexec_fn=die_with_the_tests,
            )  # fmt: skip
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(20)

    def said(self) -> str:
        return f"{self.words[0]} said:\n{self.log.read_text(errors='replace')[-3000:]}"


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
        file.write_text(yaml.safe_dump({
            "apiVersion": "v1", "kind": "Config", "current-context": "lab",
            "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "lab", "namespace": LAB}}],
            "clusters": [{"name": "lab", "cluster": {
                "server": self.url, "certificate-authority": str(self.authority)}}],
            "users": [{"name": "lab", "user": {"token": self.token}}],
        }))  # fmt: skip
        file.chmod(0o600)
        return file


@pytest.fixture(scope="session")
def api(programs, tmp_path_factory) -> Iterator[Api]:
    folder = tmp_path_factory.mktemp("api")
    etcd, peer, port = free_port(), free_port(), free_port()
    token = secrets.token_hex(16)
    (folder / "tokens.csv").write_text(f'{token},admin,admin,"system:masters"\n')
    (folder / "tokens.csv").chmod(0o600)
    key = folder / "key.pem"
    subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
    store = Process(
        [programs["server"], "--data-dir", folder / "etcd", "--listen-client-urls", f"http://127.0.0.1:{etcd}",
         "--advertise-client-urls", f"http://127.0.0.1:{etcd}", "--listen-peer-urls", f"http://127.0.0.1:{peer}",
         "--initial-advertise-peer-urls", f"http://127.0.0.1:{peer}",
         "--initial-cluster", f"default=http://127.0.0.1:{peer}", "--unsafe-no-fsync"], folder / "etcd.log",
    )  # fmt: skip
    server = Process(
        [programs["kube-apiserver"], "--etcd-servers", f"http://127.0.0.1:{etcd}", "--secure-port", port,
         "--bind-address", "127.0.0.1", "--cert-dir", folder / "certs",
         "--token-auth-file", folder / "tokens.csv",
         "--authorization-mode", "RBAC", "--allow-privileged", "--service-cluster-ip-range", "10.96.0.0/16",
         "--service-account-issuer", "https://kubernetes.default.svc", "--service-account-key-file", key,
         "--service-account-signing-key-file", key, "--external-hostname", "localhost"],
        folder / "server.log",
    )  # fmt: skip
    with store, server:
        made = Api(f"https://127.0.0.1:{port}", token, folder / "certs" / "apiserver.crt")
        wait_for(lambda: made.authority.is_file() and made.ask("GET", "/readyz").ok, 120, server.said)
        controllers = Process(
            [programs["kube-controller-manager"], "--kubeconfig", made.kubeconfig(folder / "kubeconfig"),
             "--controllers", "garbagecollector,serviceaccount", "--use-service-account-credentials=false",
             "--leader-elect=false", "--secure-port", 0], folder / "controllers.log",
        )  # fmt: skip
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {
            "name": LAB, "labels": {"pod-security.kubernetes.io/warn": "restricted"}}}  # fmt: skip
        assert made.ask("POST", "/api/v1/namespaces", namespace).status_code == 201
        with controllers:
            account = f"/api/v1/namespaces/{LAB}/serviceaccounts/default"
            wait_for(lambda: made.get(account), 60, controllers.said)
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
def broker(installed, hub, tmp_path_factory) -> Iterator[str]:
    """Run the broker with its own account, and return its URL."""
    folder = tmp_path_factory.mktemp("broker")
    config = next(each for each in tool.render({"global": {"probav": VALUES}}) if each["kind"] == "ConfigMap")
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
