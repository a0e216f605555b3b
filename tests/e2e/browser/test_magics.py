"""The magics in JupyterLab: help, Tab, progress that moves, and an interrupt by the keyboard."""

from __future__ import annotations

import time

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.e2e

PRODUCT = "PROBAV_L3_S10_TOC_333M"
STATS = f"%probav stats {PRODUCT}"
ZONES = f"""
import os, geopandas, numpy, probav, shapely
os.environ["PROBAV_MEMORY"] = "40000000"  # many tasks, one after the other
west, south, east, north = probav.open_archive()["{PRODUCT}"].extent.bounds
random = numpy.random.default_rng(0)
def zones(count):
    centres = shapely.points(random.uniform(west, east, count), random.uniform(south, north, count))
    return probav.aoi(geopandas.GeoDataFrame(geometry=shapely.buffer(centres, 0.05), crs=4326))
few, many = zones(50), zones(3000)
"""


def typed(lab, code: str):
    """Type code into a new cell at the end, and return the cell."""
    lab.cells.last.click(position={"x": 5, "y": 5})
    lab.page.keyboard.press("Escape")
    count = lab.cells.count()
    lab.page.keyboard.press("b")
    expect(lab.cells).to_have_count(count + 1)
    cell = lab.cells.nth(count)
    cell.locator(".cm-content").click()
    lab.page.keyboard.insert_text(code)
    return cell


def test_help_tab_progress_and_interrupt(hub, lab):
    lab.log_in(hub)
    lab.open_notebook(hub, "quickstart.ipynb")
    lab.run(ZONES)

    helped = lab.run("%probav stats?")
    expect(helped.get_by_text("in Python:")).to_be_visible()
    helped.scroll_into_view_if_needed()
    lab.keep_picture("magic-help")

    cell = typed(lab, f'{STATS} --mask "clear & sh')
    lab.page.keyboard.press("Tab")
    offered = lab.page.locator(".jp-Completer .jp-Completer-item")
    expect(offered).to_have_count(1, timeout=20_000)
    lab.page.keyboard.press("Enter")
    expect(cell.locator(".cm-content")).to_contain_text('"clear & shadow')
    cell = typed(lab, f"{STATS} --coverage ")
    lab.page.keyboard.press("Tab")
    expect(offered.filter(has_text="bilinear")).to_have_count(1, timeout=20_000)
    words = " ".join(offered.all_inner_texts()).split()  # JupyterLab adds words of the cell
    assert {"fraction", "centre", "touched", "bilinear"} <= set(words)
    lab.keep_picture("magic-tab")
    lab.page.keyboard.press("Escape")
    expect(lab.page.locator(".jp-Completer")).to_be_hidden()
    cell = typed(lab, f"%%probav stats\nproduct: {PRODUCT}\ncoverage: fr")
    lab.page.keyboard.press("Tab")
    expect(offered).to_have_count(1, timeout=20_000)
    lab.page.keyboard.press("Enter")
    expect(cell.locator(".cm-content")).to_contain_text("coverage: fraction")
    lab.page.keyboard.press("Escape")
    lab.run(f"{STATS} --aoi few --no-plot -o ts\nfirst = ts")
    cell = lab.start(f"{STATS} --aoi many --no-plot -o ts")
    line = cell.get_by_text("tasks (")
    expect(line).to_be_visible(timeout=60_000)
    before = line.inner_text()
    expect(line).not_to_have_text(before, timeout=30_000)  # it moves
    assert "engine local" in before
    cell.scroll_into_view_if_needed()
    lab.keep_picture("magic-progress")
    lab.page.keyboard.press("Escape")
    began = time.monotonic()
    lab.page.keyboard.press("i")
    lab.page.keyboard.press("i")
    expect(cell.get_by_text("UsageError: Interrupted.")).to_be_visible(timeout=10_000)
    took = time.monotonic() - began
    expect(cell.get_by_text("stopped after")).to_be_visible()
    lab.keep_picture("magic-interrupted")
    assert took < 3, f"{took:.1f} s"  # two, and the way to the screen
    assert "True" in lab.run("print(ts is first)").inner_text()
    assert lab.complaints == []
    assert lab.outside == []
