"""A researcher's first session, in a browser, from log-in to statistics of an area drawn by mouse."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import expect

import probav
from probav_extensions import series_table

pytestmark = pytest.mark.e2e

PRODUCT, MASK = "PROBAV_L3_S10_TOC_333M", "clear & land"
SLEEP = """import pathlib, time
def sleep(number):
    pathlib.Path("sleeping").touch()
    time.sleep(300)
spark.sparkContext.parallelize(range(4), 4).map(sleep).count()"""
CORNERS = ((-90, -60), (80, -75), (60, 70), (-70, 50))  # pixels from the middle of the map, clockwise


def draw_polygon(lab, corners) -> None:
    """Draw with the mouse, as a user does: the button, a click a corner, the first corner again."""
    box = lab.page.locator(".leaflet-container").bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    lab.page.locator("button", has_text=re.compile(r"^\s*Polygon$")).last.click()
    expect(lab.page.locator(".cursor-marker")).to_have_count(1, timeout=30_000)

    def click(right: int, down: int) -> None:
        lab.page.mouse.move(middle[0] + right, middle[1] + down, steps=5)
        lab.page.mouse.down()
        lab.page.mouse.up()

    for number, corner in enumerate(corners, 1):
        for _ in range(5):  # a click may come before a busy map listens: no corner, so click again
            click(*corner)
            try:
                drawn = lab.page.locator(".marker-icon:not(.cursor-marker)")
                expect(drawn).to_have_count(number, timeout=2000)
                break
            except AssertionError:
                continue
    click(*corners[0])


def printed(lab, code: str):
    return json.loads(lab.run(code).locator(".jp-OutputArea-output").inner_text())


def test_a_first_session(hub, lab, demo_archive):
    lab.log_in(hub)
    lab.open_notebook(hub, "quickstart.ipynb")
    lab.run_all()
    lab.code_cells.first.scroll_into_view_if_needed()
    lab.keep_picture("quickstart-top")
    assert lab.errors == []
    lab.code_cells.last.scroll_into_view_if_needed()
    lab.keep_picture("quickstart-end")

    map_cell = lab.run("%probav aoi field")
    expect(map_cell.locator(".leaflet-container")).to_be_visible()
    map_cell.scroll_into_view_if_needed()
    draw_polygon(lab, CORNERS)
    expect(map_cell.get_by_text("1 feature,")).to_be_visible()
    lab.keep_picture("map")

    stats_cell = lab.run(f'%probav stats {PRODUCT} --aoi field --mask "{MASK}" -o ts')
    chart = stats_cell.locator(".bk-Figure").first
    expect(chart).to_be_visible()
    assert chart.bounding_box()["width"] > 400
    chart.scroll_into_view_if_needed()
    lab.keep_picture("stats")

    area = printed(lab, "import json; print(json.dumps(field.geojson))")
    check_shape(area)
    expected = probav.open_archive(demo_archive)[PRODUCT].statistics(area, mask=MASK)
    check_numbers(
        printed(lab, "print(ts.drop_vars('geometry').to_dataframe()['mean'].map(float.hex).to_json())"),
        expected,
    )
    check_table(stats_cell.locator("table"), series_table(expected))

    assert lab.errors == []
    assert lab.complaints == []
    assert lab.outside == []
    assert any(url.startswith("ws://127.0.0.1") for url in lab.requests)

    check_interrupt(hub, lab)


def check_interrupt(hub, lab) -> None:
    """Interrupt a Spark job with the notebook's button: it ends at once, and the session goes on."""
    home = Path(hub.data, "probav", "hub", "homes", hub.user)
    lab.run("spark.range(3).count()")
    cell = lab.start(SLEEP)
    deadline = time.monotonic() + 120
    while not (home / "sleeping").exists():
        assert time.monotonic() < deadline, "the job does not start"
        lab.page.wait_for_timeout(100)
    began = time.monotonic()
    lab.page.locator('[data-command="notebook:interrupt-kernel"], [title*="Interrupt"]').first.click()
    lab.finished(cell)
    print(f"interrupted after {time.monotonic() - began:.2f} s")
    assert time.monotonic() - began < 10  # 2 on a machine that does nothing else
    expect(cell.get_by_text("KeyboardInterrupt").first).to_be_visible()
    assert printed(lab, "print(len(spark.sparkContext.statusTracker().getActiveJobsIds()))") == 0
    assert printed(lab, "print(spark.range(7).count())") == 7
    lab.keep_picture("interrupted")


def check_shape(area) -> None:
    """Hold the polygon to the pixels clicked, by the one scale that a Mercator map has along longitudes."""
    (feature,) = area["features"]
    ring = np.array(feature["geometry"]["coordinates"][0])
    assert len(ring) == len(CORNERS) + 1
    across = np.diff(np.array(CORNERS)[:, 0])
    east = np.diff(ring[:-1, 0])
    if not np.array_equal(np.sign(across), np.sign(east)):  # the ring starts or turns elsewhere
        ring = min(rings(ring[:-1]), key=lambda candidate: np.ptp(np.diff(candidate[:, 0]) / across))
        east = np.diff(ring[:, 0])
    np.testing.assert_allclose(east / across, np.mean(east / across), rtol=0.03)


def rings(corners: np.ndarray) -> list[np.ndarray]:
    """Return the same ring from every start, both ways round."""
    ways = (corners, corners[::-1])
    return [np.roll(way, shift, axis=0) for way in ways for shift in range(len(way))]


def check_numbers(shown: dict[str, str], expected) -> None:
    assert [float.fromhex(value) for value in shown.values()] == pytest.approx(
        expected["mean"].isel(zone=0).to_numpy().tolist(), rel=0, abs=0, nan_ok=True
    )


def check_table(table, expected) -> None:
    """Compare the cells of the page with the engine's numbers, as far as they are printed."""
    header, *rows = [
        row.all_inner_texts() for row in (line.locator("th,td") for line in table.locator("tr").all())
    ]
    assert rows
    for row, (_, wanted) in zip(rows, expected.iterrows(), strict=False):
        for name, text in zip(header, row, strict=True):
            if text == "–":
                assert wanted[name] != wanted[name]
            elif isinstance(wanted[name], float):
                assert float(text) == pytest.approx(wanted[name], rel=1e-3)
            elif name in wanted:
                assert text.startswith(str(wanted[name])[:10])
