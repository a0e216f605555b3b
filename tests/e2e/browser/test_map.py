"""The map in a browser: draw, edit, move, delete, undo, files, dates, series, and ten thousand parcels."""

from __future__ import annotations

import json
import re
import statistics
import time
import zipfile
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
from playwright.sync_api import expect

pytestmark = pytest.mark.e2e

NOTEBOOK = "quickstart.ipynb"
SQUARE = ((-60, -60), (60, -60), (60, 60), (-60, 60))  # pixels from the middle of the map
FRAMES = """() => new Promise(done => {
    const times = []; const end = performance.now() + 2000;
    const tick = now => { times.push(now); now < end ? requestAnimationFrame(tick) : done(times); };
    requestAnimationFrame(tick);
})"""


class Map:
    """The map of a cell, driven by mouse and buttons."""

    def __init__(self, lab, cell) -> None:
        self.cell, self.page = cell, lab.page
        self.leaflet = cell.locator(".leaflet-container")
        expect(self.leaflet).to_be_visible(timeout=60_000)
        self.leaflet.scroll_into_view_if_needed()
        self.status = cell.locator("[role=status]")

    def press(self, text: str) -> None:
        self.cell.locator("button", has_text=re.compile(rf"^\s*{text}$")).first.click()

    def at(self, right: float, down: float) -> tuple[float, float]:
        box = self.leaflet.bounding_box()
        return box["x"] + box["width"] / 2 + right, box["y"] + box["height"] / 2 + down

    def click(self, right: float, down: float) -> None:
        self.page.mouse.move(*self.at(right, down), steps=5)
        self.page.mouse.down()
        self.page.mouse.up()

    def drag(self, start, end, steps: int = 10) -> None:
        self.page.mouse.move(*self.at(*start), steps=5)
        self.page.mouse.down()
        self.page.mouse.move(*self.at(*end), steps=steps)
        self.page.mouse.up()

    def draw(self, corners) -> None:
        self.press("Polygon")
        expect(self.leaflet.locator(".cursor-marker")).to_have_count(1, timeout=30_000)
        for number, corner in enumerate(corners, 1):
            for _ in range(10):  # a click may come before a busy map listens: no corner, so click again
                self.click(*corner)
                try:
                    corners_drawn = self.leaflet.locator(".marker-icon:not(.cursor-marker)")
                    expect(corners_drawn).to_have_count(number, timeout=1500)
                    break
                except AssertionError:
                    continue
        self.click(*corners[0])

    def until(self, action, pattern: str) -> float:
        """Do something until the status says so (a busy map may not listen yet), and return the seconds."""
        for _ in range(5):
            began = time.perf_counter()
            action()
            try:
                expect(self.status).to_have_text(re.compile(pattern, re.DOTALL), timeout=8000)
                return time.perf_counter() - began
            except AssertionError:
                continue
        pytest.fail(f"the status never was {pattern!r}, but {self.status.inner_text()!r}")

    def upload(self, path) -> None:
        with self.page.expect_file_chooser() as chooser:
            self.cell.locator("button", has_text="Choose a file").click()
        chooser.value.set_files(path)

    def says(self, pattern: str) -> None:
        expect(self.status).to_have_text(re.compile(pattern, re.DOTALL), timeout=30_000)

    def area(self) -> str:
        return re.search(r"([\d,.]+ km²)", self.status.inner_text())[1]


@pytest.fixture
def notebook(hub, lab):
    lab.log_in(hub)
    lab.open_notebook(hub, NOTEBOOK)
    return lab


def printed(lab, code: str):
    output = lab.run(code).locator(".jp-OutputArea-output").first
    expect(output).to_be_visible()
    return json.loads(output.inner_text())


def eventually(get, is_enough, seconds: float = 30):
    """Return the first answer that is enough: what the mouse does arrives in its own time."""
    deadline = time.monotonic() + seconds
    while not is_enough(found := get()):
        assert time.monotonic() < deadline, f"it stays {found}"
    return found


def healthy(lab) -> None:
    assert lab.errors == []
    assert lab.complaints == []
    assert lab.outside == []


