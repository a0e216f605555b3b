"""Zones of every kind: a tenth of a pixel, a continent, across tiles, antimeridian and pole, by thousands."""

from itertools import pairwise

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from exactextract import exact_extract
from exactextract.raster import NumPyRasterSource
from pyproj import Geod
from rasterio.features import geometry_mask

import probav
from probav.places import countries
from probav.products.custom import from_dict

WORLD = Affine(1, 0, -180, 0, -1, 90)
GEOD = Geod(ellps="WGS84")


@pytest.fixture(scope="module")
def globe():
    """Two dates of the whole world in degrees, an eighth of it without data on the second."""
    random = np.random.default_rng(12)
    array = random.integers(0, 251, (2, 180, 360), "uint8")
    array[1, random.random((180, 360)) < 1 / 8] = 255
    return array


@pytest.fixture(scope="module")
def world_product(keep, globe):
    return keep({"V": (globe, {"nodata": 255, "valid": [0, 250]})}, WORLD, cut=(2, 70))


def row(product, shapes, *reducers, **options):
    found = product.statistics(shapes, reducers=reducers or ("mean",), **options)
    return found.isel(zone=0, time=0)


def check_brute(found, pieces, array, transform=WORLD):
    """The sums that shapely's intersections with every pixel give; pieces in columns and rows."""
    height, width = array.shape
    area = np.zeros(array.shape)
    corners = np.meshgrid(np.arange(width), np.arange(height))
    pixels = shapely.box(*corners, corners[0] + 1, corners[1] + 1)
    for piece in pieces:
        shape = shapely.transform(piece, lambda xy: np.column_stack(~transform @ xy.T))
        tree = shapely.STRtree(pixels.ravel())
        hit = tree.query(shape)
        area.ravel()[hit] += shapely.area(shapely.intersection(pixels.ravel()[hit], shape))
    good = array != 255
    assert float(found["valid"]) == pytest.approx(area[good].sum(), rel=1e-9)
    assert float(found["nodata"]) == pytest.approx(area[~good].sum(), rel=1e-9, abs=1e-9)
    assert float(found["mean"]) == pytest.approx(np.average(array[good], weights=area[good]), rel=1e-9)
    return area


def test_one_pixel_and_a_tenth_of_one(world_product, globe):
    pixel = shapely.box(10, 50, 11, 51)
    value = globe[0, 39, 190]
    for rule in ("fraction", "centre"):
        found = row(world_product, pixel, "mean", "p10", "std", coverage=rule)
        assert [float(found[name]) for name in ("count", "mean", "p10", "std")] == [1, value, value, 0]
    tenth = row(world_product, shapely.box(10.2, 50.1, 10.4, 50.6), "mean", "p90", "sum", "std")
    expected = [0.1, value, value, 0.1 * value]
    assert [float(tenth[name]) for name in ("count", "mean", "p90", "sum")] == pytest.approx(
        expected, rel=1e-9
    )
    assert float(tenth["std"]) == 0
    shared = row(world_product, shapely.box(10.95, 50.4, 11.05, 51.4), "mean", "sum")
    pair = globe[0, 38:40, 190:192].astype(float)
    weights = np.outer([0.4, 0.6], [0.05, 0.05])
    assert float(shared["sum"]) == pytest.approx((pair * weights).sum(), rel=1e-9)


def test_a_continent_over_a_sparse_archive(keep):
    """A small window of a grid of the world, and a polygon as large as Africa."""
    grid = {"x0": -179.95, "y0": 79.95, "nx": 10, "ny": 10, "width": 3600, "height": 1400}
    array = np.arange(40 * 50, dtype="int16").reshape(1, 40, 50)
    product = keep({"V": array}, Affine(0.1, 0, 20, 0, -0.1, 4), grid=grid)
    outline = [(-17, 15), (-5, 36), (11, 37), (33, 31), (51, 12), (40, -16), (20, -35), (12, -10), (9, 4)]
    africa = shapely.Polygon(outline)
    found = row(product, africa, "mean", "sum")
    assert float(found["valid"]) == 2000
    assert float(found["mean"]) == array.mean()
    assert float(found["count"]) == pytest.approx(africa.area * 100, rel=1e-9)
    assert float(found["outside"]) == pytest.approx(africa.area * 100 - 2000, rel=1e-9)
    centre = row(product, africa, coverage="centre")
    burnt = ~geometry_mask([africa], (1400, 3600), Affine(0.1, 0, -180, 0, -0.1, 80))
    assert (centre["valid"], centre["count"]) == (2000, burnt.sum())


