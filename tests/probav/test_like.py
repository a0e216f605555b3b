"""Pixels asked for on another product's grid: which they are, when they are read, what is said of them."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import shapely
import xarray as xr

import probav
from probav.errors import OutsideError, QueryError, UnknownProductError
from probav.grid import Grid

S10, COVER, RAIN = "PROBAV_L3_S10_TOC_333M", "CGLS_LC100_V3", "CHIRPS_V2_DEKAD"
TRIANGLE = shapely.Polygon([(2.2, 48.71), (2.91, 49.03), (2.43, 49.41)])


def test_the_pixels_are_those_of_the_other_product_and_clipped_to_the_area(world):
    s10, rain = world.archive[S10], world.archive[RAIN]
    loaded = s10.load(TRIANGLE, "2015-03", like=RAIN, resampling="mean")
    own = rain.load(TRIANGLE, "2015-03")
    for name in ("x", "y", "time"):
        np.testing.assert_array_equal(loaded[name], own[name])  # to the last bit: they align
    both = xr.merge([loaded, own], compat="override", join="exact", combine_attrs="drop")
    assert set(both.data_vars) == {"NDVI", "RAINFALL"}
    whole = s10.load(TRIANGLE, "2015-03", like=rain, resampling="mean", clip=False)
    inside = np.isfinite(loaded.NDVI.values)
    assert 0.2 < inside.mean() < 0.9
    np.testing.assert_array_equal(loaded.NDVI.values[inside], whole.NDVI.values[inside])


def test_the_name_a_product_and_its_grid_are_the_same_place(world):
    s10 = world.archive[S10]
    named, held, grid = (
        s10.load(TRIANGLE, "2015-03-01", like=like, resampling="mean").NDVI.values
        for like in (RAIN.lower(), world.archive[RAIN], world.archive[RAIN].grid)
    )
    np.testing.assert_array_equal(named, held)
    np.testing.assert_array_equal(named, grid)


@pytest.mark.parametrize("method", ["nearest", "mean"])
def test_a_product_on_its_own_grid_is_itself(world, method):
    s10 = world.archive[S10]
    plain = s10.load(TRIANGLE, "2015-03", "clear")
    same = s10.load(TRIANGLE, "2015-03", "clear", like=s10, resampling=method)
    np.testing.assert_array_equal(plain.NDVI.values, same.NDVI.values)
    for name in ("x", "y"):
        np.testing.assert_array_equal(plain[name], same[name])


@pytest.mark.parametrize(("method", "variable"), [("nearest", ["NDVI", "SM"]), ("mean", ["NDVI", "RED"])])
def test_chunks_change_nothing(world, method, variable, monkeypatch):
    s10 = world.archive[S10]
    options = {"mask": "clear & landcover != 80", "variable": variable, "like": RAIN, "resampling": method}
    whole = s10.load(TRIANGLE, "2015-02/2015-03", **options).compute()
    pieces = s10.load(TRIANGLE, "2015-02/2015-03", **options)
    for name in variable:
        for time in range(0, pieces.sizes["time"], 5):
            for y in range(0, pieces.sizes["y"], 9):
                for x in range(0, pieces.sizes["x"], 7):
                    at = {"time": slice(time, time + 5), "y": slice(y, y + 9), "x": slice(x, x + 7)}
                    np.testing.assert_array_equal(pieces[name].isel(at).values, whole[name].isel(at).values)
    monkeypatch.setattr("probav.loading._VALUES", 5000)  # cut where memory would end
    again = s10.load(TRIANGLE, "2015-02/2015-03", **options).compute()
    xr.testing.assert_identical(again, whole)
    pytest.importorskip("dask")
    chunked = s10.load(TRIANGLE, "2015-02/2015-03", chunks={"time": 2, "y": 4, "x": 5}, **options)
    assert chunked[variable[0]].chunks is not None
    xr.testing.assert_identical(chunked.compute(), whole)


def test_a_pixel_that_covers_too_much_for_memory_is_read_date_by_date(world, monkeypatch):
    s10 = world.archive[S10]
    coarse = Grid(2.5, 49.1, 2, 2, 1, 1)
    loaded = s10.load(mask="clear", like=coarse, resampling="mean").NDVI
    whole = loaded.values
    monkeypatch.setattr("probav.loading._VALUES", 50_000)
    again = s10.load(mask="clear", like=coarse, resampling="mean").NDVI.values
    assert whole.shape == (14, 1, 1)
    np.testing.assert_array_equal(again, whole)
    # 2.25 to 2.75 east, 48.85 to 49.35 north: each 300 m pixel by the part of it that lies in there
    transform = world.transforms[S10]
    (left, top), (right, bottom) = ((~transform) @ at for at in ((2.25, 49.35), (2.75, 48.85)))
    down = [max(0, min(bottom, row + 1) - max(top, row)) for row in range(300)]
    across = [max(0, min(right, column + 1) - max(left, column)) for column in range(310)]
    clear = (world.arrays[S10]["SM"] % 8 == 0) & np.isfinite(world.physical(S10, "NDVI"))
    weight = clear * np.outer(down, across)
    expected = np.nansum(weight * world.physical(S10, "NDVI"), axis=(1, 2)) / weight.sum(axis=(1, 2))
    np.testing.assert_allclose(whole[:, 0, 0], expected, rtol=1e-6)


def test_chunks_of_classes_change_nothing(world, monkeypatch):
    cover = world.archive[COVER]
    whole = cover.load(TRIANGLE, like=RAIN, resampling="mode").LC.values
    monkeypatch.setattr("probav.loading._VALUES", 3000)
    np.testing.assert_array_equal(cover.load(TRIANGLE, like=RAIN, resampling="mode").LC.values, whole)


def test_nothing_is_read_before_it_is_asked_for(world, tmp_path):
    url = world.copy(tmp_path)
    loaded = probav.open_archive(url)[S10].load(TRIANGLE, mask="clear", like=RAIN, resampling="mean")
    shutil.move(Path(url) / "chunks", tmp_path / "aside")
    assert loaded.NDVI.shape[0] == 14
    shutil.move(tmp_path / "aside", Path(url) / "chunks")
    assert np.isfinite(loaded.NDVI.isel(time=3).values).any()


def test_another_coordinate_system_gets_the_pixel_that_holds_each_centre(world):
    from pyproj import Transformer

    x0, y0 = Transformer.from_crs("EPSG:4326", "EPSG:3035", always_xy=True).transform(2.3, 49.3)
    grid = Grid(x0, y0, 1 / 500, 1 / 500, 60, 50, "EPSG:3035")
    loaded = world.archive[S10].load(time="2015-01-01", like=grid, keep_dn=True).NDVI
    lon, lat = Transformer.from_crs("EPSG:3035", "EPSG:4326", always_xy=True).transform(
        *np.meshgrid(loaded.x.values, loaded.y.values)
    )
    column, row = (np.floor(item).astype(int) for item in ~world.transforms[S10] @ (lon, lat))
    inside = (row >= 0) & (row < 300) & (column >= 0) & (column < 310)
    assert inside.any()
    expected = np.where(
        inside, world.arrays[S10]["NDVI"][0][np.clip(row, 0, 299), np.clip(column, 0, 309)], 255
    )
    np.testing.assert_array_equal(loaded.values[0], expected)
    area = world.archive[S10].load((2.35, 49.1, 2.4, 49.2), "2015-01-01", like=grid, keep_dn=True).NDVI
    assert 0 < area.size < loaded.size / 4
    same = loaded.sel(x=area.x, y=area.y).values
    inside = area.values != 255  # the area's edges are curves here
    assert inside.mean() > 0.8
    np.testing.assert_array_equal(area.values[inside], same[inside])


def test_attributes_say_how_and_from_where(world):
    loaded = world.archive[S10].load(TRIANGLE, "2015-03", like=RAIN, resampling="mean")
    assert (loaded.attrs["resampling"], loaded.attrs["like"]) == ("mean", RAIN)
    assert "336 x 336 pixels a unit" in loaded.attrs["source_grid"]
    assert "area: mean" in loaded.NDVI.attrs["cell_methods"]
    assert '"resampling": "mean"' in loaded.attrs["query"]
    assert "resampling" not in world.archive[S10].load(TRIANGLE, "2015-03").attrs
    cover = world.archive[COVER].load(like=RAIN, resampling="mode")
    assert cover.LC.attrs["cell_methods"] == "area: mode"


@pytest.mark.parametrize(
    ("product", "options", "words"),
    [
        (COVER, {"like": RAIN, "resampling": "mean"}, "LC of CGLS_LC100_V3 is made of classes"),
        (S10, {"like": RAIN, "resampling": "mean", "variable": "SM"}, "with resampling='mode' or 'nearest'"),
        (S10, {"like": RAIN, "resampling": "mode"}, "is a quantity: a mode of it has no meaning"),
        (S10, {"like": RAIN, "resampling": "meen"}, "no resampling 'meen'. Did you mean 'mean'"),
        (S10, {"resampling": "mean"}, "needs like="),
        (S10, {"like": 5}, "expected a product"),
        (
            S10,
            {"like": Grid(0, 0, 0.01, 0.01, 9, 9, "EPSG:3035"), "resampling": "mean"},
            "needs both grids in one coordinate system, found EPSG:4326 and EPSG:3035; use",
        ),
    ],
)
def test_what_has_no_meaning_is_said(world, product, options, words):
    with pytest.raises(QueryError) as caught:
        world.archive[product].load(**options)
    assert words in str(caught.value)


def test_names_and_places_that_are_not_there(world):
    s10 = world.archive[S10]
    with pytest.raises(UnknownProductError, match="Did you mean 'CHIRPS_V2_DEKAD'"):
        s10.load(like="CHIRPS_V2_DEKADE")
    with pytest.raises(OutsideError, match="is centred on what is held"):
        s10.load(like=Grid(20, 20, 10, 10, 5, 5))
    with pytest.raises(OutsideError, match="lies outside"):
        s10.load((20, 20, 21, 21), like=RAIN)


def test_the_command_line_writes_them(world, tmp_path, capsys, monkeypatch):
    from probav.cli import main

    monkeypatch.setenv("PROBAV_ARCHIVE", world.url)
    box, path = "2.2,48.8,2.4,49", str(tmp_path / "rain.nc")
    words = ["load", S10, "--aoi", box, "--time", "2015-03", "--mask", "clear", "--like", RAIN]
    assert main([*words, "--resampling", "mean", "-o", path]) == 0, capsys.readouterr().err
    expected = world.archive[S10].load((2.2, 48.8, 2.4, 49), "2015-03", "clear", like=RAIN, resampling="mean")
    with xr.open_dataset(path, decode_coords="all") as written:
        xr.testing.assert_equal(written.compute(), expected.compute())
    assert main([*words, "--resampling", "median", "-o", path]) == 2
    assert "'nearest', 'mean', 'mode'" in capsys.readouterr().err
