"""Areas that are edited: ids, names and colours stay with their features, and every change can be undone."""

from __future__ import annotations

import geopandas as gpd
import pytest
import shapely

import probav
from probav.errors import AoiError
from probav_extensions.map.model import Areas


@pytest.fixture
def two_fields():
    frame = gpd.GeoDataFrame(
        {"name": ["north", "south"], "crop": ["wheat", "beet"]},
        geometry=[shapely.box(4, 50.6, 4.2, 50.8), shapely.box(4.123456789, 50, 4.2, 50.2)],
        index=["f7", "f9"],
        crs="EPSG:4326",
    )
    return probav.aoi(frame)


def test_ids_are_never_used_twice(two_fields):
    areas = Areas(two_fields)
    assert areas.add(shapely.box(5, 50, 6, 51)) == "1"
    areas.delete("1")
    assert areas.add(shapely.box(5, 50, 6, 51)) == "2"
    areas.undo()
    assert areas.add(shapely.box(5, 50, 6, 51)) == "3"
    assert areas.ids == ["f7", "f9", "3"]


def test_every_change_can_be_undone_and_redone(two_fields):
    areas, seen = Areas(), []
    areas.on_change(seen.append)
    areas.assign(two_fields)
    areas.rename("f7", "far north")
    areas.recolour("f9", "#D55E00")
    areas.move("f7", 0.5, 0)
    areas.delete("f9")
    areas.load(two_fields)
    areas.clear()
    states = [None, *seen]
    for state in states[-2::-1]:
        areas.undo()
        assert areas.aoi is state
    assert not areas.can_undo
    for state in states[1:]:
        areas.redo()
        assert areas.aoi is state
    assert not areas.can_redo


def test_an_edit_leaves_all_else_as_it_was(two_fields):
    areas = Areas(two_fields)
    areas.replace("f7", shapely.box(4, 50.6, 4.3, 50.9))
    areas.recolour("f7", "#d55e00")
    areas.rename("f7", " ")
    frame = areas.aoi.frame
    assert list(frame.index) == ["f7", "f9"]
    assert list(frame["name"]) == ["area f7", "south"]
    assert list(frame["crop"]) == ["wheat", "beet"]
    assert frame.geometry["f9"].equals_exact(two_fields.frame.geometry["f9"])
    assert (areas.colour("f7"), areas.colour("f9")) == ("#d55e00", None)
    assert list(two_fields.frame["name"]) == ["north", "south"]  # what is in a variable stays as it is


def test_what_is_not_valid_changes_nothing(two_fields):
    areas = Areas(two_fields)
    for mistake in (
        lambda: areas.add(shapely.Polygon([(4, 50), (5, 51), (5, 50), (4, 51)])),
        lambda: areas.replace("f7", shapely.Point(400, 0)),
        lambda: areas.recolour("f7", "red"),
        lambda: areas.delete("f8"),
    ):
        with pytest.raises(AoiError):
            mistake()
    assert areas.aoi is two_fields
    assert not areas.can_undo


def test_loading_the_same_features_again_gives_them_ids_of_their_own(two_fields):
    areas = Areas(two_fields)
    assert areas.load(two_fields) == ["1", "2"]
    assert areas.load(probav.aoi((1, 1, 2, 2))) == ["3"]
    assert list(areas.aoi.frame["name"]) == ["north", "south", "north", "south", "area 3"]
    assert areas.aoi.geojson["features"][2]["properties"]["crop"] == "wheat"
