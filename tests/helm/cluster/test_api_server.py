"""The chart in a real API server: it takes all objects, and holds the broker to what it may do."""

from __future__ import annotations

import json

import pytest

from helm import tool

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(3600)]  # the first time it is built
LAB = "lab"
PODS, POLICIES = (
    f"/api/v1/namespaces/{LAB}/pods",
    f"/apis/networking.k8s.io/v1/namespaces/{LAB}/networkpolicies",
)
ASKED = "?dryRun=All"


def test_it_takes_every_object_of_the_chart(installed, kubectl):
    objects = tool.render(
        {"global": {"probav": {"archive": {"claim": "probav-archive", "secret": "probav-key"}}}}
    )
    shown = kubectl("apply", "--dry-run=server", "--namespace", LAB, "-f", "-", objects=objects)
    assert shown.count("(server dry run)") == len(objects)


def test_and_with_jupyterhubs(installed, kubectl, whole):
    namespaced = [each for each in whole if "helm.sh/hook" not in (each["metadata"].get("annotations") or {})]
    shown = kubectl("apply", "--dry-run=server", "--namespace", LAB, "-f", "-", objects=namespaced)
    assert shown.count("(server dry run)") == len(namespaced)


def test_pods_of_servers_pass_pod_security(installed, server_pod):
    for profile in ("small", "spark"):
        pod = {name: value for name, value in server_pod(profile).items() if name != "claim"}
        answer = installed.ask("POST", PODS + ASKED, pod)
        assert answer.status_code == 201, answer.text
        assert "Warning" not in answer.headers, answer.headers["Warning"]


@pytest.fixture(scope="module")
def account(installed):
    return installed.account("probav-spark")


@pytest.fixture(scope="module")
def good(executor_pod):
    return executor_pod(own={"hub": {"profiles": [{"name": "spark", "title": "S", "spark_executors": 1}]}})


def test_the_broker_may_make_an_executor(account, good):
    answer = account.ask("POST", PODS + ASKED, good)
    assert answer.status_code == 201, answer.text
    assert "Warning" not in answer.headers, answer.headers["Warning"]


def spec(**changes):
    return lambda pod: pod["spec"].update(changes)


def container(**changes):
    return lambda pod: pod["spec"]["containers"][0].update(changes)


def volume(source):
    return spec(volumes=[{"name": "scratch", **source}, {"name": "tmp", "emptyDir": {}}])


FORBIDDEN = {
    "a server": lambda pod: pod["metadata"]["labels"].update(component="singleuser-server"),
    "a pod without labels": lambda pod: pod["metadata"].pop("labels"),
    "a pod of nobody": lambda pod: pod["metadata"].pop("ownerReferences"),
    "another image": container(image="busybox"),
    "a second container": lambda pod: pod["spec"]["containers"].append(
        {"name": "x", "image": "probav-executor:0.1.0"}
    ),
    "a container before": spec(initContainers=[{"name": "x", "image": "probav-executor:0.1.0"}]),
    "an account": spec(serviceAccountName="probav-spark", automountServiceAccountToken=True),
    "the account of all": spec(automountServiceAccountToken=True),
    "a node": spec(nodeName="node-1"),
    "a home": volume({"persistentVolumeClaim": {"claimName": "home-ada"}}),
    "a secret's volume": volume({"secret": {"secretName": "probav-login"}}),
    "a secret's variables": container(envFrom=[{"secretRef": {"name": "probav-login"}}]),
    "a secret's variable": container(
        env=[{"name": "X", "valueFrom": {"secretKeyRef": {"name": "probav-login", "key": "password"}}}]
    ),
    "the node's network": spec(hostNetwork=True),
    "the node's files": volume({"hostPath": {"path": "/"}}),
    "privileges": container(securityContext={"privileged": True}),
    "root": container(securityContext={"allowPrivilegeEscalation": False, "runAsUser": 0}),
}


@pytest.mark.parametrize("change", FORBIDDEN.values(), ids=FORBIDDEN)
def test_the_broker_may_make_no_other_pod(account, good, change):
    pod = json.loads(json.dumps(good))
    change(pod)
    answer = account.ask("POST", PODS + ASKED, pod)
    assert answer.status_code in (403, 422), answer.text
    assert "probav-spark-lab" in answer.text  # our policy, not pod security alone


def test_the_broker_may_delete_no_server(installed, account, server_pod):
    pod = {name: value for name, value in server_pod("small", "zoe").items() if name != "claim"}
    assert installed.ask("POST", PODS, pod).status_code == 201
    name = pod["metadata"]["name"]
    assert account.ask("DELETE", f"{PODS}/{name}").status_code in (403, 422)
    assert installed.get(f"{PODS}/{name}") is not None
    installed.ask("DELETE", f"{PODS}/{name}")


def test_the_brokers_policies_join_one_server_and_its_executors_only(account, server_pod):
    from probav_hub.kubernetes.executors import policies

    for policy in policies(server_pod("spark")):
        assert account.ask("POST", POLICIES + ASKED, policy).status_code == 201
    changes = {
        "another name": lambda policy: policy["metadata"].update(name="probav-users-too"),
        "all pods": lambda policy: policy["spec"].update(podSelector={}),
        "all senders": lambda policy: policy["spec"].update(ingress=[{}]),
        "another server": lambda policy: policy["spec"]["ingress"][0]["from"][0]["podSelector"].update(
            matchLabels={"probav/server": "bob"}
        ),
        "another namespace": lambda policy: policy["spec"]["ingress"][0]["from"][0].update(
            namespaceSelector={}
        ),
        "addresses": lambda policy: policy["spec"].update(
            egress=[{"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}]
        ),
    }
    for what, change in changes.items():
        policy = json.loads(json.dumps(policies(server_pod("spark"))[0]))
        change(policy)
        assert account.ask("POST", POLICIES + ASKED, policy).status_code in (403, 422), what


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", f"/api/v1/namespaces/{LAB}/secrets"), ("GET", "/api/v1/pods"), ("GET", POLICIES),
        ("GET", "/api/v1/namespaces/default/pods"), ("GET", "/api/v1/nodes"), ("DELETE", PODS),
        ("GET", f"/api/v1/namespaces/{LAB}/configmaps"),
        ("DELETE", f"{POLICIES}/probav-users"), ("POST", f"/api/v1/namespaces/{LAB}/pods/x/exec"),
        ("POST", f"/api/v1/namespaces/{LAB}/serviceaccounts/hub/token"),
    ],
)  # fmt: skip
def test_the_broker_has_no_other_right(account, method, path):
    assert account.ask(method, path, {} if method == "POST" else None).status_code == 403
