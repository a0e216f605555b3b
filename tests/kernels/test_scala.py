"""Scala in the Python kernel's own Spark session: one kernel for all of these."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.spark


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    from jupyter_client import KernelManager

    manager = KernelManager(kernel_name="probav-python", transport_encryption="auto")
    manager.start_kernel(cwd=str(tmp_path_factory.mktemp("scala")))
    client = manager.blocking_client()
    client.start_channels()
    client.wait_for_ready(timeout=120)
    yield made(manager, client)
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def made(manager, client):
    from types import SimpleNamespace

    def run(code, timeout=90):
        outputs = []
        client.execute_interactive(code, timeout=timeout, output_hook=outputs.append)
        contents = [(message["msg_type"], message["content"]) for message in outputs]
        return SimpleNamespace(
            text="".join(content["text"] for kind, content in contents if kind == "stream"),
            data=[content["data"] for kind, content in contents if "data" in content],
            error="\n".join(  # a UsageError is a line of text
                [content["text"] for kind, content in contents if content.get("name") == "stderr"]
                + [line for kind, content in contents if kind == "error" for line in content["traceback"]]
            ),
        )

    return SimpleNamespace(run=run, manager=manager, client=client)


def scala(kernel, code, options=""):
    cell = kernel.run(f"%%scala {options}\n{code}")
    assert not cell.error, cell.error
    return cell


def plain(cell):
    return cell.data[-1]["text/plain"]


def test_values_definitions_and_output(kernel):
    assert plain(scala(kernel, "6 * 7")) == "Int = 42"
    cell = scala(
        kernel, 'case class Pixel(x: Int, ndvi: Double)\nprintln("out")\nSystem.out.println("system")'
    )
    assert cell.text.endswith("out\nsystem\n")
    assert "class Pixel" in plain(cell)
    assert "Pixel = Pixel(1,0.5)" in plain(scala(kernel, "Pixel(1, 0.5)"))
    assert scala(kernel, "val quiet = ()").error == ""


def test_classes_of_cells_reach_executors_and_come_back(kernel):
    scala(kernel, "case class Cell(x: Int, v: Double)\nval n = 20\ndef square(d: Double) = d * d")
    code = "sc.parallelize(1 to n, 4).map(i => Cell(i, square(i))).filter(_.v > 100).collect().map(_.v).sum"
    assert plain(scala(kernel, code)) == f"Double = {sum(i * i for i in range(11, 21)):.1f}"
    assert "Cell(3,9.0)" in plain(scala(kernel, "sc.parallelize(Seq(Cell(3, 9.0))).first()"))
    scala(kernel, 'Seq(Cell(1, 2.0)).toDS().map(c => c.copy(v = c.v * 10)).createOrReplaceTempView("cells")')
    assert kernel.run("print(spark.table('cells').toPandas().to_csv(index=False))").text == "x,v\n1,20.0\n\n"


def test_a_cell_may_use_the_class_it_defines_in_a_dataset(kernel):
    code = "case class Here(x: Int)\nSeq(Here(1)).toDS().map(h => h.copy(x = h.x + 1)).collect().toList"
    assert plain(scala(kernel, code)).endswith("List[Here] = List(Here(2))")
    error = kernel.run('%%scala\nval x: Int = "a"; case class There(y: Int)').error
    assert "OuterScopes" not in error
    mark = next(line for line in error.splitlines() if line.strip() == "^")  # of line 1 nothing else is shown
    assert mark == next(
        line for line in kernel.run('%%scala\nval x: Int = "a"').error.splitlines() if line.strip() == "^"
    )


def test_one_session_and_views_both_ways(kernel):
    kernel.run("spark.range(4).createOrReplaceTempView('numbers')")
    cell = scala(kernel, 'spark.table("numbers").selectExpr("id", "id * id as square")')
    assert "<td>9</td>" in cell.data[-1]["text/html"]
    assert "square" in plain(cell)
    application = kernel.run("print(spark.sparkContext.applicationId)").text.strip()
    assert plain(scala(kernel, "sc.applicationId")) == f"String = {application}"


def test_variables_both_ways(kernel):
    kernel.run(
        "import numpy as np, pandas as pd\nnumber, text, many = 3, 'ü', [1.5, 2.5]\n"
        "array = np.array([0.25, 0.5])\nnamed = {'a': 1}\nframe = pd.DataFrame({'ndvi': [0.1, 0.2]})"
    )
    options = " ".join(f"-i {name}" for name in ("number", "text", "many", "array", "named", "frame"))
    outs = " ".join(f"-o {name}" for name in ("total", "doubled", "nested", "table", "back"))
    code = (
        'val total = number + many.sum + array.sum + named("a")\nval doubled = array.map(_ * 2)\n'
        'val nested = Map("list" -> List(1, 2), "pair" -> (1, "x"))\n'
        'val table = frame.filter("ndvi > 0.15")\n'
        "val back = text + text"
    )
    scala(kernel, code, f"{options} {outs}")
    shown = kernel.run("print(total, doubled.tolist(), nested, table.toPandas().values.tolist(), back)").text
    assert shown.strip() == "8.75 [0.5, 1.0] {'list': [1, 2], 'pair': [1, 'x']} [[0.2]] üü"
    assert "there is no variable of that name" in kernel.run("%%scala -i nothing\n1").error
    assert "There is no value 'nothing'" in kernel.run("%%scala -o nothing\n1").error
    wrong = kernel.run("%%scala -i np\n1").error
    assert "a module has no counterpart in Scala" in wrong
    assert "Traceback" not in wrong


def test_an_image_is_shown(kernel):
    code = "new java.awt.image.BufferedImage(4, 3, java.awt.image.BufferedImage.TYPE_INT_RGB)"
    assert "image/png" in scala(kernel, code).data[-1]


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ('val a = 3\n\nval x: Int = "a"', "On line 3: error: type mismatch"),
        ('throw new RuntimeException("boom")', "java.lang.RuntimeException: boom"),
        ("val q = {", "not complete"),
        ("missing", "not found: value missing"),
    ],
)
def test_mistakes_are_said_with_their_line(kernel, code, shown):
    error = kernel.run(f"%%scala\n{code}").error
    assert shown in error
    assert "Traceback" not in error
    assert "py4j" not in error


def test_options_that_are_none_are_one_line(kernel):
    assert "%scala --help lists the options" in kernel.run("%%scala --nothing\n1").error
    assert "--packages" in kernel.run("%scala --help").text
    assert "expected group:artifact:version" in kernel.run("%scala --packages geotrellis").error
    assert plain(kernel.run('%scala List("a b", "c").size')) == "Int = 2"


def test_output_comes_as_it_is_printed(kernel):
    seen = []

    def hear(message):
        if message["msg_type"] == "stream":
            seen.append((time.monotonic(), message["content"]["text"]))

    began = time.monotonic()
    kernel.client.execute_interactive(
        '%%scala\nfor (i <- 1 to 3) { println(s"line $i"); Thread.sleep(1500) }', timeout=60, output_hook=hear
    )
    ended = time.monotonic()
    first = next(when for when, text in seen if "line 1" in text)
    assert ended - first > 2
    assert first - began < ended - began - 2


@pytest.mark.parametrize(
    "code",
    [
        'println("running"); sc.parallelize(1 to 4, 4).map { i => Thread.sleep(300000); i }.count',
        'println("running"); try Thread.sleep(300000) catch { case _: InterruptedException => }; '
        "sc.parallelize(1 to 4, 4).map { i => Thread.sleep(300000); i }.count",
        'println("running"); Thread.sleep(300000)',
        'println("running"); var k = 0L; while (true) { k += 1 }',
        'println("running"); while (true) println("and on")',
    ],
    ids=["a job", "a job about to begin", "Scala that waits", "Scala that computes", "Scala that prints"],
)
def test_an_interrupt_stops_the_cell_and_the_session_goes_on(kernel, code):
    request = kernel.client.execute(f"%%scala\n{code}", stop_on_error=False)  # the next one comes at once
    while True:
        message = kernel.client.get_iopub_msg(timeout=60)
        if message["msg_type"] == "stream" and "running" in message["content"]["text"]:
            break
    began = time.monotonic()
    kernel.manager.interrupt_kernel()
    reply = kernel.client.get_shell_msg(timeout=30)
    while reply["parent_header"].get("msg_id") != request:
        reply = kernel.client.get_shell_msg(timeout=30)
    assert reply["content"]["status"] == "error"
    assert time.monotonic() - began < 4  # 2 on a quiet machine
    assert plain(scala(kernel, "sc.parallelize(1 to 3).count()")) == "Long = 3"


def test_after_an_interrupt_python_still_knows_the_cells_classes(kernel):
    scala(kernel, "case class Known(x: Int)")
    scala(kernel, 'Seq(Known(1)).toDS().map(k => k.copy(x = 2)).createOrReplaceTempView("known")')
    kernel.run("import os, signal, time\nos.kill(os.getpid(), signal.SIGINT); time.sleep(5)")
    assert kernel.run("print(spark.table('known').toPandas()['x'].tolist())").text == "[2]\n"


def test_a_failed_job_is_told_in_few_lines(kernel):
    error = kernel.run("%%scala\nval by = 0\nsc.parallelize(1 to 2).map(i => i / by).collect()").error
    told = [
        line for line in error.splitlines() if not line.startswith(("Spark ERROR", "java.lang", "\tat $line"))
    ]
    assert "Caused by: java.lang.ArithmeticException: / by zero" in error
    assert "<console>:2" in error
    assert len(told) < 20, error


def test_too_little_memory_is_an_error_and_no_end(kernel):
    assert "OutOfMemoryError" in kernel.run("%%scala\nArray.fill(1 << 29)(1L)").error
    assert plain(scala(kernel, "1 + 1")) == "Int = 2"


def test_a_new_session_has_a_new_interpreter(kernel):
    scala(kernel, "val before = 1")
    kernel.run("%probav spark restart --set spark.sql.shuffle.partitions=2")
    assert "not found: value before" in kernel.run("%%scala\nbefore").error
    assert plain(scala(kernel, 'spark.conf.get("spark.sql.shuffle.partitions")')) == "String = 2"


def test_the_page_runs_as_it_stands(kernel):
    page = (Path(__file__).resolve().parents[2] / "docs" / "scala.md").read_text(encoding="utf-8")
    blocks = re.findall(r"(?:^    .*\n|^\n(?=    ))+", page, re.MULTILINE)
    cells = [re.sub("^    ", "", block, flags=re.MULTILINE).strip() for block in blocks]
    assert len(cells) >= 4
    for cell in cells:
        if "--packages" in cell:  # tests/kernels/test_scala_packages.py
            continue
        parts = cell.split("\n\n") if cell.startswith("%%scala -o") else [cell]
        for part in parts:
            assert not kernel.run(part).error, part


def test_the_end_of_java_is_one_line_and_another_starts(kernel):
    error = kernel.run("%%scala\nsys.exit(3)").error.strip()
    assert error.startswith("The Java of this Spark session has ended")
    assert "\n" not in error
    assert "not started" in kernel.run("%probav spark").text
    assert plain(scala(kernel, "1 + 1")) == "Int = 2"
    assert kernel.run("print(spark.range(3).count())").text == "3\n"
