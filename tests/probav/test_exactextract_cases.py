"""Cases that exactextract publishes in its own tests, with the numbers it expects (Apache-2.0, isciences).

Each test names the case it comes from. Rasters lie in the south-west of one of 10 x 10 pixels of one degree,
in chunks of 3 x 3 pixels, one date a raster. Where our definition differs on purpose, the test says how.
"""

import math

import geopandas as gpd
import numpy as np
import pytest
import shapely
from affine import Affine

from probav.errors import OutsideError

N = 10
NA = -999
LOW = np.float32(-3.2e38)
TRANSFORM = Affine(1, 0, 0, 0, -1, N)
SQUARE = shapely.box(0.5, 0.5, 2.5, 2.5)
NINE = np.arange(1, 10).reshape(3, 3)
RASTERS = {
    "nine": NINE,
    "five": [[1, 1, 1, 1, 1], [1, 1, 2, 3, 1], [1, 4, 5, 6, 1], [1, 0, NA, 7, 1], [1, 1, 1, 1, 1]],
    "missing": np.full((3, 3), NA),
    "defined": [[1, 2], [3, 4]],
    "some": [[1, 2], [NA, NA]],
    "hundred": np.where(
        (np.arange(N)[:, None] > 5) & (np.arange(N) < 4), NA, np.arange(1, 101).reshape(N, N)
    ),
    "cells": np.arange(100).reshape(N, N),
    "rows": [[1, 1, 1], [2, 2, 2], [3, 3, 3]],
    "twos": [[1, 1, 1], [NA, NA, NA], [3, NA, 3]],  # 2 is the no-data value
    "default": [[1, 2, 3], [4, NA, NA], [NA, 8, 9]],
    "odd": np.arange(1, 201, 2).reshape(N, N),
    "four": [[1, 1, 1], [2, 2, 2], [3, 3, 4]],
}
DATES = list(RASTERS)
WEIGHTS = {"nine": [[0, 0, 0], [0, 0, 0], [1, 1, 1]], "four": [[0, 0, 0], [0, 0, 0], [1, 1, 1]]}
OBSERVED = np.float32([3.4, 2.9, 1.7, 8.8, -12.7, 100.4, 8.4, 11.3, 50])


def corner(array, blank):
    full = np.full((N, N), blank)
    height, width = np.shape(array)
    full[N - height :, :width] = array
    return full


@pytest.fixture(scope="module")
def product(keep):
    stack = np.stack([corner(raster, NA) for raster in RASTERS.values()])
    weights = np.stack([corner(WEIGHTS.get(name, [[1]]), 0) for name in RASTERS])
    real = np.full((N, N), np.nan, "float32")
    real[0, :9] = OBSERVED
    return keep(
        {
            "U8": (np.where(stack == NA, 255, stack).astype("uint8"), {"nodata": 255, "valid": [0, 250]}),
            "I16": (stack.astype("int16"), {"nodata": NA}),
            "F32": (np.where(stack == NA, LOW, stack).astype("float32"), {"nodata": float(LOW)}),
            "TWICE": (np.where(stack == NA, NA, 2 * stack).astype("int16"), {"nodata": NA}),
            "W": (weights.astype("uint8"), {"kind": "categorical", "flags": {"0": "none", "1": "one"}}),
            "CLASS": (
                np.where(stack == NA, 255, stack).astype("uint8"),
                {"kind": "categorical", "nodata": 255, "flags": {"1": "one", "2": "two", "3": "three"}},
            ),
            "REAL": (np.broadcast_to(real, stack.shape), {"nodata": -9999.0}),
        },
        TRANSFORM,
        cut=(4, 3),
    )  # fmt: skip


@pytest.fixture(scope="module", params=["U8", "I16", "F32"])
def extract(request, product):
    """Statistics of one feature on one raster, whatever the type: exactextract's TEMPLATE_TEST_CASE."""

    def extract(raster, shape, *reducers, **options):
        return one(product, raster, shape, *reducers, **{"variable": request.param, **options})

    return extract


def one(product, raster, shape, *reducers, **options):
    day = product.times[DATES.index(raster)]
    shape = shapely.from_wkt(shape) if isinstance(shape, str) else shape
    found = product.statistics(shape, time=str(day), reducers=reducers or ("mean",), **options)
    return found.isel(zone=0, time=0)


