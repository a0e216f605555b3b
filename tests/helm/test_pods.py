"""The pods of servers and executors: what they hold, what they may do, and that users shape none of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import kubernetes_validate
import pytest

from probav_hub.kubernetes import entry
from probav_hub.kubernetes.executors import Refused, executor, overhead, policies
from probav_hub.kubernetes.values import Values

NEWEST = sorted({*kubernetes_validate.utils.all_versions()}, key=lambda text: [*map(int, text.split("."))])[
    -3:
]
GIB = 2**30


def variables(pod):
    return {each["name"]: each.get("value") for each in pod["spec"]["containers"][0]["env"]}


def restricted(pod):
    """Kubernetes' Pod Security Standard `restricted`, point by point; return what is against it."""
    spec, wrong = pod["spec"], []
    if any(spec.get(name) for name in ("hostNetwork", "hostPID", "hostIPC")):
        wrong.append("host namespaces")
    allowed = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim",
               "projected",
               "secret"}  # fmt: skip
    wrong += [f"volume {each['name']}" for each in spec.get("volumes", []) if set(each) - {"name"} - allowed]
    for container in [*spec["containers"], *spec.get("initContainers", [])]:
        own, of_pod = container.get("securityContext") or {}, spec.get("securityContext") or {}
        if own.get("privileged") or own.get("allowPrivilegeEscalation") is not False:
            wrong.append("privileges")
        if own.get("runAsUser", of_pod.get("runAsUser")) == 0:
            wrong.append("root")
        if not own.get("runAsNonRoot", of_pod.get("runAsNonRoot")):
            wrong.append("may be root")
        if "ALL" not in own.get("capabilities", {}).get("drop", []) or own["capabilities"].get("add"):
            wrong.append("capabilities")
        if (own.get("seccompProfile") or of_pod.get("seccompProfile") or {}).get("type") != "RuntimeDefault":
            wrong.append("seccomp")
        if any("hostPort" in port for port in container.get("ports", [])):
            wrong.append("host port")
    return wrong


@pytest.mark.parametrize("version", NEWEST)
@pytest.mark.parametrize("profile", ["small", "spark", "own"])
def test_servers_of_every_profile_are_as_kubernetes_says(server_pod, profile, version):
    pod = server_pod(profile, groups=("lab",), server="second")
    kubernetes_validate.validate(pod.pop("claim"), version, strict=True)
    kubernetes_validate.validate(pod, version, strict=True)


@pytest.mark.parametrize("version", NEWEST)
def test_executors_and_their_policies_are_as_kubernetes_says(executor_pod, server_pod, version):
    for each in [executor_pod(), *policies(server_pod("spark"))]:
        kubernetes_validate.validate(each, version, strict=True)


@pytest.mark.parametrize("profile", ["small", "spark", "own"])
def test_servers_keep_to_the_strictest_standard(server_pod, profile):
    assert restricted(server_pod(profile, groups=("lab",))) == []


def test_executors_keep_to_the_strictest_standard(executor_pod):
    assert restricted(executor_pod()) == []


def test_neither_has_an_account_in_the_cluster(server_pod, executor_pod):
    for pod in (server_pod("spark"), executor_pod()):
        assert pod["spec"]["automountServiceAccountToken"] is False
        assert not pod["spec"].get("serviceAccountName")
        assert pod["spec"]["enableServiceLinks"] is False


def test_a_server_has_what_its_profile_gives(server_pod):
    pod = server_pod("spark", groups=("lab",))
    resources = pod["spec"]["containers"][0]["resources"]
    assert resources["limits"] == {"cpu": 2.0, "memory": 8 * GIB}
    assert resources["requests"] == {"cpu": 0.5, "memory": 8 * GIB}
    assert pod["spec"]["activeDeadlineSeconds"] == 12 * 3600
    assert pod["claim"]["spec"]["resources"]["requests"]["storage"] == "20Gi"
    assert pod["metadata"]["annotations"]["probav/profile"] == "spark"
    assert (
        server_pod("own", groups=("lab",))["spec"]["containers"][0]["image"]
        == "registry.example.org/lab/user:1.2"
    )


def test_a_server_sees_its_home_the_archive_and_the_folders_of_its_groups(server_pod):
    pod = server_pod(user="ada", groups=("lab", "../up", "other"))
    mounts = {each["mountPath"]: each for each in pod["spec"]["containers"][0]["volumeMounts"]}
    assert set(mounts) == {"/home/probav", "/archive", "/published", "/shared/lab", "/shared/other"}
    assert mounts["/archive"]["readOnly"]
    assert mounts["/published"]["readOnly"]
    assert mounts["/shared/lab"]["subPath"] == "lab"
    claims = {each["name"]: each["persistentVolumeClaim"] for each in pod["spec"]["volumes"]}
    assert claims["home"]["claimName"] == "home-ada" == pod["claim"]["metadata"]["name"]
    assert claims["archive"] == {"claimName": "probav-archive", "readOnly": True}


