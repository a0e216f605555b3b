"""Who may reach whom, by the network policies that the chart renders and the broker makes."""

from __future__ import annotations

import pytest

from probav_hub.kubernetes.executors import BLOCK_PORTS, DRIVER_PORTS, policies

DNS, INTERNET, METADATA, API = "10.96.0.10", "93.184.216.34", "169.254.169.254", "172.20.0.1"
PROXY_PORTS = {"http": 8000, "api": 8001, "https": 8443}


@pytest.fixture(scope="module")
def ends(end, server_pod, executor_pod):
    """The pods of two users, of the hub's parts, and addresses outside."""
    parts = {"app": "jupyterhub", "release": "hub"}
    access = {
        f"hub.jupyter.org/network-access-{name}": "true" for name in ("proxy-api", "proxy-http", "singleuser")
    }
    return {
        "ada": end(server_pod("spark", "ada")["metadata"]["labels"]),
        "ada's second": end(server_pod("spark", "ada", "second")["metadata"]["labels"]),
        "bob": end(server_pod("spark", "bob")["metadata"]["labels"]),
        "ada's executor": end(executor_pod("ada")["metadata"]["labels"]),
        "ada's other executor": end(executor_pod("ada")["metadata"]["labels"]),
        "bob's executor": end(executor_pod("bob")["metadata"]["labels"]),
        "hub": end({**parts, "component": "hub", **access}, ports={"http": 8081}),
        "proxy": end(
            {**parts, "component": "proxy", "hub.jupyter.org/network-access-hub": "true",
             "hub.jupyter.org/network-access-singleuser": "true"}, ports=PROXY_PORTS,
        ),
        "broker": end({"app": "probav", "release": "hub", "component": "spark-broker",
                       "hub.jupyter.org/network-access-hub": "true"}),
        "stranger": end({"app": "shop"}, namespace="shop"),
        "neighbour": end({"app": "other"}),
        "dns": end({"k8s-app": "kube-dns"}, namespace="kube-system", address=DNS),
        "internet": end(address=INTERNET, is_pod=False),
        "metadata": end(address=METADATA, is_pod=False),
        "api server": end(address=API, is_pod=False),
    }  # fmt: skip


@pytest.fixture(scope="module")
def own(server_pod):
    """What the broker makes for the servers that have executors."""
    servers = [("ada", ""), ("ada", "second"), ("bob", "")]
    return [policy for user, name in servers for policy in policies(server_pod("spark", user, name))]


@pytest.fixture(scope="module")
def reaches(network, objects, own, ends):
    made = network([*(each for each in objects if each["kind"] == "NetworkPolicy"), *own])
    return lambda one, other, port, protocol="TCP": made.allows(ends[one], ends[other], port, protocol)


@pytest.fixture(scope="module")
def reaches_whole(network, whole, own, ends):
    made = network([*(each for each in whole if each["kind"] == "NetworkPolicy"), *own])
    return lambda one, other, port, protocol="TCP": made.allows(ends[one], ends[other], port, protocol)


