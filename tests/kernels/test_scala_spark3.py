"""Scala 2.12: a session of Spark 3.5, and the sample's GeoTrellis on executors in processes of their own."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import jupytext
import pytest
from jupyter_client import KernelManager
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[2]
GEOTRELLIS = "org.locationtech.geotrellis:geotrellis-raster_2.12:3.7.1"

pytestmark = pytest.mark.cluster


@pytest.fixture
def spark3(monkeypatch, tmp_path):
    """Let kernels of this test find Spark 3.5, which is installed beside the project's own once."""
    spec = importlib.util.spec_from_file_location(
        "probav_assembly", ROOT / "tests" / "livy" / "assembly" / "assemble.py"
    )
    assembly = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(assembly)
    try:
        assembly.CACHE.mkdir(parents=True, exist_ok=True)
        folder = assembly._once(assembly.CACHE / f"spark-{assembly.SPARK}", assembly.install_spark)
        monkeypatch.setenv("JAVA_HOME", str(assembly.find_java()))
    except assembly.NotHereError as reason:
        pytest.skip(str(reason))
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    return assembly.SPARK


def test_cells_values_and_mistakes(start_kernel, spark3):
    kernel = start_kernel()
    assert kernel.run("print(spark.version)").text.endswith(f"{spark3}\n")
    kernel.run("number, many = 3, [1.5, 2.5]")
    cell = kernel.run(
        "%%scala -i number -i many -o total -o nested -o table\ncase class Pixel(x: Int, v: Double)\n"
        'val total = number + many.sum\nval nested = Map("list" -> List(1, 2), "pair" -> (1, "x"))\n'
        "val table = Seq(Pixel(1, 2.0)).toDS().map(p => p.copy(v = p.v * 10)).toDF()\n"
        'println("printed")\ntable'
    )
    assert "printed\n" in cell.text
    assert "<td>20.0</td>" in cell.data[-1]["text/html"], cell.shown
    shown = kernel.run("print(total, nested, table.toPandas().values.tolist())").text
    assert shown == "7.0 {'list': [1, 2], 'pair': [1, 'x']} [[1.0, 20.0]]\n"
    own = "case class Here(x: Int)\nSeq(Here(1)).toDS().map(h => h.copy(x = h.x + 1)).collect().toList"
    assert kernel.run(f"%%scala\n{own}").data[-1]["text/plain"].endswith("List[Here] = List(Here(2))")
    assert kernel.run("%scala 6 * 7").data[-1]["text/plain"] == "Int = 42"
    assert "not found: value missing" in kernel.run("%%scala\nmissing").shown
    wrong = kernel.run('%%scala\nval x: Int = "a"; case class There(y: Int)').shown.splitlines()
    (line,) = [number for number, text in enumerate(wrong) if 'val x: Int = "a"' in text]
    assert "OuterScopes" not in wrong[line]
    assert wrong[line].index('"a"') == wrong[line + 1].index("^")
    assert "is not complete" in kernel.run("%%scala\nval q = {").shown
    assert "no.such:thing:1 can't be had" in kernel.run("%scala --packages no.such:thing:1").shown


def test_the_scala_kernel_completes_and_tells_types(spark3, tmp_path):
    manager = KernelManager(kernel_name="probav-scala", transport_encryption="auto")
    manager.start_kernel(cwd=str(tmp_path))
    client = manager.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=120)
        client.execute_interactive("1", timeout=120, output_hook=lambda message: None)
        ask = {"reply": True, "timeout": 60}
        assert client.kernel_info(**ask)["content"]["language_info"]["version"] == "2.12"
        found = client.complete("List(1).mkS", 11, **ask)["content"]
        assert (found["matches"], found["cursor_start"]) == (["mkString"], 8)
        assert "SparkContext" in client.inspect("sc", 2, **ask)["content"]["data"]["text/plain"]
        for code, status in [("val x = 1", "complete"), ("val q = {", "incomplete"), ("}", "invalid")]:
            request = client.is_complete(code)
            while (reply := client.get_shell_msg(timeout=60))["parent_header"].get("msg_id") != request:
                pass
            assert reply["content"]["status"] == status, code
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


@pytest.mark.parametrize("master", ["local[2,4]", "local-cluster[2,1,700]"])
def test_geotrellis_gives_the_engines_numbers(
    start_kernel, spark3, tmp_path, monkeypatch, demo_archive, master
):
    """Spark 3.5 has older versions of what GeoTrellis needs: settings that the kernel names put it right."""
    own = "spark.executor.memory=600m spark.dynamicAllocation.enabled=false"
    kernel = start_kernel(PROBAV_SPARK_MASTER=master, PROBAV_SPARK_CONF=own)
    said = kernel.run(f"%scala --packages {GEOTRELLIS}", timeout=300).shown
    if "can't be had" in said:
        pytest.skip(f"needs Maven Central: {said.strip().splitlines()[-1]}")
    assert "hide" in said
    assert "cats-kernel_2.12-2.10.0" in said
    kernel.client.shutdown()
    settings = re.findall(r"--set (\S+)", said.partition("%probav spark restart ")[2])
    assert ("spark.executor.userClassPathFirst=true" in settings) == master.startswith("local-cluster")

    monkeypatch.setenv("PROBAV_SPARK_CONF", " ".join([own, *settings]))
    monkeypatch.setenv("PROBAV_ARCHIVE", str(demo_archive))
    notebook = jupytext.read(ROOT / "sample_notebooks" / "scala.py")
    NotebookClient(
        notebook, timeout=300, kernel_name="probav-python", resources={"metadata": {"path": tmp_path}}
    ).execute()
    text = {
        tag: "".join(item.get("text", "") for item in cell.outputs if item.get("name") == "stdout")
        for cell in notebook.cells
        for tag in cell.metadata.get("tags", [])
    }
    assert "equal to the means above: True" in text["geotrellis"], text["geotrellis"]
    assert "hide" not in text["geotrellis"]
    line = r"^(\w+): (\d+) dates, largest relative difference (\S+), the same gaps: True$"
    found = re.findall(line, text["result"], re.MULTILINE)
    assert [(name, count) for name, count, _ in found] == [("CGLS_NDVI300_V1", "36"), ("CGLS_FAPAR_V2", "36")]
    assert all(float(difference) <= 1e-12 for _, _, difference in found)