def test_zones_across_two_tiles(tmp_path):
    """Two neighbouring tiles, taken in from GeoTIFF files, are one image to a zone; a third is not there."""
    definition = from_dict({
        "id": "TILED", "title": "tiles", "cadence": "day", "citation": "none", "licence": "none",
        "pattern": r"(?P<layer>[A-Z])_(?P<tile>h\d)_(?P<date>\d{8})",
        "grid": {"x0": 0.5, "y0": 29.5, "nx": 1, "ny": 1, "width": 90, "height": 30, "crs": "EPSG:4326"},
        "variables": {"V": {"dtype": "int16", "long_name": "value", "nodata": -1}},
    })  # fmt: skip
    whole = np.random.default_rng(1).integers(0, 3000, (2, 30, 90)).astype("int16")
    whole[:, :4, 25:35] = -1
    (tmp_path / "in").mkdir()
    for t, tile in ((0, 0), (0, 1), (1, 0), (1, 1)):
        with rasterio.open(
            tmp_path / "in" / f"V_h{tile}_2020010{t + 1}.tif", "w", driver="GTiff", dtype="int16", count=1,
            width=30, height=30, crs="EPSG:4326", transform=Affine(1, 0, 30 * tile, 0, -1, 30), nodata=-1,
        ) as file:  # fmt: skip
            file.write(whole[t, :, 30 * tile : 30 * tile + 30], 1)
    report = probav.ingest(tmp_path / "archive", tmp_path / "in", product=definition)
    assert (report.taken, report.rejected) == (4, [])
    product = probav.open_archive(tmp_path / "archive")["TILED"]
    zone = shapely.Point(30, 15).buffer(14.3).union(shapely.box(50, 5, 65, 8))
    found = product.statistics(zone, reducers=("mean", "median", "sum"), coverage="centre")
    inside = ~geometry_mask([zone], (30, 90), Affine(1, 0, 0, 0, -1, 30))
    for t in range(2):
        values = whole[t][inside & (np.arange(90) < 60)]
        own = found.isel(zone=0, time=t)
        assert float(own["valid"]) == (values >= 0).sum()
        assert float(own["nodata"]) == (values < 0).sum()
        assert float(own["outside"]) == inside[:, 60:].sum() > 0
        assert float(own["median"]) == np.median(values[values >= 0])
        assert float(own["sum"]) == values[values >= 0].sum()


@pytest.mark.parametrize("t", [0, 1])
def test_across_the_antimeridian(world_product, globe, t):
    """A box from 179.9 to -179.9, and one of 30 degrees, are their two parts' sums."""
    for west, south, east, north in ((179.9, -17.7, -179.9, -16.2), (165.3, 10.25, -164.6, 41.5)):
        parts = [shapely.box(west, south, 180, north), shapely.box(-180, south, east, north)]
        found = world_product.statistics((west, south, east, north), reducers=("mean", "sum", "p50"))
        area = check_brute(found.isel(zone=0, time=t), parts, globe[t])
        beyond = shapely.box(west, south, east + 360, north)  # the same in longitudes beyond 180
        for shape in (beyond, shapely.transform(beyond, lambda xy: xy - [360, 0]), shapely.union_all(parts)):
            again = world_product.statistics(shape, reducers=("mean", "sum", "p50"))
            np.testing.assert_allclose(again["mean"], found["mean"], rtol=1e-9)
            np.testing.assert_allclose(again["count"], area.sum(), rtol=1e-9)


def test_bilinear_across_the_antimeridian(world_product, globe):
    x, y = np.array([179.5, 179.75, 180, -180, -179.75, -179.5]), 12.3
    points = gpd.GeoSeries.from_xy(x, np.full(6, y), crs="EPSG:4326")
    found = world_product.statistics(points, coverage="bilinear", reducers="mean").isel(time=0)
    beside = globe[0, 77:79, [359, 0]].T.astype(float)  # centres at 12.5 and 11.5
    rows = beside[0] * 0.8 + beside[1] * 0.2
    expected = [rows[0] * (1 - part) + rows[1] * part for part in (0, 0.25, 0.5, 0.5, 0.75, 1)]
    np.testing.assert_allclose(found["mean"], expected, rtol=1e-9)
    assert (found["outside"] == 0).all()


