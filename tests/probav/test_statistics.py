"""Masked statistics against plain NumPy, and their independence of how they are computed."""

import dataclasses

import geopandas as gpd
import numpy as np
import pytest
import shapely
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rasterio.features import geometry_mask

import probav
from probav import storage
from probav.errors import (
    AoiError,
    BudgetError,
    MaskError,
    OutsideError,
    QueryError,
    TimeError,
    UnknownNameError,
)

S10 = "PROBAV_L3_S10_TOC_333M"
LC = "CGLS_LC100_V3"
RAIN = "CHIRPS_V2_DEKAD"
REDUCERS = ("mean", "std", "min", "max", "sum", "p10", "median", "p90")
NUMPY = {
    "mean": np.mean, "std": np.std, "min": np.min, "max": np.max, "sum": np.sum, "median": np.median,
    "p10": lambda v: np.percentile(v, 10), "p90": lambda v: np.percentile(v, 90),
}  # fmt: skip


@pytest.fixture(scope="module")
def s10(world):
    return world.archive[S10]


def fractions(world, product=S10):
    """Corners of the product's window as a function of fractions of its width and height."""
    transform = world.transforms[product]
    height, width = next(iter(world.arrays[product].values())).shape[1:]

    def at(x, y):
        return transform @ (x * width, y * height)

    return at


@pytest.fixture(scope="module")
def zones(world):
    at = fractions(world)
    shapes = [
        shapely.Polygon([at(0.1, 0.1), at(0.93, 0.2), at(0.7, 0.95), at(0.45, 0.5), at(0.05, 0.8)]),
        shapely.Point(at(0.5, 0.5)).buffer(0.21),  # overlaps the first
        shapely.box(*at(0.31, 0.92), *at(0.36, 0.88)),
        shapely.MultiPolygon(
            [shapely.box(*at(0.8, 0.9), *at(0.9, 0.8)), shapely.box(*at(0.1, 0.97), *at(0.2, 0.9))]
        ),
    ]
    return gpd.GeoDataFrame(
        {"name": ["star", "disc", "strip", "two"]},
        index=["z1", "z2", "z3", "z4"],
        geometry=shapes,
        crs="EPSG:4326",
    )


def check(row, values, where):
    assert int(row["valid"]) == len(values), where
    for name, function in NUMPY.items():
        if len(values):
            assert float(row[name]) == pytest.approx(function(values), rel=1e-12, abs=1e-12), (name, where)
        else:
            assert np.isnan(row[name]), (name, where)


def clear_land(sm):
    return ((sm & 7) == 0) & ((sm & 8) == 8)


def test_masked_statistics_equal_numpy(world, s10, zones):
    result = s10.statistics(zones, mask="clear & land", coverage="centre", reducers=REDUCERS)
    ndvi, sm = world.arrays[S10]["NDVI"], world.arrays[S10]["SM"]
    for z, shape in enumerate(zones.geometry):
        inside = ~geometry_mask([shape], ndvi.shape[1:], world.transforms[S10])
        for t in range(len(ndvi)):
            row = result.isel(zone=z, time=t)
            dn, passes = ndvi[t][inside], clear_land(sm[t][inside])
            check(row, dn[passes & (dn <= 250)] * 0.004 - 0.08, (z, t))
            assert int(row["count"]) == inside.sum()
            assert int(row["nodata"]) == (dn > 250).sum()
            assert int(row["masked"]) == ((dn <= 250) & ~passes).sum()
            assert row["outside"] == 0
            assert float(row["valid_fraction"]) == float(row["valid"]) / inside.sum()


def test_one_row_a_feature_in_input_order_with_its_id(s10, zones):
    shuffled = zones.iloc[[2, 0, 3, 1]]
    result = s10.statistics(shuffled)
    assert result["zone"].values.tolist() == ["z3", "z1", "z4", "z2"]
    assert result["name"].values.tolist() == ["strip", "star", "two", "disc"]
    straight = s10.statistics(zones).sel(zone=result["zone"])
    np.testing.assert_array_equal(result["mean"], straight["mean"])
    assert all(a.equals(b) for a, b in zip(result["geometry"].values, shuffled.geometry, strict=True))


def test_overlapping_zones_are_each_as_if_alone(s10, zones):
    together = s10.statistics(zones, mask="clear", reducers=REDUCERS)
    for zone in zones.index:
        alone = s10.statistics(zones.loc[[zone]], mask="clear", reducers=REDUCERS)
        for name in (*REDUCERS, "count", "valid", "masked", "nodata"):
            np.testing.assert_array_equal(
                together[name].sel(zone=zone), alone[name][0], err_msg=f"{zone} {name}"
            )


