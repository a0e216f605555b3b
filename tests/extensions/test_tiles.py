"""Tiles as they are drawn, kept and asked for; without a server."""

from __future__ import annotations

import io
import json
import os
import stat
import threading
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from affine import Affine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from rasterio.warp import Resampling, reproject

import probav
from probav import overviews
from probav.errors import MaskError, ProbavError, QueryError, TimeError, UnknownNameError
from probav_extensions.overlay import rgba
from probav_extensions.tiles import address, colour_bar, kept, render, request, template
from probav_extensions.tiles.render import SIDE, WEB_MERCATOR_TMS, Layer, Tile
from probav_extensions.tiles.route import ARCHIVE, PREFIX
from probav_extensions.tiles.signs import EMPTY

S10 = "PROBAV_L3_S10_TOC_333M"


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch, demo_archive):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.setenv("PROBAV_ARCHIVE", str(demo_archive))
    monkeypatch.delenv("PROBAV_OVERVIEWS", raising=False)
    monkeypatch.delenv(PREFIX, raising=False)
    monkeypatch.setenv(ARCHIVE, str(demo_archive))
    forget()


def forget():
    overviews._PAGES.clear()
    kept._MEMORY.clear()
    kept._files.cache_clear()
    render._overviews.cache_clear()
    request._newest.clear()


@pytest.fixture(scope="module")
def archive(demo_archive):
    return probav.open_archive(demo_archive)


def layer_of(archive, product=S10, variable="NDVI", date=20, **more):
    return Layer(archive.url, archive.snapshot, product, variable, str(archive[product].times[date]), **more)


def middle(product, zoom):
    west, south, east, north = product.extent.bounds
    tile = WEB_MERCATOR_TMS.tile((west + east) / 2, (south + north) / 2, zoom)
    return zoom, tile.x, tile.y


