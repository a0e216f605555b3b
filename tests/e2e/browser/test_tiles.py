"""Tiles of the archive on a map in a notebook, behind the hub."""

from __future__ import annotations

import statistics
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.e2e

CELL = """
import ipyleaflet, probav
from probav_extensions import tiles
ndvi = probav.open_archive()["PROBAV_L3_S10_TOC_333M"]
west, south, east, north = ndvi.extent.bounds
layer = ipyleaflet.TileLayer(url=tiles.template(ndvi, time="2016-07-11", mask="clear"), no_wrap=True)
shown = ipyleaflet.Map(layers=[layer], zoom=11, center=((south + north) / 2, (west + east) / 2))
shown.layout.height = "500px"
shown
"""
TIMES = """() => performance.getEntriesByType("resource")
    .filter(entry => entry.name.includes("/probav/tiles/"))
    .map(entry => [entry.name, entry.duration, entry.transferSize])"""
DRAWN = """image => {
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = 256;
    const context = canvas.getContext("2d");
    context.drawImage(image, 0, 0);
    return context.getImageData(0, 0, 256, 256).data.filter((value, index) => index % 4 == 3 && value).length;
}"""


def test_tiles_are_drawn_behind_the_hub(hub, lab):
    lab.log_in(hub)
    lab.open_notebook(hub, "quickstart.ipynb")
    cell = lab.run(CELL)
    loaded = cell.locator("img.leaflet-tile-loaded")
    expect(loaded.first).to_be_visible()
    expect(cell.locator("img.leaflet-tile:not(.leaflet-tile-loaded)")).to_have_count(0)
    cell.scroll_into_view_if_needed()
    lab.keep_picture("tiles-near")
    assert all(
        urlsplit(source).path.startswith(f"/user/{hub.user}/probav/tiles/")
        for source in loaded.evaluate_all("images => images.map(image => image.src)")
    )
    pixels = [loaded.nth(index).evaluate(DRAWN) for index in range(loaded.count())]
    assert sum(pixels) > 10_000, "the tiles are transparent"

    first = lab.page.evaluate(TIMES)
    lab.run(
        "layer.url = tiles.template(ndvi, time='2016-01-11', ramp='viridis', low=0, high=1); shown.zoom = 8"
    )
    expect(cell.locator("img.leaflet-tile:not(.leaflet-tile-loaded)")).to_have_count(0)
    lab.page.wait_for_function(
        "() => [...document.querySelectorAll('img.leaflet-tile-loaded')].some(i => i.src.includes('viridis'))"
    )
    cell.scroll_into_view_if_needed()
    lab.keep_picture("tiles-far")
    again = [duration for _, duration, _ in lab.page.evaluate(TIMES)[len(first) :]]
    durations = [duration for _, duration, _ in first]
    print(
        f"first tile {durations[0]:.0f} ms, median of the first {len(durations)} "
        f"{statistics.median(durations):.0f} ms; all of the archive with another ramp: {len(again)} tiles, "
        f"{max(again):.0f} ms at most"
    )
    assert lab.errors == []
    assert lab.complaints == []
    assert lab.outside == []
