"""Real Sentinel-2 pixels through a real STAC API, against the arrays they were written from."""

import functools
import http.server
import json
import threading
from pathlib import Path
from urllib.parse import urlparse

import numpy as np
import pystac
import pytest
import rasterio
import xarray as xr
from rasterio.warp import Resampling, reproject

import probav.extras
from probav.errors import (
    BudgetError,
    MaskError,
    OutsideError,
    ProbavError,
    QueryError,
    SourceError,
    UnknownNameError,
)
from probav.external import from_stac
from probav.external.encoding import bands_of, variable
from probav.external.grid import BLOCK

pytestmark = pytest.mark.filterwarnings(  # of odc-geo
    "ignore:Use `@` matmul:PendingDeprecationWarning", "ignore:The 'shapely.ops:DeprecationWarning"
)
SCALE, OFFSET = 0.0001, 0.01


def window(dataset, cube):
    """Rows and columns of the cube that a dataset's pixels are, and which of its pixels lie in the cube."""
    columns, rows = ~cube.transform * (dataset.x.values[None, :], dataset.y.values[:, None])
    np.testing.assert_allclose(columns % 1, 0.5, atol=1e-6)  # pixel centres
    np.testing.assert_allclose(rows % 1, 0.5, atol=1e-6)
    return np.floor(rows).astype(int), np.floor(columns).astype(int)


def expected(dataset, cube, band, days):
    """DNs of the cube at a dataset's pixels, 0 beyond it."""
    rows, columns = window(dataset, cube)
    inside = (rows >= 0) & (rows < 100) & (columns >= 0) & (columns < 100)
    times = [int(np.flatnonzero(cube.days == day)[0]) for day in days]
    taken = cube.dn[band][times][:, np.clip(rows, 0, 99), np.clip(columns, 0, 99)]
    return np.where(inside, taken, 0)


def reflectance(dn):
    return np.where(dn == 0, np.nan, dn.astype(float) * SCALE + OFFSET)


# --- what comes out ------------------------------------------------------------------------------------


def test_pixels_are_physical_and_where_they_belong(server):
    dataset = from_stac(server.url, "sentinel-2", server.bounds, "2016", bands=["b4", "B8", "SCL"])
    days = server.days[server.days.astype("datetime64[Y]") == np.datetime64("2016")]
    np.testing.assert_array_equal(dataset.time.values.astype("datetime64[D]"), days)
    for band in ("B4", "B8"):
        assert dataset[band].dtype == np.float32
        wanted = reflectance(expected(dataset, server, band, days))
        np.testing.assert_allclose(dataset[band], wanted, rtol=1e-6, atol=1e-7)
        assert (dataset[band].attrs["dn_scale"], dataset[band].attrs["dn_offset"]) == (SCALE, OFFSET)
        assert (dataset[band].attrs["dn_nodata"], dataset[band].attrs["dn_dtype"]) == (0, "uint16")
    assert dataset.SCL.dtype == np.uint8
    np.testing.assert_array_equal(dataset.SCL, expected(dataset, server, "SCL", days))
    assert dataset.SCL.attrs["flag_meanings"].split()[2] == "vegetation"
    assert rasterio.crs.CRS.from_wkt(dataset.spatial_ref.attrs["crs_wkt"]).to_epsg() == 3035
    west, south, east, north = rasterio.warp.transform_bounds("EPSG:4326", "EPSG:3035", *server.bounds)
    assert dataset.x[0] - 5 <= west
    assert dataset.x[-1] + 5 >= east
    assert dataset.y[-1] - 5 <= south
    assert dataset.y[0] + 5 >= north


def test_nothing_is_read_before_it_is_asked_for(server, make, tmp_path):
    item = json.loads((server.folder / "items.json").read_text())["features"][0]
    for asset in item["assets"].values():
        asset["href"] = str(tmp_path / "gone.tif")
    dataset = from_stac(make.catalogue(tmp_path / "stac", [item]), "sentinel-2", server.bounds, bands="B4")
    assert dataset.B4.shape[0] == 1
    with pytest.raises(rasterio.errors.RasterioIOError):
        dataset.B4.load()