def pixels_of(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"))


def by_rasterio(product, variable, date, place, mask=None):
    """The tile from the loaded pixels, all of them, by GDAL's nearest."""
    loaded = product.load(None, time=str(product.times[date]), variable=variable, mask=mask)[variable]
    values = np.asarray(loaded.isel(time=0).values, "float32")
    if product.variables[variable].kind != "continuous" and product.variables[variable].nodata is not None:
        values[values == product.variables[variable].nodata] = np.nan
    left, top, _, _ = product.held.bounds
    grid = product.grid.window(int(top), int(left), *values.shape)
    west, south, east, north = WEB_MERCATOR_TMS.xy_bounds(Tile(place[1], place[2], place[0]))
    out = np.full((SIDE, SIDE), np.nan, "float32")
    reproject(
        values, out, src_transform=grid.transform, src_crs=grid.crs, src_nodata=np.nan,
        dst_transform=Affine((east - west) / SIDE, 0, west, 0, (south - north) / SIDE, north),
        dst_crs="EPSG:3857",
        dst_nodata=np.nan, resampling=Resampling.nearest, tolerance=0,
    )  # fmt: skip
    return out


@pytest.mark.parametrize(
    ("product", "variable", "mask"),
    [
        (S10, "NDVI", None), (S10, "NDVI", "clear"), (S10, "NDVI", "clear & landcover == 40"),
        (S10, "RED", "clear"), ("CHIRPS_V2_DEKAD", "RAINFALL", None), ("CGLS_LC100_V3", "LC", None),
    ],
)  # fmt: skip
def test_at_native_zoom_a_tile_is_what_gdal_makes_of_the_loaded_pixels(archive, product, variable, mask):
    own = archive[product]
    date = 0 if len(own.times) == 1 else 20
    zoom = {"CHIRPS_V2_DEKAD": 7, "CGLS_LC100_V3": 11}.get(product, 10)
    place = middle(own, zoom)
    layer = layer_of(archive, product, variable, date, mask=mask)
    found, expected = render.image(layer, *place), by_rasterio(own, variable, date, place, mask)
    assert np.isfinite(expected).any()
    if mask is not None:
        assert not np.isfinite(expected).all()
    assert np.array_equal(found, expected, equal_nan=True)
    # and its colours are the product's
    seen = pixels_of(render.tile(layer, *place))
    coloured = rgba(expected, own.variables[variable])
    assert (seen[..., 3] == coloured[..., 3]).all()
    assert (seen[seen[..., 3] > 0] == coloured[seen[..., 3] > 0]).all()
    assert (seen[..., 3][~np.isfinite(expected)] == 0).all()


@pytest.mark.parametrize("zoom", [3, 5, 7, 8])
def test_far_away_a_tile_shows_means(archive, zoom):
    own = archive[S10]
    place = middle(own, zoom)
    found = render.image(layer_of(archive), *place)
    loaded = own.load(None, time=str(own.times[20]))["NDVI"].values
    inside = found[np.isfinite(found)]
    assert inside.size
    assert inside.min() >= np.nanmin(loaded)
    assert inside.max() <= np.nanmax(loaded)
    if inside.size > 100:
        assert inside.mean() == pytest.approx(np.nanmean(loaded), abs=0.03)


def test_far_away_classes_stay_classes(archive):
    own = archive["CGLS_LC100_V3"]
    found = render.image(layer_of(archive, "CGLS_LC100_V3", "LC", 0), *middle(own, 7))
    held = set(np.unique(own.load(None)["LC"].values).astype(float).tolist())
    assert set(found[np.isfinite(found)].tolist()) <= held


def test_a_tile_beside_the_archive_is_empty_and_reads_nothing(archive, monkeypatch):
    monkeypatch.setattr(overviews.Overviews, "read", None)
    assert render.tile(layer_of(archive), 5, 0, 0) is None
    assert kept.kept_tile(layer_of(archive), 5, 0, 0) == (EMPTY, True)
    assert (pixels_of(EMPTY)[..., 3] == 0).all()


def test_a_ramp_between_two_values(archive):
    place = middle(archive[S10], 10)
    plain = pixels_of(render.tile(layer_of(archive), *place))
    other = pixels_of(render.tile(layer_of(archive, ramp="viridis", low=0.2, high=0.6), *place))
    assert (plain[..., 3] == other[..., 3]).all()
    values = render.image(layer_of(archive), *place)
    highest = np.nanargmax(values)
    assert np.nanmax(values) > 0.6
    assert other.reshape(-1, 4)[highest].tolist() == [253, 231, 36, 255]  # viridis ends in yellow


def test_cold_warm_and_read_from_the_disk_are_the_same_bytes(archive, tmp_path, monkeypatch):
    layer, place = layer_of(archive), middle(archive[S10], 6)
    cold = kept.kept_tile(layer, *place)
    assert kept.kept_tile(layer, *place) == cold
    folder = tmp_path / "cache" / "probav" / "tiles"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    forget()
    monkeypatch.setattr(kept, "tile", None)
    assert kept.kept_tile(layer, *place) == cold


def test_what_is_kept_is_bounded(archive, tmp_path, monkeypatch):
    monkeypatch.setenv("PROBAV_TILES_BYTES", "60000")
    monkeypatch.setenv("PROBAV_TILES_MEMORY", "30000")
    zoom, x, y = middle(archive[S10], 11)
    for dx in range(-2, 3):
        for dy in range(-2, 3):
            kept.kept_tile(layer_of(archive), zoom, x + dx, y + dy)
            assert kept._MEMORY._bytes <= 30_000
    files = [path.stat().st_size for path in (tmp_path / "cache" / "probav" / "tiles").rglob("*/*")]
    assert 0 < sum(files) <= 60_000 * 17 / 16 + 10_000


def test_many_at_once_get_what_one_gets(archive):
    layer = layer_of(archive, mask="clear")
    places = [middle(archive[S10], zoom) for zoom in (4, 6, 8, 10)]
    expected = {place: kept.kept_tile(layer, *place) for place in places}
    forget()
    found = []
    threads = [
        threading.Thread(target=lambda place=place: found.append((place, kept.kept_tile(layer, *place))))
        for place in places * 6
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(found) == 24
    assert all(tile == expected[place] for place, tile in found)


def test_too_much_to_read_is_a_sign_that_does_not_stay(archive, monkeypatch):
    monkeypatch.setattr(render, "BUDGET", 1000)
    png, stays = kept.kept_tile(layer_of(archive), *middle(archive[S10], 6))
    assert not stays
    assert pixels_of(png)[..., 3].all()
    monkeypatch.undo()


@pytest.fixture(scope="module")
def projected(tmp_path_factory):
    """A product on a grid of metres, with pixels that are known."""
    import xarray as xr
    from pyproj import CRS

    from probav.external import store_dataset
    from probav.products.custom import from_dict

    random = np.random.default_rng(5)
    dn = np.kron(random.integers(0, 251, (2, 40, 30)), np.ones((1, 10, 10), int)).astype("uint8")
    dn[:, :10, :10] = 255
    x, y = 3_900_500 + 1000 * np.arange(300.0), 3_200_500 - 1000 * np.arange(400.0)
    definition = from_dict({
        "id": "PROJECTED", "title": "projected", "cadence": "day", "citation": "none", "licence": "none",
        "grid": {
            "x0": x[0], "y0": y[0], "nx": 0.001, "ny": 0.001, "width": 300, "height": 400, "crs": "EPSG:3035",
        },
        "variables": {"NDVI": {"dtype": "uint8", "long_name": "n", "nodata": 255, "valid": [0, 250]}},
    })  # fmt: skip
    days = np.array(["2020-01-01", "2020-01-02"], "datetime64[ns]")
    coordinates = {"time": days, "x": x, "y": y, "spatial_ref": ((), 0, CRS("EPSG:3035").to_cf())}
    url = str(tmp_path_factory.mktemp("projected") / "archive")
    store_dataset(url, xr.Dataset({"NDVI": (("time", "y", "x"), dn)}, coordinates), definition)
    return probav.open_archive(url)


@pytest.mark.parametrize("zoom", [0, 3, 5, 8, 12])
def test_a_product_in_another_projection_is_moved_to_the_map(projected, zoom):
    own = projected["PROJECTED"]
    west, south, east, north = own.footprint().total_bounds
    at = WEB_MERCATOR_TMS.tile((west + east) / 2, (south + north) / 2, zoom)
    found = render.image(layer_of(projected, "PROJECTED", date=1), zoom, at.x, at.y)
    assert np.isfinite(found).any()
    if zoom >= 8:
        expected = by_rasterio(own, "NDVI", 1, (zoom, at.x, at.y))
        assert np.array_equal(found, expected, equal_nan=True)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.integers(0, 22), st.data())
def test_every_place_gives_a_tile(archive, zoom, data):
    west, south, east, north = archive[S10].extent.bounds
    lon = data.draw(st.one_of(st.floats(-180, 180), st.floats(west, east)))
    lat = data.draw(st.one_of(st.floats(-85, 85), st.floats(south, north)))
    at = WEB_MERCATOR_TMS.tile(lon, lat, zoom)
    png, _ = kept.kept_tile(layer_of(archive), zoom, at.x, at.y)
    assert pixels_of(png).shape == (SIDE, SIDE, 4)


# what is asked


def asked(place=("5", "16", "10"), product=S10, variable="NDVI", **query):
    return request.read(product, variable, place, {name: [value] for name, value in query.items()})


@pytest.mark.parametrize(
    ("place", "query", "words"),
    [
        (("23", "0", "0"), {}, "largest is 22"),
        (("3", "8", "0"), {}, "they go to 7"),
        (("3", "0", "99999999"), {}, "they go to 7"),
        (("3", "0", "999999999"), {}, "There is no tile"),
        (("5", "16", "10"), {"time": "2016"}, "no date"),
        (("5", "16", "10"), {"time": "../../etc/passwd"}, "no date"),
        (("5", "16", "10"), {"snapshot": "x"}, "no snapshot's id"),
        (("5", "16", "10"), {"archive": "/etc"}, "no key"),
        (("5", "16", "10"), {"archive": "s3://bucket/archive"}, "no key"),
        (("5", "16", "10"), {"mask": "clear & " * 500}, "1000 are the most"),
        (("5", "16", "10"), {"low": "nan"}, "no number"),
        (("5", "16", "10"), {"low": "0.9", "high": "0.1"}, "no range"),
        (("5", "16", "10"), {"ramp": "viridiss"}, "Did you mean 'viridis'"),
        (("5", "16", "10"), {"url": "x"}, "know no 'url'"),
    ],
)
def test_what_means_nothing_is_said_in_a_sentence(place, query, words):
    with pytest.raises(request.BadRequestError, match=words) as caught:
        asked(place, **query)
    assert str(caught.value).endswith((".", "?"))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"product": "NOTHING"}, "holds no product 'NOTHING'"),
        ({"variable": "NDWI"}, "no variable 'NDWI'"),
        ({"time": "1999-01-01"}, "no date 1999-01-01"),
        ({"archive": "0" * 24}, "not known to this server"),
        ({"snapshot": "A" * 20}, "no snapshot"),
    ],
)
def test_what_is_not_there_is_said(changes, words):
    with pytest.raises(request.NotThereError, match=words):
        asked(**changes)


