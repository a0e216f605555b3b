"""The sample notebooks run to their end in the PROBA-V kernel, on any archive."""

from __future__ import annotations

import re
from pathlib import Path

import jupytext
import nbformat
import numpy as np
import pytest
import xarray as xr
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


def output_text(cell: nbformat.NotebookNode) -> str:
    return "".join(output.get("text", "") for output in cell.outputs)


def lines(cell: nbformat.NotebookNode) -> list[list[str]]:
    return [line.split() for line in output_text(cell).splitlines()[1:]]


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


def weighted(pixels: xr.DataArray, box: tuple[float, float, float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Return sums of weights of valid pixels and weighted means, date by date, by NumPy alone."""
    west, south, east, north = box

    def covered(centres: np.ndarray, low: float, high: float) -> np.ndarray:
        half = abs(centres[1] - centres[0]) / 2
        inside = np.minimum(centres + half, high) - np.maximum(centres - half, low)
        return np.clip(inside / (2 * half), 0, 1)

    weights = np.outer(
        covered(pixels["y"].to_numpy(), south, north), covered(pixels["x"].to_numpy(), west, east)
    )
    values = pixels.transpose("time", "y", "x").to_numpy().astype(float)
    there = np.isfinite(values)
    sums = (there * weights).sum(axis=(1, 2))
    with np.errstate(invalid="ignore"):
        return sums, np.where(there, values * weights, 0).sum(axis=(1, 2)) / sums


@pytest.fixture
def ndvi(demo_archive):
    return probav.open_archive(demo_archive)["PROBAV_L3_S10_TOC_333M"]


def test_areas_of_interest_counts_each_zone_for_itself(execute, demo_archive, ndvi):
    cells = execute("areas_of_interest", demo_archive)
    west, south, east, north = ndvi.footprint().total_bounds
    x, y = (west + east) / 2, (south + north) / 2
    pixels = ndvi.load(time="2016-07-01")["NDVI"]
    side = float(pixels["x"][1] - pixels["x"][0])
    boxes = {"sw": (west, south, x, y), "ne": (x, y, east, north), "both": (west, south, east, north)}
    rows = {row[0]: row for row in lines(cells["result"])}
    assert list(rows) == list(boxes)
    for name, box in boxes.items():
        count, mean = map(float, rows[name][-2:])
        assert count == pytest.approx((box[2] - box[0]) * (box[3] - box[1]) / side**2, abs=0.006)
        assert mean == pytest.approx(weighted(pixels, box)[1][0], abs=1e-6)
    text = "".join(output.get("text", "") for output in cells["pixels"].outputs)
    assert "CHIRPS_V2_DEKAD" in text
    assert any("image/png" in output.get("data", {}) for output in cells["figure"].outputs)


def test_masks_and_strata(execute, demo_archive, ndvi):
    cells = execute("masks_and_strata", demo_archive)
    printed = {line.split()[0]: line for line in output_text(cells["result"]).splitlines()}
    for name, mask in {"no": None, "clear": "clear & land"}.items():
        values = ndvi.load(time="2016", mask=mask)["NDVI"].to_numpy().reshape(36, -1).astype(float)
        there = np.isfinite(values).any(axis=1)
        expected = np.nanmean(values[there], axis=1).mean()
        count, mean = re.search(r"mean of (\d+) dates: ([\d.]+)", printed[name]).groups()
        assert int(count) == there.sum()
        assert float(mean) == pytest.approx(expected, abs=1e-6)
    assert float(printed["no"].split()[-1]) < float(printed["clear"].split()[-1])
    assert "cropland" in output_text(cells["strata"])
    for tag in ("figure", "histogram"):
        assert any("image/png" in output.get("data", {}) for output in cells[tag].outputs)


def test_several_products(execute, demo_archive, ndvi):
    cells = execute("several_products", demo_archive)
    rows = [line.split() for line in output_text(cells["result"]).splitlines()[2:]]
    west, south, east, north = ndvi.footprint().total_bounds
    width, height = (east - west) / 5, (north - south) / 5
    box = (west + width, south + height, east - width, north - height)
    archive = probav.open_archive(demo_archive)
    expected = [
        weighted(ndvi.load(time="2016", mask="clear & land")["NDVI"], box)[1],
        weighted(archive["CHIRPS_V2_DEKAD"].load(time="2016")["RAINFALL"], box)[1],
        weighted(archive["CGLS_FAPAR_V2"].load(time="2016")["FAPAR"], box)[1],
    ]
    printed = [[float("nan") if text == "–" else float(text) for text in row[1:]] for row in rows]
    np.testing.assert_allclose(printed, np.transpose(expected), atol=5.1e-6, rtol=0)
    assert re.search(
        r"\d+ pixels of 1 km, correlation of NDVI and FAPAR: 0\.\d{4}", output_text(cells["pixels"])
    )
    data = [output["data"] for output in cells["figure"].outputs if "data" in output]
    assert any("image/png" in one for one in data)


@pytest.mark.spark
def test_large_jobs_gives_the_same_bytes_from_threads_and_spark(execute, demo_archive, ndvi):
    cells = execute("large_jobs", demo_archive)
    text = output_text(cells["result"])
    assert "400 zones, 36 dates; the same bytes from threads and Spark: True" in text
    west, south, east, north = ndvi.footprint().total_bounds
    pixels = ndvi.load(time="2016", mask="clear & land")["NDVI"]
    columns, rows = np.linspace(west, east, 21), np.linspace(south, north, 21)
    found = [
        weighted(pixels, (columns[i], rows[j], columns[i + 1], rows[j + 1]))
        for j in range(20)
        for i in range(20)
    ]
    counts, means = np.transpose(found, (1, 0, 2))
    whole = (84 / 20) ** 2  # pixels of a parcel
    assert float(text.split()[-1]) == pytest.approx(np.nanmean(means[counts / whole > 0.5]), abs=1e-6)
    assert output_text(cells["file"]).startswith("14400 rows,")


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
