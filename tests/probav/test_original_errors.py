"""Errors of the original platform's notebooks, and of what users of peers report: the wrong number, and ours.

The first part goes through the errors found in the notebooks of 2017 to 2021, the second through issues of
peers (repository#number). Each test computes the wrong way as it was done, and then asks probav.
"""

import itertools
import json

import geopandas as gpd
import netCDF4
import numpy as np
import pytest
import rasterio
import shapely
import xarray as xr
from affine import Affine
from pyproj import Geod

import probav

S10 = "PROBAV_L3_S10_TOC_333M"
CENTRE = {"coverage": "centre"}
MONTHS = ["2017-01", "2017-02", "2017-03"]
# dekads are dated with their last day in these products' names
DEKADS = {
    "2017-01-01": "0110",
    "2017-01-11": "0120",
    "2017-01-21": "0131",
    "2017-02-01": "0210",
    "2017-03-21": "0331",
}
WEST, NORTH, SIZE = 5.0, 51.0, 48
AREAS = [(4, 4, 40, 40), (0, 0, 9, 3), (20, 41, 25, 47), (41, 2, 47, 3), (0, 44, 3, 47)]  # columns and rows


@pytest.fixture(scope="module")
def seasons(sources, tmp_path_factory):
    """Three dekads of PROBA-V, taken in from the last to the first."""
    folder, url = tmp_path_factory.mktemp("seasons"), str(tmp_path_factory.mktemp("archive") / "archive")
    random = np.random.default_rng(8)
    for number, date in enumerate(["2015-03-01", "2015-02-11", "2015-01-21"]):
        layers = sources.s10_arrays(random)
        layers["SM"][:] = 248
        layers["NDVI"][:] = 200 - 50 * number  # a season that goes up
        layers["NDVI"][:20, :20] = 249
        layers["NDVI"][:20, :2] = 248  # on average 248.9
        sources.write_s10(folder / date, date, layers)
        probav.ingest(url, folder / date)
    product = probav.open_archive(url)[S10]
    transform = sources.transform_of(S10)
    field = shapely.box(*(transform @ (0.25, 19.75)), *(transform @ (19.75, 0.25)))
    return product, field


def write_cgls(path, name, array):
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("lat", SIZE)
        file.createDimension("lon", SIZE)
        file.createVariable("lon", "f8", ("lon",))[:] = WEST + np.arange(SIZE) / 336
        file.createVariable("lat", "f8", ("lat",))[:] = NORTH - np.arange(SIZE) / 336
        variable = file.createVariable(name, "u1", ("lat", "lon"), fill_value=255)
        variable.set_auto_maskandscale(False)
        variable.scale_factor, variable.add_offset = np.float32(1 / 250), np.float32(0)
        variable[:] = array


@pytest.fixture(scope="module")
def vegetation(tmp_path_factory):
    """FAPAR and FCOVER of some dekads of 2017, with clouds (255): the archive and the stored numbers."""
    folder, url = tmp_path_factory.mktemp("cgls"), str(tmp_path_factory.mktemp("archive") / "archive")
    random = np.random.default_rng(17)
    arrays = {"FAPAR": [], "FCOVER": []}
    for name, dates in arrays.items():
        for number, last in enumerate(DEKADS.values()):
            array = (random.random((SIZE, SIZE)) * 60 + 100 + 30 * (name == "FCOVER") + 5 * number).astype(
                "u1"
            )
            array[random.random((SIZE, SIZE)) < 0.12 * number] = 255
            dates.append(array)
            write_cgls(folder / f"c_gls_{name}300_2017{last}0000_AFRI_PROBAV_V1.0.1.nc", name, array)
    report = probav.ingest(url, folder)
    assert (report.taken, report.rejected) == (10, [])
    return probav.open_archive(url), {name: np.stack(dates) for name, dates in arrays.items()}


def boxes():
    """Features of very different sizes, in whole pixels."""
    west, north = WEST - 0.5 / 336, NORTH + 0.5 / 336
    shapes = [
        shapely.box(west + left / 336, north - bottom / 336, west + right / 336, north - top / 336)
        for left, top, right, bottom in AREAS
    ]
    return gpd.GeoSeries(shapes, crs="EPSG:4326")