def test_a_mask_that_means_nothing(archive):
    for mask in ("__import__('os')", "clear &", "claer"):
        with pytest.raises(ProbavError):
            kept.kept_tile(layer_of(archive, mask=mask), *middle(archive[S10], 6))


def test_an_address_that_says_everything_is_pinned(archive):
    date = str(archive[S10].times[3])
    assert asked(snapshot=archive.snapshot, time=date).is_pinned
    assert not asked(time=date).is_pinned
    assert not asked(snapshot=archive.snapshot).is_pinned
    assert asked().layer == layer_of(archive, date=-1)


# the kernel's side


def test_without_a_server_there_is_no_address(archive):
    assert template(archive[S10]) is None


def test_an_address_is_what_the_server_reads(archive, monkeypatch):
    monkeypatch.setenv(PREFIX, "/user/ann b/")
    text = template(archive[S10], "RED", "2016-05", "clear & ~(landcover == 40)", "magma", 0.0, 0.4)
    assert text.startswith(f"/user/ann b/probav/tiles/{S10}/RED/{{z}}/{{x}}/{{y}}.png?")
    assert "{" not in text.replace("{z}", "").replace("{x}", "").replace("{y}", "")
    query = parse_qs(urlsplit(text).query)
    assert "archive" not in query  # the server's own
    found = request.read(S10, "RED", ("5", "16", "10"), query)
    assert found.is_pinned
    expected = layer_of(
        archive, S10, "RED", mask="clear & ~(landcover == 40)", ramp="magma", low=0.0, high=0.4
    )
    assert found.layer.date == "2016-05-21"
    assert {**vars(found.layer), "date": ""} == {**vars(expected), "date": ""}


