"""What is drawn and the Aoi are the same, whichever of them changed; the browser's part is in tests/e2e."""

from __future__ import annotations

import copy
import datetime
import json
import zipfile

import geopandas as gpd
import numpy as np
import pytest
import shapely

import probav
from probav.errors import AoiError
from probav_extensions import AoiMap
from probav_extensions.map.display import MOST, light
from probav_extensions.map.sources import read_upload

BOX = (4.0, 50.0, 5.0, 51.0)


class Browser:
    """The browser's part: Geoman's events, and its list of features as it comes back from there."""

    def __init__(self, shown: AoiMap) -> None:
        self.control = shown.drawing.control

    @property
    def features(self):
        """The features as the browser has them: six decimals, its own style."""
        features = json.loads(json.dumps(self.control.data))
        for feature in features:
            shape = shapely.geometry.shape(feature["geometry"])
            rounded = shapely.transform(shape, lambda xy: xy.round(6))
            feature["geometry"] = shapely.geometry.mapping(rounded)
            feature["properties"]["style"] = {
                **feature["properties"].get("style", {}), "pane": "overlayPane", "pmIgnore": False,
            }  # fmt: skip
        return features

    def draw(self, *corners):
        new = {
            "type": "Feature",
            "properties": {"style": {"pane": "overlayPane", "color": "#0b3fd6"}, "type": "polygon"},
            "geometry": {"type": "Polygon", "coordinates": [[*corners, corners[0]]]},
        }
        features = self.features
        self._event("create", new)
        self.send([*features, new])

    def edit(self, number, shape):
        features = self.features
        features[number]["geometry"] = shapely.geometry.mapping(shape)
        self._event("vertexdrag", features)
        self.send(features)

    def remove(self, number):
        features = self.features
        gone = features.pop(number)
        self._event("remove", gone)
        self.send(features)

    def _event(self, action, geo_json):
        self.control._handle_custom_msg({"event": f"pm:{action}", "geo_json": geo_json}, [])

    def send(self, features):
        self.control.set_state({"data": copy.deepcopy(features)})


@pytest.fixture
def two_fields():
    frame = gpd.GeoDataFrame(
        {"name": ["north", "south"], "crop": ["wheat", "beet"]},
        geometry=[shapely.box(4, 50.6, 4.2, 50.8), shapely.box(4.123456789, 50, 4.2, 50.2)],
        index=["f7", "f9"],
        crs="EPSG:4326",
    )
    return probav.aoi(frame)


def test_nothing_drawn_is_no_aoi():
    shown = AoiMap()
    assert shown.aoi is None
    assert shown.drawing.control.data == []
    assert "nothing drawn" in repr(shown)


def test_a_drawn_polygon_becomes_the_aoi_and_callbacks_hear_of_it():
    shown, heard = AoiMap(), []
    shown.on_change(heard.append)
    Browser(shown).draw((4, 50), (5, 50), (5, 51))
    assert heard == [shown.aoi]
    assert list(shown.aoi.frame.index) == ["1"]
    assert shown.aoi.frame.geometry.iloc[0].equals(shapely.Polygon([(4, 50), (5, 50), (5, 51)]))
    assert "1 feature, " in shown.status.value


def test_setting_the_aoi_redraws_the_map():
    shown = AoiMap()
    shown.aoi = probav.aoi(BOX)
    (feature,) = shown.drawing.control.data
    assert shapely.geometry.shape(feature["geometry"]).equals(shapely.box(*BOX))
    shown.aoi = None
    assert shown.drawing.control.data == []


def test_ids_names_attributes_and_untouched_coordinates_survive_an_edit(two_fields):
    shown = AoiMap(two_fields)
    Browser(shown).edit(0, shapely.box(4, 50.6, 4.3, 50.9))
    frame = shown.aoi.frame
    assert list(frame.index) == ["f7", "f9"]
    assert list(frame["crop"]) == ["wheat", "beet"]
    assert frame.geometry["f7"].equals(shapely.box(4, 50.6, 4.3, 50.9))
    assert frame.geometry["f9"].equals_exact(two_fields.frame.geometry["f9"])  # not rounded to six decimals