def test_1_ndvi_has_an_offset(seasons):
    """The Scala demo divides by 250 and leaves the offset of -0.08 out."""
    product, field = seasons
    dn = product.load(field, "2015-03", keep_dn=True)["NDVI"].values[0, :20, :20]
    assert round(float(dn.mean()) / 250, 4) == 0.9956
    found = product.statistics(field, "2015-03", mask="clear & land", reducers="mean", **CENTRE)
    assert round(found["mean"].item(), 4) == 0.9156
    assert round(float(product.load(field, "2015-03")["NDVI"].mean()), 4) == 0.9156


def test_2_time_ascends_whatever_came_first(seasons):
    """The same notebook prepends to a list while it walks through the dates: its season runs backwards."""
    product, _ = seasons
    found = product.statistics((2.2, 49.2, 2.6, 49.3), reducers="mean")
    season = found["mean"][0].values
    backwards = []
    for value in season:
        backwards.insert(0, float(value))
    assert backwards == sorted(backwards, reverse=True)
    assert [str(day)[:10] for day in found["time"].values] == ["2015-01-21", "2015-02-11", "2015-03-01"]
    assert season.tolist() == pytest.approx([0.32, 0.52, 0.72], abs=1e-12)
    assert (np.diff(product.load()["time"].values) > np.timedelta64(0)).all()


def test_3_a_mean_over_areas_is_weighed_by_the_total_area(vegetation):
    """The trend notebook divides by the mean area, not the total: FAPAR of 5 and more; the limit is 1."""
    archive, arrays = vegetation
    product = archive["CGLS_FAPAR300_V1"]
    zones = boxes()
    found = product.statistics(zones, by_time="month", reducers="mean")
    areas = found["valid"]
    wrong = (found["mean"] * areas).sum("zone") / areas.mean("zone")
    assert (wrong > 2).all()
    right = (found["mean"] * areas).sum("zone") / areas.sum("zone")
    whole = product.statistics(zones.union_all(), by_time="month", reducers="mean")
    np.testing.assert_allclose(whole["mean"][0], right, rtol=1e-12)
    assert ((right > 0) & (right < 1)).all()
    months = [slice(0, 3), slice(3, 4), slice(4, 5)]
    for t, dekads in enumerate(months):
        dn = np.concatenate([arrays["FAPAR"][dekads, top:bottom, left:right_].ravel()
                             for left, top, right_, bottom in AREAS])  # fmt: skip
        assert float(right[t]) == pytest.approx(dn[dn != 255].mean() / 250, rel=1e-12)


def test_3_a_month_is_a_month(vegetation):
    """Its unit of time is 43,200 s and no month: dates are grouped by the calendar here."""
    product = vegetation[0]["CGLS_FAPAR300_V1"]
    found = product.statistics(boxes(), by_time="month", reducers="mean")
    assert [str(day)[:7] for day in found["time"].values] == MONTHS
    half_days = (product.times - product.times[0]) / np.timedelta64(43_200, "s")
    assert len(np.unique(half_days.astype(int))) == len(product.times) > len(MONTHS)
    assert float(found["count"][0, 0]) == pytest.approx(3 * 36 * 36)  # pixels times dekads of January


def test_4_fcover_is_called_fcover(vegetation):
    """The time series demo plots FCOVER and calls it NDVI."""
    archive, arrays = vegetation
    for name, title in (("FCOVER", "Fraction of green Vegetation Cover"), ("FAPAR", "Fraction of Absorbed")):
        product = archive[f"CGLS_{name}300_V1"]
        found = product.statistics(boxes()[:1], reducers="mean")
        assert found.attrs["variable"] == name
        assert title in found["mean"].attrs["long_name"]
        assert "NDVI" not in json.dumps(found.attrs)
        assert list(product.load().data_vars) == [name]
        dn = arrays[name][0, 4:40, 4:40]
        assert float(found["mean"][0, 0]) == pytest.approx(dn[dn != 255].mean() / 250, rel=1e-12)
        with pytest.raises(probav.errors.UnknownNameError):
            product.statistics(boxes(), variable="NDVI")