def test_other_colours_have_another_address(archive, monkeypatch):
    monkeypatch.setenv(PREFIX, "/")
    one, other = (template(archive[S10], high=high) for high in (None, 0.5))
    assert parse_qs(one)["v"] != parse_qs(other)["v"]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"variable": "NDWI"}, UnknownNameError), ({"mask": "clear &"}, MaskError),
        ({"time": "1999"}, TimeError), ({"ramp": "none"}, QueryError),
        ({"low": 2.0}, QueryError), ({"variable": "SM", "low": 1.0}, QueryError),
    ],
)  # fmt: skip
def test_a_mistake_is_told_in_the_notebook(archive, monkeypatch, arguments, error):
    monkeypatch.setenv(PREFIX, "/")
    with pytest.raises(error):
        template(archive[S10], **arguments)


def test_another_archive_is_known_by_a_key(archive, monkeypatch, tmp_path):
    monkeypatch.setenv(PREFIX, "/")
    monkeypatch.setenv(ARCHIVE, str(tmp_path / "another"))
    key = parse_qs(urlsplit(template(archive[S10])).query)["archive"][0]
    file = tmp_path / "runtime" / f"probav-archive-{key}.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert asked(archive=key).layer == layer_of(archive, date=-1)
    assert address.register(archive.url) == key
    assert len(list((tmp_path / "runtime").iterdir())) == 1
    # what is no such file, or another's, says nothing
    for text in ("", "[]", '{"url"', "{}"):
        file.write_text(text)
        assert address.registered(key) is None
    file.unlink()
    elsewhere = tmp_path / "elsewhere.json"
    elsewhere.write_text(json.dumps({"url": "/etc"}))
    file.symlink_to(elsewhere)
    assert address.registered(key) is None


def test_archives_told_of_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(address, "_KEPT", 3)
    keys = []
    for number in range(6):
        keys.append(address.register(str(tmp_path / str(number))))
        os.utime(tmp_path / "runtime" / f"probav-archive-{keys[-1]}.json", (number, number))
    assert len(list((tmp_path / "runtime").iterdir())) == 3
    assert address.registered(keys[0]) is None
    assert address.registered(keys[-1]) == str(tmp_path / "5")


def test_a_colour_bar_has_the_ends_colours(archive):
    png, low, high, units = colour_bar(archive[S10].variables["NDVI"], low=0.1, high=0.9)
    assert (low, high, units) == (0.1, 0.9, "")
    seen = pixels_of(png)
    style = render.Style(archive[S10].variables["NDVI"], None, 0.1, 0.9)
    ends = style.rgba(np.array([[0.1, 0.9]], "float32"))[0]
    assert (seen[0, [0, -1]] == ends).all()
    assert colour_bar(archive["CHIRPS_V2_DEKAD"].variables["RAINFALL"])[3] == "mm"
    png, low, high, _ = colour_bar(archive["CGLS_LC100_V3"].variables["LC"])
    assert len(np.unique(pixels_of(png)[0], axis=0)) > 5
    assert low < high