def test_a_deleted_feature_goes_the_others_keep_their_ids_and_a_new_one_gets_a_new_id(two_fields):
    shown = AoiMap(two_fields)
    browser = Browser(shown)
    browser.remove(0)
    assert list(shown.aoi.frame.index) == ["f9"]
    browser.draw((5, 50), (5.1, 50), (5.1, 50.1))
    assert list(shown.aoi.frame.index) == ["f9", "1"]
    assert shown.drawing.control.data[1]["properties"]["id"] == "1"  # so that the browser knows it from here
    browser.remove(1)
    browser.remove(0)
    assert shown.aoi is None
    shown.toolbar.undo.click()
    assert list(shown.aoi.frame.index) == ["f9"]


def test_a_list_older_than_the_model_deletes_nothing_and_brings_nothing_back(two_fields):
    shown = AoiMap(two_fields)
    browser = Browser(shown)
    old = browser.features
    shown.areas.delete("f7")
    shown.areas.add(shapely.box(1, 1, 2, 2))
    old[1]["geometry"] = shapely.geometry.mapping(shapely.box(4.1, 50, 4.2, 50.3))
    browser.send(old)  # the browser had not heard of either
    assert shown.areas.ids == ["f9", "1"]
    assert shown.areas.shape("f9").equals(shapely.box(4.1, 50, 4.2, 50.3))
    assert [feature["id"] for feature in shown.drawing.control.data] == ["f9", "1"]


def test_what_the_browser_has_drawn_twice_before_it_hears_of_ids_is_there_once():
    shown = AoiMap()
    browser = Browser(shown)
    browser.draw((4, 50), (5, 50), (5, 51))
    without_id = browser.features
    for feature in without_id:
        del feature["properties"]["id"], feature["id"]
    browser.send(without_id)
    assert shown.areas.ids == ["1"]


def test_a_crossing_polygon_is_refused_in_words_and_the_map_goes_back():
    shown = AoiMap(probav.aoi(BOX))
    before = shown.aoi
    Browser(shown).draw((4, 50), (5, 51), (5, 50), (4, 51))
    assert shown.aoi is before
    assert len(shown.drawing.control.data) == 1
    assert "no valid polygon" in shown.status.value


def test_what_has_too_many_vertices_to_drag_is_shown_but_kept_as_it_is():
    belgium = probav.aoi("Belgium")
    shown = AoiMap(belgium)
    assert shown.drawing.control.data == []
    assert len(shown.drawing.fixed.data["features"]) == 1
    Browser(shown).draw((4, 50), (5, 50), (5, 51))
    assert list(shown.aoi.frame["name"]) == ["Belgium", "area 2"]
    assert shown.aoi.frame.geometry.iloc[0].equals(belgium.frame.geometry.iloc[0])


def test_what_was_drawn_a_turn_of_the_world_away_comes_home():
    shown = AoiMap()
    Browser(shown).draw((364, 50), (365, 50), (365, 51))
    assert shown.aoi.bounds == (4, 50, 5, 51)


def test_names_and_colours_of_the_list_are_columns(two_fields):
    shown = AoiMap(two_fields)
    first = shown.listing.rows[0]
    first.name.value = "far north"
    first.colour.click()
    assert list(shown.aoi.frame["name"]) == ["far north", "south"]
    assert list(shown.aoi.frame["colour"]) == ["#0072b2", None]
    assert shown.drawing.control.data[0]["properties"]["style"]["color"] == "#0072b2"
    shown.listing.rows[1].delete.click()
    assert shown.areas.ids == ["f7"]
    assert len(shown.listing.rows) == 1
    assert first.name.description == "Name of far north"