def test_basic_stats(extract):
    """python test_basic_stats."""
    found = extract("nine", SQUARE, "mean", "median", "min", "max", "mode", "p75", "var", "std", "sum")
    expected = {
        "valid": 4,
        "mean": 5,
        "median": 5,
        "min": 1,
        "max": 9,
        "mode": 5,
        "p75": 6,
        "var": 5,
        "sum": 20,
    }
    assert {name: float(found[name]) for name in expected} == pytest.approx(expected, rel=1e-14)
    assert float(found["std"]) == pytest.approx(math.sqrt(5), rel=1e-14)
    # exactextract has a lower quartile of 3: it weighs observations by the sums of weights between them. Ours
    # is the mean of the sorted step function over one pixel from 0.25 * (4 - 1): 3 to 1, 4 to 1.5, 5 to 1.75
    assert float(extract("nine", SQUARE, "p25")["p25"]) == pytest.approx(
        0.25 * 3 + 0.5 * 4 + 0.25 * 5, rel=1e-14
    )


def test_unweighted_stats(extract):
    """C++ "Unweighted stats": an empty corner within."""
    found = extract("five", shapely.box(1.5, 1.5, 3.5, 3.5), "mean", "sum", "min", "max", "mode")
    expected = {"valid": 3.5, "nodata": 0.5, "sum": 13.75, "mean": 13.75 / 3.5, "min": 0, "max": 7, "mode": 5}
    assert {name: float(found[name]) for name in expected} == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize(("raster", "expected"), [
    ("defined", {"valid": 1, "sum": 2.5, "min": 1, "max": 4, "mean": 2.5, "var": 1.25, "std": 1.118034}),
    ("some", {"valid": 0.5, "sum": 0.75, "min": 1, "max": 2, "mean": 1.5, "var": 0.25, "std": 0.5}),
])  # fmt: skip
def test_missing_data_handling(extract, raster, expected):
    """C++ "Missing data handling"."""
    found = extract(raster, shapely.box(0.5, 0.5, 1.5, 1.5), "sum", "min", "max", "mean", "var", "std")
    assert {name: float(found[name]) for name in expected} == pytest.approx(expected, rel=1e-6)
    assert float(found["count"]) == 1


def test_all_values_missing(extract):
    """C++ "All values missing", python test_all_nodata: no number, where exactextract has a sum of 0."""
    found = extract("missing", SQUARE, "sum", "min", "max", "mean", "var", "std", "mode", "median", "iqr")
    assert (found["valid"], found["nodata"]) == (0, 4)
    for name in ("sum", "min", "max", "mean", "var", "std", "mode", "median", "iqr"):
        assert np.isnan(found[name]), name


def test_of_equal_modes_the_smallest_is_told(extract):
    """C++ "All values defined" has the mode 4, the largest of four values with equal weight; ours is 1."""
    assert extract("defined", shapely.box(0.5, 0.5, 1.5, 1.5), "mode")["mode"] == 1


def test_coverage_fractions_may_be_ignored(extract):
    """python test_coverage_ignore_fraction and test_min_coverage_ignore_fraction: our "touched"."""
    found = extract("nine", shapely.box(0.5, 1.25, 2.5, 2.5), "mean", coverage="touched")
    assert (found["valid"], found["mean"]) == (6, 3.5)
    assert extract("nine", SQUARE, "sum", coverage="touched")["sum"] == 45


def test_area_weights_move_the_mean_to_larger_pixels(extract):
    """python test_coverage_area: pixels further south are larger, and hold larger values."""
    plain, weighed = (extract("nine", SQUARE, "mean", weights=weights) for weights in ("pixel", "area"))
    assert float(weighed["mean"]) > float(plain["mean"]) == 5
    cosines = np.cos(np.radians([2.5, 1.5, 0.5]))[:, None]
    weights = np.outer([0.5, 1, 0.5], [0.5, 1, 0.5]) * cosines
    assert float(weighed["mean"]) == pytest.approx(np.average(NINE, weights=weights), rel=1e-9)


def test_weights_of_0_and_1_are_a_mask(product):
    """python test_weighted_stats_unequal_weights, test_weighted_multisource."""
    for variable, twice in (("U8", 1), ("F32", 1), ("TWICE", 2)):
        found = one(product, "nine", SQUARE, "mean", "sum", "std", "var", variable=variable, mask="w == 1")
        expected = {"mean": 8 * twice, "sum": 8 * twice, "std": math.sqrt(0.5) * twice, "var": 0.5 * twice**2}
        assert {name: float(found[name]) for name in expected} == pytest.approx(expected, rel=1e-14)
        assert (found["valid"], found["masked"]) == (1, 3)


