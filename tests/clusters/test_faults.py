"""What dies or hangs in the middle of a job costs time, never the answer."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.cluster


def kill_python_worker(cluster):
    for executor in cluster.processes.executors():
        for worker in cluster.processes.python_workers(executor):
            worker.kill()
            return
    pytest.fail("no Python worker to kill")


def kill_executor(cluster):
    cluster.processes.executors()[0].kill()


def kill_worker(cluster):
    cluster.workers[0].kill()


def kill_master(cluster):
    cluster.master.kill()


def stop_executor(cluster):
    """Make a node so slow that it never answers."""
    executor = cluster.processes.executors()[0]
    for process in (executor, *executor.children(recursive=True)):
        process.send_signal(signal.SIGSTOP)


@pytest.mark.parametrize(
    "fault", [kill_python_worker, kill_executor, kill_worker, kill_master, stop_executor]
)
def test_the_answer_survives(driver, processes, standalone, same, fault):
    cluster = standalone()
    asked = driver(["long"], processes, {}, master=cluster.url)
    asked.in_mid_job()
    fault(cluster)
    same(asked.finish(), "long")