def test_a_mask_hides_pixels_and_reads_bands_that_were_not_asked_for(server):
    options = {"time": "2016-03/2016-06", "bands": "B8"}
    plain = from_stac(server.url, "sentinel-2", server.bounds, **options)
    masked = from_stac(server.url, "sentinel-2", server.bounds, mask="scl in (4, 'not vegetated')", **options)
    days = plain.time.values.astype("datetime64[D]")
    keep = np.isin(expected(plain, server, "SCL", days), (4, 5))
    assert list(masked) == ["B8"]
    assert 0 < keep.sum() < keep.size
    np.testing.assert_array_equal(masked.B8, np.where(keep, plain.B8, np.nan))
    physical = from_stac(server.url, "sentinel-2", server.bounds, mask="b8 > 0.2", **options)
    np.testing.assert_array_equal(physical.B8, plain.B8.where(np.round(plain.B8.astype(float), 6) > 0.2))


def test_ndvi_is_numpys(server):
    dataset = from_stac(server.url, "sentinel-2", server.bounds, "2017", bands=["B4", "B8"])
    ndvi = (dataset.B8 - dataset.B4) / (dataset.B8 + dataset.B4)
    days = dataset.time.values.astype("datetime64[D]")
    red, nir = (reflectance(expected(dataset, server, band, days)) for band in ("B4", "B8"))
    np.testing.assert_allclose(
        ndvi.mean(("y", "x")), np.nanmean((nir - red) / (nir + red), axis=(1, 2)), rtol=1e-5
    )


@pytest.mark.parametrize("options", [
    {"crs": "EPSG:32635", "resolution": 10, "resampling": "bilinear"},
    {"crs": "EPSG:4326", "resolution": 1 / 8000, "resampling": "nearest"},
    {"resolution": 30, "resampling": "average"},
])  # fmt: skip
def test_chunks_and_the_rest_of_the_area_change_no_pixel(server, options, monkeypatch):
    monkeypatch.setattr("probav.external.load.BLOCK", 40)  # several blocks in this small cube
    monkeypatch.setattr("probav.external.grid.BLOCK", 40)
    options = {"time": "2016-04-27", "bands": ["B8", "SCL"], **options}
    whole = from_stac(server.url, "sentinel-2", server.bounds, **options).load()
    for chunks in ({"x": 7, "y": 13}, {"time": -1, "x": 64}, {}):
        again = from_stac(server.url, "sentinel-2", server.bounds, chunks=chunks, **options)
        xr.testing.assert_identical(again.load(), whole)
    west, south, east, north = server.bounds
    part = (west + 0.003, south + 0.002, east - 0.004, north - 0.003)
    smaller = from_stac(server.url, "sentinel-2", part, **options).load()
    assert 4 < smaller.sizes["x"] < whole.sizes["x"]
    same = whole.sel(x=smaller.x, y=smaller.y, method="nearest", tolerance=1e-6)
    np.testing.assert_array_equal(smaller.B8, same.B8)
    np.testing.assert_array_equal(smaller.SCL, same.SCL)


def test_resampling_is_gdals(server):
    dataset = from_stac(server.url, "sentinel-2", server.bounds, "2016-04-27", bands="B8", crs="EPSG:32635",
                        resolution=10)  # fmt: skip
    transform = rasterio.transform.from_origin(float(dataset.x[0]) - 5, float(dataset.y[0]) + 5, 10, 10)
    out = np.zeros(dataset.B8.shape[1:], "uint16")
    source = server.dn["B8"][list(server.days).index(np.datetime64("2016-04-27"))]
    reproject(
        source, out, src_transform=server.transform, src_crs="EPSG:3035", dst_transform=transform,
        dst_crs="EPSG:32635", src_nodata=0, dst_nodata=0, resampling=Resampling.nearest,
    )  # fmt: skip
    same = np.isclose(dataset.B8[0], reflectance(out), equal_nan=True, rtol=1e-6, atol=1e-7)
    assert same.mean() > 0.99  # GDAL's approximation of the transform depends on the window


# --- encodings -----------------------------------------------------------------------------------------


@pytest.fixture
def small(make, tmp_path):
    """Write a static catalogue of one-band items of 20 x 20 pixels; return its path and the area."""
    transform = rasterio.transform.from_origin(4_000_000, 3_000_000, 10, 10)
    area = rasterio.warp.transform_bounds(
        "EPSG:3035", "EPSG:4326", 4_000_050, 2_999_850, 4_000_150, 2_999_950
    )

    def write(*items):
        found = []
        for number, (when, array, raster, options) in enumerate(items):
            path = tmp_path / f"{number}.tif"
            make.cog(path, array, transform, nodata=raster.get("nodata"))
            found.append(
                make.item(f"i{number}", when, {"B": (path, raster)}, transform, array.shape, **options)
            )
        return make.catalogue(tmp_path / "stac", found), area

    return write


