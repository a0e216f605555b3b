"""One question, the same bytes wherever it is answered."""

from __future__ import annotations

import pytest
from psutil import pid_exists
from waiting import wait_for

pytestmark = pytest.mark.cluster

QUERIES = ["polygon", "districts", "point", "parcels", "months", "floats", "decade"]


@pytest.mark.parametrize("master", ["local[2,4]", "local-cluster[2,1,1024]"])
def test_masters_that_need_no_cluster(driver, processes, same, master):
    asked = driver(QUERIES, processes, {}, master=master).finish()
    same(asked, *QUERIES)
    wait_for(lambda: not processes.all(), 20, lambda: f"nothing to be left: {processes.all()}")


def test_standalone_cluster(driver, processes, standalone, same):
    cluster = standalone()
    asked = driver(QUERIES, processes, {}, master=cluster.url)
    workers = set()

    def used():
        workers.update(executor.ppid() for executor in processes.executors())
        return asked.process.poll() is not None

    wait_for(used, 300, lambda: asked.output)
    assert workers == {worker.pid for worker in cluster.workers}, "each of the workers had an executor"
    same(asked.finish(), *QUERIES)
    wait_for(lambda: not processes.executors(), 20, "the executors to end")
    assert not cluster.state()["activeapps"]
    assert [found["state"] for found in cluster.state()["completedapps"]] == ["FINISHED"]
    cluster.stop()
    wait_for(lambda: not processes.all(), 20, lambda: f"nothing to be left: {processes.all()}")
    assert not any(pid_exists(pid) for pid in workers)