def test_frac(product):
    """python test_frac, test_output_map_fields: parts of a zone by value, as histogram and as strata."""
    squares = gpd.GeoSeries([shapely.box(0.5, 0.5, 1, 1), SQUARE], crs="EPSG:4326")
    day = str(product.times[DATES.index("rows")])
    found = product.statistics(squares, time=day, variable="U8", reducers="histogram").isel(time=0)
    parts = found["histogram"] / found["valid"]
    assert [parts[0].sel(bin=code) for code in (1, 2, 3)] == [0, 0, 1]
    assert [parts[1].sel(bin=code) for code in (1, 2, 3)] == [0.25, 0.5, 0.25]
    by = product.statistics(squares, time=day, variable="U8", by="class").isel(time=0)
    assert by["class"].values.tolist() == [1, 2, 3]
    assert by["valid"].values.tolist() == [[0, 0, 0.25], [1, 2, 1]]
    four = one(product, "four", SQUARE, "histogram", variable="U8")
    assert (four["histogram"].sel(bin=[1, 2, 3, 4]) / four["valid"]).values.tolist() == [
        0.25,
        0.5,
        0.1875,
        0.0625,
    ]
    masked = one(product, "four", SQUARE, "histogram", variable="U8", mask="w == 1")
    assert (masked["histogram"].sel(bin=[1, 2, 3, 4]) / masked["valid"]).values.tolist() == [0, 0, 0.75, 0.25]


def test_several_sources_at_once(product):
    """python test_multisource, test_multiband, test_library_inputs."""
    squares = gpd.GeoSeries([shapely.box(0.5, 0.5, 1, 1), SQUARE], crs="EPSG:4326")
    found = product.statistics(squares, time=str(product.times[0]), variable=["U8", "TWICE"], reducers="mean")
    assert found["mean"].values[..., 0].tolist() == [[7, 5], [14, 10]]
    assert found["valid"].values[..., 0].tolist() == [[0.25, 4], [0.25, 4]]


def test_nodata_in_a_corner(extract):
    """python test_nodata."""
    inside = extract("hundred", shapely.box(0, 0, 3, 3), "mean")
    assert np.isnan(inside["mean"])
    assert (inside["valid"], inside["nodata"]) == (0, 9)
    partly = extract("hundred", shapely.box(3.5, 3.5, 4.5, 4.5), "sum", "mean")
    assert (partly["sum"], partly["mean"], partly["nodata"]) == (43.5, 58, 0.25)


def test_nodata_is_left_out_of_every_mean(extract):
    """python test_default_value, test_masked_array: without a default, the holes don't count."""
    found = extract("default", shapely.box(0, 0, 3, 3), "sum", "mean")
    assert (found["valid"], found["sum"], found["mean"]) == (6, 27, 27 / 6)


def test_mode_without_the_nodata_value(extract):
    """python test_gdal_data_types."""
    assert extract("twos", SQUARE, "mode")["mode"] == 1


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32"])
def test_unsigned_values_are_preserved(keep, dtype):
    """python test_unsigned_values_preserved: the largest number is a value, the one below it no data."""
    largest = np.iinfo(dtype).max
    array = np.array([[[largest, largest], [largest - 1, largest - 1]]], dtype)
    product = keep({"V": (array, {"nodata": float(largest - 1)})}, Affine(1, 0, 0, 0, -1, 2))
    found = product.statistics(shapely.box(0, 0, 2, 2), reducers=("sum", "mode")).isel(zone=0, time=0)
    assert (found["sum"], found["mode"], found["valid"]) == (2 * largest, largest, 2)


def test_no_data_is_a_stored_number_not_a_physical_one(keep):
    """python test_nodata_scale_offset: 2 * -499 - 1 = -999 is a value."""
    array = np.array([[[1, 2, 3], [NA, NA, NA], [4, 5, -499]]], "int16")
    product = keep({"V": (array, {"nodata": NA, "scale": 2, "offset": -1})}, Affine(1, 0, 0, 0, -1, 3))
    found = product.statistics(shapely.box(0, 0, 3, 3), reducers=("sum", "min", "max")).isel(zone=0, time=0)
    assert (found["valid"], found["sum"], found["min"], found["max"]) == (6, 1 + 3 + 5 + 7 + 9 - 999, -999, 9)