def test_homes_of_unlike_names_are_unlike(server_pod):
    names = ["ada", "a.da", "a-da", "a_da", "ada@x", "adax"]
    claims = {server_pod(user=name)["claim"]["metadata"]["name"] for name in names}
    assert len(claims) == len(names)


def test_named_servers_share_the_home_and_no_label(server_pod):
    one, other = server_pod(), server_pod(server="second")
    assert one["claim"]["metadata"]["name"] == other["claim"]["metadata"]["name"]
    assert one["metadata"]["labels"]["probav/server"] != other["metadata"]["labels"]["probav/server"]


def test_spark_is_the_brokers_where_the_profile_has_executors(server_pod):
    given = variables(server_pod("spark", server="second"))
    assert given["PROBAV_SPARK_MASTER"] == "k8s://http://probav-spark:8080/servers/second"
    assert given["PROBAV_SPARK_EXECUTORS"] == "3"
    assert "PROBAV_POD_IP" in given
    assert not any(name.startswith("PROBAV_SPARK") for name in variables(server_pod("small")))


def test_an_operators_own_spark_comes_before_the_broker(server_pod):
    own = {
        "hub": {
            "profiles": [{"name": "spark", "title": "S", "spark_executors": 2}],
            "spark": {"master": "yarn"},
        }
    }
    assert variables(server_pod("spark", own=own))["PROBAV_SPARK_MASTER"] == "yarn"


def test_a_profile_leaves_nothing_to_the_next(configured, no_cluster):
    """The same spawner starts a large server, then a small one."""
    import asyncio

    from jupyterhub import orm

    from probav_hub.kubernetes.spawner import PodSpawner

    class Person:
        name, groups, escaped_name, id, url = "ada", (), "ada", 1, "/user/ada/"

    async def both():
        spawner = PodSpawner(config=configured(), _mock=True, user=Person(), orm_spawner=orm.Spawner(name=""))
        for profile in ("spark", "small"):
            await spawner.apply_user_options(spawner, {"profile": profile})
        return spawner

    spawner = asyncio.run(both())
    assert not any(name.startswith("PROBAV_SPARK") for name in spawner.environment)
    assert "activeDeadlineSeconds" not in spawner.extra_pod_config
    assert spawner.storage_capacity == "10Gi"


# --- executors ----------------------------------------------------------------------------------------------


def test_an_executor_is_as_large_as_the_profile_says_whatever_is_asked(server_pod, asked):
    values = Values.model_validate({"hub": {"profiles": [
        {"name": "spark", "title": "S", "spark_executors": 1, "executor_cores": 1,
         "executor_memory": "2G"}]}})  # fmt: skip
    pod = executor(asked, server_pod("spark"), values.configuration.profiles[0], values)
    given, container = variables(pod), pod["spec"]["containers"][0]
    assert given["SPARK_EXECUTOR_MEMORY"] == "2048m"  # 4096m were asked for
    assert given["SPARK_EXECUTOR_CORES"] == "1"
    assert container["resources"]["limits"] == {"cpu": "1", "memory": str(2 * GIB + overhead(2 * GIB))}
    assert container["resources"]["requests"] == container["resources"]["limits"]


def test_an_executor_ends_with_the_servers_pod_and_belongs_to_its_user(executor_pod, server_pod):
    pod, owner = executor_pod("ada", "second"), server_pod("spark", "ada", "second")
    (reference,) = pod["metadata"]["ownerReferences"]
    assert reference["uid"] == owner["metadata"]["uid"]
    assert pod["metadata"]["labels"]["probav/server"] == owner["metadata"]["labels"]["probav/server"]


ATTEMPTS = {
    "another user's label": lambda pod: pod["metadata"]["labels"].update({"probav/server": "bob"}),
    "the label of a server": lambda pod: pod["metadata"]["labels"].update({"component": "singleuser-server"}),
    "the hub's network": lambda pod: pod["metadata"]["labels"].update(
        {"hub.jupyter.org/network-access-proxy-api": "true"}
    ),
    "another's name": lambda pod: pod["metadata"].update(name="jupyter-bob", namespace="kube-system"),
    "another's pod as its owner": lambda pod: pod["metadata"].update(ownerReferences=[]),
    "the node's files": lambda pod: pod["spec"].update(volumes=[{"name": "x", "hostPath": {"path": "/"}}]),
    "the node's network": lambda pod: pod["spec"].update(hostNetwork=True, hostPID=True, nodeName="node-1"),
    "an account": lambda pod: pod["spec"].update(serviceAccountName="hub", automountServiceAccountToken=True),
    "another image": lambda pod: pod["spec"]["containers"][0].update(image="evil:1", command=["sh"]),
    "privileges": lambda pod: pod["spec"]["containers"][0].update(
        securityContext={"privileged": True, "runAsUser": 0}
    ),
    "a home": lambda pod: pod["spec"].update(
        volumes=[{"name": "h", "persistentVolumeClaim": {"claimName": "home-bob"}}]
    ),
    "a container before": lambda pod: pod["spec"].update(initContainers=[{"name": "x", "image": "evil:1"}]),
    "all secrets": lambda pod: pod["spec"]["containers"][0].update(envFrom=[{"secretRef": {"name": "hub"}}]),
    "a large one": lambda pod: pod["spec"]["containers"][0].update(resources={"limits": {"memory": "1Ti"}}),
}  # fmt: skip