def test_fractions_weigh_edge_pixels(world, s10, zones):
    from exactextract import exact_extract
    from exactextract.raster import NumPyRasterSource

    result = s10.statistics(zones, reducers=("mean", "std"))
    ndvi, transform = world.arrays[S10]["NDVI"], world.transforms[S10]
    height, width = ndvi.shape[1:]
    west, north = transform @ (0, 0)
    east, south = transform @ (width, height)
    for t in (0, 11, 12):
        physical = np.where(ndvi[t] <= 250, ndvi[t] * 0.004 - 0.08, np.nan)
        source = NumPyRasterSource(
            physical, west, south, east, north, nodata=np.nan, srs_wkt=zones.crs.to_wkt()
        )
        answer = exact_extract(source, zones, ["count", "mean", "stdev"], output="pandas")
        np.testing.assert_allclose(result["valid"][:, t], answer["count"], rtol=1e-6)
        np.testing.assert_allclose(result["mean"][:, t], answer["mean"], rtol=1e-6)
        np.testing.assert_allclose(result["std"][:, t], answer["stdev"], rtol=1e-5)


def classes_on(world, shape, transform):
    """Land cover at the centre of each pixel, looked up one by one from the source array."""
    lc, there = world.arrays[LC]["LC"][0], ~world.transforms[LC]
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    x, y = transform @ (columns + 0.5, rows + 0.5)
    column, row = there @ (x, y)
    column, row = np.floor(column + 1e-6).astype(int), np.floor(row + 1e-6).astype(int)
    inside = (row >= 0) & (row < lc.shape[0]) & (column >= 0) & (column < lc.shape[1])
    found = np.full(shape, 255, np.uint8)
    found[inside] = lc[row[inside], column[inside]]
    return found


def test_strata_of_another_grid_equal_numpy(world, s10, zones):
    result = s10.statistics(zones, mask="clear", by="landcover", coverage="centre", reducers=REDUCERS)
    ndvi, sm = world.arrays[S10]["NDVI"], world.arrays[S10]["SM"]
    lc = classes_on(world, ndvi.shape[1:], world.transforms[S10])
    for z, shape in enumerate(zones.geometry):
        inside = ~geometry_mask([shape], ndvi.shape[1:], world.transforms[S10])
        for c, code in enumerate(result["class"].values):
            chosen = inside & (lc == code)
            for t in (0, 5, 13):
                dn = ndvi[t][chosen]
                values = dn[((sm[t][chosen] & 7) == 0) & (dn <= 250)] * 0.004 - 0.08
                row = result.isel({"zone": z, "class": c, "time": t})
                check(row, values, (z, code, t))
                assert int(row["count"]) == chosen.sum()
    assert set(result["class"].values) == set(
        np.unique(lc[~geometry_mask(zones.geometry, lc.shape, world.transforms[S10])])
    )


def test_pixels_without_a_class_are_a_class_of_their_own(world, s10):
    lc = classes_on(world, world.arrays[S10]["NDVI"].shape[1:], world.transforms[S10])
    row, column = np.argwhere(lc == 255)[0] + 0.5
    point = shapely.Point(world.transforms[S10] @ (column, row))
    result = s10.statistics(point, by="landcover")
    assert result["class"].values.tolist() == [255]
    assert result["class_name"].values.tolist() == ["no data"]


def test_a_mask_may_use_other_layers_and_values(world, s10, zones):
    mask = "landcover not in ('cropland', 50) & ndvi > 0.3 & ~cloud"
    result = s10.statistics(zones, mask=mask, coverage="centre", reducers=REDUCERS)
    ndvi, sm = world.arrays[S10]["NDVI"], world.arrays[S10]["SM"]
    lc = classes_on(world, ndvi.shape[1:], world.transforms[S10])
    for z, shape in enumerate(zones.geometry):
        inside = ~geometry_mask([shape], ndvi.shape[1:], world.transforms[S10])
        for t in (0, 12):
            chosen = inside & ~np.isin(lc, [40, 50, 255]) & ((sm[t] & 7) != 3) & (ndvi[t] <= 250)
            values = ndvi[t][chosen] * 0.004 - 0.08
            check(result.isel(zone=z, time=t), values[values > 0.3], (z, t))


