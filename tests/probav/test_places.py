"""Countries: the shipped data is whole, valid, and found by the names people type."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import pytest
import shapely

import probav.places
from probav.errors import UnknownNameError
from probav.places import countries, names, place

# km2, land and inland water as published by the United Nations; Natural Earth differs by a few percent
AREAS = {
    "Belgium": 30_689, "Russia": 17_098_246, "Fiji": 18_272, "Lesotho": 30_355, "South Africa": 1_221_037,
    "Vietnam": 331_345, "Canada": 9_984_670, "New Zealand": 270_467,
}  # fmt: skip


def test_all_countries_are_valid_polygons_with_unique_ids_within_the_world():
    frame = countries()
    assert len(frame) == 254  # of 255 entries one reef has no area at this quantisation
    assert frame.index.is_unique
    assert frame["name"].is_unique
    assert frame.is_valid.all()
    assert set(frame.geom_type) <= {"Polygon", "MultiPolygon"}
    west, south, east, north = frame.total_bounds
    assert (west, south, east) == (-180, -90, 180)
    assert 83 < north < 84


@pytest.mark.parametrize("name", AREAS)
def test_areas_are_those_of_the_statistics(name):
    frame = countries().set_index("name")
    area = frame.to_crs("EPSG:6933").loc[name].geometry.area / 1e6
    assert area == pytest.approx(AREAS[name], rel=0.05)


def test_what_crosses_the_antimeridian_is_cut_there():
    _, russia = place("Russia")
    assert russia.intersects(shapely.Point(-172, 66))  # Chukotka
    assert russia.intersects(shapely.Point(100, 60))
    assert not russia.intersects(shapely.Point(-100, 60))
    assert place("Antarctica")[1].intersects(shapely.Point(0, -90))


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("belgium", "Belgium"),
        ("  BELGIUM ", "Belgium"),
        ("056", "Belgium"),
        ("The Gambia", "Gambia"),
        ("cote d ivoire", "Côte d'Ivoire"),
        ("Ivory Coast", "Côte d'Ivoire"),
        ("United States", "United States of America"),
        ("Bosnia and Herzegovina", "Bosnia and Herz."),
        ("Åland", "Åland"),
        ("036", "Australia"),
    ],
)
def test_names_are_found_as_people_type_them(typed, name):
    found, geometry = place(typed)
    assert found == name
    assert geometry.equals(countries().set_index("name").geometry[name])


def test_an_unknown_name_gives_near_ones_or_says_where_to_look():
    with pytest.raises(UnknownNameError, match=r"no country 'Belgim'\. Did you mean 'Belgium'"):
        place("Belgim")
    with pytest.raises(UnknownNameError, match="countries"):
        place("xqzzy")


def test_a_returned_frame_is_the_callers_own():
    frame = countries()
    frame.drop(frame.index, inplace=True)
    assert len(countries()) == 254


def test_simplified_countries_share_their_borders():
    frame = countries(0.05).set_index("name").geometry
    shared = frame["Belgium"].boundary.intersection(frame["France"].boundary)
    assert shared.length > 3  # degrees; slivers and gaps would leave points
    assert shapely.get_num_coordinates(frame.values).sum() < 100_000
    whole = countries().set_index("name").geometry["Belgium"]
    assert frame["Belgium"].area == pytest.approx(whole.area, rel=0.02)


def test_the_shipped_file_is_the_published_one_and_its_licence_is_beside_it():
    data = Path(probav.places.__file__).parent / "data"
    packed = (data / "countries.topojson.gz").read_bytes()
    assert len(packed) < 2_500_000
    assert hashlib.sha256(gzip.decompress(packed)).hexdigest() in (data / "README.md").read_text()
    assert "Michael Bostock" in (data / "countries.LICENSE").read_text()


def test_names_are_those_of_the_countries():
    found = names()
    assert found == sorted(found)
    assert set(found) >= {"Belgium", "Côte d'Ivoire"}
    assert all(place(name)[0] == name for name in found)
