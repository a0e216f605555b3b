"""Pixel coverage against shapely (areas), GDAL (centre, touched) and exactextract."""

import exactextract
import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import CRS
from rasterio.features import rasterize

from probav.areas import Aoi, aoi
from probav.coverage import ONE, coverage, disjoint_boxes
from probav.errors import AoiError, QueryError
from probav.grid import Grid
from probav.scanline import centres
from probav.touching import touched

N = 24
GRID = Grid(10 + 0.5 / 8, 50 - 0.5 / 8, 8, 8, N, N)  # 1/8 degree: pixel edges are exact binary numbers
WHOLE = shapely.box(0, 0, N, N)
WKT = CRS("EPSG:3857").to_wkt()


def dense(cover, zone, shape=(N, N)):
    """Covered fraction per pixel."""
    found = np.zeros(shape)
    for owner, row, first, last in cover.runs.tolist():
        if owner == zone:
            found[row, first:last] += 1
    own = cover.edges[:, 0] == zone
    np.add.at(found, (cover.edges[own, 1], cover.edges[own, 2]), cover.weights[own] / ONE)
    return found


def lost(cover):
    return 0.0 if cover.beyond is None else float(cover.beyond.totals()[0])


def to_degrees(shape):
    return shapely.transform(shape, lambda xy: np.column_stack([10 + xy[:, 0] / 8, 50 - xy[:, 1] / 8]))


ANY_STEP = st.sampled_from([None, 1.0, 0.5, 0.25])


@st.composite
def polygons(draw, snap=ANY_STEP):
    """Star-shaped polygons in pixels, with and without a hole, on and off pixel edges and centres."""
    count = draw(st.integers(3, 14))
    angles = np.sort(draw(st.lists(st.floats(0, 2 * np.pi), min_size=count, max_size=count, unique=True)))
    radii = np.array(draw(st.lists(st.floats(0.05, 11), min_size=count, max_size=count)))
    x, y = draw(st.floats(11, 13)), draw(st.floats(11, 13))
    points = np.column_stack([x + radii * np.cos(angles), y + radii * np.sin(angles)])
    step = draw(snap)
    if step:
        points = np.round(points / step) * step
    shape = shapely.Polygon(points)
    if draw(st.booleans()) and shape.is_valid:
        shape = shape.difference(shapely.Point(x, y).buffer(draw(st.floats(0.1, 3))))
    if draw(st.booleans()) and shape.is_valid:
        shape = shape.union(shapely.box(0.5, 0.5, 2.25, 1.75))
    return shape


def usable(shape):
    # valid in degrees, too: rounding can make a sliver cross itself
    return shape.is_valid and not shape.is_empty and shape.area > 1e-9 and to_degrees(shape).is_valid


@settings(max_examples=150, deadline=None)
@given(polygons())
def test_fractions_equal_the_area_of_intersection_with_each_pixel(shape):
    if not usable(shape):
        return
    found = dense(coverage(aoi(to_degrees(shape)), GRID, WHOLE, "fraction"), 0)
    pixels = shapely.box(*np.meshgrid(range(N), range(N)), *np.meshgrid(range(1, N + 1), range(1, N + 1)))
    expected = shapely.area(shapely.intersection(shape, pixels))
    np.testing.assert_allclose(found, expected, atol=2e-12, rtol=0)


@settings(max_examples=60, deadline=None)
@given(polygons())
def test_fractions_equal_exactextract(shape):
    if not usable(shape):
        return
    raster = exactextract.raster.NumPyRasterSource(
        np.arange(N * N, dtype=float).reshape(N, N), 0, 0, N, N, srs_wkt=WKT
    )
    flipped = shapely.transform(shape, lambda xy: np.column_stack([xy[:, 0], N - xy[:, 1]]))
    frame = gpd.GeoDataFrame(geometry=[flipped], crs="EPSG:3857")
    answer = exactextract.exact_extract(raster, frame, ["cell_id", "coverage"], output="pandas")
    expected = np.zeros(N * N)
    expected[answer["cell_id"][0]] = answer["coverage"][0]
    found = dense(coverage(aoi(to_degrees(shape)), GRID, WHOLE, "fraction"), 0)
    # exactextract keeps fractions in 32-bit floats
    np.testing.assert_allclose(found, expected.reshape(N, N), atol=3e-7, rtol=0)