def full(value, dtype="uint16"):
    return np.full((20, 20), value, dtype)


def test_no_data_value_that_nobody_knows_is_an_error_with_a_remedy(small):
    path, area = small(("2020-01-01T10:00:00", full(0), {"data_type": "uint16"}, {}))
    with pytest.raises(SourceError, match=r"nodata=0 or nodata=\{'B': 0\}"):
        from_stac(path, "sentinel-2", area)
    assert np.isnan(from_stac(path, "sentinel-2", area, nodata=0).B).all()
    assert (from_stac(path, "sentinel-2", area, nodata={"b": 5}).B == 0).all()
    assert (from_stac(path, "sentinel-2", area, nodata=None).B == 0).all()
    with pytest.raises(QueryError, match=r"Did you mean|Known"):
        from_stac(path, "sentinel-2", area, nodata={"C": 5})


def test_each_item_has_its_own_scale_and_offset(small):
    old = {"data_type": "uint16", "nodata": 0, "scale": 0.0001}
    new = old | {"offset": -0.1}
    path, area = small(
        ("2022-01-01T10:00:00", full(2000), old, {}), ("2022-02-01T10:00:00", full(3000), new, {})
    )
    dataset = from_stac(path, "sentinel-2", area)
    np.testing.assert_allclose(dataset.B, 0.2, rtol=1e-6)
    assert dataset.B.shape[0] == 2
    assert not [name for name in dataset.B.attrs if name.startswith("dn_")]


@pytest.mark.parametrize("offsets", [(None, None), (None, -0.1)])
def test_items_of_one_solar_day_are_one_date(small, offsets):
    base = {"data_type": "uint16", "nodata": 0, "scale": 0.0001}
    first, second = (base if offset is None else base | {"offset": offset} for offset in offsets)
    left, right = full(2000), full(2000 if offsets[1] is None else 3000)
    left[:, 10:] = 0
    right[:, :8] = 0
    right[:, 8:10] += 500  # where both have a value, the first counts
    path, area = small(("2022-01-01T10:00:00", left, first, {}), ("2022-01-01T10:00:10", right, second, {}))
    dataset = from_stac(path, "sentinel-2", area)
    assert dataset.sizes["time"] == 1
    np.testing.assert_allclose(dataset.B, 0.2, rtol=1e-6)
    assert json.loads(str(dataset.source.values[0])) == ["i0 ", "i1 "]
    assert from_stac(path, "sentinel-2", area, groupby="time").sizes["time"] == 2


def test_the_solar_day_is_that_of_the_place(make, tmp_path):
    transform = rasterio.transform.from_origin(171.0, -41.0, 0.001, 0.001)  # New Zealand: 11 hours ahead
    path = tmp_path / "a.tif"
    raster = {"data_type": "uint16", "nodata": 0}
    make.cog(path, full(7), transform, "EPSG:4326")
    item = make.item("a", "2020-01-01T22:30:00", {"B": (path, raster)}, transform, (20, 20), "EPSG:4326")
    url = make.catalogue(tmp_path / "stac", [item])
    dataset = from_stac(url, "sentinel-2", (171.005, -41.015, 171.015, -41.005))
    assert dataset.time.values.astype("datetime64[D]") == np.datetime64("2020-01-02")
    assert dataset.x.attrs["standard_name"] == "longitude"


