"""Servers as pods in a real API server, and Spark's executors by the broker, out of others' reach."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest
import requests

from helm.node.process import wait_for

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(3600)]
PODS = "api/v1/namespaces/lab/pods"
JOB = """
    from probav_kernels.environment import configure
    from probav_kernels.session import LazySpark
    configure()
    spark = LazySpark()
    found = spark.sparkContext.parallelize(range(1000), 8).map(lambda n: n * n).sum()
    name = lambda n: __import__("os").environ["SPARK_EXECUTOR_POD_NAME"]
    hosts = spark.sparkContext.parallelize(range(8), 8).map(name)
    print("RESULT", found, *sorted(set(hosts.collect())), flush=True)
    if THEN == "stop":
        spark.stop()
    else:
        __import__("os").kill(__import__("os").getpid(), 9)
"""


@pytest.fixture(scope="module")
def ada(hub):
    return hub.start("ada", "spark")


@pytest.fixture(scope="module")
def bob(hub):
    return hub.start("bob", "spark")


@pytest.fixture
def asking(broker, environment):
    """Ask the broker as the kernel of a server's pod would."""

    def ask(pod, method, path="", body=None, server="-", **options):
        headers = {"Authorization": f"Bearer {environment(pod, broker)['JUPYTERHUB_API_TOKEN']}"}
        url = f"{broker}/servers/{server}/{PODS}{path}"
        return requests.request(method, url, json=body, headers={**headers, **options}, timeout=60)

    return ask


def test_a_server_starts_is_seen_and_stops(hub, installed):
    pod = hub.start("carl", "small")
    assert pod["status"]["phase"] == "Running"
    claim = installed.get("/api/v1/namespaces/lab/persistentvolumeclaims/home-carl")
    assert claim["spec"]["resources"]["requests"]["storage"] == "10Gi"
    assert (
        hub.ask("GET", "/users/carl").json()["pending"] == "spawn"
    )  # nothing answers in a pod without a kubelet
    assert hub.ask("DELETE", "/users/carl/server").status_code in (202, 204, 400)


def test_an_executor_is_made_for_its_own_server_only(ada, bob, asking, asked, installed):
    made = asking(ada, "POST", body=asked)
    assert made.status_code == 201, made.text
    pod = made.json()
    assert pod["metadata"]["ownerReferences"][0]["uid"] == ada["metadata"]["uid"]
    name = f"/{pod['metadata']['name']}"
    names = {policy["metadata"]["name"] for policy in
             installed.get("/apis/networking.k8s.io/v1/namespaces/lab/networkpolicies")["items"]}  # fmt: skip
    assert {f"spark-{side}-{ada['metadata']['uid']}" for side in ("driver", "executor")} <= names
    # bob sees, reads and ends nothing of ada's, by whatever selector
    for selector in ("", "?labelSelector=spark-role%3Dexecutor", "?labelSelector=probav%2Fserver%3Dada"):
        assert asking(bob, "GET", selector).json()["items"] == [], selector
    assert asking(bob, "GET", name).status_code == 404
    assert asking(bob, "DELETE", name).status_code == 404
    assert asking(bob, "DELETE", "?labelSelector=spark-role%3Dexecutor").json()["items"] == []
    # nor servers, of anybody
    assert asking(ada, "GET", f"/{ada['metadata']['name']}").status_code == 404
    assert asking(ada, "DELETE", f"/{bob['metadata']['name']}").status_code == 404
    # ada does
    assert [each["metadata"]["name"] for each in asking(ada, "GET").json()["items"]] == [
        pod["metadata"]["name"]
    ]
    assert asking(ada, "DELETE", name).ok
    assert asking(ada, "GET").json()["items"] == []


def test_no_more_executors_than_the_profile_has(ada, asking, asked):
    codes = [asking(ada, "POST", body=asked) for _ in range(3)]
    assert [each.status_code for each in codes] == [201, 201, 403]
    assert "has 2 executors" in codes[2].json()["message"]
    assert asking(ada, "DELETE").ok


def test_no_more_executors_than_the_hub_has_for_all(ada, bob, brokers, environment, asked):
    with brokers(maxExecutors=1) as broker:

        def ask(pod, method, path="pods", body=None):
            headers = {"Authorization": f"Bearer {environment(pod, broker)['JUPYTERHUB_API_TOKEN']}"}
            url = f"{broker}/servers/-/{PODS.removesuffix('pods')}{path}"
            return requests.request(method, url, json=body, headers=headers, timeout=60)

        assert ask(ada, "POST", body=asked).status_code == 201
        refused = ask(bob, "POST", body=asked)
        assert refused.status_code == 403
        assert "The hub has 1 executors for all users (spark.maxExecutors)" in refused.json()["message"]
        # bob's notebook can say why his job waits; ada's own is no refusal
        assert ask(bob, "GET", "refusal").json() == {"running": 0, "refused": refused.json()["message"]}
        assert ask(ada, "GET", "refusal").json()["refused"] == ""
        assert ask(ada, "DELETE").ok
        wait_for(lambda: ask(bob, "POST", body=asked).status_code == 201, 30)
        assert ask(bob, "GET", "refusal").json()["refused"] == ""
        assert ask(bob, "DELETE").ok


