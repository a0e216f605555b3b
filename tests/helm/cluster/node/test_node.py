"""The node itself: pods start, are heard, find each other by name, and are kept apart by policies."""

from __future__ import annotations

import textwrap

import pytest

from helm.node.process import wait_for

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1800)]
IMAGE = "probav-hub:0.1.0"
ASK = """
    import urllib.request
    try:
        print(urllib.request.urlopen("http://web/", timeout=3).status)
    except OSError as error:
        print(f"none: {error}")
"""


def pod(name, *command):
    return {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"terminationGracePeriodSeconds": 1, "automountServiceAccountToken": False, "containers": [
            {"name": "main", "image": IMAGE, "command": ["python", *command]}]},
    }  # fmt: skip


@pytest.fixture(scope="module")
def pods(node):
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
               "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8000}]}}  # fmt: skip
    node.kubectl("create", "namespace", "plain")
    node.kubectl(
        "-n", "plain", "apply", "-f", "-",
        objects=[pod("web", "-m", "http.server", "8000"), service,
                 pod("other", "-c", "import time; print('begins', flush=True); time.sleep(3000)")],
    )  # fmt: skip
    node.kubectl("-n", "plain", "wait", "--for=condition=Ready", "pod/web", "pod/other", "--timeout=120s")
    yield
    node.kubectl("delete", "namespace", "plain")


def test_a_pod_runs_and_is_heard(node, pods):
    wait_for(lambda: node.kubectl("-n", "plain", "logs", "other") == "begins\n", 20)
    assert node.kubectl("-n", "plain", "exec", "other", "--", "id", "-u").strip() == "1000"


def test_a_pod_finds_another_by_the_name_of_its_service_until_a_policy_says_no(node, pods):
    def found():
        words = ("-n", "plain", "exec", "other", "--", "python", "-c", textwrap.dedent(ASK))
        return node.kubectl(*words).strip()

    wait_for(lambda: found() == "200", 30, found)
    deny = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "deny"},
            "spec": {"podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Ingress"]}}  # fmt: skip
    node.kubectl("-n", "plain", "apply", "-f", "-", objects=[deny])
    wait_for(lambda: found().startswith("none"), 30, found)


def test_a_pod_is_deleted_with_its_container(node, pods):
    node.kubectl("-n", "plain", "delete", "pod", "other", "--wait=true")
    listed = node.space.run("sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
    assert "begins" not in listed
    assert "http.server" in listed