OPEN = [
    ("hub", "ada", 8888), ("proxy", "ada", 8888), ("ada", "hub", 8081), ("ada", "hub", 8082),
    ("ada", "broker", 8080),
    ("ada", "dns", 53), ("ada's executor", "dns", 53), ("broker", "dns", 53), ("broker", "hub", 8081),
    ("broker", "api server", 443), ("broker", "api server", 6443),
    ("ada's executor", "ada", DRIVER_PORTS[0]), ("ada's executor", "ada", DRIVER_PORTS[1]),
    ("ada's executor", "ada", BLOCK_PORTS[0]), ("ada", "ada's executor", BLOCK_PORTS[0]),
    ("ada's executor", "ada's other executor", BLOCK_PORTS[1]), ("bob's executor", "bob", DRIVER_PORTS[0]),
]  # fmt: skip
CLOSED = [
    *(("ada", "bob", port) for port in (8888, 22, DRIVER_PORTS[0], BLOCK_PORTS[0], 4040)),
    *(("ada", "ada's second", port) for port in (8888, DRIVER_PORTS[0])),
    *(("ada's executor", other, port) for other in ("bob", "ada's second", "bob's executor")
      for port in (8888, DRIVER_PORTS[0], BLOCK_PORTS[0])),
    *(("bob", "ada's executor", port) for port in (BLOCK_PORTS[0], DRIVER_PORTS[0], 22)),
    ("ada's executor", "ada", 8888), ("ada's executor", "ada", 4040), ("ada", "ada's executor", 22),
    ("ada's executor", "hub", 8081), ("ada's executor", "broker", 8080),
    ("ada's executor", "api server", 443),
    ("ada's executor", "internet", 443), ("ada", "internet", 443), ("ada", "metadata", 80),
    ("ada", "api server", 443),
    ("ada", "api server", 6443), ("ada", "neighbour", 80), ("ada", "stranger", 80), ("ada", "hub", 22),
    ("ada", "broker", 22), ("neighbour", "ada", 8888), ("stranger", "ada", 8888),
    ("neighbour", "broker", 8080),
    ("neighbour", "ada's executor", BLOCK_PORTS[0]), ("broker", "ada", 8888), ("broker", "internet", 80),
    ("hub", "ada's executor", BLOCK_PORTS[0]), ("proxy", "ada", DRIVER_PORTS[0]), ("hub", "ada", 4040),
    ("ada's executor", "metadata", 80),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other", "port"), OPEN)
def test_what_is_needed_is_open(reaches, one, other, port):
    assert reaches(one, other, port)


@pytest.mark.parametrize(("one", "other", "port"), CLOSED)
def test_all_else_is_closed(reaches, one, other, port):
    assert not reaches(one, other, port)


def test_names_are_asked_over_udp_too(reaches):
    assert reaches("ada", "dns", 53, "UDP")
    assert not reaches("ada", "dns", 80)
    assert not reaches("ada", "internet", 53, "UDP")


def test_before_the_broker_has_made_its_policies_drivers_and_executors_are_apart(network, objects, ends):
    made = network([each for each in objects if each["kind"] == "NetworkPolicy"])
    assert not made.allows(ends["ada's executor"], ends["ada"], DRIVER_PORTS[0])
    assert not made.allows(ends["ada"], ends["ada's executor"], BLOCK_PORTS[0])


def test_the_internet_where_it_is_allowed_is_no_way_inside(network, render, ends):
    objects = render({"network": {"internet": True}})
    made = network([each for each in objects if each["kind"] == "NetworkPolicy"])
    assert made.allows(ends["ada"], ends["internet"], 443)
    for other in ("metadata", "api server", "bob", "stranger", "neighbour"):
        assert not made.allows(ends["ada"], ends[other], 443), other
    assert not made.allows(ends["ada's executor"], ends["internet"], 443)


def test_an_object_store_is_reached_by_servers_and_executors_alone(network, render, ends, end):
    rule = {"to": [{"ipBlock": {"cidr": "192.168.7.0/24"}}], "ports": [{"protocol": "TCP", "port": 9000}]}
    objects = render({"archive": {"url": "s3://lab/archive"}, "network": {"archive": [rule]}})
    made = network([each for each in objects if each["kind"] == "NetworkPolicy"])
    store = end(address="192.168.7.20", is_pod=False)
    assert made.allows(ends["ada"], store, 9000)
    assert made.allows(ends["ada's executor"], store, 9000)
    assert not made.allows(ends["broker"], store, 9000)
    assert not made.allows(ends["ada"], store, 22)


def test_with_jupyterhubs_own_policies_the_hubs_parts_work_together(reaches_whole):
    for one, other, port in [
        *OPEN, ("hub", "proxy", 8001), ("proxy", "hub", 8081), ("proxy", "hub", 8082), ("proxy", "hub", 8083),
        ("hub", "internet", 443), ("hub", "api server", 443), ("stranger", "proxy", 8000),
        ("proxy", "dns", 53),
    ]:  # fmt: skip
        assert reaches_whole(one, other, port), (one, other, port)


def test_with_jupyterhubs_own_policies_all_else_stays_closed(reaches_whole):
    for one, other, port in [
        *CLOSED, ("ada", "proxy", 8001), ("bob", "proxy", 8001), ("ada's executor", "proxy", 8000),
        ("neighbour", "hub", 8081), ("neighbour", "hub", 8082), ("proxy", "internet", 443),
        ("hub", "metadata", 80),
        ("proxy", "metadata", 80), ("broker", "proxy", 8001),
    ]:  # fmt: skip
        assert not reaches_whole(one, other, port), (one, other, port)


def test_the_evaluator_denies_where_a_rule_is_taken_away(network, objects, own, ends):
    """Else a test of closed doors would pass with an evaluator that opens none."""
    fewer = [
        each
        for each in objects
        if each["kind"] == "NetworkPolicy" and each["metadata"]["name"] != "probav-users"
    ]
    made = network([*fewer, *own])
    assert (
        made.allows(ends["neighbour"], ends["ada's second"], 8888) is False
    )  # the broker's policy still isolates it
    assert network(fewer).allows(ends["neighbour"], ends["ada"], 8888)