@pytest.mark.parametrize("rule", ["centre", "touched"])
def test_whole_pixels_and_lines_across_the_antimeridian(world_product, globe, rule):
    line = shapely.LineString([(170.3, 3.2), (195.4, 17.9)])
    for shape in (
        shapely.Point(181.3, 3.3).buffer(20.2),
        line,
        shapely.MultiPoint([(179.2, 1), (180.7, 1.2)]),
    ):
        touched = rule == "touched" or shape.area == 0
        twice = ~geometry_mask([shape], (180, 720), WORLD, all_touched=touched)
        found = row(world_product, shape, "sum", coverage=rule)
        weights = twice[:, :360].astype(int) + twice[:, 360:]
        assert float(found["count"]) == weights.sum()
        assert float(found["sum"]) == (weights * globe[0].astype(int)).sum()


def test_fiji_on_both_sides(world_product, globe):
    """The polygon of exactextract's "Regression test - Fiji", whose parts end at 180 and -180."""
    fiji = shapely.from_wkt(
        "MULTIPOLYGON (((178.3736 -17.33992, 178.71806 -17.62846, 178.55271 -18.15059, 177.93266 -18.28799,"
        " 177.38146 -18.16432, 177.28504 -17.72465, 177.67087 -17.38114, 178.12557 -17.50481,"
        " 178.3736 -17.33992)),"
        " ((179.364143 -16.801354, 178.725059 -17.012042, 178.596839 -16.63915, 179.096609 -16.433984,"
        " 179.413509 -16.379054, 180.00000000000003 -16.067133, 180.00000000000003 -16.555217,"
        " 179.364143 -16.801354)), ((-179.917369 -16.501783, -179.99999999999997 -16.555217,"
        " -179.99999999999997 -16.067133, -179.79332 -16.020882, -179.917369 -16.501783)))"
    )
    check_brute(row(world_product, fiji), shapely.get_parts(fiji), globe[0])


def test_the_seam_of_a_grid_of_pixel_centres(keep):
    """PROBA-V's first column is centred on -180: it reaches half a pixel to both sides of the seam."""
    random = np.random.default_rng(2)
    array = random.integers(0, 251, (1, 56, 360), "uint8")
    product = keep({"V": (array, {"nodata": 255})}, Affine(1, 0, -180.5, 0, -1, 30), cut=(1, 100))
    found = row(product, (179.9, 0, -179.9, 1), "mean", "sum")
    assert float(found["count"]) == pytest.approx(0.2, rel=1e-9)
    assert float(found["mean"]) == array[0, 29, 0]
    wide = row(product, (178, 0, -178, 1), "sum")
    shares = {357: 0, 358: 0.5, 359: 1, 0: 1, 1: 1, 2: 0.5}  # column 358 reaches from 177.5 to 178.5
    expected = sum(share * float(array[0, 29, column]) for column, share in shares.items())
    assert float(wide["sum"]) == pytest.approx(expected, rel=1e-9)
    points = gpd.GeoSeries.from_xy([180, -180, 179.6, -179.6, 179.4], [0.5] * 5, crs="EPSG:4326")
    values = product.statistics(points, reducers="mean")["mean"].values.ravel()
    assert values.tolist() == array[0, 29, [0, 0, 0, 0, 359]].tolist()


def test_up_to_the_poles(world_product, globe):
    """Rows that end at 90 degrees, and beyond the grid nothing."""
    for shape, rows in ((shapely.box(-180, 88, 180, 90), [0, 1]), (shapely.box(-180, -90, 180, -89), [179])):
        found = row(world_product, shape, "mean", "area", "sum")
        assert float(found["valid"]) == 360 * len(rows)
        assert found["outside"] == 0
        assert float(found["sum"]) == globe[0, rows].sum()
        area = abs(GEOD.geometry_area_perimeter(shapely.segmentize(shape, 0.01))[0]) / 1e6
        assert float(found["area"]) == pytest.approx(area, rel=1e-6)
    whole = row(world_product, shapely.box(-180, -90, 180, 90), "mean", "area")
    assert float(whole["area"]) == pytest.approx(510_065_621.724, rel=1e-9)  # km2, WGS 84
    good = globe[0]
    weights = np.broadcast_to(np.cos(np.radians(89.5 - np.arange(180)))[:, None], good.shape)
    weighed = row(world_product, shapely.box(-180, -90, 180, 90), weights="area")
    assert float(weighed["mean"]) == pytest.approx(np.average(good, weights=weights), rel=1e-9)
    assert float(weighed["count"]) == pytest.approx(weights.sum(), rel=1e-9)