def test_areas_by_mouse_and_file(notebook, tmp_path):
    lab = notebook
    shown = Map(lab, lab.run("%probav aoi field"))
    shown.draw(SQUARE)
    shown.says("1 feature, .* pixels of 331 m")
    lab.keep_picture("map-drawn")

    shown.press("Edit")
    expect(shown.leaflet.locator(".marker-icon")).not_to_have_count(0, timeout=30_000)
    before = shown.area()
    seconds = shown.until(lambda: shown.drag((60, -60), (100, -100)), f"1 feature, (?!{re.escape(before)})")
    print(f"from mouse-up to pixel count: {seconds:.2f} s, with the drag")
    edited = printed(lab, "import json; print(json.dumps(field.geojson))")["features"][0]
    shown.leaflet.scroll_into_view_if_needed()
    lab.keep_picture("map-edited")

    shown.press("Move")
    shown.says("Drag whole areas")
    shown.page.wait_for_timeout(500)
    shown.drag((0, 0), (40, 30))
    moved = eventually(
        lambda: printed(lab, "print(json.dumps(field.geojson))")["features"][0], lambda one: one != edited
    )
    assert moved["id"] == edited["id"]
    shift = np.subtract(moved["geometry"]["coordinates"][0], edited["geometry"]["coordinates"][0])
    assert (
        np.ptp(shift, axis=0).max() < 1e-3 * np.abs(shift).max() + 3e-4
    )  # Mercator's degrees differ a little
    shown.leaflet.scroll_into_view_if_needed()
    shown.press("Move")

    name = shown.cell.locator("input[type=text]").first
    name.fill("my field")
    name.press("Enter")
    shown.cell.locator('button[title^="Colour of"]').first.click()
    code = "print(field.frame.reindex(columns=['name', 'colour']).iloc[0].to_json())"
    row = eventually(lambda: printed(lab, code), lambda row: row["colour"])
    assert row["name"] == "my field"
    assert re.fullmatch("#[0-9a-f]{6}", row["colour"])
    shown.leaflet.scroll_into_view_if_needed()

    shown.press("Delete")
    shown.says("Click the areas to delete")
    shown.until(lambda: shown.click(20, 20), "^Draw a polygon")
    assert printed(lab, "print(json.dumps('field' in globals()))") is False
    shown.leaflet.scroll_into_view_if_needed()
    shown.press("Delete")
    shown.press("Undo")
    shown.says("1 feature")
    assert printed(lab, "print(json.dumps(field.frame['name'].tolist()))") == ["my field"]

    shown.leaflet.scroll_into_view_if_needed()
    shown.press("Add")
    lab.keep_picture("map-add")
    for count, path in enumerate(files(tmp_path), 2):
        shown.upload(path)
        shown.says(f"{count} features")
    bad = tmp_path / "notes.kml"
    bad.write_text("nothing")
    shown.upload(bad)
    shown.says("Not taken: .*notes.kml")
    assert printed(lab, "print(len(field))") == 6
    shown.leaflet.scroll_into_view_if_needed()
    shown.press("Areas")
    lab.keep_picture("map-files")
    check_keyboard(shown)
    healthy(lab)


def check_keyboard(shown) -> None:
    """Add an area by its coordinates, and take it back, without a mouse."""

    def button(text: str):
        return shown.cell.locator("button", has_text=re.compile(rf"^\s*{text}$")).first

    def reach(place, key: str = "Tab") -> None:
        for _ in range(80):
            if place.evaluate("element => element === document.activeElement"):
                return
            shown.page.keyboard.press(key)
        pytest.fail(f"{key} does not lead to {place}")

    button("Polygon").focus()
    reach(button("Add"))
    shown.page.keyboard.press("Enter")
    reach(shown.cell.get_by_label("Coordinates"))
    shown.page.keyboard.insert_text("4.05 51.35")
    reach(button("Add coordinates"))
    shown.page.keyboard.press("Enter")
    shown.says("7 features")
    reach(button("Undo"), "Shift+Tab")
    shown.page.keyboard.press("Enter")
    shown.says("6 features")


def files(folder):
    """One square in each of the formats that can be uploaded."""
    frame = gpd.GeoDataFrame(
        {"name": ["square"]}, geometry=[shapely.box(4.0, 51.3, 4.1, 51.4)], crs="EPSG:4326"
    )
    for driver, name in (
        ("GeoJSON", "a.geojson"),
        ("GPKG", "b.gpkg"),
        ("KML", "c.kml"),
        ("ESRI Shapefile", "d.shp"),
    ):
        frame.to_file(folder / name, driver=driver)
    with zipfile.ZipFile(folder / "d.zip", "w") as archive:
        for part in folder.glob("d.*"):
            if part.suffix != ".zip":
                archive.write(part, part.name)
    with zipfile.ZipFile(folder / "c.kmz", "w") as archive:
        archive.write(folder / "c.kml", "doc.kml")
    return [folder / name for name in ("a.geojson", "b.gpkg", "c.kml", "c.kmz", "d.zip")]


