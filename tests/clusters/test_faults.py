"""What dies or hangs in the middle of a job costs time, never the answer."""

from __future__ import annotations

import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from waiting import wait_for

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


MANY = 24  # cores that the query is cut for; there are two: many short tasks


@pytest.fixture
def in_mid_job(driver, processes):
    """Start a driver and wait until some of its job is done, most is to do, and both executors work."""

    def start(cluster, **options):
        asked = driver(["long"], processes, {}, master=cluster.url, cores=MANY, **options)

        def both_work():
            status, executors = asked.status, processes.executors()
            assert asked.process.poll() is None, f"it ended too soon: {asked.output}"
            return (
                status.get("active")
                and status["total"] >= MANY
                and 0 < status["done"] < MANY // 2
                and len(executors) == len(cluster.workers)
                and all(map(processes.python_workers, executors))
            )

        wait_for(both_work, 90, lambda: f"{asked.status}, {processes.executors()}, {asked.output}")
        return asked

    return start


@pytest.mark.parametrize(
    "fault", [kill_python_worker, kill_executor, kill_worker, kill_master, stop_executor]
)
def test_the_answer_survives(in_mid_job, standalone, same, fault):
    cluster = standalone()
    asked = in_mid_job(cluster)
    fault(cluster)
    same(asked.finish(), "long")


def test_a_full_disk_on_one_node(in_mid_job, standalone, same, small_disk):
    """Shuffle files of a node that is full can't be written; its tasks go to the other."""
    cluster = standalone(
        {"SPARK_LOCAL_DIRS": str(small_disk / "local"), "SPARK_WORKER_DIR": str(small_disk)}, {}
    )
    asked = in_mid_job(cluster)
    fill(small_disk)
    asked.finish()
    if (asked.folder / "long.error").exists():
        assert "No space left on device" in asked.error("long")
        assert "\n" not in asked.error("long")
    else:
        same(asked, "long")


def test_a_disk_that_is_full_from_the_start(driver, processes, standalone, same, small_disk):
    cluster = standalone(
        {"SPARK_LOCAL_DIRS": str(small_disk / "local"), "SPARK_WORKER_DIR": str(small_disk)}, {}
    )
    fill(small_disk)
    asked = driver(["decade"], processes, {}, master=cluster.url, cores=MANY).finish()
    if (asked.folder / "decade.error").exists():  # never a wrong answer
        assert "\n" not in asked.error("decade")
    else:
        same(asked, "decade")


@pytest.fixture
def small_disk(tmp_path):
    """Return the folder of a file system of four megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no small disk can be mounted here: {done.stderr.strip()}")
    (folder / "local").mkdir()
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder):
    with suppress(OSError), (folder / "filler").open("wb", buffering=0) as file:
        while file.write(b"x" * 4096):
            pass


def test_a_chunk_that_cannot_be_read_is_named(driver, processes, standalone, many, tmp_path):
    copy = Path(shutil.copytree(many, tmp_path / "copy"))
    largest = sorted((copy / "chunks").rglob("*"), key=lambda path: path.stat().st_size * path.is_file())[
        -20:
    ]
    for path in largest:
        path.write_bytes(path.read_bytes()[::-1])
    cluster = standalone()
    both = [
        driver(["decade"], processes, None, archive=copy),
        driver(
            ["decade"],
            processes,
            {"spark.scheduler.excludeOnFailure.unschedulableTaskSetTimeout": "5s"},
            master=cluster.url,
            archive=copy,
        ),
    ]
    local, remote = (asked.finish().error("decade") for asked in both)
    assert "SERIES" in local
    assert local.split(": ", 1)[1].split("chunk")[0] in remote
    assert "chunk" in remote
    assert "\n" not in remote