def test_executors_that_fail_at_once_are_not_made_for_ever(hub, asking, asked, installed):
    dan = hub.start("dan", "spark")
    ended = {"terminated": {"exitCode": 3, "message": "this image has no Spark"}}
    state = {"name": "spark-kubernetes-executor", "ready": False, "restartCount": 0, "image": "x",
             "imageID": "x", "state": ended}  # fmt: skip
    for _ in range(6):  # twice the profile's two, and two
        made = asking(dan, "POST", body=asked)
        assert made.status_code == 201, made.text
        installed.status(made.json(), phase="Failed", containerStatuses=[state])
        assert asking(dan, "DELETE", f"/{made.json()['metadata']['name']}").ok  # as Spark does
    refused = asking(dan, "POST", body=asked)
    assert refused.status_code == 403
    assert "6 of this server's executors failed" in refused.json()["message"]
    assert "exit code 3; its last line was: this image has no Spark" in refused.json()["message"]


def test_what_is_no_servers_token_makes_nothing(hub, broker, ada, bob, asking, asked, environment):
    address = f"{broker}/servers/-/{PODS}"
    assert requests.post(address, json=asked, timeout=30).status_code == 401
    assert asking(ada, "POST", body=asked, Authorization="Bearer none").status_code == 401
    assert asking(ada, "POST", body=asked, server="second").status_code == 403  # it does not run
    # a token of ada's that does not open her server
    narrow = hub.ask("POST", "/users/ada/tokens", {"scopes": ["read:users:name!user"]}).json()["token"]
    assert asking(ada, "POST", body=asked, Authorization=f"Bearer {narrow}").status_code == 403
    service = asking(ada, "POST", body=asked, Authorization=f"Bearer {hub.token}")
    assert service.status_code == 403


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/servers/-/api/v1/namespaces/lab/secrets"), ("GET", "/api/v1/namespaces/lab/pods"),
        ("GET", "/servers/-/api/v1/nodes"), ("POST", "/servers/-/api/v1/namespaces/lab/pods/x/exec"),
        ("GET", "/servers/-/api/v1/namespaces/lab/pods/../secrets"),
        ("GET", "/servers/-/api/v1/namespaces/kube-system/pods"),
        ("PATCH", "/servers/-/api/v1/namespaces/lab/pods/x"), ("GET", f"/servers/-/{PODS}?watch=true"),
        ("GET", f"/servers/-/{PODS}?labelSelector=a%26fieldSelector%3Db%3Bc"),
    ],
)  # fmt: skip
def test_the_broker_answers_nothing_else(ada, broker, environment, method, path):
    headers = {"Authorization": f"Bearer {environment(ada, broker)['JUPYTERHUB_API_TOKEN']}"}
    answer = requests.request(method, broker + path, headers=headers, timeout=30)
    assert answer.status_code in (400, 403, 404, 405), answer.text
    assert "Traceback" not in answer.text


def test_too_much_is_refused(ada, asking, asked):
    large = {**asked, "padding": "x" * 2**19}
    try:
        assert asking(ada, "POST", body=large).status_code in (400, 413)
    except requests.RequestException:
        pass  # it was not even read


def job(pod, broker, environment, then, tmp_path):
    """Run a Spark job as a kernel of a server's pod; return its end and what it printed."""
    given = {**environment(pod, broker), "HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path)}
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(JOB).replace("THEN", repr(then))],
        capture_output=True, text=True,
        timeout=300, env={**os.environ, **given},
    )  # fmt: skip


def test_a_kernels_spark_works_on_executors_of_the_broker(
    ada, broker, environment, kubelet, installed, tmp_path
):
    done = job(ada, broker, environment, "stop", tmp_path)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr[-3000:]}\n{kubelet.said()}"
    found, *executors = done.stdout.partition("RESULT")[2].split()
    assert int(found) == sum(n * n for n in range(1000))
    assert executors
    assert all(name.startswith("spark-ada") for name in executors)
    assert kubelet.most <= 2
    assert installed.pods("component=spark-executor") == []  # Spark had them deleted


def test_executors_end_when_the_kernel_is_killed(ada, broker, environment, kubelet, tmp_path):
    done = job(ada, broker, environment, "die", tmp_path)
    assert "RESULT" in done.stdout, f"{done.stdout}\n{done.stderr[-3000:]}\n{kubelet.said()}"
    wait_for(lambda: all(each.poll() is not None for each in kubelet.processes.values()), 90, kubelet.said)


def test_executors_end_with_the_pod_of_their_server(hub, installed, bob, asking, asked):
    assert asking(bob, "POST", body=asked).status_code == 201
    label = bob["metadata"]["labels"]["probav/server"]
    assert len(installed.pods(f"component=spark-executor,probav/server={label}")) == 1
    installed.ask("DELETE", f"/api/v1/namespaces/lab/pods/{bob['metadata']['name']}")
    wait_for(lambda: not installed.pods(f"component=spark-executor,probav/server={label}"), 60)
    policies = "/apis/networking.k8s.io/v1/namespaces/lab/networkpolicies"
    wait_for(lambda: bob["metadata"]["uid"] not in str(installed.get(policies)), 60)
