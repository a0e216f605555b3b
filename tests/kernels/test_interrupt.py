from __future__ import annotations

import pytest
from waiting import wait_for

LONG = """
def wait(number):
    import pathlib, time
    pathlib.Path({marker!r}).touch()
    time.sleep(300)

{start}spark.sparkContext.parallelize(range(4), 4).map(wait).count()
"""
SLOW = """
import pathlib, time
def wait(shared, data):
    pathlib.Path({marker!r}).touch()
    time.sleep(300)
    yield 0, b""
"""
ACTIVE = "print(len(spark.sparkContext.statusTracker().getActiveJobsIds()))"


def answer(kernel, request: str) -> dict[str, object]:
    reply = kernel.client.get_shell_msg(timeout=30)
    while reply["parent_header"].get("msg_id") != request:
        reply = kernel.client.get_shell_msg(timeout=30)
    return reply["content"]


@pytest.mark.spark
@pytest.mark.parametrize("start", ["spark.range(1);", ""], ids=["cell that starts Spark", "later cell"])
def test_interrupting_a_cell_cancels_its_spark_jobs(start_kernel, tmp_path, start):
    kernel, marker = start_kernel(), tmp_path / "running"
    if not start:
        kernel.run("spark.range(1).count()")
    request = kernel.client.execute(LONG.format(marker=str(marker), start=start), stop_on_error=False)
    wait_for(marker.exists, seconds=90)
    kernel.manager.interrupt_kernel()
    assert answer(kernel, request)["ename"] == "KeyboardInterrupt"
    wait_for(lambda: kernel.run(ACTIVE).text.strip() == "0", seconds=30)
    assert kernel.run("print(spark.range(5).count())").text.strip() == "5"


@pytest.mark.spark
def test_interrupting_the_engine_cancels_its_job_and_no_other(start_kernel, tmp_path):
    marker = tmp_path / "running"
    (tmp_path / "slow.py").write_text(SLOW.format(marker=str(marker)))
    kernel = start_kernel(PYTHONPATH=str(tmp_path))
    kernel.run(
        "import threading, time; from probav.execution import spark as engine; spark.range(1).count()\n"
        "def rest(): spark.sparkContext.setJobGroup('mine', 'a job of my own'); "
        "spark.sparkContext.parallelize([1], 1).map(lambda _: time.sleep(600)).count()\n"
        "threading.Thread(target=rest, daemon=True).start()"
    )
    request = kernel.client.execute("list(engine.each('slow:wait', [b''] * 4))", stop_on_error=False)
    wait_for(marker.exists, seconds=90)
    kernel.manager.interrupt_kernel()
    assert answer(kernel, request)["ename"] == "KeyboardInterrupt"
    wait_for(lambda: kernel.run(ACTIVE).text.strip() == "1", seconds=30)
    mine = "print(len(spark.sparkContext.statusTracker().getJobIdsForGroup('mine')))"
    assert kernel.run(mine).text.strip() == "1"


def test_interrupting_python_stays_as_it_was(start_kernel, tmp_path):
    kernel, marker = start_kernel(), tmp_path / "running"
    code = f"import pathlib, time; pathlib.Path({str(marker)!r}).touch(); time.sleep(300)"
    request = kernel.client.execute(code, stop_on_error=False)
    wait_for(marker.exists, seconds=60)
    kernel.manager.interrupt_kernel()
    assert answer(kernel, request)["ename"] == "KeyboardInterrupt"