@pytest.mark.parametrize(("assets", "template", "found"), [
    ({"raster:bands": [{"nodata": 1, "data_type": "int8", "scale": 2, "offset": 3}]}, {}, (1, "int8", 2, 3)),
    ({"bands": [{"nodata": 1, "data_type": "int16", "raster:scale": 2}]}, {}, (1, "int16", 2, 0)),
    ({"nodata": "nan", "data_type": "float32", "bands": [{"offset": 3}]}, {}, ("nan", "float32", 1, 3)),
    ({"raster:scale": 2, "nodata": 0}, {}, (0, "float32", 2, 0)),
    ({}, {"raster:bands": [{"nodata": 9, "data_type": "uint8"}]}, (9, "uint8", 1, 0)),
    ({"nodata": 300, "data_type": "uint8"}, {}, "which is no uint8|no uint8"),
    ({"nodata": "none", "data_type": "uint8"}, {}, "make no sense"),
    ({"nodata": 0, "data_type": "uint99"}, {}, "make no sense"),
    ({"nodata": 0, "raster:scale": 0}, {}, "scale not 0"),
    ({"nodata": 0, "raster:scale": "nan"}, {}, "scale not 0"),
])  # fmt: skip
def test_metadata_of_every_age(assets, template, found):
    item = pystac.Item.from_dict({
        "type": "Feature", "stac_version": "1.1.0", "id": "i", "geometry": None, "links": [],
        "properties": {"datetime": "2020-01-01T00:00:00Z"},
        "assets": {"B": {"href": "b.tif", "type": "image/tiff", "roles": ["data"], **assets}},
    }, migrate=False)  # fmt: skip
    band = bands_of(item)["B"]
    if isinstance(found, str):
        with pytest.raises(SourceError, match=found):
            variable(item, band, {"B": template})
        return
    known = variable(item, band, {"B": template})
    nodata = known.nodata if known.nodata == known.nodata else "nan"
    assert (nodata, known.dtype, known.scale, known.offset) == found


# --- catalogues ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["path", "folder", "file"])
def test_a_static_catalogue_is_read_like_an_api(server, make, tmp_path, form):
    items = json.loads((server.folder / "items.json").read_text())["features"]
    path = make.catalogue(tmp_path / "stac", items)
    url = {"path": path, "folder": path.parent, "file": path.as_uri()}[form]
    options = {"time": ("2016-04", "2016-05"), "bands": "B4"}
    static = from_stac(url, "sentinel-2", server.bounds, **options)
    api = from_stac(server.url, "sentinel-2", server.bounds, **options)
    assert static.sizes["time"] > 1
    xr.testing.assert_equal(static.load(), api.load())


@pytest.mark.parametrize(("change", "error", "words"), [
    ({"collection": "sentinel-3"}, SourceError, "Did you mean 'sentinel-2'"),
    ({"time": "1999"}, QueryError, "no item"),
    ({"aoi": (0, 0, 1, 1)}, QueryError, "no item"),
    ({"limit": 3}, QueryError, "more than 3 items"),
    ({"limit": 0}, QueryError, "positive"),
    ({"bands": "B99"}, UnknownNameError, "B99"),
    ({"mask": "cloud"}, UnknownNameError, "cloud"),
    ({"mask": "SCL in ("}, MaskError, "read"),
    ({"groupby": "moon"}, QueryError, "solar_day"),
    ({"crs": "EPSG:99999999"}, QueryError, "crs="),
    ({"crs": "EPSG:4326"}, QueryError, "resolution="),
    ({"resolution": -1}, QueryError, "positive"),
    ({"resampling": "magic"}, ProbavError, "magic"),
    ({"url": "no/such/catalog.json"}, SourceError, "no STAC catalogue"),
])  # fmt: skip
def test_what_cannot_be_understood_is_an_error(server, change, error, words):
    arguments = {
        "url": server.url, "collection": "sentinel-2", "aoi": server.bounds, "time": "2016-03/2016-06",
        "bands": "B4",
    } | change  # fmt: skip
    with pytest.raises(error, match=words):
        from_stac(**arguments)


def test_an_area_that_the_crs_cannot_show_is_an_error(server):
    world = (-180, -90, 180, 90)
    with pytest.raises(OutsideError, match="crs="):
        from_stac(server.url, "sentinel-2", world, bands="B4", crs="+proj=ortho +lat_0=46", resolution=9e3)
    with pytest.raises(BudgetError, match="smaller area"):
        from_stac(server.url, "sentinel-2", world, bands="B4", crs="EPSG:4326", resolution=0.001)


