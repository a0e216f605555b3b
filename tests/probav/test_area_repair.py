"""Repairs against the nonzero rule worked out by hand: a point is inside where rings go round it."""

import warnings

import geopandas as gpd
import numpy as np
import pyproj
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

import probav
from probav.errors import AoiError, RepairWarning

GEOD = pyproj.Geod(ellps="WGS84")
SQUARE = shapely.box(4, 50, 5, 51)


def polygon(*xy, holes=()):
    return shapely.Polygon([(4 + x, 50 + y) for x, y in xy], [[(4 + x, 50 + y) for x, y in h] for h in holes])


def box(west, south, east, north):
    return [(west, south), (east, south), (east, north), (west, north)]


BOWTIE = polygon((0, 0), (1, 1), (1, 0), (0, 1))
HALVES = shapely.union_all([polygon((0, 0), (0.5, 0.5), (0, 1)), polygon((1, 0), (0.5, 0.5), (1, 1))])
CASES = {
    "bow-tie": (BOWTIE, HALVES),
    "spike without area": (polygon((0, 0), (1, 0), (1, 2), (1, 1), (0, 1)), SQUARE),
    "nested shells": (shapely.MultiPolygon([SQUARE, polygon(*box(0.2, 0.2, 0.4, 0.4))]), SQUARE),
    "overlapping parts": (
        shapely.MultiPolygon([SQUARE, polygon(*box(0.5, 0, 2, 1))]),
        polygon(*box(0, 0, 2, 1)),
    ),
    "hole outside, which is a part": (
        polygon(*box(0, 0, 1, 1), holes=[box(2, 0, 3, 1)]),
        shapely.MultiPolygon([SQUARE, polygon(*box(2, 0, 3, 1))]),
    ),
    "hole across the border": (
        polygon(*box(0, 0, 1, 1), holes=[box(0.5, -1, 2, 2)]),
        polygon(*box(0, 0, 0.5, 1)),
    ),
    "lines and points beside": (
        shapely.GeometryCollection([SQUARE, shapely.Point(9, 9), shapely.LineString([(1, 1), (2, 2)])]),
        SQUARE,
    ),
    "a part without area": (
        shapely.MultiPolygon([SQUARE, polygon((3, 0), (4, 0), (3.5, 0))]),
        SQUARE,
    ),
}


@pytest.mark.parametrize(("shape", "expected"), CASES.values(), ids=CASES)
def test_what_is_invalid_is_mended_and_told(shape, expected):
    with pytest.warns(RepairWarning, match=r"1 feature was repaired: '1': \w+.*aoi\.repairs") as caught:
        area = probav.aoi(shape)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert area.frame.geometry.iloc[0].equals(expected)
    assert area.frame.geometry.iloc[0].is_valid
    assert list(area.repairs.index) == ["1"]
    areas = [abs(GEOD.geometry_area_perimeter(part)[0]) for part in shapely.get_parts(expected)]
    # nodes on long edges change areas a little
    assert area.repairs["km2_after"].iloc[0] == pytest.approx(sum(areas) / 1e6, rel=1e-4)
    with pytest.raises(AoiError, match=r"Feature '1' is no valid polygon: .*pass repair=True"):
        probav.aoi(shape, repair=False)


def test_a_change_of_area_shows_in_the_report():
    with pytest.warns(RepairWarning, match=r"area 0 -> \d+"):
        area = probav.aoi(BOWTIE)
    row = area.repairs.loc["1"]
    assert (row["reason"], row["longitude"], row["latitude"]) == ("Self-intersection", 4.5, 50.5)
    assert row["km2_before"] == pytest.approx(0, abs=30)  # the loops go round in opposite directions
    assert row["km2_after"] == pytest.approx(probav.aoi(HALVES).area_km2)
    overlapping, _ = CASES["overlapping parts"]
    with pytest.warns(RepairWarning):
        row = probav.aoi(overlapping).repairs.loc["1"]
    assert row["km2_before"] / row["km2_after"] == pytest.approx(2.5 / 2, rel=1e-4)


def test_one_warning_names_the_first_few_of_many():
    frame = gpd.GeoDataFrame(geometry=[SQUARE, *[BOWTIE] * 5], index=list("abcdef"))
    with pytest.warns(RepairWarning, match=r"5 features were repaired: 'b': .*'d': .*; and 2 more") as caught:
        area = probav.aoi(frame)
    assert len(caught) == 1
    assert "'e'" not in str(caught[0].message)
    assert list(area.repairs.index) == list("bcdef")
    assert list(area.frame.index) == list("abcdef")


