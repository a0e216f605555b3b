"""A driver in a pod of the hub's chart: what Spark is told there, and nowhere else."""

from __future__ import annotations

import pytest

from probav_kernels import kubernetes
from probav_kernels.configuration import Settings
from probav_kernels.environment import properties

POD = {"PROBAV_POD_IP": "10.0.0.9", "PROBAV_POD_NAMESPACE": "lab", "JUPYTERHUB_API_TOKEN": "to-ken"}
MASTER = "k8s://http://probav-spark:8080/servers/-"


def test_a_driver_is_reached_at_its_pods_address_and_shows_the_servers_token():
    found = kubernetes.settings(MASTER, POD)
    assert found["spark.driver.host"] == found["spark.driver.bindAddress"] == "10.0.0.9"
    assert found["spark.kubernetes.namespace"] == "lab"
    assert found["spark.kubernetes.authenticate.oauthToken"] == "to-ken"
    assert int(found["spark.executor.maxNumFailures"]) > 10**9  # a refusal is no failure to end for
    assert found["spark.authenticate"] == found["spark.network.crypto.enabled"] == "true"


@pytest.mark.parametrize(
    ("master", "environment"), [("local[2]", POD), ("spark://host:7077", POD), (MASTER, {}), ("yarn", POD)]
)
def test_elsewhere_nothing_is_set(master, environment):
    assert kubernetes.settings(master, environment) == {}


def test_its_ports_are_those_that_the_network_lets_through():
    executors = pytest.importorskip("probav_hub.kubernetes.executors")
    last = kubernetes.MORE_PORTS
    assert executors.DRIVER_PORTS == (kubernetes.DRIVER_PORT, kubernetes.DRIVER_PORT + last)
    assert executors.BLOCK_PORTS == (kubernetes.BLOCK_PORT, kubernetes.BLOCK_PORT + last)


def test_the_users_own_settings_come_after(monkeypatch):
    for name, value in POD.items():
        monkeypatch.setenv(name, value)
    found = properties(Settings(master=MASTER, executors=3, conf={"spark.port.maxRetries": "5"}))
    assert found["spark.master"] == MASTER
    assert found["spark.port.maxRetries"] == "5"
    assert found["spark.dynamicAllocation.maxExecutors"] == "3"
