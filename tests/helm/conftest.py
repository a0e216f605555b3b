"""The chart as helm renders it, and who may reach whom by its network policies."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from traitlets.config import Config

from helm import tool

PROFILES = [
    {"name": "small", "title": "Small", "cpu": 1, "memory": "2G"},
    {"name": "spark", "title": "With Spark", "cpu": 2, "memory": "8G", "disk": "20G", "spark_executors": 3,
     "executor_cores": 2, "executor_memory": "4G", "hours": 12},
    {"name": "own", "title": "Another image", "image": "registry.example.org/lab/user:1.2",
     "groups": ["lab"]},
]  # fmt: skip
OWN = {
    "hub": {"profiles": PROFILES, "servers_per_user": 3},
    "archive": {"claim": "probav-archive"},
    "publishedClaim": "probav-published",
    "sharedClaim": "probav-shared",
}


@pytest.fixture(scope="session")
def parent() -> Path | None:
    """Return the checked-out chart of JupyterHub, if one is named."""
    named = os.environ.get(tool.PARENT)
    return Path(named) if named else None


@pytest.fixture(scope="session")
def helm() -> None:
    """Skip where there is no helm."""
    try:
        tool.program("helm")
    except tool.ToolError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def render(helm, parent) -> Callable[..., list[dict[str, Any]]]:
    """Render the chart with some of our values: alone, or whole with the chart of JupyterHub."""

    def rendered(
        own: dict[str, Any] | None = None, *, whole: bool = False, **others: Any
    ) -> list[dict[str, Any]]:
        if whole and parent is None:
            pytest.skip(f"{tool.PARENT} names no checked-out chart of JupyterHub")
        return tool.render({"global": {"probav": own or {}}, **others}, parent if whole else None)

    return rendered


@pytest.fixture(scope="session")
def objects(render) -> list[dict[str, Any]]:
    return render(OWN)


@pytest.fixture(scope="session")
def whole(render) -> list[dict[str, Any]]:
    """Return the objects of the chart with JupyterHub's."""
    return render(OWN, whole=True)


@pytest.fixture(scope="session")
def find() -> Callable[..., dict[str, Any]]:
    def found(objects: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
        (one,) = [each for each in objects if (each["kind"], each["metadata"]["name"]) == (kind, name)]
        return one

    return found


# --- pods ---------------------------------------------------------------------------------------------------


@dataclass
class Person:
    name: str
    groups: list[Any] = field(default_factory=list)
    id: int = 1
    url: str = "/user/x/"
    server: Any = None
    orm_user: Any = None

    @property
    def escaped_name(self) -> str:
        return self.name


@dataclass
class Group:
    name: str


@pytest.fixture(scope="session")
def configured(tmp_path_factory) -> Callable[..., Config]:
    """Return what the hub's pod is configured with, as the chart of JupyterHub leaves it to us."""

    def make(own: dict[str, Any] | None = None) -> Config:
        from probav_hub.kubernetes.configured import configure

        state = tmp_path_factory.mktemp("state")
        (state / "password").write_text("pass-word-of-the-lab")
        (state / "password").chmod(0o600)
        c = Config()
        c.JupyterHub.services, c.JupyterHub.load_roles = [], []
        c.KubeSpawner.namespace = "lab"
        c.KubeSpawner.common_labels = {"app": "jupyterhub", "release": "hub"}
        c.KubeSpawner.extra_labels = {"hub.jupyter.org/network-access-hub": "true"}
        c.KubeSpawner.image = "probav-user:0.1.0"
        configure(c, OWN if own is None else own, state, state / "password", "10.1.2.3")
        return c

    return make


@pytest.fixture(scope="session")
def no_cluster(tmp_path_factory) -> Iterator[None]:
    """Let KubeSpawner find the configuration of a cluster that is not there."""
    kubeconfig = tmp_path_factory.mktemp("kube") / "config"
    kubeconfig.write_text(yaml.safe_dump({
        "apiVersion": "v1", "kind": "Config", "current-context": "none",
        "contexts": [{"name": "none", "context": {"cluster": "none", "user": "none"}}],
        "clusters": [{"name": "none", "cluster": {"server": "http://127.0.0.1:9"}}],
        "users": [{"name": "none", "user": {}}],
    }))  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kubernetes_asyncio.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(kubeconfig))
        yield


