"""Libraries from Maven Central in a running session."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.cluster

CSV = "org.apache.commons:commons-csv:1.10.0"


def test_a_library_reaches_interpreter_and_executors(start_kernel):
    kernel = start_kernel()
    cell = kernel.run(f"%scala --packages {CSV}", timeout=180)
    if "can't be had" in cell.shown:
        pytest.skip(f"needs Maven Central: {cell.shown.strip().splitlines()[-1]}")
    assert "1 jars added" in cell.text
    check(kernel)


def check(kernel):
    code = (
        "sc.parallelize(Seq(\"a;b\")).map(line => org.apache.commons.csv.CSVFormat.newFormat(';')"
        ".parse(new java.io.StringReader(line)).getRecords.get(0).get(1)).collect().toList"
    )
    cell = kernel.run(f"%%scala\n{code}")
    assert cell.data[-1]["text/plain"] == "List[String] = List(b)", cell.shown


def test_a_library_of_the_session_is_the_interpreters_too(start_kernel):
    kernel = start_kernel(PROBAV_SPARK_PACKAGES=CSV)
    cell = kernel.run("spark.range(1).count()", timeout=180)
    if not cell.data:
        pytest.skip(f"needs Maven Central: {cell.shown.strip().splitlines()[-1]}")
    check(kernel)


def test_a_library_that_is_none_is_one_line(start_kernel):
    cell = start_kernel().run("%scala --packages no.such.group:nothing_2.13:1.0", timeout=180)
    assert "no.such.group:nothing_2.13:1.0 can't be had: " in cell.shown
    assert "Traceback" not in cell.shown