def test_features_keep_ids_and_equal_ones_their_rows(product):
    """python test_include_cols."""
    frame = gpd.GeoDataFrame(
        {"name": ["apple", "pear"]}, index=["1", "2"], geometry=[SQUARE] * 2, crs="EPSG:4326"
    )
    found = product.statistics(frame, time=str(product.times[0]), variable="U8")
    assert found["zone"].values.tolist() == ["1", "2"]
    assert found["name"].values.tolist() == ["apple", "pear"]
    assert found["count"].values.ravel().tolist() == [4, 4]


def test_a_line_counts_the_pixels_it_touches(extract):
    """C++ "Basic rectangular line": exactextract weighs by length; we count, as GDAL does (rasterstats)."""
    ring = extract("nine", "LINESTRING (0.5 0.5, 2.5 0.5, 2.5 2.5, 0.5 2.5, 0.5 0.5)", "sum")
    assert (ring["valid"], ring["sum"]) == (8, 40)
    line = extract("nine", "LINESTRING (0.5 0.5, 2.5 0.5, 2.5 2.5, 0.5 2.5)", "sum")
    assert (line["valid"], line["sum"]) == (7, 36)


def test_a_point_is_the_pixel_it_lies_in(extract):
    """python test_point_geom: exactextract refuses points."""
    assert extract("nine", shapely.Point(1.5, 1.5), "mean")["mean"] == 5


def test_statistics_of_two_polygons_combine(extract):
    """C++ "Stats are combined": of values 1, 3, 5 ... 199, south-west and north-east."""
    both = shapely.union_all([shapely.box(0, 0, 5, 5), shapely.box(5, 5, 10, 10)])
    found = extract("odd", both, "max", "mean", "min", "mode", "p30", "sum")
    values = np.arange(1, 201, 2).reshape(N, N)
    values = np.concatenate([values[5:, :5].ravel(), values[:5, 5:].ravel()])
    expected = {
        "valid": 50, "max": values.max(), "mean": values.mean(), "min": values.min(), "mode": values.min(),
        "p30": np.percentile(values, 30), "sum": values.sum(),
    }  # fmt: skip
    assert {name: float(found[name]) for name in expected} == pytest.approx(expected, rel=1e-14)


