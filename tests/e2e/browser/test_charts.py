"""The chart of a time series in a browser: hover, legend, range; its picture when the kernel is gone."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.e2e

NOTEBOOK = "charts.ipynb"
PRODUCT = "PROBAV_L3_S10_TOC_333M"
MAKE = f"""import json, probav
from probav_extensions import timeseries_chart
archive = probav.open_archive()
west, south, east, north = archive["{PRODUCT}"].extent.bounds
middle = (west + east) / 2
halves = probav.aoi({{"type": "FeatureCollection", "features": [
    {{"type": "Feature", "properties": {{"name": name}}, "geometry": {{"type": "Polygon", "coordinates":
        [[[w, south], [e, south], [e, north], [w, north], [w, south]]]}}}}
    for name, w, e in (("western", west, middle), ("eastern", middle, east))]}})
ndvi = archive["{PRODUCT}"].statistics(halves, mask="clear", reducers=("mean", "p10", "p90"))
rain = archive["CHIRPS_V2_DEKAD"].statistics((west, south, east, north), reducers=("mean",))
chart = timeseries_chart(ndvi, secondary=rain)
chart"""
VISIBLE = """from bokeh.models import GlyphRenderer
print(json.dumps([line.visible for line in chart.widget._model.select({"type": GlyphRenderer})
if line.name == "western"]))"""
TENTH = """figure = chart.widget._model.children[0]
tenth = ndvi.time.values[10].astype("datetime64[ms]").astype(int)
print(json.dumps([figure.x_range.start, figure.x_range.end, int(tenth)]))"""
RANGE = """figure = chart.widget._model.children[0]
print(json.dumps([figure.x_range.start, figure.x_range.end]))"""


def printed(lab, code: str):
    output = lab.run(code).locator(".jp-OutputArea-output").first
    expect(output).to_be_visible()
    return json.loads(output.inner_text())


def eventually(lab, code: str, wanted):
    """Wait until the kernel has heard of what the mouse did."""
    deadline = time.monotonic() + 30
    while not wanted(found := printed(lab, code)):
        assert time.monotonic() < deadline, f"{code} stays {found}"
        lab.page.wait_for_timeout(300)
    return found


def test_a_chart_live_and_saved(hub, lab):
    lab.log_in(hub)
    home = Path(hub.data, "probav", "hub", "homes", hub.user)
    made = json.loads((home / "quickstart.ipynb").read_text())
    made["cells"] = made["cells"][:1]
    (home / NOTEBOOK).write_text(json.dumps(made))  # it is saved, and other tests read the quickstart
    lab.open_notebook(hub, NOTEBOOK)
    began = time.monotonic()
    cell = lab.run(MAKE)
    figure = cell.locator(".bk-Figure").first
    expect(figure).to_be_visible(timeout=60_000)
    print(f"chart after {time.monotonic() - began:.1f} s")
    picture = cell.locator('img[src^="data:image/png"]')
    expect(picture).to_have_count(1)
    expect(picture).to_be_hidden()  # while the live one is there
    figure.scroll_into_view_if_needed()
    lab.page.wait_for_timeout(500)  # of Bokeh's drawing nothing tells the end
    lab.keep_picture("chart")

    tip = lab.page.locator(".bk-Tooltip", has_text="p10 to p90").first  # it hangs from the body
    start, end, time_ = printed(lab, TENTH)
    figure.scroll_into_view_if_needed()
    box = cell.locator(".bk-CartesianFrame.bk-center").first.bounding_box()
    across = box["x"] + (time_ - start) / (end - start) * box["width"]
    for down in range(0, int(box["height"]), 4):  # until the mouse meets the dot of that date
        lab.page.mouse.move(across, box["y"] + down)
        lab.page.wait_for_timeout(30)
        if tip.is_visible():
            break
    expect(tip).to_be_visible()
    for word in ("2016-", "valid", "masked pixels", "%"):
        expect(tip).to_contain_text(word)
    lab.keep_picture("chart-hover")

    figure.get_by_text("western", exact=True).click()
    assert eventually(lab, VISIBLE, lambda found: not any(found)) == [False]
    figure.scroll_into_view_if_needed()
    lab.keep_picture("chart-hidden-line")

    before = printed(lab, RANGE)
    below = cell.locator(".bk-Figure").nth(1).locator(".bk-CartesianFrame.bk-center").first
    below.scroll_into_view_if_needed()
    place = below.bounding_box()
    right = place["x"] + place["width"] * (1.02 / 1.04)  # the edge of the box: half of the margins in
    lab.page.mouse.move(right, place["y"] + 20)
    lab.page.mouse.down()
    lab.page.mouse.move(place["x"] + place["width"] / 2, place["y"] + 20, steps=8)
    lab.page.mouse.up()
    start, end = eventually(lab, RANGE, lambda found: found != before)
    assert start == pytest.approx(before[0])
    assert (end - start) / (before[1] - start) == pytest.approx(0.5, abs=0.03)
    below.scroll_into_view_if_needed()
    lab.keep_picture("chart-range")
    cell.locator(".jp-OutputArea").first.evaluate(
        "area => { area.id = 'chart-area'; }"
    )  # the chart is in a shadow
    lab.check_accessible("#chart-area")

    assert lab.errors == []
    assert lab.complaints == []
    assert lab.outside == []

    lab.page.get_by_role("menuitem", name="File", exact=True).click()
    lab.page.get_by_role("menuitem", name=re.compile("^Save Notebook")).first.click()
    expect(lab.page.locator(".jp-mod-dirty")).to_have_count(0)
    lab.page.get_by_role("menuitem", name="Kernel", exact=True).click()
    lab.page.get_by_role("menuitem", name=re.compile("^Shut Down Kernel")).first.click()
    expect(lab.page.get_by_text("No Kernel").first).to_be_visible(timeout=60_000)
    lab.page.reload()
    expect(lab.page.locator(".jp-Notebook .jp-Cell").first).to_be_visible(timeout=120_000)
    saved = lab.page.locator('.jp-OutputArea-output img[src^="data:image/png"]').last
    expect(saved).to_be_visible(timeout=60_000)
    saved.scroll_into_view_if_needed()
    lab.keep_picture("chart-saved")
    lab.page.locator("summary", has_text="10 of 72 rows").click()
    expect(lab.page.locator(".jp-OutputArea-output details table").last).to_be_visible()