def test_16_bit_reflectance_equals_numpy(world, s10, zones):
    result = s10.statistics(zones, variable="RED", mask="clear", coverage="centre", reducers=REDUCERS)
    red, sm = world.arrays[S10]["RED"], world.arrays[S10]["SM"]
    for z, shape in enumerate(zones.geometry):
        inside = ~geometry_mask([shape], red.shape[1:], world.transforms[S10])
        for t in (0, 11, 12, 13):
            dn, passes = red[t][inside], (sm[t][inside] & 7) == 0
            row = result.isel(zone=z, time=t)
            check(row, dn[passes & (dn >= 0)] / 2000, (z, t))
            assert int(row["nodata"]) == (dn < 0).sum()
            assert int(row["masked"]) == ((dn >= 0) & ~passes).sum()


def test_rainfall_equals_numpy(world, zones):
    result = world.archive[RAIN].statistics(zones, coverage="touched", reducers=REDUCERS)
    rain = world.arrays[RAIN]["RAINFALL"]
    for z, shape in enumerate(zones.geometry):
        inside = ~geometry_mask([shape], rain.shape[1:], world.transforms[RAIN], all_touched=True)
        for t in range(len(rain)):
            values = rain[t][inside].astype(float)
            row = result.isel(zone=z, time=t)
            check(row, values[values >= 0], (z, t))
            assert int(row["nodata"]) == (values < 0).sum()
    assert result["mean"].attrs["units"] == "mm"


def test_area_weights_are_the_cosine_of_latitude(world, s10, zones):
    result = s10.statistics(zones.iloc[[2]], weights="area", coverage="centre", reducers=("mean", "std"))
    ndvi, transform = world.arrays[S10]["NDVI"], world.transforms[S10]
    inside = ~geometry_mask([zones.geometry.iloc[2]], ndvi.shape[1:], transform)
    latitude = (transform @ (0.5, np.arange(ndvi.shape[1]) + 0.5))[1][:, None] * np.ones(ndvi.shape[2])
    for t in (0, 13):
        good = inside & (ndvi[t] <= 250)
        values, weights = ndvi[t][good] * 0.004 - 0.08, np.cos(np.radians(latitude[good]))
        row = result.isel(zone=0, time=t)
        mean = np.average(values, weights=weights)
        assert float(row["valid"]) == pytest.approx(weights.sum(), rel=1e-10)
        assert float(row["mean"]) == pytest.approx(mean, rel=1e-10)
        assert float(row["std"]) == pytest.approx(
            np.sqrt(np.average((values - mean) ** 2, weights=weights)), rel=1e-9
        )


def test_a_zone_beyond_the_archive_has_counts_and_no_number(world, s10):
    at = fractions(world)
    zones = gpd.GeoSeries(
        [shapely.box(*at(0.9, 0.6), *at(1.1, 0.5)), shapely.box(*at(1.2, 0.6), *at(1.3, 0.5))],
        crs="EPSG:4326",
    )
    result = s10.statistics(zones)
    half, none = result.isel(zone=0), result.isel(zone=1)
    np.testing.assert_allclose(half["outside"], half["count"] / 2, rtol=1e-9)
    assert (half["valid"] + half["nodata"] + half["masked"] + half["outside"] == half["count"]).all()
    assert none["mean"].isnull().all()
    assert (none["valid"] == 0).all()
    np.testing.assert_array_equal(none["outside"], none["count"])
    by_class = s10.statistics(zones, by="landcover")
    np.testing.assert_allclose(by_class["count"].sum("class"), result["count"], rtol=1e-12)


def same_bytes(a: xr.Dataset, b: xr.Dataset) -> None:
    assert list(a.data_vars) == list(b.data_vars)
    for name in a.data_vars:
        assert a[name].values.tobytes() == b[name].values.tobytes(), name


@pytest.fixture(scope="module")
def recut(world, tmp_path_factory):
    """The same sources in an archive with other chunks."""
    url = tmp_path_factory.mktemp("recut") / "archive"
    with pytest.MonkeyPatch.context() as patch:
        for module in (storage, storage.layout):
            patch.setattr(module, "TIME_CHUNK", 5)
            patch.setattr(module, "PIXEL_CHUNK", 56)
        probav.ingest(url, world.folder)
    archive = probav.open_archive(url)
    assert archive[S10].array("NDVI").chunks == (5, 56, 56)
    return archive


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    corners=st.tuples(*[st.floats(0.02, 0.98)] * 4),
    query=st.sampled_from([
        {}, {"mask": "clear & land"}, {"mask": "landcover != 40", "by": "landcover"}, {"variable": "RED"},
        {"weights": "area"}, {"coverage": "touched", "by": "landcover", "mask": "ndvi > 0.2"},
    ]),
    threads=st.sampled_from(["1", "2", "7"]),
    memory=st.sampled_from(["1", "100000000"]),
)  # fmt: skip
def test_chunks_threads_and_batches_change_no_bit(world, s10, recut, corners, query, threads, memory):
    if memory == "1" and query.get("variable") == "RED":
        return  # a budget error is right there
    at = fractions(world)
    x0, y0, x1, y1 = corners
    shapes = [
        shapely.LineString([at(x0, y0), at(x1, y1)]).buffer(0.05),
        shapely.Point(at(x0, y1)).buffer(0.11),
    ]
    zones = gpd.GeoSeries(shapes, crs="EPSG:4326")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROBAV_THREADS", threads)
        patch.setenv("PROBAV_MEMORY", memory)
        other = recut[S10].statistics(zones, **query, reducers=REDUCERS)
    same_bytes(s10.statistics(zones, **query, reducers=REDUCERS), other)