def test_5_pixels_are_the_products_own(keep):
    """A 0.01 degree square had 21,576 "pixels" of Web Mercator, where 7,770 real ones of 10 m lie."""
    west, south = 3.0, 51.16
    square = shapely.box(west, south, west + 0.01, south + 0.01)

    def mercator(latitude):
        return np.log(np.tan(np.pi / 4 + np.radians(latitude) / 2)) / (2 * np.pi) * 256 * 2**14

    wrong = 0.01 / 360 * 256 * 2**14 * (mercator(south + 0.01) - mercator(south))
    assert wrong == pytest.approx(21_576, rel=0.005)
    x, y = gpd.GeoSeries([square.centroid], crs="EPSG:4326").to_crs("EPSG:32631").get_coordinates().values[0]
    transform = Affine(10, 0, round(x, -1) - 1000, 0, -10, round(y, -1) + 1000)
    product = keep({"V": np.zeros((1, 200, 200), "uint8")}, transform, crs="EPSG:32631")
    found = product.statistics(square)
    metres = abs(Geod(ellps="WGS84").geometry_area_perimeter(square)[0])
    assert found["count"].item() == pytest.approx(
        metres / 100 * 0.9996**2, rel=1e-5
    )  # UTM's scale at 3 degrees
    assert found["count"].item() == pytest.approx(7_770, rel=0.005)
    assert product.statistics(square, **CENTRE)["count"].item() == pytest.approx(7_770, abs=50)


def test_6_dropping_dates_drops_all_of_them(vegetation):
    """A notebook deletes from a list while it goes through it, which skips every other one."""
    product = vegetation[0]["CGLS_FAPAR300_V1"]
    found = product.statistics(boxes()[1:2], mask="fapar > 0.55", reducers="mean").isel(zone=0)
    fractions = [float(value) for value in found["valid_fraction"].values]
    left = list(fractions)
    for index, value in enumerate(left):
        if value < 0.5:
            del left[index]
    assert any(value < 0.5 for value in left)
    kept = found.where(found["valid_fraction"] >= 0.5, drop=True)
    assert kept.sizes["time"] == sum(value >= 0.5 for value in fractions)


def test_6_what_is_masked_is_no_zero(vegetation):
    """Another writes numpy's masked constant into a plain array, where it becomes 0."""
    archive, arrays = vegetation
    product = archive["CGLS_FAPAR300_V1"]
    plain = np.zeros(3)
    plain[:] = [0.5, 0.6, 0.7]
    plain[1:2] = np.ma.masked
    assert plain.tolist() == [0.5, 0, 0.7]
    nothing = product.statistics(boxes(), mask="fapar > 0.99", reducers=("mean", "min", "sum", "p10"))
    for name in ("mean", "min", "sum", "p10"):
        assert nothing[name].isnull().all()
    assert (nothing["masked"] + nothing["nodata"] == nothing["count"]).all()
    found = product.statistics(boxes()[:1], mask="fapar > 0.5", reducers=("mean", "min"))
    assert (found["min"] > 0.5).all()
    pixels = product.load(boxes()[:1], mask="fapar > 0.5")["FAPAR"]
    assert float(pixels.min()) > 0.5
    assert (
        int(pixels[0].notnull().sum())
        == int(found["valid"][0, 0])
        == (arrays["FAPAR"][0, 4:40, 4:40] > 125).sum()
    )


def test_7_old_outputs_come_out_again(keep):
    """A notebook was committed with a failed import above old outputs; a snapshot gives its numbers again."""
    array = np.arange(4 * 9, dtype="uint8").reshape(4, 3, 3)
    transform, area = Affine(1, 0, 0, 0, -1, 3), shapely.box(0.2, 0.2, 2.7, 2.9)
    product = keep({"V": array[:2]}, transform)
    before, snapshot = product.statistics(area), product.store.snapshot
    days = np.datetime64("2020-01-03") + np.arange(2)
    keep({"V": array[2:]}, transform, days=days, into=product.store.url)
    assert probav.open_archive(product.store.url)["KEPT"].statistics(area).sizes["time"] == 4
    again = probav.open_archive(product.store.url, snapshot=snapshot)["KEPT"].statistics(area)
    for name in before.data_vars:
        assert before[name].values.tobytes() == again[name].values.tobytes()


def test_scale_and_offset_are_always_applied(keep):
    """odc-stac#55, openeo-processes-dask#182: some loaders apply them, others don't."""
    dn = np.array([[[0, 10], [250, 255]]], "uint8")
    product = keep({"V": (dn, {"scale": 0.004, "offset": -0.1, "nodata": 255})}, Affine(1, 0, 0, 0, -1, 2))
    expected = [-0.1, -0.06, 0.9]
    found = product.statistics(shapely.box(0, 0, 2, 2), reducers=("min", "median", "max", "sum"))
    assert [found[name].item() for name in ("min", "median", "max", "sum")] == pytest.approx(
        [*expected, sum(expected)]
    )
    pixels = product.load()["V"].values.ravel()
    np.testing.assert_allclose(pixels, [*expected, np.nan], rtol=1e-6)
    stored = product.load(keep_dn=True)["V"]
    assert stored.values.ravel().tolist() == dn.ravel().tolist()