CELLS = [
    ("Basic rectangle", SQUARE.wkt, [[0.25, 0.5, 0.25], [0.5, 1, 0.5], [0.25, 0.5, 0.25]]),
    (
        "Basic rectangle with GeometryCollection",
        "GEOMETRYCOLLECTION (MULTIPOLYGON (((0.5 0.5, 1.5 0.5, 1.5 1.5, 0.5 1.5, 0.5 0.5)),"
        " ((1.5 1.5, 2.5 1.5, 2.5 2.5, 1.5 2.5, 1.5 1.5))),"
        " POLYGON ((0.5 1.5, 1.5 1.5, 1.5 2.5, 0.5 2.5, 0.5 1.5)),"
        " POLYGON ((1.5 0.5, 2.5 0.5, 2.5 1.5, 1.5 1.5, 1.5 0.5)))",
        [[0.25, 0.5, 0.25], [0.5, 1, 0.5], [0.25, 0.5, 0.25]],
    ),
    (
        "Basic non-rectangle",
        "POLYGON ((0.5 0.5, 2.5 0.5, 2.5 2.0, 2.0 2.0, 2.0 2.5, 0.5 2.5, 0.5 0.5))",
        [[0.25, 0.5, 0], [0.5, 1, 0.5], [0.25, 0.5, 0.25]],
    ),
    ("Small polygon optimization", "POLYGON ((0.5 0.5, 0.6 0.5, 0.6 0.6, 0.5 0.5))", [[0.005]]),
    (
        "Geometry extent larger than raster",  # four rasters of 3 x 3 pixels there, four chunks here
        "POLYGON ((0.5 0.5, 4.5 0.5, 4.5 5.5, 0.5 5.5, 0.5 0.5))",
        [
            [0.25, 0.5, 0.5, 0.5, 0.25],
            *[[0.5, 1, 1, 1, 0.5]] * 4,
            [0.25, 0.5, 0.5, 0.5, 0.25],
        ],
    ),
    (
        "Diagonals",
        "POLYGON ((1.5 0.5, 2.5 1.5, 1.5 2.5, 0.5 1.5, 1.5 0.5))",
        [[0, 0.25, 0], [0.25, 1, 0.25], [0, 0.25, 0]],
    ),
    (
        "Starting on cell boundary",
        "POLYGON ((1 1.5, 1.5 1.5, 1.5 0.5, 0.5 0.5, 0.5 1.5, 1 1.5))",
        [[0.25, 0.25], [0.25, 0.25]],
    ),
    (
        "Bouncing off boundary",  # one row further north
        "POLYGON ((0.5 2.5, 0.5 1.5, 0.5 1, 1.5 1.5, 1.5 2.5, 0.5 2.5))",
        [[0.25, 0.25], [0.4375, 0.3125], [0, 0]],
    ),
    (
        "Bouncing off boundary (2)",  # its area, by hand: there is no number in the original
        "POLYGON ((0.5 0.5, 1.5 0.5, 1.5 1.5, 0.5 1.5, 1 1.2, 0.5 0.5))",
        None,
    ),
    (
        "Follows grid boundary",
        "POLYGON ((0.5 0.5, 2 0.5, 2 1.5, 2 2.5, 0.5 2.5, 0.5 0.5))",
        [[0.25, 0.5, 0], [0.5, 1, 0], [0.25, 0.5, 0]],
    ),
    (
        "Starts on vertical boundary, moving up",
        "POLYGON ((3 0.5, 3 2.5, 0.5 2.5, 0.5 0.5, 3 0.5))",
        [[0.25, 0.5, 0.5], [0.5, 1, 1], [0.25, 0.5, 0.5]],
    ),
    (
        "Starts on vertical boundary, moving down",
        "POLYGON ((0.5 2.5, 0.5 0.5, 3 0.5, 3 2.5, 0.5 2.5))",
        [[0.25, 0.5, 0.5], [0.5, 1, 1], [0.25, 0.5, 0.5]],
    ),
    (
        "Starts on horizontal boundary, moving right",
        "POLYGON ((0.5 1, 2.5 1, 2.5 3.5, 0.5 3.5, 0.5 1))",
        [[0.25, 0.5, 0.25], [0.5, 1, 0.5], [0.5, 1, 0.5], [0, 0, 0]],
    ),
    (
        "Starts on horizontal boundary, moving left",
        "POLYGON ((2.5 3, 0.5 3, 0.5 3.5, 0.25 3.5, 0.25 0.5, 2.5 0.5, 2.5 3))",
        [[0.125, 0, 0], [0.75, 1, 0.5], [0.75, 1, 0.5], [0.375, 0.5, 0.25]],
    ),
    ("Small polygon", "POLYGON ((0.3 0.3, 0.4 0.3, 0.4 0.4, 0.3 0.4, 0.3 0.3))", [[0.01]]),
    (
        "Fill handled correctly",
        "POLYGON ((0.5 0.2, 2.2 0.2, 2.2 0.4, 0.7 0.4, 0.7 2.2, 2.2 2.2, 2.2 0.6, 2.4 0.6, 2.4 4.8, 0.5 4.8,"
        " 0.5 0.2))",
        [[0.4, 0.8, 0.32], [0.5, 1, 0.4], [0.44, 0.8, 0.36], [0.2, 0, 0.2], [0.22, 0.2, 0.12]],
    ),
    (
        "Result indexing is correct",  # half as wide pixels there
        "POLYGON ((0.5 0.20, 5.5 0.20, 5.5 4.5, 0.5 4.5, 0.5 0.20))",
        [[0.25, *[0.5] * 4, 0.25], *[[0.5, *[1] * 4, 0.5]] * 3, [0.4, *[0.8] * 4, 0.4]],
    ),
    (
        "Test multi-traversal area calculations",  # test_cell.cpp: pieces of one cell, 20 units wide
        "MULTIPOLYGON (((0 0, 0.25 0, 0.25 0.25, 0 0.25, 0 0)), ((0.65 0, 1 0, 1 0.25, 0.9 0.25, 0.9 0.5,"
        " 1 0.5, 1 1, 0.65 1, 0.65 0)))",
        [[(25 + 140 - 10) / 400]],
    ),
    ("Robustness regression test #5", shapely.Point(2, 2).buffer(1, quad_segs=30).wkt, None),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore:1 feature was repaired")  # parts that share an edge
@pytest.mark.parametrize(("shape", "expected"), [case[1:] for case in CELLS], ids=[case[0] for case in CELLS])
def test_fractions_of_cells(product, shape, expected):
    """C++ test_raster_cell_intersection: on a raster where each pixel has a value of its own."""
    found = one(product, "cells", shape, "histogram", variable="U8")
    fractions = found["histogram"].sel(bin=np.arange(100)).values.reshape(N, N)
    assert float(found["valid"]) == pytest.approx(shapely.from_wkt(shape).area, rel=1e-10)
    if expected is not None:
        np.testing.assert_allclose(fractions, corner(expected, 0.0), rtol=0, atol=1e-11)


def test_entirely_outside(product):
    """C++ "Geometry entirely outside raster"."""
    with pytest.raises(OutsideError):
        one(
            product,
            "cells",
            "POLYGON ((11.5 10.5, 12.5 11.5, 11.5 12.5, 10.5 11.5, 11.5 10.5))",
            variable="U8",
        )


def test_a_sliver_has_no_more_than_its_area(keep):
    """C++ "Robustness regression test #7": area 1 m2 on pixels of 100 m."""
    shape = shapely.from_wkt(
        "POLYGON ((492094.9283999996 5816959.8553, 492374.9335527361 5816811.352641133,"
        " 492374.9335527363 5816811.352641133, 492094.9283999996 5816959.8553))"
    )
    product = keep(
        {"V": np.zeros((1, 50, 50), "uint8")}, Affine(100, 0, 487800, 0, -100, 5818800), crs="EPSG:32633"
    )
    sliver = gpd.GeoSeries([shape], crs="EPSG:32633")
    found = product.statistics(gpd.GeoSeries([shape.buffer(0.5)], crs="EPSG:32633"))
    assert float(found["count"].sum()) == pytest.approx(shape.buffer(0.5).area / 1e4, rel=1e-6)
    try:
        assert 0 <= float(product.statistics(sliver)["count"].sum()) <= 1e-4
    except OutsideError:
        pass  # its area is rounding


def cells_of(weights):
    """A multipolygon that covers so much of each pixel of the topmost row."""
    return shapely.MultiPolygon([shapely.box(c, 10 - w, c + 1, 10) for c, w in enumerate(weights) if w > 0])


def test_variance_of_equally_weighted_observations(product):
    """C++ "Variance calculations ... equally-weighted observations", with the quantiles (R type 7)."""
    found = one(
        product,
        "nine",
        shapely.box(0, 9, 8, 10),
        "std",
        "var",
        "p0",
        "p25",
        "p50",
        "p75",
        "p100",
        variable="REAL",
    )
    expected = {
        "std": 32.80967, "var": 1076.474, "p0": -12.7, "p25": 2.6, "p50": 5.9, "p75": 9.425, "p100": 100.4,
    }  # fmt: skip
    assert {name: float(found[name]) for name in expected} == pytest.approx(expected, rel=1e-6)


@pytest.mark.filterwarnings("ignore:1 feature was repaired")
def test_variance_of_unequally_weighted_observations(product):
    """C++ "Variance calculations are correct for unequally-weighted observations": numbers from R.

    Its quantiles (2.336667, 4.496774, 9.382437) interpolate between observations, whatever they weigh; ours
    are means of the sorted step function over one pixel, here written out.
    """
    weights = [1.0, 0.1, 1.0, 0.2, 0.44, 0.3, 0.3, 0.83, 0]
    shape = cells_of(weights)
    found = one(product, "nine", shape, "std", "var", "mean", "p0", "p25", "p50", "p100", variable="REAL")
    for name, number in {"std": 25.90092, "var": 670.8578, "mean": 25.90092 / 2.478301}.items():
        assert float(found[name]) == pytest.approx(number, rel=1e-6), name
    order = np.argsort(OBSERVED[:8])
    steps, ends = OBSERVED[order].astype(float), np.cumsum(np.array(weights[:8])[order])
    for p in (0, 25, 50, 100):
        x = p / 100 * (ends[-1] - 1) + (np.arange(200_000) + 0.5) / 200_000
        expected = steps[np.searchsorted(ends, x).clip(max=7)].mean()
        assert float(found[f"p{p}"]) == pytest.approx(expected, abs=2e-3), p


def test_variance_of_a_few_weighted_observations(product):
    """C++ "Variance calculations ..., initial zeros": 7, 8, 9 with 0.25, 0.5, 0.25."""
    found = one(product, "nine", shapely.box(0.5, 0.5, 2.5, 1), "std", "var", "mean", variable="U8")
    assert (found["var"], found["mean"]) == (0.5, 8)
    assert float(found["std"]) == pytest.approx(0.7071068, rel=1e-7)
