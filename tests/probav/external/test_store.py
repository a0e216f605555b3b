"""Sentinel-2 in an archive beside ours: the same numbers, the same statistics as NumPy on the original."""

import dataclasses
import json
import subprocess
import sys

import dask.array
import numpy as np
import pytest
import shapely
import xarray as xr
from pyproj import CRS
from rasterio.warp import transform_geom

import probav
from probav.errors import ProbavError, QueryError, SourceError
from probav.external import definition_of, from_stac, store_dataset
from probav.external.store import stored_numbers
from probav.products import Variable

pytestmark = pytest.mark.filterwarnings(  # of odc-geo
    "ignore:Use `@` matmul:PendingDeprecationWarning", "ignore:The 'shapely.ops:DeprecationWarning"
)
SCALE, OFFSET = 0.0001, 0.01
TIME = "2016-03/2016-12"


@pytest.fixture(scope="module")
def dataset(server):
    """All of the cube in some months of 2016: NDVI computed here, a band in stored numbers, and classes."""
    west, south, east, north = server.bounds
    wider = (west - 0.002, south - 0.002, east + 0.002, north + 0.002)
    loaded = from_stac(server.url, "sentinel-2", wider, TIME, bands=["B4", "B8", "SCL"])
    ndvi = (loaded.B8 - loaded.B4) / (loaded.B8 + loaded.B4)
    ndvi.attrs = {"long_name": "NDVI", "units": "1"}  # xarray keeps a band's, which say how it is stored
    return loaded.assign(NDVI=ndvi)


@pytest.fixture(scope="module")
def stored(dataset, tmp_path_factory):
    url = str(tmp_path_factory.mktemp("external") / "archive")
    report = store_dataset(url, dataset, definition_of(dataset, "S2_ROMANIA", default="NDVI"))
    assert (report.taken, report.unchanged, report.rejected) == (dataset.sizes["time"], 0, [])
    return url