@settings(max_examples=150, deadline=None)
@given(polygons(snap=st.none()), st.sampled_from(["centre", "touched"]))
def test_centre_and_touched_equal_gdal(shape, rule):
    if not usable(shape):
        return
    degrees = to_degrees(shape)
    touched = rule == "touched"
    expected = rasterize([degrees], (N, N), transform=GRID.transform, all_touched=touched, dtype="uint8")
    found = dense(coverage(aoi(degrees), GRID, WHOLE, rule), 0)
    differ = np.argwhere(found != expected)
    # the same rule on coordinates rounded differently (degrees against pixels): only a centre or an edge
    # within rounding of the outline may fall on the other side
    for row, column in differ:
        pixel = (
            shapely.Point(column + 0.5, row + 0.5)
            if not touched
            else shapely.box(column, row, column + 1, row + 1)
        )
        assert shape.boundary.distance(pixel.boundary if touched else pixel) < 1e-9


@settings(max_examples=150, deadline=None)
@given(polygons())
def test_centres_on_an_outline_fall_as_gdal_lets_them_fall(shape):
    if not shape.is_valid or shape.is_empty or shape.area < 1e-9:
        return
    expected = rasterize([shape], (N, N), dtype="uint8")
    found = centres(np.array([shape]), np.array([0]))
    dense_found = np.zeros((N, N), np.uint8)
    for _, row, first, last in found.tolist():
        dense_found[row, first:last] += 1
    np.testing.assert_array_equal(dense_found, expected)


@pytest.mark.parametrize(
    ("rule", "inside", "outside"),
    [("fraction", 5.3 * 2.5, 2.6 * 2.5), ("centre", 5 * 3, 3 * 3), ("touched", 6 * 3, 3 * 3)],
)
def test_pixels_outside_of_the_archive_are_counted_apart(rule, inside, outside):
    shape = shapely.box(-2.6, 4.2, 5.3, 6.7)
    cover = coverage(aoi(to_degrees(shape)), GRID, WHOLE, rule)
    assert dense(cover, 0).sum() == pytest.approx(inside, abs=1e-10)
    assert lost(cover) == pytest.approx(outside, abs=1e-10)
    everything = coverage(aoi(to_degrees(shape)), GRID, shapely.box(-9, -9, 99, 99), rule)
    assert lost(cover) + dense_total(cover) / ONE == pytest.approx(dense_total(everything) / ONE, abs=1e-10)


def dense_total(cover):
    return int((cover.runs[:, 3] - cover.runs[:, 2]).sum()) * ONE + int(cover.weights.sum())


def test_what_the_archive_holds_may_be_any_set_of_windows():
    held = shapely.union_all([shapely.box(0, 0, 10, 10), shapely.box(10, 5, 20, 15)])
    boxes = disjoint_boxes(held)
    assert sum((r - left) * (b - t) for left, t, r, b in boxes) == held.area == 200
    for rule in ("fraction", "centre"):
        cover = coverage(aoi(to_degrees(shapely.box(2, 2, 18, 18))), GRID, held, rule)
        found = dense(cover, 0)
        expected = np.zeros((N, N))
        expected[0:10, 0:10] = 1
        expected[5:15, 10:20] = 1
        expected[:2] = expected[18:] = 0
        expected[:, :2] = expected[:, 18:] = 0
        np.testing.assert_array_equal(found, expected)
        assert lost(cover) == 16 * 16 - expected.sum()


def test_a_tenth_of_a_pixel_counts_as_a_tenth():
    shape = shapely.box(3.2, 4.5, 3.4, 5.0)
    cover = coverage(aoi(to_degrees(shape)), GRID, WHOLE, "fraction")
    assert cover.edges.tolist() == [[0, 4, 3]]
    assert cover.weights[0] / ONE == pytest.approx(0.1, abs=1e-12)


def test_neighbours_share_their_edge_pixels():
    left, right = shapely.box(2, 2, 5.3, 9), shapely.box(5.3, 2, 9, 9)
    zones = gpd.GeoDataFrame(geometry=[to_degrees(left), to_degrees(right)], crs="EPSG:4326")
    cover = coverage(aoi(zones), GRID, WHOLE, "fraction")
    np.testing.assert_allclose(dense(cover, 0)[2:9, 5] + dense(cover, 1)[2:9, 5], 1, atol=1e-11)


