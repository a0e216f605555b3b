from __future__ import annotations

import pytest

LONG = """
def wait(number):
    import pathlib, time
    pathlib.Path({marker!r}).touch()
    time.sleep(300)

{start}spark.sparkContext.parallelize(range(4), 4).map(wait).count()
"""
ACTIVE = "print(len(spark.sparkContext.statusTracker().getActiveJobsIds()))"


def answer(kernel, request: str) -> dict[str, object]:
    reply = kernel.client.get_shell_msg(timeout=30)
    while reply["parent_header"].get("msg_id") != request:
        reply = kernel.client.get_shell_msg(timeout=30)
    return reply["content"]


@pytest.mark.spark
@pytest.mark.parametrize("start", ["spark.range(1);", ""], ids=["cell that starts Spark", "later cell"])
def test_interrupting_a_cell_cancels_its_spark_jobs(start_kernel, wait_for, tmp_path, start):
    kernel, marker = start_kernel(), tmp_path / "running"
    if not start:
        kernel.run("spark.range(1).count()")
    request = kernel.client.execute(LONG.format(marker=str(marker), start=start))
    wait_for(marker.exists, seconds=90)
    kernel.manager.interrupt_kernel()
    assert answer(kernel, request)["ename"] == "KeyboardInterrupt"
    wait_for(lambda: kernel.run(ACTIVE).text.strip() == "0", seconds=30)
    assert kernel.run("print(spark.range(5).count())").text.strip() == "5"


def test_interrupting_python_stays_as_it_was(start_kernel, wait_for, tmp_path):
    kernel, marker = start_kernel(), tmp_path / "running"
    code = f"import pathlib, time; pathlib.Path({str(marker)!r}).touch(); time.sleep(300)"
    request = kernel.client.execute(code)
    wait_for(marker.exists, seconds=60)
    kernel.manager.interrupt_kernel()
    assert answer(kernel, request)["ename"] == "KeyboardInterrupt"
