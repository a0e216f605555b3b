"""The pod of an executor: what Spark asks for, put into what a user may have."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import Any

from probav_hub.configuration import Profile
from probav_hub.kubernetes.names import ARCHIVE, EXECUTOR, SERVER, UID
from probav_hub.kubernetes.values import Values
from probav_hub.profiles import size

COMPONENT = "spark-executor"
# Spark takes the first free one from each: several kernels of a server have a driver each
DRIVER_PORTS, BLOCK_PORTS = (7078, 7109), (7200, 7231)
SCRATCH = "/var/spark"
MIB = 2**20
_LABELS = re.compile(r"^spark-[a-z-]{1,40}$")
_LABEL = re.compile(r"^([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$")
_NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_]{0,127}$")
_FIELDS = ("status.podIP", "metadata.name")
_MOST_VARIABLES = 200


class Refused(Exception):
    """What a user can't have; says why."""


def overhead(memory: int) -> int:
    """Return the bytes that an executor needs beside Java's heap: Python's workers live there."""
    return max(1024 * MIB, memory * 2 // 5)


def executor(asked: Any, owner: Any, profile: Profile, values: Values) -> dict[str, Any]:
    """Return the pod to be made.

    Of what is asked only labels of Spark's and variables are taken; all else is ours.

    Parameters
    ----------
    asked : dict
        The pod that Spark would make.
    owner : dict
        The pod of the user's server, with whose end the executor ends.
    profile : Profile
        Of that server.
    values : Values

    Raises
    ------
    Refused
        If it is no executor's pod.
    """
    spark = values.spark
    variables = {each["name"]: each for each in _variables(asked)}
    memory = size(profile.executor_memory)
    heap = min(_heap(variables.get("SPARK_EXECUTOR_MEMORY", {}).get("value", "")) or memory, memory)
    own = {
        "SPARK_EXECUTOR_MEMORY": f"{heap // MIB}m",
        "SPARK_EXECUTOR_CORES": str(_cores(variables, profile)),
        "SPARK_LOCAL_DIRS": SCRATCH,
        "HOME": SCRATCH,
        **({"PROBAV_ARCHIVE": place} if (place := values.archive.place) else {}),
    }
    variables |= {name: {"name": name, "value": value} for name, value in own.items()}
    resources = {"cpu": str(profile.executor_cores), "memory": str(memory + overhead(memory))}
    server, meta = owner["metadata"]["labels"][SERVER], owner["metadata"]
    container = {
        "name": EXECUTOR,
        "image": f"{spark.image.name}:{spark.image.tag}",
        "imagePullPolicy": spark.image.pull_policy,
        "command": ["python", "-c", files("probav_hub.kubernetes").joinpath("entry.py").read_text("utf-8")],
        "env": [*variables.values()],
        "resources": {"requests": resources, "limits": resources},
        "workingDir": SCRATCH,
        "terminationMessagePolicy": "FallbackToLogsOnError",  # why it failed is told
        "securityContext": {
            "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "volumeMounts": [
            {"name": "scratch", "mountPath": SCRATCH},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - the pod's own
        ],
    }  # fmt: skip
    volumes: list[dict[str, Any]] = [
        {"name": "scratch", "emptyDir": {"sizeLimit": f"{spark.scratch}i"}},
        {"name": "tmp", "emptyDir": {"sizeLimit": "1Gi"}},
    ]
    if values.archive.claim:
        claim = {"claimName": values.archive.claim, "readOnly": True}
        volumes.append({"name": "archive", "persistentVolumeClaim": claim})
        container["volumeMounts"].append({"name": "archive", "mountPath": ARCHIVE, "readOnly": True})  # type: ignore[attr-defined]
    if values.archive.secret:
        container["envFrom"] = [{"secretRef": {"name": values.archive.secret}}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": f"spark-{server[:48]}-",
            "labels": {
                **_labels(asked), "app": "jupyterhub", "release": meta["labels"].get("release", ""),
                "component": COMPONENT, SERVER: server,
                "hub.jupyter.org/username": meta["labels"].get("hub.jupyter.org/username", ""),
            },
            "ownerReferences": [reference(owner)],
        },
        "spec": {
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "restartPolicy": "Never",
            "securityContext": {
                "runAsNonRoot": True, "runAsUser": UID, "runAsGroup": UID, "fsGroup": UID,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [container],
            "volumes": volumes,
            "terminationGracePeriodSeconds": 10,
            **({"nodeSelector": dict(spark.node_selector)} if spark.node_selector else {}),
            **({"tolerations": list(spark.tolerations)} if spark.tolerations else {}),
            **({"imagePullSecrets": [{"name": n} for n in spark.pull_secrets]} if spark.pull_secrets else {}),
        },
    }  # fmt: skip


def reference(owner: Any) -> dict[str, Any]:
    """Return what makes an object end with a server's pod."""
    meta = owner["metadata"]
    return {
        "apiVersion": "v1", "kind": "Pod", "name": meta["name"], "uid": meta["uid"],
        "controller": True, "blockOwnerDeletion": False,
    }  # fmt: skip


def policies(owner: Any) -> list[dict[str, Any]]:
    """Return the network policies that let a server's driver and its own executors, and nobody else, talk."""
    meta = owner["metadata"]
    own = {SERVER: meta["labels"][SERVER]}
    driver = {"podSelector": {"matchLabels": {**own, "component": "singleuser-server"}}}
    workers = {"podSelector": {"matchLabels": {**own, "component": COMPONENT}}}
    both = [_ports(DRIVER_PORTS), _ports(BLOCK_PORTS)]

    def policy(name: str, of: dict[str, Any], ingress: Any, egress: Any) -> dict[str, Any]:
        return {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {
                "name": f"spark-{name}-{meta['uid']}",
                "labels": own,
                "ownerReferences": [reference(owner)],
            },
            "spec": {**of, "policyTypes": ["Ingress", "Egress"], "ingress": ingress, "egress": egress},
        }

    return [
        policy(
            "driver", driver, [{"from": [workers], "ports": both}], [{"to": [workers], "ports": both[1:]}]
        ),
        policy(
            "executor", workers,
            [{"from": [driver, workers], "ports": both[1:]}],
            [{"to": [driver], "ports": both}, {"to": [workers], "ports": both[1:]}],
        ),
    ]  # fmt: skip


def _ports(span: tuple[int, int]) -> dict[str, Any]:
    return {"protocol": "TCP", "port": span[0], "endPort": span[1]}


def _labels(asked: Any) -> dict[str, str]:
    labels = _inner(asked, "metadata", "labels") or {}
    found = {
        str(name): str(value)
        for name, value in labels.items()
        if _LABELS.match(str(name)) and _LABEL.match(str(value))
    }
    if found.get("spark-role") != "executor" or "spark-app-selector" not in found:
        raise Refused("This is no pod of a Spark executor: its labels spark-role, spark-app-selector say so.")
    return found


def _variables(asked: Any) -> list[dict[str, Any]]:
    containers = _inner(asked, "spec", "containers") or []
    named = [each for each in containers if isinstance(each, dict)]
    given = named[0].get("env") if len(named) == 1 else None
    if not isinstance(given, list) or len(given) > _MOST_VARIABLES:
        raise Refused(f"An executor's pod has one container, with at most {_MOST_VARIABLES} variables.")
    found = []
    for each in given:
        name = str(each.get("name", "")) if isinstance(each, dict) else ""
        if not _NAME.match(name):
            raise Refused(f"{name!r} is no name of a variable.")
        field = _inner(each, "valueFrom", "fieldRef", "fieldPath")
        if field in _FIELDS:
            found.append({"name": name, "valueFrom": {"fieldRef": {"fieldPath": field}}})
        elif "valueFrom" not in each or each["valueFrom"] is None:
            found.append({"name": name, "value": str(each.get("value") or "")})
        else:
            raise Refused(f"The variable {name} is taken from elsewhere, which executors may not do.")
    return found


def _inner(of: Any, *names: str) -> Any:
    for name in names:
        of = of.get(name) if isinstance(of, dict) else None
    return of


def _heap(text: str) -> int:
    found = re.fullmatch(r"(\d{1,12})([kmgt])b?", text.lower())
    return int(found[1]) * 2 ** (10 * (1 + "kmgt".index(found[2]))) if found else 0


def _cores(variables: dict[str, dict[str, Any]], profile: Profile) -> int:
    text = variables.get("SPARK_EXECUTOR_CORES", {}).get("value", "")
    return min(max(1, int(text)) if text.isdecimal() and len(text) < 6 else 1, profile.executor_cores)
