"""What is drawn and the Aoi are the same, whichever of them changed; the browser's part is in tests/e2e."""

from __future__ import annotations

import json

import geopandas as gpd
import pytest
import shapely

import probav
from probav_extensions import AoiMap

BOX = (4.0, 50.0, 5.0, 51.0)


def drawn(*corners):
    """A feature as the browser sends a new one."""
    return {
        "type": "Feature",
        "properties": {"style": {"pane": "overlayPane", "color": "#000"}},
        "geometry": {"type": "Polygon", "coordinates": [[*corners, corners[0]]]},
    }


@pytest.fixture
def two_fields():
    frame = gpd.GeoDataFrame(
        {"name": ["north", "south"], "crop": ["wheat", "beet"]},
        geometry=[shapely.box(4, 50.6, 4.2, 50.8), shapely.box(4.123456789, 50, 4.2, 50.2)],
        index=["f7", "f9"],
        crs="EPSG:4326",
    )
    return probav.aoi(frame)


def browser(shown: AoiMap):
    """What the browser would send back after drawing what it got: six decimals, its own style."""
    features = json.loads(json.dumps(shown._draw.data))
    for feature in features:
        shape = shapely.geometry.shape(feature["geometry"])
        rounded = shapely.transform(shape, lambda xy: xy.round(6))
        feature["geometry"] = shapely.geometry.mapping(rounded)
        feature["properties"]["style"] = {"pane": "overlayPane"}
    return features


def test_nothing_drawn_is_no_aoi():
    shown = AoiMap()
    assert shown.aoi is None
    assert shown._draw.data == []
    assert "nothing drawn" in repr(shown)


def test_a_drawn_polygon_becomes_the_aoi_and_callbacks_hear_of_it():
    shown, heard = AoiMap(), []
    shown.on_change(heard.append)
    shown._draw.data = [drawn((4, 50), (5, 50), (5, 51))]
    assert heard == [shown.aoi]
    assert list(shown.aoi.frame.index) == ["1"]
    assert shown.aoi.frame.geometry.iloc[0].equals(shapely.Polygon([(4, 50), (5, 50), (5, 51)]))


def test_setting_the_aoi_redraws_the_map():
    shown = AoiMap()
    shown.aoi = probav.aoi(BOX)
    (feature,) = shown._draw.data
    assert shapely.geometry.shape(feature["geometry"]).equals(shapely.box(*BOX))
    shown.aoi = None
    assert shown._draw.data == []


def test_ids_names_attributes_and_untouched_coordinates_survive_an_edit(two_fields):
    shown = AoiMap(two_fields)
    features = browser(shown)
    features[0]["geometry"] = shapely.geometry.mapping(shapely.box(4, 50.6, 4.3, 50.9))
    shown._draw.data = features
    frame = shown.aoi.frame
    assert list(frame.index) == ["f7", "f9"]
    assert list(frame["crop"]) == ["wheat", "beet"]
    assert frame.geometry["f7"].equals(shapely.box(4, 50.6, 4.3, 50.9))
    assert frame.geometry["f9"].equals_exact(two_fields.frame.geometry["f9"])  # not rounded to six decimals


def test_a_deleted_feature_goes_the_others_keep_their_ids_and_a_new_one_gets_a_new_id(two_fields):
    shown = AoiMap(two_fields)
    shown._draw.data = browser(shown)[1:]
    assert list(shown.aoi.frame.index) == ["f9"]
    shown._draw.data = [*browser(shown), drawn((5, 50), (5.1, 50), (5.1, 50.1))]
    assert list(shown.aoi.frame.index) == ["f9", "1"]
    assert shown._draw.data[1]["properties"]["id"] == "1"  # so that the browser knows it from here on
    shown._draw.data = []
    assert shown.aoi is None


def test_a_crossing_polygon_is_refused_in_words_and_the_map_goes_back():
    shown = AoiMap(probav.aoi(BOX))
    before = shown.aoi
    shown._draw.data = [*browser(shown), drawn((4, 50), (5, 51), (5, 50), (4, 51))]
    assert shown.aoi is before
    assert len(shown._draw.data) == 1
    assert "no valid polygon" in shown._status.value


def test_what_has_too_many_vertices_to_drag_is_shown_but_kept_as_it_is():
    belgium = probav.aoi("Belgium")
    shown = AoiMap(belgium)
    assert shown._draw.data == []
    assert len(shown._fixed.data["features"]) == 1
    shown._draw.data = [drawn((4, 50), (5, 50), (5, 51))]
    assert list(shown.aoi.frame["name"]) == ["Belgium", "area 2"]
    assert shown.aoi.frame.geometry.iloc[0].equals(belgium.frame.geometry.iloc[0])


def test_what_was_drawn_a_turn_of_the_world_away_comes_home():
    shown = AoiMap()
    shown._draw.data = [drawn((364, 50), (365, 50), (365, 51))]
    assert shown.aoi.bounds == (4, 50, 5, 51)


def test_no_layer_asks_for_anything_from_outside(demo_archive):
    product = probav.open_archive(demo_archive)["PROBAV_L3_S10_TOC_333M"]
    shown = AoiMap(product=product)
    names = {type(layer).__name__ for layer in shown.layers}
    assert names <= {"Rectangle", "GeoJSON", "ImageOverlay"}
    urls = [layer.url for layer in shown.layers if hasattr(layer, "url")]
    assert [url[:22] for url in urls] == ["data:image/png;base64,"]
    west, south, east, north = product.footprint().total_bounds
    assert shown.center == pytest.approx([(south + north) / 2, (west + east) / 2], abs=0.01)


def test_the_saved_notebook_holds_a_picture_beside_the_widget():
    data, metadata = AoiMap(probav.aoi(BOX))._repr_mimebundle_()
    assert data["image/png"].startswith(b"\x89PNG")
    assert "application/vnd.jupyter.widget-view+json" in data
    assert "bounds 4.0000, 50.0000" in data["text/plain"]
    assert metadata["image/png"]["width"] > 200
