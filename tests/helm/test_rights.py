"""Who may do what in the cluster: the roles that the chart renders."""

from __future__ import annotations

import pytest


def rights(objects, account):
    """Return (group, resource, verb) of all that a service account may do, by roles and cluster roles."""
    found = set()
    for binding in objects:
        if binding["kind"] not in ("RoleBinding", "ClusterRoleBinding"):
            continue
        if account not in {each["name"] for each in binding["subjects"] if each["kind"] == "ServiceAccount"}:
            continue
        reference = binding["roleRef"]
        (role,) = [
            each for each in objects
            if (each["kind"], each["metadata"]["name"]) == (reference["kind"], reference["name"])
        ]  # fmt: skip
        for rule in role["rules"]:
            found |= {
                (group, resource, verb)
                for group in rule["apiGroups"] for resource in rule["resources"] for verb in rule["verbs"]
            }  # fmt: skip
    return found


def test_the_broker_may_handle_pods_and_make_policies_and_nothing_else(objects):
    assert rights(objects, "probav-spark") == {
        *(("", "pods", verb) for verb in ("get", "list", "create", "delete")),
        ("networking.k8s.io", "networkpolicies", "create"),
    }


def test_nobody_may_do_anything_in_the_whole_cluster(objects):
    assert [each for each in objects if each["kind"].startswith("Cluster")] == []


def test_nor_with_jupyterhub(whole):
    assert [each for each in whole if each["kind"].startswith("Cluster")] == []


def test_no_account_is_mounted_unless_a_pod_asks(objects, find):
    assert find(objects, "ServiceAccount", "probav-spark")["automountServiceAccountToken"] is False
    broker = find(objects, "Deployment", "probav-spark")["spec"]["template"]["spec"]
    assert broker["automountServiceAccountToken"] is True
    assert broker["serviceAccountName"] == "probav-spark"


def test_only_the_hub_reads_secrets(whole):
    accounts = {each["metadata"]["name"] for each in whole if each["kind"] == "ServiceAccount"}
    readers = {
        account for account in accounts
        if any(resource in ("secrets", "*") for _, resource, _ in rights(whole, account))
    }  # fmt: skip
    assert readers == {"hub"}


def test_the_api_server_holds_the_broker_to_executors_in_its_namespace(objects, find):
    policy = find(objects, "ValidatingAdmissionPolicy", "probav-spark-lab")["spec"]
    assert policy["failurePolicy"] == "Fail"
    assert policy["matchConditions"][0]["expression"].endswith("'system:serviceaccount:lab:probav-spark'")
    assert {tuple(rule["operations"]) for rule in policy["matchConstraints"]["resourceRules"]} == {
        ("CREATE", "UPDATE", "DELETE")
    }
    binding = find(objects, "ValidatingAdmissionPolicyBinding", "probav-spark-lab")["spec"]
    assert "Deny" in binding["validationActions"]
    assert binding["policyName"] == "probav-spark-lab"


@pytest.mark.parametrize("name", ["probav-spark"])
def test_the_broker_is_a_pod_of_few_rights(objects, find, name):
    spec = find(objects, "Deployment", name)["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