class Stumbling(http.server.BaseHTTPRequestHandler):
    """Passes requests on to the real server, but refuses every other one; keeps what headers came."""

    target, count, seen = "", 0, []

    def do_GET(self):
        self.relay(None)

    def do_POST(self):
        self.relay(self.rfile.read(int(self.headers["Content-Length"])))

    def relay(self, body):
        from urllib.request import Request, urlopen

        type(self).count += 1
        self.seen.append((self.command, self.path, self.headers.get("Authorization")))
        if self.count % 2:
            self.send_error(503)
            return
        kind = {"Content-Type": "application/json"}
        with urlopen(Request(self.target + self.path, body, kind), timeout=20) as answer:
            own = f"http://127.0.0.1:{self.server.server_port}"
            found = answer.read().replace(self.target.encode(), own.encode())
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.headers["Content-Type"])
            self.send_header("Content-Length", str(len(found)))
            self.end_headers()
            self.wfile.write(found)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def stumbling(server, monkeypatch):
    monkeypatch.setattr("probav.external.items._BACKOFF", 0.01)
    handler = type("Own", (Stumbling,), {"target": server.url, "count": 0, "seen": []})
    relay = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=relay.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{relay.server_port}", handler
    relay.shutdown()
    thread.join()
    relay.server_close()


def test_a_server_that_refuses_every_other_request_is_asked_again(server, stumbling, monkeypatch):
    url, handler = stumbling
    monkeypatch.setenv("PROBAV_STAC_TOKEN", "secret")
    options = {"time": "2016-03/2016-06", "bands": "B4"}
    through = from_stac(url, "sentinel-2", server.bounds, **options)
    straight = from_stac(server.url, "sentinel-2", server.bounds, **options)
    xr.testing.assert_equal(through, straight)
    assert handler.count > 3
    assert {token for *_, token in handler.seen} == {"Bearer secret"}, handler.seen


def test_a_server_that_always_refuses_is_given_up(stumbling, monkeypatch):
    url, handler = stumbling
    monkeypatch.setattr(handler, "relay", lambda self, body: self.send_error(503))
    monkeypatch.setattr("probav.external.items._RETRIES", 2)
    with pytest.raises(SourceError, match="can't be read"):
        from_stac(url, "sentinel-2", (26, 46, 27, 47))


class Ranges(http.server.SimpleHTTPRequestHandler):
    """Serves parts of files, but refuses every third request."""

    count = 0

    def do_GET(self):
        type(self).count += 1
        if self.count % 3 == 0:
            self.send_error(503)
            return
        content = Path(self.translate_path(self.path)).read_bytes()
        wanted = self.headers.get("Range")
        first, last = (wanted or "bytes=0-").removeprefix("bytes=").split("-")
        part = content[int(first) : int(last) + 1 if last else None]
        self.send_response(206 if wanted else 200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(part)))
        if wanted:
            self.send_header("Content-Range", f"bytes {first}-{int(first) + len(part) - 1}/{len(content)}")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(part)

    do_HEAD = do_GET

    def log_message(self, *arguments):
        pass


def test_pixels_are_read_again_where_a_server_refuses(server, make, tmp_path):
    handler = functools.partial(Ranges, directory=str(server.folder))
    files = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=files.serve_forever)
    thread.start()
    try:
        item = json.loads((server.folder / "items.json").read_text())["features"][20]
        for asset in item["assets"].values():
            name = asset["href"].rsplit("/", 1)[1]
            asset["href"] = f"http://127.0.0.1:{files.server_port}/{name}"
        path = make.catalogue(tmp_path / "stac", [item])
        dataset = from_stac(path, "sentinel-2", server.bounds, bands=["B4", "B8", "SCL"]).load()
    finally:
        files.shutdown()
        thread.join()
        files.server_close()
    assert Ranges.count > 5
    days = dataset.time.values.astype("datetime64[D]")
    wanted = reflectance(expected(dataset, server, "B8", days))
    np.testing.assert_allclose(dataset.B8, wanted, rtol=1e-6, atol=1e-7)


def test_a_server_on_the_network_may_not_name_files_of_this_machine(server, monkeypatch):
    monkeypatch.setattr("probav.external.items._LOOPBACK", set())
    with pytest.raises(SourceError, match="expected http"):
        from_stac(server.url, "sentinel-2", server.bounds, "2016-04", bands="B4")
    assert urlparse(server.url).hostname == "127.0.0.1"


def test_a_missing_extra_is_one_sentence(monkeypatch):
    with pytest.raises(probav.extras.MissingExtraError, match=r'pip install "probav\[stac\]"'):
        probav.extras.need("no_such_module_at_all", "stac", "Loading from STAC")


def test_blocks_are_whole_chunks_of_an_archive():
    from probav.storage import PIXEL_CHUNK

    assert BLOCK % PIXEL_CHUNK == 0
