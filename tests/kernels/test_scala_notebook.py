"""The sample notebook in Scala: its means are the engine's."""

from __future__ import annotations

import re
from pathlib import Path

import jupytext
import pytest
from nbclient import NotebookClient

SAMPLE = Path(__file__).resolve().parents[2] / "sample_notebooks" / "scala.py"

pytestmark = pytest.mark.spark


def test_the_sample_in_scala_gives_the_engines_numbers(tmp_path, monkeypatch, demo_archive):
    monkeypatch.setenv("PROBAV_ARCHIVE", str(demo_archive))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    notebook = jupytext.read(SAMPLE)
    NotebookClient(
        notebook, timeout=300, kernel_name="probav-python", resources={"metadata": {"path": tmp_path}}
    ).execute()
    cells = {tag: cell.outputs for cell in notebook.cells for tag in cell.metadata.get("tags", [])}
    text = {tag: "".join(item.get("text", "") for item in outputs) for tag, outputs in cells.items()}
    line = r"^(\w+): (\d+) dates, largest relative difference (\S+), the same gaps: True$"
    found = re.findall(line, text["result"], re.MULTILINE)
    assert [(name, count) for name, count, _ in found] == [("CGLS_NDVI300_V1", "36"), ("CGLS_FAPAR_V2", "36")]
    assert all(float(difference) < 1e-12 for _, _, difference in found)
    assert any("text/html" in item.get("data", {}) for item in cells["scala"])
    assert any("image/png" in item.get("data", {}) for item in cells["figure"])
    # where the library can't be had the notebook says so and goes on
    assert "equal to the means above: True" in text["geotrellis"] or "can't be had" in text["geotrellis"]