@pytest.mark.parametrize("attempt", ATTEMPTS.values(), ids=ATTEMPTS)
def test_nothing_else_that_is_asked_becomes_part_of_the_pod(executor_pod, server_pod, asked, attempt):
    values = Values.model_validate(
        {"hub": {"profiles": [{"name": "spark", "title": "S", "spark_executors": 1}]}}
    )
    profile, owner = values.configuration.profiles[0], server_pod("spark")
    plain = executor(asked, owner, profile, values)
    wrong = json.loads(json.dumps(asked))
    attempt(wrong)
    assert executor(wrong, owner, profile, values) == plain


SECRET = {"name": "X", "valueFrom": {"secretKeyRef": {"name": "hub", "key": "values.yaml"}}}


@pytest.mark.parametrize(
    "changed",
    [
        {}, [], {"metadata": {"labels": {"spark-role": "driver"}}}, {"metadata": 3},
        {"metadata": {"labels": {"spark-role": "executor", "spark-app-selector": "a"}}},
        {"metadata": {"labels": {"spark-role": "executor", "spark-app-selector": "a"}},
         "spec": {"containers": [{"env": [SECRET]}]}},
        {"metadata": {"labels": {"spark-role": "executor", "spark-app-selector": "a"}},
         "spec": {"containers": [{"env": [{"name": "a b"}]}]}},
        {"metadata": {"labels": {"spark-role": "executor", "spark-app-selector": "a"}},
         "spec": {"containers": [{"env": [{"name": f"A{n}", "value": ""} for n in range(300)]}]}},
        {"metadata": {"labels": {"spark-role": "executor", "spark-app-selector": "a"}},
         "spec": {"containers": [{"env": []}, {"env": []}]}},
    ],
)  # fmt: skip
def test_what_is_no_executor_is_refused(server_pod, changed):
    values = Values.model_validate(
        {"hub": {"profiles": [{"name": "spark", "title": "S", "spark_executors": 1}]}}
    )
    with pytest.raises(Refused):
        executor(changed, server_pod("spark"), values.configuration.profiles[0], values)


def test_the_pods_command_becomes_sparks_executor(executor_pod):
    """The text that the pod runs, run here with a Java that says what it was called with."""
    pod = executor_pod()
    command = pod["spec"]["containers"][0]["command"]
    given = {name: value or "10.0.0.7" for name, value in variables(pod).items()}
    java = "import os, sys; os.execvp = lambda name, words: print(*words, sep='\\n');"
    java += " exec(sys.argv[1], {'__name__': '__main__'})"
    shown = subprocess.run(
        [sys.executable, "-c", java, command[2]],
        capture_output=True, text=True, check=True, env={**os.environ, **given},
    )  # fmt: skip
    words = shown.stdout.splitlines()
    assert "org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend" in words
    assert words[words.index("--driver-url") + 1] == given["SPARK_DRIVER_URL"]
    assert {"-Xms4096m", "-Xmx4096m", "-Dspark.driver.port=7078"} <= set(words)


def test_javas_options_keep_their_order():
    needed = dict.fromkeys(
        ("SPARK_DRIVER_URL", "SPARK_EXECUTOR_ID", "SPARK_EXECUTOR_CORES", "SPARK_APPLICATION_ID",
         "SPARK_EXECUTOR_POD_IP", "SPARK_EXECUTOR_POD_NAME", "SPARK_EXECUTOR_MEMORY"), "x",
    )  # fmt: skip
    many = {f"SPARK_JAVA_OPT_{number}": f"-D{number}" for number in (10, 2, 1)}
    assert entry.command({**needed, **many, "JAVA_HOME": "/java"}, "/spark")[:4] == [
        "/java/bin/java", "-D1", "-D2", "-D10",
    ]  # fmt: skip


def workloads(objects):
    kinds = ("Deployment", "DaemonSet", "StatefulSet", "Job")
    return {each["metadata"]["name"]: each["spec"]["template"] for each in objects if each["kind"] in kinds}


def test_the_broker_keeps_to_the_strictest_standard(objects):
    assert {name: restricted(pod) for name, pod in workloads(objects).items()} == {"probav-spark": []}


def test_so_do_all_pods_of_jupyterhub(whole):
    assert {name: wrong for name, pod in workloads(whole).items() if (wrong := restricted(pod))} == {}