def test_points_are_the_pixel_they_lie_in_and_lines_the_pixels_they_touch():
    point = coverage(aoi(to_degrees(shapely.Point(3.99, 7.01))), GRID, WHOLE, "fraction")
    assert point.runs.tolist() == [[0, 7, 3, 4]]
    twice = coverage(aoi(to_degrees(shapely.MultiPoint([(3.2, 7.1), (3.4, 7.2)]))), GRID, WHOLE, "centre")
    assert twice.runs.tolist() == [[0, 7, 3, 4]]
    away = coverage(aoi(to_degrees(shapely.Point(-1, 7))), GRID, WHOLE, "fraction")
    assert len(away.runs) == 0
    assert lost(away) == 1
    line = coverage(aoi(to_degrees(shapely.LineString([(2.5, 2.5), (6.5, 2.5)]))), GRID, WHOLE, "fraction")
    assert dense(line, 0)[2].tolist() == [0, 0, 1, 1, 1, 1, 1] + [0] * (N - 7)


@pytest.mark.parametrize("patched", [{"_SMALL": 0, "_BAND_CELLS": 80}, {"_WIDTH": 70, "_HEIGHT": 70}])
def test_touched_pixels_are_those_gdal_draws_one_by_one(monkeypatch, patched):
    random = np.random.default_rng(11)
    shapes = [shapely.Point(*random.uniform(2, 22, 2)).buffer(random.uniform(0.1, 4)) for _ in range(40)]
    shapes += [shapely.LineString(random.uniform(0, 24, (3, 2))) for _ in range(20)]
    shapes += [shapely.box(3, 4, 7, 9), shapely.box(2.5, 2.5, 3.5, 3.5)]  # on edges and centres
    for name, value in patched.items():
        monkeypatch.setattr(f"probav.touching.{name}", value)
    runs = touched(np.array(shapes), np.arange(len(shapes)) + 5)
    for number, shape in enumerate(shapes):
        expected = rasterize([shape], (30, 30), transform=Affine.translation(-3, -3), all_touched=True)
        found = np.zeros((30, 30), np.uint8)
        for _, row, first, last in runs[runs[:, 0] == number + 5].tolist():
            found[row + 3, first + 3 : last + 3] += 1
        np.testing.assert_array_equal(found, expected)


def test_a_projected_grid_takes_an_area_in_degrees():
    grid = Grid(600_005.0, 5_699_995.0, 0.1, 0.1, 100, 100, "EPSG:32631")  # 10 m pixels
    box = gpd.GeoDataFrame(geometry=[shapely.box(600_200, 5_699_300, 600_400, 5_699_500)], crs="EPSG:32631")
    cover = coverage(aoi(box), grid, shapely.box(0, 0, 100, 100), "fraction")
    assert dense(cover, 0, (100, 100)).sum() == pytest.approx(400, abs=0.01)
    assert dense(cover, 0, (100, 100))[50:70, 20:40].sum() == pytest.approx(400, abs=0.05)


def test_unknown_rules_and_mixed_features_are_refused():
    with pytest.raises(QueryError, match="Did you mean 'centre'"):
        coverage(aoi(to_degrees(shapely.box(1, 1, 2, 2))), GRID, WHOLE, "center")
    mixed = shapely.GeometryCollection([shapely.Point(1, 1), shapely.box(2, 2, 3, 3)])
    with pytest.raises(AoiError, match="mixes points"):
        coverage(
            Aoi(gpd.GeoDataFrame({"name": ["1"]}, geometry=[to_degrees(mixed)], crs="EPSG:4326")), GRID, WHOLE
        )


def test_the_transform_is_gdals():
    with (
        rasterio.MemoryFile() as file,
        file.open(
            driver="GTiff",
            width=N,
            height=N,
            count=1,
            dtype="uint8",
            crs="EPSG:4326",
            transform=GRID.transform,
        ) as raster,
    ):
        assert raster.xy(0, 0) == (GRID.x0, GRID.y0)
        assert raster.bounds == GRID.bounds