def test_a_mode_is_one_button_and_drawing_ends_it():
    shown = AoiMap()
    modes = shown.toolbar.modes
    modes["edit"].value = True
    modes["draw:Polygon"].value = True
    assert shown.toolbar.mode == shown.drawing.control.current_mode == "draw:Polygon"
    assert not modes["edit"].value
    Browser(shown).draw((4, 50), (5, 50), (5, 51))
    assert shown.toolbar.mode is None
    assert shown.drawing.control.current_mode is None


def uploaded(name, content):
    now = datetime.datetime.now(datetime.UTC)
    return ({"name": name, "type": "", "size": len(content), "content": content, "last_modified": now},)


@pytest.mark.parametrize(
    ("driver", "suffix"),
    [("GeoJSON", ".geojson"), ("GPKG", ".gpkg"), ("KML", ".kml"), ("ESRI Shapefile", ".zip")],
)
def test_files_that_were_uploaded(two_fields, tmp_path, driver, suffix):
    path = tmp_path / ("fields.shp" if suffix == ".zip" else f"fields{suffix}")
    two_fields.frame[["name", "geometry"]].to_file(path, driver=driver)
    if suffix == ".zip":
        with zipfile.ZipFile(tmp_path / "fields.zip", "w") as archive:
            for part in tmp_path.glob("fields.*"):
                if part.suffix != ".zip":
                    archive.write(part, part.name)
        path = tmp_path / "fields.zip"
    shown = AoiMap()
    shown.sources.upload.value = uploaded(path.name, path.read_bytes())
    assert list(shown.aoi.frame["name"]) == ["north", "south"]
    assert shown.sources.upload.value == ()


def test_a_bad_upload_is_told_by_its_own_name_and_nothing_is_lost():
    shown = AoiMap(probav.aoi(BOX))
    before = shown.aoi
    shown.sources.upload.value = uploaded("<b>.kml", b"nonsense")
    assert shown.aoi is before
    assert "&lt;b&gt;.kml" in shown.status.value
    assert "upload.kml" not in shown.status.value
    with pytest.raises(AoiError, match="10 MB"):
        read_upload("large.gpkg", bytes(10_000_000))


@pytest.mark.parametrize(
    ("typed", "bounds"),
    [("4 50 5 51", (4, 50, 5, 51)), ("4.35, 50.85", (4.279, 50.805, 4.421, 50.895))],
)
def test_coordinates_typed_in(typed, bounds):
    shown = AoiMap()
    shown.sources.numbers.value = typed
    shown.sources.add_numbers()
    assert shown.aoi.bounds == pytest.approx(bounds, abs=0.001)


@pytest.mark.parametrize("typed", ["", "4", "four 50", "4 50 5", "4 51 5 50"])
def test_coordinates_that_are_none(typed):
    shown = AoiMap()
    shown.sources.numbers.value = typed
    shown.sources.add_numbers()
    assert shown.aoi is None
    assert "Not taken" in shown.status.value


def test_a_country_by_name():
    shown = AoiMap()
    shown.sources.place.value = "belgim"
    shown.sources.add_place()
    assert "Belgium" in shown.status.value
    shown.sources.place.value = "Belgium"
    shown.sources.add_place()
    assert list(shown.aoi.frame["name"]) == ["Belgium"]


def test_ten_thousand_parcels_are_light_but_their_data_are_exact():
    x, y = np.divmod(np.arange(10_000), 100)
    shapes = shapely.buffer(shapely.points(4 + x * 0.01, 50 + y * 0.01), 0.004, quad_segs=8)
    parcels = probav.aoi(gpd.GeoDataFrame(geometry=shapes, crs="EPSG:4326"))
    shown = AoiMap(parcels)
    assert shown.aoi is parcels
    assert shown.drawing.control.data == []
    assert len(shown.listing.rows) == 50
    assert len(json.dumps(shown.drawing.fixed.data)) < 2_000_000
    near, left_out = light(shapes, 14, (4.2, 50.2, 4.22, 50.22))
    assert len(near) < 60
    assert not left_out
    few, left_out = light(np.tile(shapes, 4), 14, None)
    assert shapely.get_num_coordinates(few).sum() <= MOST
    assert len(few) + left_out == 40_000
    shown.areas.delete("1")
    assert len(shown.aoi) == 9_999


