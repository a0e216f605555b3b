"""Scala on the executors of a standalone cluster: classes of cells, libraries, an executor that dies."""

from __future__ import annotations

import os

import pytest
from jupyter_client import KernelManager
from waiting import wait_for

pytestmark = pytest.mark.cluster

CSV = "org.apache.commons:commons-csv:1.10.0"
TASKS = 40


@pytest.fixture
def start(spark_environment, processes, tmp_path):
    """Start a kernel whose Spark is a cluster; `run` returns what a cell says, and its last line."""
    started = []

    def begin(cluster):
        own = spark_environment(
            **processes.environment, PROBAV_SPARK_MASTER=cluster.url, PROBAV_SPARK_EXECUTOR_MEMORY="512m",
            PROBAV_SPARK_DRIVER_MEMORY="600m", IPYTHONDIR=str(tmp_path / "ipython"),
            PROBAV_SPARK_CONF="spark.dynamicAllocation.minExecutors=2",
        )  # fmt: skip
        own.pop("SPARK_HOME")
        manager = KernelManager(kernel_name="probav-python", transport_encryption="auto")
        manager.start_kernel(cwd=str(tmp_path), env=own)
        client = manager.blocking_client()
        client.start_channels()
        started.append((manager, client))
        client.wait_for_ready(timeout=120)
        return client

    yield begin
    for manager, client in started:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def finished(client, request, seconds=180):
    """Return the text and the last value of a cell, once it has ended."""
    text, value = "", None
    while True:
        message = client.get_iopub_msg(timeout=seconds)
        if message["parent_header"].get("msg_id") != request:
            continue
        content = message["content"]
        if message["msg_type"] == "stream":
            text += content["text"]
        elif message["msg_type"] == "error":
            text += "\n".join(content["traceback"])
        elif "data" in content:
            value = content["data"]["text/plain"].splitlines()[-1]
        elif content.get("execution_state") == "idle":
            return text, value


def run(client, code):
    return finished(client, client.execute(code))


def test_a_class_of_a_cell_in_a_dataset_on_executors(start, standalone):
    client = start(standalone())
    code = (
        "%%scala\ncase class Pixel(x: Int, ndvi: Double, where: String)\n"
        'val pixels = sc.parallelize(1 to 20, 4).map(i => Pixel(i, i / 4.0, "")).toDS()\n'
        "def here = org.apache.spark.SparkEnv.get.executorId\n"
        "val moved = pixels.map(p => p.copy(ndvi = p.ndvi * 2, where = here))\n"
        "val found = moved.collect()\n"
        '(found.map(_.ndvi).sum, found.map(_.where).distinct.contains("driver"), found.maxBy(_.ndvi).x)'
    )
    text, value = run(client, code)
    assert value == "(Double, Boolean, Int) = (105.0,false,20)", text


def test_a_library_added_at_run_time_on_executors(start, standalone):
    client = start(standalone())
    run(client, "%scala sc.parallelize(1 to 2, 2).count()")  # executors are there before the library
    text, _ = run(client, f"%scala --packages {CSV}")
    if "can't be had" in text:
        pytest.skip(f"needs Maven Central: {text.strip().splitlines()[-1]}")
    code = (
        '%%scala\nsc.parallelize(Seq("a;b", "c;d"), 2).map { line =>\n'
        "  val fields = org.apache.commons.csv.CSVFormat.newFormat(';')\n"
        "    .parse(new java.io.StringReader(line))\n"
        '  (fields.getRecords.get(0).get(1), org.apache.spark.SparkEnv.get.executorId != "driver")\n'
        "}.collect().toList"
    )
    text, value = run(client, code)
    assert value == "List[(String, Boolean)] = List((b,true), (d,true))", text


def test_the_answer_survives_a_killed_executor(start, standalone, processes, tmp_path):
    """It dies in the middle, with its shuffle files, and the other one does its work."""
    client = start(standalone())
    folder = tmp_path / "tasks"
    folder.mkdir()
    code = (
        f'%%scala\nval folder = "{folder}"\ncase class Cell(x: Int, v: Double)\n'
        f"sc.parallelize(1 to {TASKS}, {TASKS}).map {{ i =>\n"
        "  Thread.sleep(400)\n"
        '  val name = s"$i-${org.apache.spark.SparkEnv.get.executorId}"\n'
        "  new java.io.File(folder, name).createNewFile()\n"
        "  (i % 3, Cell(i, i.toDouble * i))\n"
        "}.groupByKey(3).mapValues(_.map(_.v).sum).collect().toMap.toSeq.sorted.toList"
    )
    request = client.execute(code)

    def done():
        return [name.split("-") for name in os.listdir(folder)]

    def both_have_worked():
        return len({executor for _, executor in done()}) == 2 and len(done()) >= 6

    wait_for(both_have_worked, 120, lambda: f"both executors to work: {done()}, {processes.executors()}")
    before = len(done())
    assert before < TASKS // 2
    processes.executors()[0].kill()
    text, value = finished(client, request)
    sums = ", ".join(
        f"({k},{float(sum(i * i for i in range(1, TASKS + 1) if i % 3 == k))})" for k in range(3)
    )
    assert value == f"List[(Int, Double)] = List({sums})", text
    assert len(done()) > TASKS, "what the dead executor had done was not done again"
