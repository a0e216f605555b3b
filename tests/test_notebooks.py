"""The sample notebooks run to their end in the PROBA-V kernel, on any archive."""

from __future__ import annotations

import re
from pathlib import Path

import jupytext
import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

import probav

ROOT = Path(__file__).resolve().parents[1]
VIETNAM = ROOT.parent / "shared" / "real" / "probav_s1_toc_100m_vietnam"


@pytest.fixture
def execute(monkeypatch, tmp_path):
    """Execute a sample notebook on an archive and return its executed cells by tag."""

    def run(name: str, archive: Path) -> dict[str, nbformat.NotebookNode]:
        monkeypatch.setenv("PROBAV_ARCHIVE", str(archive))
        monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
        notebook = jupytext.read(ROOT / "sample_notebooks" / f"{name}.py")
        NotebookClient(
            notebook, timeout=300, kernel_name="probav-python", resources={"metadata": {"path": tmp_path}}
        ).execute()
        return {tag: cell for cell in notebook.cells for tag in cell.metadata.get("tags", [])}

    return run


def lines(cell: nbformat.NotebookNode) -> list[list[str]]:
    text = "".join(output.get("text", "") for output in cell.outputs)
    return [line.split() for line in text.splitlines()[1:]]


def test_quickstart_on_the_demo_archive_ends_with_the_numbers_of_the_engine(execute, demo_archive):
    cells = execute("quickstart", demo_archive)
    rows = lines(cells["result"])
    product = probav.open_archive(demo_archive)["PROBAV_L3_S10_TOC_333M"]
    west, south, east, north = product.footprint().total_bounds
    width, height = (east - west) / 4, (north - south) / 4
    box = (west + width, south + height, east - width, north - height)
    expected = product.statistics(box, mask="clear & land").isel(zone=0)
    assert [row[0] for row in rows] == [str(day)[:10] for day in expected["time"].to_numpy()]
    printed = [float("nan") if row[1] == "–" else float(row[1]) for row in rows]
    np.testing.assert_allclose(printed, expected["mean"], atol=5.1e-5)
    figures = [output["data"] for output in cells["figure"].outputs if "image/png" in output.get("data", {})]
    assert len(figures) == 1
    assert "values from" in figures[0]["text/plain"]


@pytest.mark.real
@pytest.mark.skipif(not VIETNAM.is_dir(), reason="the real sample data is not beside the checkout")
def test_quickstart_on_real_data_shows_every_date_also_those_without_a_valid_pixel(execute, tmp_path):
    archive = tmp_path / "archive"
    probav.ingest(str(archive), VIETNAM)
    rows = lines(execute("quickstart", archive)["result"])
    assert len(rows) == 98
    empty = [row for row in rows if row[1] == "–"]
    assert len(empty) == 33
    assert {float(row[3]) for row in empty} == {0.0}
    assert all(re.fullmatch(r"-?0\.\d{4}", row[1]) for row in rows if row not in empty)