def test_what_is_valid_is_not_touched_nor_told():
    given = [SQUARE, polygon((0, 0), (0, 0), (1, 0), (1, 1), (1, 1)), shapely.LineString([(1, 1), (2, 2)])]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        area = probav.aoi(gpd.GeoSeries(given))
    assert [a.equals_exact(b) for a, b in zip(area.frame.geometry, given, strict=True)] == [True] * 3
    assert len(area.repairs) == 0


def test_a_repaired_area_stays_as_it_is_and_keeps_its_report():
    with pytest.warns(RepairWarning):
        area = probav.aoi(BOWTIE)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = probav.aoi(area, "field")
    assert list(again.repairs["reason"]) == ["Self-intersection"]
    assert again.digest == area.digest


@pytest.mark.parametrize(
    "text",
    [
        "POLYGON((4 50, 5 50, 5 51, 4 51))",
        '{"type": "Polygon", "coordinates": [[[4, 50], [5, 50], [5, 51], [4, 51]]]}',
        {"type": "Polygon", "coordinates": [[[4, 50], [5, 50], [5, 51], [4, 51]]]},
        {"type": "MultiPolygon", "coordinates": [[[[4, 50], [5, 50], [5, 51], [4, 51]]]]},
    ],
)
def test_an_unclosed_ring_is_closed_and_told(text):
    with pytest.warns(RepairWarning, match=r"Ring not closed, area unchanged"):
        area = probav.aoi(text)
    assert area.frame.geometry.iloc[0].equals(SQUARE)
    with pytest.raises(AoiError, match="Ring not closed"):
        probav.aoi(text, repair=False)


def test_an_open_line_is_no_unclosed_ring():
    lines = {"type": "MultiLineString", "coordinates": [[[4, 50], [5, 50], [5, 51]]]}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert probav.aoi(lines).frame.geom_type.iloc[0] == "MultiLineString"


@pytest.mark.parametrize("shape", [polygon((0, 0), (1, 0), (2, 0)), polygon((0, 0), (1, 1), (0, 0), (1, 1))])
def test_a_feature_of_which_nothing_is_left_is_named(shape):
    frame = gpd.GeoDataFrame(geometry=[SQUARE, shape], index=["good", "flat"])
    with pytest.raises(
        AoiError, match=r"Of feature 'flat' nothing is left when it is repaired: .*leave it out"
    ):
        probav.aoi(frame)


def test_a_collection_of_one_kind_is_no_collection():
    nested = shapely.GeometryCollection([SQUARE, shapely.GeometryCollection([polygon(*box(2, 0, 3, 1))])])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        area = probav.aoi(nested)
    assert area.frame.geom_type.iloc[0] == "MultiPolygon"
    assert area.area_km2 == pytest.approx(2 * probav.aoi(SQUARE).area_km2, rel=1e-3)


def winding_numbers(ring, x, y):
    """How often a closed ring goes round each point (Sunday 2001), with NumPy."""
    (x0, y0), (x1, y1) = ring[:-1].T[:, :, None], ring[1:].T[:, :, None]
    left = (x1 - x0) * (y - y0) - (x - x0) * (y1 - y0)
    return ((y0 <= y) & (y1 > y) & (left > 0)).sum(0) - ((y0 > y) & (y1 <= y) & (left < 0)).sum(0)


corners = st.tuples(st.integers(0, 8), st.integers(0, 8))


def gone_round(rings):
    """The union of the faces between rings that any of them goes round."""
    faces = shapely.polygonize([shapely.union_all([shapely.LineString(ring) for ring in rings])])
    faces = shapely.get_parts(faces)
    x, y = shapely.get_coordinates(shapely.point_on_surface(faces)).T
    inside = np.any([winding_numbers(ring, x, y) != 0 for ring in rings], axis=0)
    return shapely.union_all(faces[inside])


def check_repair(shape, expected):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RepairWarning)
        if expected.is_empty:
            with pytest.raises(AoiError, match="nothing is left"):
                probav.aoi(shape)
            return
        mended = probav.aoi(shape).frame.geometry.iloc[0]
    assert mended.is_valid
    assert mended.geom_type in ("Polygon", "MultiPolygon")
    assert mended.symmetric_difference(expected).area == pytest.approx(0, abs=1e-12)


@settings(max_examples=80, deadline=None)
@given(st.lists(corners, min_size=3, max_size=12))
def test_any_ring_becomes_what_it_goes_round(points):
    ring = np.array([*points, points[0]], float) / 8
    check_repair(shapely.Polygon(ring), gone_round([ring]))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(corners, min_size=3, max_size=6), min_size=2, max_size=4))
def test_parts_become_their_union(rings):
    rings = [np.array([*ring, ring[0]], float) / 8 for ring in rings]
    check_repair(shapely.MultiPolygon([shapely.Polygon(ring) for ring in rings]), gone_round(rings))