def test_areas_are_those_of_the_ellipsoid(keep):
    """Boxes of whole pixels against geodesic areas; parallels are no geodesics, so edges are cut fine."""
    array = np.full((1, 40, 50), 9, "uint8")
    array[0, 3, 4] = 255
    transform = Affine(1 / 8, 0, 4, 0, -1 / 8, 52)
    product = keep({"V": (array, {"nodata": 255}), "C": (array // 2, {"kind": "categorical"})}, transform)
    shapes = [shapely.box(4, 47, 10.25, 52), shapely.box(5, 48.5, 5.125, 48.625), shapely.box(6, 50, 7.5, 51)]
    zones = gpd.GeoSeries(shapes, crs="EPSG:4326")
    found = product.statistics(zones, reducers="area")["area"][:, 0]

    def geodesic(shape):
        return abs(GEOD.geometry_area_perimeter(shapely.segmentize(shape, 1e-3))[0]) / 1e6

    missing = geodesic(shapely.box(4.5, 51.5, 4.625, 51.625))  # the pixel without data
    expected = [geodesic(shapes[0]) - missing, geodesic(shapes[1]), geodesic(shapes[2])]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    half = row(product, shapely.box(6, 50, 7.4375, 51), "area")
    assert float(half["area"]) == pytest.approx(geodesic(shapely.box(6, 50, 7.4375, 51)), rel=1e-6)
    split = product.statistics(zones, by="C", reducers="area", mask="v == 9")["area"][:, :, 0]
    np.testing.assert_allclose(split.sum("class"), found, rtol=1e-12)
    metric = keep({"V": array}, Affine(30, 0, 500_000, 0, -30, 5_600_000), crs="EPSG:32631")
    square = gpd.GeoSeries([shapely.box(500_300, 5_599_400, 500_600, 5_599_700)], crs="EPSG:32631")
    assert row(metric, square, "area")["area"].item() == pytest.approx(0.09, rel=1e-5)


def test_ten_thousand_parcels_in_one_call(world_product, globe):
    random = np.random.default_rng(5)
    x, y = random.uniform(-179, 178, 10_000), random.uniform(-89, 88, 10_000)
    shapes = shapely.box(x, y, x + random.uniform(0.02, 1.9, 10_000), y + random.uniform(0.02, 1.9, 10_000))
    names = [f"parcel {number}" for number in random.permutation(10_000)]
    frame = gpd.GeoDataFrame({"name": names}, index=names, geometry=shapes, crs="EPSG:4326")
    found = world_product.statistics(frame, reducers=("mean", "p50"))
    assert found["zone"].values.tolist() == names
    np.testing.assert_allclose(found["count"][:, 0], shapely.area(shapes), rtol=1e-8)
    for t in range(2):
        values = np.where(globe[t] == 255, np.nan, globe[t].astype(float))
        source = NumPyRasterSource(values, -180, -90, 180, 90, nodata=np.nan, srs_wkt=frame.crs.to_wkt())
        their = exact_extract(source, frame, ["count", "mean"], output="pandas")
        np.testing.assert_allclose(found["valid"][:, t], their["count"], atol=1e-6)
        some = their["count"] > 1e-3
        np.testing.assert_allclose(found["mean"][some.to_numpy(), t], their["mean"][some], rtol=1e-4)
        assert found["mean"][their["count"].to_numpy() == 0, t].isnull().all()


def test_all_countries_in_one_call(world_product, globe):
    frame = countries()
    assert len(frame) > 230
    shuffled = frame.sample(frac=1, random_state=3)
    found = world_product.statistics(shuffled, coverage="centre", reducers=("mean", "max"))
    assert found["zone"].values.tolist() == list(probav.aoi(shuffled).frame.index)
    assert found["name"].values.tolist() == shuffled["name"].tolist()
    small = 0
    for z, shape in enumerate(shuffled.geometry):
        inside = ~geometry_mask([shape], (180, 360), WORLD)
        values = globe[0][inside]
        assert float(found["valid"][z, 0]) == len(values), shuffled["name"].iloc[z]
        if len(values):
            assert float(found["mean"][z, 0]) == pytest.approx(values.mean(), rel=1e-12)
            assert float(found["max"][z, 0]) == values.max()
        else:
            small += 1
    assert small > 30  # under the centre rule; by covered parts each has a number
    fractions = world_product.statistics(shuffled, reducers="mean")
    assert fractions["mean"][:, 0].notnull().all()


def test_lines_are_the_pixels_they_touch(world_product, globe):
    random = np.random.default_rng(6)
    lines = [
        shapely.LineString(random.uniform([-175, -85], [175, 85], (random.integers(2, 6), 2)))
        for _ in range(40)
    ]
    lines += [shapely.MultiLineString([[(0.5, 0.5), (9.5, 9.25)], [(20.2, 3), (20.4, 40)]])]
    zones = gpd.GeoSeries(lines, crs="EPSG:4326")
    for rule in ("fraction", "centre", "touched"):
        found = world_product.statistics(zones, coverage=rule, reducers=("mean", "p50"))
        for z, line in enumerate(lines):
            touched = ~geometry_mask([line], (180, 360), WORLD, all_touched=True)
            values = globe[0][touched]
            assert float(found["valid"][z, 0]) == len(values), (z, rule)
            assert float(found["mean"][z, 0]) == pytest.approx(values.mean(), rel=1e-12)
            assert float(found["p50"][z, 0]) == np.median(values)


def test_points_are_nearest_or_bilinear(world_product, globe):
    """Bilinear as NumPy interpolates along columns, then along rows; pixels without a value left out."""
    random = np.random.default_rng(7)
    x, y = random.uniform(-178, 178, 300), random.uniform(-88, 88, 300)
    x[:40], y[:40] = np.round(x[:40] * 2) / 2, np.round(y[:40] * 2) / 2  # centres and edges
    points = gpd.GeoSeries.from_xy(x, y, crs="EPSG:4326")
    nearest = world_product.statistics(points, reducers="mean")["mean"]
    expected = globe[0, np.floor(90 - y).astype(int), np.floor(x + 180).astype(int)]
    np.testing.assert_array_equal(nearest[:, 0], expected)
    found = world_product.statistics(points, coverage="bilinear", reducers=("mean", "min", "max"))
    for t in range(2):
        for z in range(300):
            column, line = x[z] + 180 - 0.5, 90 - y[z] - 0.5
            c, r = int(np.floor(column)), int(np.floor(line))
            block = globe[t, r : r + 2, c : c + 2].astype(float)
            block[block == 255] = np.nan
            if np.isfinite(block).all():
                along = [np.interp(column, [c, c + 1], values) for values in block]
                expected = np.interp(line, [r, r + 1], along)
            else:
                weights = np.outer([r + 1 - line, line - r], [c + 1 - column, column - c])
                good = np.isfinite(block)
                total = weights[good].sum()
                expected = (weights[good] * block[good]).sum() / total if total > 1e-9 else np.nan
            assert float(found["mean"][z, t]) == pytest.approx(expected, rel=1e-9, nan_ok=True), (z, t)
    np.testing.assert_allclose(found["count"], 1, rtol=1e-12)


def test_several_points_of_a_feature_share_pixels(world_product, globe):
    points = shapely.MultiPoint([(10.2, 50.3), (10.7, 50.9), (11.5, 50.5)])
    found = row(world_product, points, "mean")
    assert float(found["valid"]) == 2  # two of them lie in one pixel
    assert float(found["mean"]) == globe[0, 39, 190:192].mean()
    sums = row(world_product, points, "sum", coverage="bilinear")
    singles = [row(world_product, point, "sum", coverage="bilinear")["sum"].item() for point in points.geoms]
    assert float(sums["sum"]) == pytest.approx(sum(singles), rel=1e-9)


def test_rings_of_zones_add_up(world_product, globe):
    """Disjoint rings round a point: together they are the whole disc, whatever their holes."""
    radii = np.linspace(0, 60, 25)[1:]
    discs = [shapely.Point(3.3, 1.7).buffer(radius, quad_segs=64) for radius in radii]
    rings = [discs[0], *(outer.difference(inner) for inner, outer in pairwise(discs))]
    found = world_product.statistics(gpd.GeoSeries(rings, crs="EPSG:4326"), reducers=("sum", "histogram"))
    whole = row(world_product, discs[-1], "sum", "histogram")
    assert float(found["sum"][:, 0].sum()) == pytest.approx(float(whole["sum"]), rel=1e-9)
    np.testing.assert_allclose(found["histogram"][:, 0].sum("zone"), whole["histogram"], atol=1e-8)
    check_brute(row(world_product, discs[-1]), [discs[-1]], globe[0])