def inner(server, margin=150):
    """Return a polygon within the cube, its pixels' mask, and which dates of the cube the archive has."""
    t, (height, width) = server.transform, (100, 100)
    west, north = t.c + margin, t.f - margin
    east, south = t.c + 10 * width - margin, t.f - 10 * height + margin
    ring = [(west, north), (east, north), (east, south), (west, south), (west, north)]
    shape = {"type": "Polygon", "coordinates": [ring]}
    keep = np.zeros((height, width), bool)
    keep[margin // 10 : height - margin // 10, margin // 10 : width - margin // 10] = True
    dates = (server.days >= np.datetime64("2016-03")) & (server.days < np.datetime64("2017"))
    return shapely.geometry.shape(transform_geom(server.crs, "EPSG:4326", shape)), keep, dates


def reflectance(dn):
    return np.where(dn == 0, np.nan, dn.astype(float) * SCALE + OFFSET)


def test_every_pixel_goes_in_and_comes_out(stored, dataset, server):
    product = probav.open_archive(stored)["S2_ROMANIA"]
    back = product.load(variable=["B4", "B8", "SCL", "NDVI"])
    np.testing.assert_array_equal(back.time, dataset.time)
    np.testing.assert_allclose(back.x, dataset.x, atol=1e-6)
    np.testing.assert_allclose(back.y, dataset.y, atol=1e-6)
    for name in ("B4", "B8", "SCL", "NDVI"):
        np.testing.assert_array_equal(back[name], dataset[name])
    dn = product.load(variable=["B8", "SCL"], keep_dn=True)
    columns = (dn.x.values - server.transform.c) / 10
    rows = (server.transform.f - dn.y.values) / 10
    x, y = (columns > 0) & (columns < 100), (rows > 0) & (rows < 100)
    _, _, dates = inner(server)
    for name in ("B8", "SCL"):
        assert x.sum() == y.sum() == 100
        np.testing.assert_array_equal(dn[name].values[:, y][:, :, x], server.dn[name][dates])


def test_statistics_are_numpys_on_the_original_arrays(stored, server):
    area, keep, dates = inner(server)
    red, nir = (reflectance(server.dn[band][dates][:, keep]) for band in ("B4", "B8"))
    ndvi = ((nir - red) / (nir + red)).astype("float32").astype(float)
    product = probav.open_archive(stored)["S2_ROMANIA"]
    found = product.statistics(area, coverage="centre", reducers=("mean", "p50", "min", "max"))
    clear = np.isin(server.dn["SCL"][dates][:, keep], (4, 5))
    assert 0.1 < clear.mean() < 0.9
    np.testing.assert_allclose(found["mean"][0], np.nanmean(ndvi, axis=1), rtol=1e-6)
    np.testing.assert_allclose(found["p50"][0], np.nanmedian(ndvi, axis=1), rtol=1e-6)
    masked = product.statistics(area, mask="scl in (4, 'not vegetated')", coverage="centre")
    np.testing.assert_array_equal(masked["valid"][0], clear.sum(axis=1))
    some = clear.any(axis=1)
    expected = [np.nanmean(row[keep]) for row, keep in zip(ndvi[some], clear[some], strict=True)]
    np.testing.assert_allclose(masked["mean"][0, some], expected, rtol=1e-6)
    assert np.isnan(masked["mean"][0, ~some]).all()
    band = product.statistics(area, variable="B8", coverage="centre", reducers=("mean",))
    np.testing.assert_allclose(band["mean"][0], np.nanmean(nir, axis=1), rtol=1e-12)


def test_classes_split_statistics(stored, server):
    area, keep, dates = inner(server)
    product = probav.open_archive(stored)["S2_ROMANIA"]
    found = product.statistics(area, by="scl", coverage="centre", variable="B8", reducers=("mean",))
    classes, nir = server.dn["SCL"][dates][:, keep], reflectance(server.dn["B8"][dates][:, keep])
    for code, name in ((4, "vegetation"), (5, "not vegetated")):
        own = found.sel({"class": code})
        assert own.class_name == name
        np.testing.assert_array_equal(own["valid"][0], (classes == code).sum(axis=1))
        some = (classes == code).any(axis=1)
        rows = zip(nir[some], classes[some], strict=True)
        np.testing.assert_allclose(
            own["mean"][0, some], [row[each == code].mean() for row, each in rows], rtol=1e-12
        )


def fail(block):
    raise AssertionError("a block was read")


def test_again_changes_nothing_and_reads_nothing(stored, dataset):
    before = probav.open_archive(stored).snapshot
    unreadable = dataset.map(
        lambda band: band.copy(data=dask.array.map_blocks(fail, band.data, dtype=band.dtype))
    )
    report = store_dataset(stored, unreadable, definition_of(dataset, "S2_ROMANIA", default="NDVI"))
    assert (report.taken, report.unchanged) == (0, dataset.sizes["time"])
    assert probav.open_archive(stored).snapshot == before


def test_more_dates_join_the_series(server, tmp_path):
    url = tmp_path / "archive"
    parts = [
        from_stac(server.url, "sentinel-2", server.bounds, month, bands="B8")
        for month in ("2016-05", "2016-04")
    ]
    product = definition_of(parts[0], "S2")
    for part in parts:
        assert store_dataset(url, part, product).taken == part.sizes["time"]
    back = probav.open_archive(str(url))["S2"].load()
    whole = from_stac(server.url, "sentinel-2", server.bounds, "2016-04/2016-05", bands="B8")
    np.testing.assert_array_equal(back.time, whole.time)
    np.testing.assert_array_equal(back.B8, whole.B8)


def test_other_pixels_replace_a_date(server, tmp_path):
    url = tmp_path / "archive"
    plain = from_stac(server.url, "sentinel-2", server.bounds, "2016-04", bands="B8")
    masked = from_stac(server.url, "sentinel-2", server.bounds, "2016-04", bands="B8", mask="scl == 4")
    product = definition_of(plain, "S2")
    store_dataset(url, plain, product)
    assert store_dataset(url, masked, product).taken == plain.sizes["time"]
    np.testing.assert_array_equal(probav.open_archive(str(url))["S2"].load().B8, masked.B8)


def test_a_date_that_cannot_be_read_is_listed_and_the_others_go_in(server, make, tmp_path):
    items = json.loads((server.folder / "items.json").read_text())["features"][:3]
    items[1]["assets"]["B8"]["href"] = str(tmp_path / "gone.tif")
    path = make.catalogue(tmp_path / "stac", items)
    loaded = from_stac(path, "sentinel-2", server.bounds, bands="B8")
    report = store_dataset(tmp_path / "archive", loaded, definition_of(loaded, "S2"))
    assert (report.taken, len(report.rejected)) == (2, 1)
    assert "gone.tif" in report.rejected[0].reason
    with pytest.raises(SourceError, match="gone"):
        store_dataset(tmp_path / "other", loaded.isel(time=[1]), definition_of(loaded, "S2"))


def plain_dataset(**changes):
    """Return a dataset that comes from no catalogue."""
    values = np.arange(2 * 30 * 40, dtype="float32").reshape(2, 30, 40) / 7
    values[0, :5] = np.nan
    coords = {
        "time": np.array(["2020-01-01", "2020-01-02"], "datetime64[ns]"),
        "y": 3_000_000 - 20.0 * np.arange(30), "x": 4_000_000 + 20.0 * np.arange(40),
    }  # fmt: skip
    made = xr.Dataset({"V": (("time", "y", "x"), values)}, coords | changes)
    return made.assign_coords(spatial_ref=((), 0, CRS(3035).to_cf()))


def test_any_dataset_can_be_stored(tmp_path):
    dataset = plain_dataset()
    url = tmp_path / "archive"
    product = definition_of(dataset, "MINE", title="My own")
    assert store_dataset(url, dataset, product).taken == 2
    assert store_dataset(url, dataset, product).unchanged == 2
    back = probav.open_archive(str(url))["MINE"]
    assert back.title == "My own"
    np.testing.assert_array_equal(back.load().V, dataset.V)
    changed = dataset.copy(deep=True)
    changed.V[1, 3, 3] += 1
    report = store_dataset(url, changed, product)
    assert (report.taken, report.unchanged) == (1, 1)
    np.testing.assert_array_equal(probav.open_archive(str(url))["MINE"].load().V, changed.V)


@pytest.mark.parametrize(("change", "words"), [
    (lambda d: d.isel(y=slice(None, None, -1)), "north to south"),
    (lambda d: d.assign_coords(x=d.x.values + np.linspace(0, 4, 40) ** 2), "evenly"),
    (lambda d: d.isel(x=[0]), "one pixel"),
    (lambda d: d.drop_vars("spatial_ref"), "spatial_ref"),
    (lambda d: d.assign_coords(spatial_ref=0), "crs_wkt"),
    (lambda d: d.assign_coords(time=d.time.values[[0, 0]]), "several times"),
    (lambda d: d.rename(V="W"), "no variable 'W'"),
    (lambda d: d.assign_coords(x=d.x + 5), "doesn't fit"),
    (lambda d: d.isel(x=slice(10)).assign_coords(x=d.x.values[:10] + 2e6), "doesn't fit"),
])  # fmt: skip
def test_what_does_not_fit_changes_nothing(tmp_path, change, words):
    dataset = plain_dataset()
    product = definition_of(dataset, "MINE")
    url = tmp_path / "archive"
    store_dataset(url, dataset, product)
    before = probav.open_archive(str(url)).snapshot
    with pytest.raises(QueryError, match=words):
        store_dataset(url, change(dataset), product)
    assert probav.open_archive(str(url)).snapshot == before


@pytest.mark.parametrize("name", ["PROBAV_L3_S10_TOC_333M", "two words", "", "../up"])
def test_an_id_that_is_none_is_an_error(name):
    with pytest.raises(ProbavError):
        definition_of(plain_dataset(), name)


def test_stored_numbers_are_those_that_were_there():
    dn = np.arange(65536, dtype="uint16")
    variable = Variable("V", "uint16", "v", scale=0.0001, offset=-0.1, nodata=0)
    physical = np.where(dn == 0, np.nan, dn * 0.0001 - 0.1).astype("float32")
    np.testing.assert_array_equal(stored_numbers(physical, variable), dn)
    for wrong in (0.00003, 7.0, -0.1):  # between two numbers, too large, the no-data value
        with pytest.raises(SourceError, match="float32"):
            stored_numbers(np.array([wrong]), variable)
    narrow = dataclasses.replace(variable, dtype="uint8")
    with pytest.raises(SourceError, match="don't fit"):
        stored_numbers(dn, narrow)


@pytest.mark.spark
def test_spark_gives_the_same(stored, server, spark):
    area, _, _ = inner(server)
    product = probav.open_archive(stored)["S2_ROMANIA"]
    options = {"mask": "scl in (4, 5)", "by": "scl", "variable": "B8"}
    local, distributed = (product.statistics(area, engine=engine, **options) for engine in ("local", "spark"))
    xr.testing.assert_identical(distributed, local)


def test_importing_brings_no_optional_dependency():
    code = "import sys, probav.external, probav.catalogue; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not {"odc", "pystac", "pystac_client", "dask", "stac_geoparquet", "jsonschema"} & {*loaded.split()}
