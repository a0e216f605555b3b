from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import jupytext
import numpy as np
import pytest
from nbclient import NotebookClient

from probav_kernels import r

SAMPLE = Path(__file__).resolve().parents[2] / "sample_notebooks" / "quickstart_r.R"


@pytest.fixture
def kernel(tmp_path, monkeypatch) -> str:
    """Name of the R kernel, listed."""
    try:
        r.install(tmp_path)
    except r.RNotFoundError as error:
        pytest.skip(f"no R kernel: {error}")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "share" / "jupyter"))
    return r.NAME


def test_without_r_nothing_is_listed_and_the_reason_is_one_sentence(tmp_path):
    left = tmp_path / "share" / "jupyter" / "kernels" / r.NAME
    left.mkdir(parents=True)
    command = [sys.executable, "-m", "probav_kernels.r", "install", "--prefix", str(tmp_path)]
    shown = subprocess.run(command, capture_output=True, text=True, env={"PATH": str(tmp_path)})
    assert shown.returncode == 1
    assert shown.stderr.startswith("There is no R on PATH; install it")
    assert not left.exists()


def test_an_r_without_the_packages_says_which(tmp_path):
    program = shutil.which("R")
    if program is None:
        pytest.skip("no R on PATH")
    code = (
        "from probav_kernels import r; r.PACKAGES = ('utils', 'no.such.package');\n"
        "try: r.find_r()\n"
        "except r.RNotFoundError as error: print(error)"
    )
    shown = subprocess.run([sys.executable, "-c", code.replace(";\n", "\n")], capture_output=True, text=True)
    assert 'install.packages(c("no.such.package"))' in shown.stdout


def test_the_kernel_is_of_this_environment(kernel, tmp_path):
    spec = json.loads((tmp_path / "share/jupyter/kernels" / kernel / "kernel.json").read_text())
    assert spec["env"]["RETICULATE_PYTHON"] == sys.executable
    assert spec["language"] == "R"


@pytest.mark.e2e
def test_the_sample_gives_the_engines_numbers_both_ways(kernel, tmp_path, monkeypatch, demo_archive):
    import probav

    monkeypatch.setenv("PROBAV_ARCHIVE", str(demo_archive))
    notebook = jupytext.read(SAMPLE)
    NotebookClient(
        notebook, timeout=300, kernel_name=kernel, resources={"metadata": {"path": tmp_path}}
    ).execute()
    cells = {tag: cell for cell in notebook.cells for tag in cell.metadata.get("tags", [])}
    text = {
        tag: "".join(output.get("text", "") for output in cells[tag].outputs)
        for tag in ("reticulate", "files")
    }
    rows = [line.split() for line in text["reticulate"].splitlines()[1:]]
    product = probav.open_archive(demo_archive)["PROBAV_L3_S10_TOC_333M"]
    west, south, east, north = product.footprint().total_bounds
    width, height = (east - west) / 4, (north - south) / 4
    box = (west + width, south + height, east - width, north - height)
    expected = product.statistics(box, mask="clear & land").isel(zone=0)
    assert [row[1] for row in rows] == [str(day)[:10] for day in expected["time"].to_numpy()]
    printed = [float("nan") if row[2] in ("NA", "NaN") else float(row[2]) for row in rows]
    np.testing.assert_allclose(printed, expected["mean"], atol=1e-5)
    assert text["files"].splitlines()[-1] == "[1] TRUE"
    assert any("image/png" in output.get("data", {}) for output in cells["figure"].outputs)