@pytest.fixture(scope="session")
def server_pod(configured, no_cluster) -> Callable[..., dict[str, Any]]:
    """Return the pod, as JSON, that the spawner would make of a user's server."""

    def make(
        profile: str = "small", user: str = "ada", server: str = "", groups: tuple[str, ...] = (),
        own: dict[str, Any] | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        from jupyterhub import orm
        from jupyterhub.objects import Hub
        from kubernetes_asyncio.client import ApiClient

        from probav_hub.kubernetes.spawner import PodSpawner

        async def manifest() -> Any:
            person = Person(user, [Group(name) for name in groups])
            spawner = PodSpawner(
                config=configured(own), _mock=True, user=person,
                hub=Hub(base_url="/hub/", port=8081, ip="hub", connect_ip="hub"),
                orm_spawner=orm.Spawner(name=server),
                api_token="to-ken", oauth_client_id="id",
            )  # fmt: skip
            await spawner.apply_user_options(spawner, {"profile": profile})
            pod = await spawner.get_pod_manifest()
            plain = json.loads(json.dumps(ApiClient().sanitize_for_serialization(pod)))
            claim = json.loads(json.dumps(ApiClient().sanitize_for_serialization(spawner.get_pvc_manifest())))
            return {**plain, "claim": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", **claim}}

        made: dict[str, Any] = asyncio.run(manifest())
        made["metadata"].update(name=f"jupyter-{user}{server}", uid=f"uid-of-{user}{server}")
        return {"apiVersion": "v1", "kind": "Pod", **made}

    return make


@pytest.fixture(scope="session")
def asked() -> dict[str, Any]:
    """Return a pod as Spark asks for one."""
    names = {
        "SPARK_DRIVER_URL": "spark://CoarseGrainedScheduler@10.0.0.9:7078", "SPARK_EXECUTOR_CORES": "2",
        "SPARK_EXECUTOR_MEMORY": "4096m", "SPARK_APPLICATION_ID": "spark-application-1",
        "SPARK_EXECUTOR_ID": "1",
        "SPARK_RESOURCE_PROFILE_ID": "0", "SPARK_JAVA_OPT_0": "-Dspark.driver.port=7078",
        "_SPARK_AUTH_SECRET": "se-cret",
    }  # fmt: skip
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "probav-1-exec-1",
            "labels": {
                "spark-role": "executor", "spark-app-selector": "spark-application-1", "spark-exec-id": "1",
            },
        },
        "spec": {
            "containers": [{
                "name": "spark-kubernetes-executor", "image": "the-broker-chooses", "args": ["executor"],
                "env": [
                    *({"name": name, "value": value} for name, value in names.items()),
                    *({"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}} for name, path in (
                        ("SPARK_EXECUTOR_POD_IP", "status.podIP"),
                        ("SPARK_EXECUTOR_POD_NAME", "metadata.name"),
                    )),
                ],
            }],
        },
    }  # fmt: skip


@pytest.fixture(scope="session")
def executor_pod(server_pod, asked) -> Callable[..., dict[str, Any]]:
    """Return the pod of an executor of a user's server."""

    def make(user: str = "ada", server: str = "", own: dict[str, Any] | None = None) -> dict[str, Any]:
        from probav_hub.kubernetes.executors import executor
        from probav_hub.kubernetes.values import Values

        values = Values.model_validate(OWN if own is None else own)
        profile = next(each for each in values.configuration.profiles if each.name == "spark")
        return executor(asked, server_pod("spark", user, server), profile, values)

    return make


# --- the network --------------------------------------------------------------------------------------------


@dataclass
class End:
    """One end of a connection: a pod with its labels, or an address outside."""

    labels: dict[str, str] = field(default_factory=dict)
    namespace: str = "lab"
    address: str = "10.9.9.9"
    is_pod: bool = True
    ports: dict[str, int] = field(default_factory=dict)  # those that have names


@dataclass
class Network:
    """NetworkPolicies, read as Kubernetes' documentation of them says."""

    policies: list[dict[str, Any]]

    def allows(self, source: End, target: End, port: int, protocol: str = "TCP") -> bool:
        """Whether a connection is let out of its source and into its target."""
        out = self._passes("Egress", "egress", "to", source, target, target, port, protocol)
        return out and self._passes("Ingress", "ingress", "from", target, source, target, port, protocol)

    def _passes(self, kind, rules, peers, of, other, listener, port, protocol) -> bool:
        if not of.is_pod:
            return True
        isolating = [
            policy["spec"] for policy in self.policies
            if policy["metadata"].get("namespace", "lab") == of.namespace
            and kind in policy["spec"]["policyTypes"]
            and selects(policy["spec"]["podSelector"], of.labels)
        ]  # fmt: skip
        return not isolating or any(
            self._matches(rule, peers, of, other, listener, port, protocol)
            for spec in isolating for rule in spec.get(rules) or []
        )  # fmt: skip

    def _matches(self, rule, peers, of, other, listener, port, protocol) -> bool:
        ports, ends = rule.get("ports"), rule.get(peers)
        if ports and not any(fits(each, listener, port, protocol) for each in ports):
            return False
        return not ends or any(self._is(each, of, other) for each in ends)

    def _is(self, peer: dict[str, Any], of: End, other: End) -> bool:
        if block := peer.get("ipBlock"):
            address = ipaddress.ip_address(other.address)
            inside = address in ipaddress.ip_network(block["cidr"])
            return inside and not any(
                address in ipaddress.ip_network(each) for each in block.get("except", [])
            )
        if not other.is_pod:
            return False
        if "namespaceSelector" in peer:
            if not selects(peer["namespaceSelector"], {"kubernetes.io/metadata.name": other.namespace}):
                return False
        elif other.namespace != of.namespace:
            return False
        return selects(peer.get("podSelector") or {}, other.labels)


def selects(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    for name, value in (selector.get("matchLabels") or {}).items():
        if labels.get(name) != value:
            return False
    for each in selector.get("matchExpressions") or []:
        value = labels.get(each["key"])
        fits = {
            "In": value in each.get("values", []), "NotIn": value not in each.get("values", []),
            "Exists": value is not None, "DoesNotExist": value is None,
        }  # fmt: skip
        if not fits[each["operator"]]:
            return False
    return True


def fits(given: dict[str, Any], listener: End, port: int, protocol: str) -> bool:
    if given.get("protocol", "TCP") != protocol:
        return False
    first = given.get("port")
    if isinstance(first, str):
        first = listener.ports.get(first)
    return first is None or first <= port <= given.get("endPort", first)


@pytest.fixture(scope="session")
def network() -> type[Network]:
    return Network


@pytest.fixture(scope="session")
def end() -> type[End]:
    return End