def test_images_of_an_archive_ask_for_nothing_from_outside(demo_archive, monkeypatch):
    monkeypatch.delenv("PROBAV_SERVER_PREFIX", raising=False)
    product = probav.open_archive(demo_archive)["PROBAV_L3_S10_TOC_333M"]
    shown = AoiMap(product=product)
    names = {type(layer).__name__ for layer in shown.map.layers}
    assert names <= {"Rectangle", "GeoJSON", "ImageOverlay"}
    urls = [layer.url for layer in shown.map.layers if hasattr(layer, "url")]
    assert [url[:22] for url in urls] == ["data:image/png;base64,"]
    west, south, east, north = product.footprint().total_bounds
    assert shown.map.center == pytest.approx([(south + north) / 2, (west + east) / 2], abs=0.01)


def test_dates_side_by_side_and_back(demo_archive, monkeypatch):
    monkeypatch.delenv("PROBAV_SERVER_PREFIX", raising=False)
    shown = AoiMap(product=probav.open_archive(demo_archive)["PROBAV_L3_S10_TOC_333M"])
    images = shown.images
    count = len(shown.map.layers)
    images.compare.value = True
    assert shown.map.controls[-1] is images.split
    assert images.split.left_layer.url != images.split.right_layer.url
    assert len(shown.map.layers) == count - 1
    images.compare.value = False
    assert images.split is None
    assert len(shown.map.layers) == count
    images.product.value = ""
    assert not [layer for layer in shown.map.layers if hasattr(layer, "url")]


def test_a_click_shows_the_series_of_that_pixel(demo_archive):
    product = probav.open_archive(demo_archive)["PROBAV_L3_S10_TOC_333M"]
    shown = AoiMap(product=product)
    latitude, longitude = np.array(shown.map.center) + 0.0004
    click = {"event": "interaction", "type": "click", "coordinates": [float(latitude), float(longitude)]}
    shown.map._handle_custom_msg(click, [])
    assert len(shown.clicked.widget.children) == 2
    (outline,) = shown.clicked.mark.data["features"]
    pixel = shapely.geometry.shape(outline["geometry"])
    assert pixel.contains(shapely.Point(longitude, latitude))
    assert pixel.area == pytest.approx(1 / product.grid.nx**2)
    shown.clicked.close()
    assert shown.clicked.widget.children == ()
    shown.toolbar.modes["edit"].value = True
    shown.map._handle_custom_msg(click, [])
    assert shown.clicked.widget.children == ()


def test_what_the_archive_holds_and_how_many_pixels(demo_archive):
    product = probav.open_archive(demo_archive)["PROBAV_L3_S10_TOC_333M"]
    shown = AoiMap(product=product)
    shown.images.held.value = True
    assert len(shown.images.holdings.layer.data["features"]) == len(product.footprint())
    assert "dates in" in shown.images.holdings.key.value
    west, south, _, _ = product.footprint().total_bounds
    shown.areas.add(shapely.box(west, south, west + 10 / product.grid.nx, south + 10 / product.grid.ny))
    assert "100.0 pixels of 331 m" in shown.status.value
    again = AoiMap(shown.aoi, product)
    assert again.status.value == shown.status.value


def test_the_saved_notebook_holds_a_picture_and_a_table_beside_the_widget():
    data, metadata = AoiMap(probav.aoi(BOX, name="<box>"))._repr_mimebundle_()
    assert data["image/png"].startswith(b"\x89PNG")
    assert "application/vnd.jupyter.widget-view+json" in data
    assert "<td>&lt;box&gt;</td>" in data["text/html"]
    assert "<box>" in data["text/plain"]
    assert metadata["image/png"]["width"] > 200