def test_without_a_no_data_value_0_is_a_class(keep):
    """odc-stac#162: a loader that takes 0 for fill loses a class."""
    classes = np.array([[[0, 0, 1], [0, 2, 2]]], "uint8")
    layers = {
        "V": classes + np.uint8(5),
        "C": (classes, {"kind": "categorical", "flags": {"0": "water", "1": "rock"}}),
    }
    product = keep(layers, Affine(1, 0, 0, 0, -1, 2))
    found = product.statistics(shapely.box(0, 0, 3, 2), by="C", reducers="mean").isel(zone=0, time=0)
    assert found["class"].values.tolist() == [0, 1, 2]
    assert found["class_name"].values.tolist()[:2] == ["water", "rock"]
    assert found["valid"].values.tolist() == [3, 1, 2]
    assert found["mean"].values.tolist() == [5, 6, 7]


def test_no_pixel_moves_by_half(keep, tmp_path):
    """odc-stac#95, stackstac#168: a point anywhere in a pixel has that pixel's value, as GDAL has it."""
    array = np.arange(30 * 40, dtype="int16").reshape(1, 30, 40)
    transform = Affine(1 / 336, 0, 5 - 0.5 / 336, 0, -1 / 336, 50 + 0.5 / 336)
    product = keep({"V": array}, transform)
    with rasterio.open(
        tmp_path / "same.tif", "w", driver="GTiff", dtype="int16", count=1, height=30, width=40,
        crs="EPSG:4326", transform=transform,
    ) as file:  # fmt: skip
        file.write(array)
    shifts = [-0.49, 0, 0.49]
    points = [
        transform @ (column + 0.5 + dx, row + 0.5 + dy)
        for row, column in ((0, 0), (29, 39), (13, 27))
        for dx, dy in itertools.product(shifts, shifts)
    ]
    found = product.statistics(gpd.GeoSeries.from_xy(*np.transpose(points), crs="EPSG:4326"), reducers="mean")
    with rasterio.open(tmp_path / "same.tif") as file:
        assert found["mean"].values.ravel().tolist() == [int(value[0]) for value in file.sample(points)]


def test_tiny_polygons_have_a_mean(seasons):
    """rasterstats#239: a polygon between centres has no pixel; a covered part has a value."""
    product, field = seasons
    west, south, *_ = field.bounds
    tiny = shapely.box(west + 4.6 / 336, south + 4.6 / 336, west + 4.7 / 336, south + 4.7 / 336)
    assert product.statistics(tiny, "2015-03", reducers="mean")["mean"].item() == pytest.approx(
        249 / 250 - 0.08
    )
    assert product.statistics(tiny, "2015-03")["valid"][0, 0] == pytest.approx(0.01, rel=1e-9)


def test_no_data_and_outside_are_told_apart(keep):
    """rasterstats#105, #243: pixels without a value and pixels beyond the raster are one number there."""
    array = np.array([[[7, 255, 255], [7, 9, 255]]], "uint8")
    product = keep({"V": (array, {"nodata": 255})}, Affine(1, 0, 0, 0, -1, 2))
    found = product.statistics(shapely.box(1, -1, 5, 2), mask="v > 7").isel(zone=0, time=0)
    counts = [float(found[name]) for name in ("count", "valid", "masked", "nodata", "outside")]
    assert counts == [12, 1, 0, 3, 8]
    found = product.statistics(shapely.box(0, 0, 1, 2), mask="v > 7").isel(zone=0, time=0)
    assert [float(found[name]) for name in ("valid", "masked", "nodata", "outside")] == [0, 2, 0, 0]


@pytest.mark.parametrize("dtype", ["int16", "uint16", "int32", "uint8"])
def test_sums_do_not_overflow(keep, dtype):
    """rasterstats#177: 600 x 600 of the largest number, in several features, dates and periods."""
    largest = min(np.iinfo(dtype).max, 10**9)
    array = np.full((3, 600, 600), largest, dtype)
    transform = Affine(1 / 100, 0, 0, 0, -1 / 100, 6)
    product = keep({"V": array}, transform)
    with np.errstate(over="ignore"):
        assert array.sum(dtype=array.dtype) != 3 * largest * 600**2
    zone = shapely.box(0, 0, 6, 6)
    found = product.statistics(zone, by_time="year", reducers=("sum", "mean", "std"), **CENTRE)
    assert found["sum"].item() == 3 * largest * 600**2
    assert (found["mean"].item(), found["std"].item()) == (largest, 0)