def test_dates_and_the_series_of_a_pixel(notebook):
    lab = notebook
    began = time.perf_counter()
    cell = lab.start("%probav aoi other")
    shown = Map(lab, cell)
    tiles = cell.locator('img.leaflet-tile-loaded[src*="/probav/tiles/"]')
    expect(tiles.first).to_be_visible(timeout=60_000)
    print(f"first tile {time.perf_counter() - began:.2f} s after the cell began")
    lab.finished(cell)
    shown.press("Image")
    lab.keep_picture("map-image")

    handle = cell.locator(".noUi-handle").first
    before = tiles.first.get_attribute("src")
    handle.press("ArrowLeft")
    expect(tiles.first).not_to_have_attribute("src", before, timeout=30_000)

    cell.get_by_text("Compare with another date").click()
    expect(cell.locator(".leaflet-sbs-divider")).to_be_visible(timeout=30_000)
    addresses = "all => all.map(one => one.src).join(' ')"
    dates = eventually(
        lambda: set(re.findall(r"time=([\d-]+)", tiles.evaluate_all(addresses))),
        lambda dates: len(dates) == 2,
    )
    print(f"side by side: {' and '.join(sorted(dates))}")
    lab.keep_picture("map-split")
    cell.evaluate("cell => { cell.id = 'map-under-test'; }")
    lab.check_accessible("#map-under-test .jp-OutputArea")
    cell.get_by_text("Compare with another date").click()
    expect(cell.locator(".leaflet-sbs-divider")).to_have_count(0, timeout=30_000)

    cell.get_by_text("What the archive holds").click()
    expect(cell.get_by_text(re.compile("dates in 1 tile"))).to_be_visible(timeout=30_000)

    began = time.perf_counter()
    shown.click(10, 10)
    close = cell.locator('button[title="Close the series of the pixel"]')
    expect(close).to_be_visible(timeout=60_000)
    print(f"series {time.perf_counter() - began:.2f} s after the click")
    close.scroll_into_view_if_needed()
    lab.keep_picture("map-series")
    healthy(lab)


PARCELS = """import geopandas as gpd, numpy as np, probav, shapely
x, y = np.divmod(np.arange(10_000), 100)
shapes = shapely.buffer(shapely.points(4 + x * 0.0025, 51.25 + y * 0.0025), 0.001, quad_segs=4)
parcels = probav.aoi(gpd.GeoDataFrame(geometry=shapes, crs="EPSG:4326"))
%probav aoi parcels"""


def test_ten_thousand_parcels_stay_fluid(notebook):
    lab = notebook
    shown = Map(lab, lab.run(PARCELS))
    shown.says("10,000 features")
    expect(shown.cell.get_by_text("The first 50 of 10,000 areas are listed.")).to_be_visible()
    shown.leaflet.scroll_into_view_if_needed()
    assert shown.cell.locator("button[title^='Delete ']").nth(1).bounding_box()["height"] > 20
    lab.keep_picture("map-parcels")
    idle = frames(shown, lambda: None)
    panned = frames(shown, lambda: pan(shown))
    print(f"frames a second: {idle:.0f} at rest, {panned:.0f} while 10,000 parcels are panned")
    assert panned > 15 or panned > idle / 2
    lab.keep_picture("map-parcels-panned")
    healthy(lab)


def pan(shown) -> None:
    for _ in range(3):
        shown.drag((100, 0), (-100, 40), steps=25)
        shown.drag((-100, 40), (100, 0), steps=25)


def frames(shown, action) -> float:
    """Frames a second of the browser while something is done."""
    shown.page.evaluate(f"() => {{ window.probavFrames = ({FRAMES})(); }}")
    action()
    times = shown.page.evaluate("() => window.probavFrames")
    return 1000 / statistics.median(np.diff(times))


def test_a_saved_notebook_shows_the_last_picture_and_table(hub, lab):
    lab.log_in(hub)
    home = Path(hub.data, "probav", "hub", "homes", hub.user)
    saved = home / "saved.ipynb"  # the samples stay as they are for other tests
    saved.write_text((home / NOTEBOOK).read_text())
    lab.open_notebook(hub, saved.name)
    shown = Map(lab, lab.run("import probav; box = probav.aoi((4.05, 51.3, 4.15, 51.4))\n%probav aoi box"))
    twin = lab.page.locator(".probav-twin")
    expect(twin).to_have_count(1)
    expect(twin).to_be_hidden()  # beside the live map
    name = shown.cell.locator("input[type=text]").first
    name.fill("renamed")
    name.press("Enter")
    expect(twin).to_contain_text("renamed", timeout=30_000)
    lab.page.get_by_role("menuitem", name="Kernel", exact=True).click()
    lab.page.get_by_role("menuitem", name="Shut Down Kernel", exact=True).click()
    lab.page.keyboard.press("Control+s")
    eventually(lambda: "renamed" in saved.read_text(), bool)
    lab.page.reload()
    expect(twin).to_be_visible(timeout=120_000)
    expect(twin).to_contain_text("renamed")
    picture = lab.page.locator('.jp-OutputArea-output img[src^="data:image/png"]').last
    expect(picture).to_be_visible()
    twin.scroll_into_view_if_needed()
    lab.keep_picture("map-saved")
