"""Many kernels on one cluster: each gets its share, the idle give theirs back, the dead leave nothing."""

from __future__ import annotations

import os
import time
from contextlib import suppress

import psutil
import pytest
from jupyter_client import KernelManager
from waiting import wait_for

pytestmark = pytest.mark.cluster

SLOW = """
import sys; sys.path.insert(0, {here!r})
import probav, queries
product, call = {{**queries.QUERIES, **queries.LONG}}[{query!r}]
result = probav.open_archive({archive!r})[product].statistics(**call(), engine="spark")
print(spark.sparkContext.applicationId, result.sizes["zone"])
"""


@pytest.fixture
def kernels(tmp_path, processes):
    """Start real PROBA-V kernels on a cluster."""
    started = []

    def start(cluster, **more):
        manager = KernelManager(kernel_name="probav-python")
        own = {
            name: value for name, value in os.environ.items() if not name.startswith(("SPARK_", "PYSPARK_"))
        }
        own |= {
            **processes.environment, "IPYTHONDIR": str(tmp_path / "ipython"), "SPARK_LOCAL_IP": "127.0.0.1",
            "PROBAV_SPARK_MASTER": cluster.url, "PROBAV_SPARK_EXECUTOR_MEMORY": "512m",
            "PROBAV_SPARK_DRIVER_MEMORY": "600m", **more,
        }  # fmt: skip
        manager.start_kernel(cwd=str(tmp_path), env=own)
        client = manager.blocking_client()
        client.start_channels()
        client.wait_for_ready(timeout=120)
        started.append((manager, client))
        return manager, client

    yield start
    for manager, client in started:
        client.stop_channels()
        with suppress(Exception):
            manager.shutdown_kernel(now=True)


def code(many, query):
    return SLOW.format(here=os.path.dirname(__file__), archive=str(many), query=query)


def test_nothing_is_left_when_a_kernel_dies_in_mid_job(standalone, kernels, processes, many):
    cluster = standalone()
    manager, client = kernels(cluster)
    client.execute(code(many, "long"))
    wait_for(
        lambda: (found := processes.executors()) and any(map(processes.python_workers, found)),
        90, "a Python worker of the job",
    )  # fmt: skip
    running = [app["name"] for app in cluster.state()["activeapps"]]
    assert len(running) == 1
    daemons = {cluster.master.pid, *(worker.pid for worker in cluster.workers)}
    os.kill(manager.provisioner.pid, 9)

    def others():
        return [found for found in processes.all() if found.pid not in daemons]

    wait_for(lambda: not others(), 60, lambda: f"these to end: {[found.cmdline()[:9] for found in others()]}")
    state = cluster.state()
    assert not state["activeapps"]
    assert state["completedapps"][0]["state"] in ("FINISHED", "KILLED")
    assert all(worker["coresused"] == 0 for worker in state["workers"])


def test_ten_share_a_cluster(standalone, driver, kernels, processes, many, same, tmp_path):
    """Eight drivers and two kernels ask at once; three are idle afterwards, and others get their cores."""
    total = 10
    wide = {"cores": str(total // 2), "memory": f"{total}g"}
    cluster = standalone(wide, wide, **{"spark.deploy.defaultCores": "2"})
    quick = {
        "spark.dynamicAllocation.executorIdleTimeout": "5s",
        "spark.dynamicAllocation.shuffleTracking.timeout": "5s",
    }
    stop = tmp_path / "stop"
    own = {"executor_cores": 1, "cores": 1, "executor_memory": "512m"}
    asked = [
        driver(["districts", "decade"], processes, quick, master=cluster.url, hold=stop, **own)
        for _ in range(total - 2)
    ]
    words = " ".join(f"{name}={value}" for name, value in quick.items())
    own = {"PROBAV_SPARK_EXECUTOR_CORES": "1", "PROBAV_SPARK_CORES": "1", "PROBAV_SPARK_CONF": words}
    clients = [kernels(cluster, **own)[1] for _ in range(2)]
    for client in clients:
        client.execute(code(many, "decade"))
    most, first = {}, {}
    began = time.monotonic()

    def all_served():
        state = cluster.state()
        for app in state["activeapps"]:
            most[app["id"]] = max(most.get(app["id"], 0), app["cores"])
            if app["cores"]:
                first.setdefault(app["id"], round(time.monotonic() - began))
        for one in asked:
            assert one.process.poll() is None, one.output
        answered = all((one.folder / "answered").exists() for one in asked)
        return answered and len(first) == total and all(most.values())

    wait_for(all_served, 600, lambda: f"all to be served: {most}, {[one.output for one in asked]}")
    print(f"cores at most: {most}; seconds to the first executor: {first}")
    assert set(most.values()) == {1}, "nobody takes more than a share"
    wait_for(
        lambda: all(worker["coresused"] == 0 for worker in cluster.state()["workers"]),
        60, lambda: f"idle sessions to give their executors back: {cluster.state()['activeapps']}",
    )  # fmt: skip
    assert len(cluster.state()["activeapps"]) == total, "their sessions are still there"
    stop.touch()
    for one in asked:
        same(one.finish(60), "districts", "decade")
    assert all(psutil.pid_exists(worker.pid) for worker in cluster.workers)