def test_time_and_attributes(world, s10, zones):
    dates = world.dates[S10]
    result = s10.statistics(zones.iloc[[0]], time=str(dates[3])[:10])
    assert result["time"].values.astype("datetime64[D]").tolist() == [np.datetime64(dates[3], "D").item()]
    assert result.attrs["snapshot"] == world.archive.snapshot
    assert result.attrs["product"] == S10
    assert result.attrs["variable"] == "NDVI"
    table = result.to_dataframe()
    assert table.index.names == ["zone", "time"]


@pytest.mark.parametrize("memory", ["1", "1000000000"])
@pytest.mark.parametrize("reducers", [("mean",), ("mean", "area")])
def test_progress_ends_at_all(s10, zones, monkeypatch, memory, reducers):
    monkeypatch.setenv("PROBAV_MEMORY", memory)  # in one batch, or in many
    calls = []
    s10.statistics(zones, reducers=reducers, progress=lambda *call: calls.append(call))
    assert calls
    done, total, read = calls[-1]
    assert done == total
    assert read > 0
    for column in (0, 2):  # tasks and bytes only grow
        assert [call[column] for call in calls] == sorted(call[column] for call in calls)
    assert len({call[1] for call in calls}) == 1


def test_estimate_counts_chunks_and_pixels(world, s10, zones):
    estimate = s10.estimate(
        zones.iloc[[1]], time=str(world.dates[S10][0])[:10], mask="clear", coverage="centre"
    )
    inside = ~geometry_mask(
        [zones.geometry.iloc[1]], world.arrays[S10]["NDVI"].shape[1:], world.transforms[S10]
    )
    assert estimate.pixels == inside.sum()
    assert estimate.chunks % 2 == 0  # NDVI and status map
    assert 0 < estimate.bytes < 1e7
    assert estimate.engine == "local"
    assert dataclasses.asdict(estimate)["seconds"] > 0


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"mask": "claer"}, UnknownNameError, "Did you mean 'clear'"),
        ({"mask": "clear &"}, MaskError, "Can't read the mask"),
        ({"mask": "ndvi"}, MaskError, "compare it"),
        ({"variable": "NDVY"}, UnknownNameError, "Did you mean 'NDVI'"),
        ({"variable": "SM"}, QueryError, "no quantity"),
        ({"by": "landcovr"}, UnknownNameError, "Did you mean 'landcover'"),
        ({"by": "ndvi"}, QueryError, "has no classes"),
        ({"reducers": ("mean", "p101")}, QueryError, "p101"),
        ({"coverage": "center"}, QueryError, "Did you mean 'centre'"),
        ({"weights": "area_km2"}, QueryError, "no weights 'area_km2'"),
        ({"engine": "sparc"}, QueryError, "Did you mean 'spark'"),
        ({"time": "1999"}, TimeError, "has no date in 1999-01-01 to 1999-12-31: it holds 1"),
        ({"time": "2016-13"}, TimeError, "no date '2016-13'"),
    ],
)
def test_a_users_mistake_is_named_before_anything_is_read(s10, zones, options, error, words):
    with pytest.raises(error, match=words):
        s10.statistics(zones, **options)


def test_areas_that_can_not_be(s10):
    with pytest.raises(OutsideError, match="lies outside of what the archive holds"):
        s10.statistics((100, 10, 101, 11))
    with pytest.raises(AoiError, match="Self-intersection"):
        s10.statistics(probav.aoi("POLYGON((4 50, 5 51, 5 50, 4 51, 4 50))", repair=False))


def test_more_distinct_values_than_memory_is_an_error_with_its_remedy(s10, zones, monkeypatch):
    monkeypatch.setenv("PROBAV_MEMORY", "1000")
    with pytest.raises(BudgetError, match="PROBAV_MEMORY"):
        s10.statistics(zones.iloc[[0]], variable="RED", time="2015")