def test_one_row_a_feature(seasons):
    """openeo-geopyspark-driver#714, #76: equal, overlapping, many-part features keep their rows, in CSV."""
    product, field = seasons
    parts = shapely.MultiPolygon([field.buffer(-0.01), shapely.box(2.9, 49.0, 2.95, 49.05)])
    frame = gpd.GeoDataFrame(
        {"name": list("abcde")}, index=[7, 3, 5, 1, 9],
        geometry=[field, field, parts, field.buffer(0.001), shapely.box(100, 10, 101, 11)], crs="EPSG:4326",
    )  # fmt: skip
    found = product.statistics(frame, "2015-03", reducers=("p10", "p90"))
    assert found["zone"].values.tolist() == ["7", "3", "5", "1", "9"]
    assert found["name"].values.tolist() == list("abcde")
    rows = found.to_dataframe().to_csv().splitlines()
    assert len(rows) == 6
    assert [row.split(",")[0] for row in rows[1:]] == ["7", "3", "5", "1", "9"]
    np.testing.assert_array_equal(found["p10"][0], found["p10"][1])
    assert np.isfinite(found["p10"][:4]).all()
    assert np.isnan(found["p10"][4])
    assert found["outside"][4] == found["count"][4]


def test_strange_members_of_geojson_change_nothing(seasons, tmp_path):
    """openeo-geopyspark-driver#622: a `bbox` in a feature collection made one row of 25."""
    product, field = seasons
    west, south, east, north = field.bounds
    cells = [
        shapely.box(x, y, x + (east - west) / 5, y + (north - south) / 5)
        for x in np.linspace(west, east, 6)[:-1]
        for y in np.linspace(south, north, 6)[:-1]
    ]
    collection = {
        "type": "FeatureCollection", "bbox": list(field.bounds), "totalFeatures": 25,
        "features": [
            {"type": "Feature", "id": f"cell {number}", "bbox": list(cell.bounds),
             "properties": {"bbox": "no"},
             "geometry": {**shapely.geometry.mapping(cell), "bbox": list(cell.bounds)}}
            for number, cell in enumerate(cells)
        ],
    }  # fmt: skip
    path = tmp_path / "cells.geojson"
    path.write_text(json.dumps(collection))
    expected = product.statistics(gpd.GeoSeries(cells, crs="EPSG:4326"), "2015-03", reducers="mean")
    for given in (collection, json.dumps(collection), path):
        found = product.statistics(given, "2015-03", reducers="mean")
        assert found["zone"].values.tolist() == [f"cell {number}" for number in range(25)]
        np.testing.assert_array_equal(found["mean"], expected["mean"])


@pytest.mark.parametrize(("wide", "high"), [(1 / 4, 1 / 16), (1 / 16, 1 / 4)])
def test_pixels_need_not_be_square(keep, wide, high):
    """apache/sedona#1944: wrong pixels where they are not square."""
    array = np.arange(40 * 40, dtype="int16").reshape(1, 40, 40)
    transform = Affine(wide, 0, 0, 0, -high, 40 * high)
    product = keep({"V": array}, transform)
    shape = shapely.Point(20.3 * wide, 19.6 * high).buffer(1.3)
    for rule in ("centre", "touched"):
        inside = ~rasterio.features.geometry_mask([shape], (40, 40), transform, all_touched=rule == "touched")
        found = product.statistics(shape, coverage=rule, reducers=("mean", "median")).isel(zone=0, time=0)
        values = array[0][inside]
        assert [float(found[name]) for name in ("valid", "mean", "median")] == pytest.approx(
            [len(values), values.mean(), np.median(values)], rel=1e-12
        )
    line = shapely.LineString([(1.03 * wide, 2.2 * high), (37.4 * wide, 31.9 * high)])
    touched = ~rasterio.features.geometry_mask([line], (40, 40), transform, all_touched=True)
    assert product.statistics(line)["valid"].item() == touched.sum()


@pytest.mark.spark
def test_spark_has_the_same_numbers(vegetation, spark):
    """apache/sedona#3111, #3322: zonal statistics on Spark that differ from those of one machine."""
    product = vegetation[0]["CGLS_FAPAR300_V1"]
    options = {"mask": "fapar > 0.5", "by_time": "month", "reducers": ("mean", "p10", "mode", "area")}
    local, distributed = (
        product.statistics(boxes(), engine=engine, **options) for engine in ("local", "spark")
    )
    xr.testing.assert_identical(local, distributed)
