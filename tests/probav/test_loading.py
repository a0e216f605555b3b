import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio.features
import shapely
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import CRS

import probav
from probav.errors import AoiError, MaskError, OutsideError, ProbavError, TimeError, UnknownNameError

S10, COVER, RAIN, NDVI300 = "PROBAV_L3_S10_TOC_333M", "CGLS_LC100_V3", "CHIRPS_V2_DEKAD", "CGLS_NDVI300_V1"
# well inside of the sources, on no pixel's edge
TRIANGLE = shapely.Polygon([(2.2, 48.71), (2.91, 49.03), (2.43, 49.41)])


@pytest.fixture(scope="module")
def product(world):
    return world.archive[S10]


@pytest.fixture(scope="module")
def everything(product):
    return product.load(variable=["NDVI", "RED"])


def cover_of_pixels(world):
    """Land cover at the centre of each 300 m pixel, which is the centre of every third 100 m pixel."""
    one, other = world.transforms[S10], world.transforms[COVER]
    column = round((one.c + one.a / 2 - other.c - other.a / 2) / other.a)
    row = round((one.f + one.e / 2 - other.f - other.e / 2) / other.e)
    return world.arrays[COVER]["LC"][0, row::3, column::3][:300, :310]


# --- values ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("product", "names"),
    [(S10, ["NDVI", "RED", "NIR", "BLUE", "SWIR"]), (RAIN, ["RAINFALL"]), (NDVI300, ["NDVI"])],
)
def test_physical_values_are_the_manuals(world, product, names):
    loaded = world.archive[product].load(variable=names)
    assert list(loaded.data_vars) == names
    for name in names:
        assert loaded[name].dtype == "float32"
        np.testing.assert_allclose(loaded[name].values, world.physical(product, name), rtol=1e-6, atol=1e-8)


def test_the_main_variable_where_none_is_named(product, world):
    loaded = product.load()
    assert list(loaded.data_vars) == ["NDVI"]
    assert loaded.NDVI.dims == ("time", "y", "x")
    np.testing.assert_array_equal(loaded.time, world.dates[S10].astype("datetime64[ns]"))
    transform = world.transforms[S10]
    np.testing.assert_allclose(loaded.x, transform.c + transform.a * (np.arange(310) + 0.5), atol=1e-9)
    np.testing.assert_allclose(loaded.y, transform.f + transform.e * (np.arange(300) + 0.5), atol=1e-9)


def test_flags_and_classes_keep_their_type(world, product):
    status = product.load(variable="SM").SM
    assert status.dtype == "uint8"
    np.testing.assert_array_equal(status, world.arrays[S10]["SM"])
    cover = world.archive[COVER].load().LC
    assert cover.dtype == "uint8"
    np.testing.assert_array_equal(cover, world.arrays[COVER]["LC"])
    assert dict(zip(cover.flag_values.tolist(), cover.flag_meanings.split(), strict=True))[40] == "cropland"


def test_names_do_not_mind_case(product):
    assert list(product.load(variable=["red", "Ndvi"]).data_vars) == ["RED", "NDVI"]


@pytest.mark.parametrize(
    ("time", "chosen"),
    [
        ("2015-03", [6, 7, 8]),
        ("2015-03-11", [7]),
        (("2015-02-21", "2015-03-01"), [5, 6]),
        (slice("2015-05", None), [12, 13]),
        ("/2015-01-15", [0, 1]),
    ],
)
def test_time_chooses_dates(world, product, time, chosen):
    loaded = product.load(time=time, keep_dn=True).NDVI
    np.testing.assert_array_equal(loaded.time, world.dates[S10][chosen].astype("datetime64[ns]"))
    np.testing.assert_array_equal(loaded, world.arrays[S10]["NDVI"][chosen])


# --- masks ----------------------------------------------------------------------------------------------


def test_a_mask_leaves_nan(world, product):
    sm = world.arrays[S10]["SM"]
    keep = (sm % 8 == 0) & (sm // 8 % 2 == 1)
    assert 0.1 < keep.mean() < 0.9
    expected = np.where(keep, world.physical(S10, "NDVI"), np.nan)
    loaded = product.load(mask="clear & land")
    np.testing.assert_allclose(loaded.NDVI.values, expected, rtol=1e-6, atol=1e-8)
    assert loaded.attrs["mask"] == "clear & land"


def test_a_mask_of_another_grid_and_of_the_values_themselves(world, product):
    cover = cover_of_pixels(world)
    keep = np.isin(cover, [40, 111]) & (world.arrays[S10]["NDVI"] >= 95)  # 0.004 * 95 - 0.08 = 0.3
    expected = np.where(keep, world.physical(S10, "NDVI"), np.nan)
    assert 0.05 < keep.mean() < 0.9
    text = "landcover in ('cropland', 111) & ndvi >= 0.3"
    np.testing.assert_allclose(product.load(mask=text).NDVI.values, expected, rtol=1e-6, atol=1e-8)


def test_a_mask_of_rain_takes_the_dekad_of_each_date(world, product):
    loaded = product.load(time="2015-02", mask="rainfall > 40").NDVI
    other = world.transforms[RAIN]
    columns = np.floor((loaded.x.values - other.c) / other.a + 1e-6).astype(int)
    rows = np.floor((loaded.y.values - other.f) / other.e + 1e-6).astype(int)
    rain = world.arrays[RAIN]["RAINFALL"][3:6][:, rows][:, :, columns]
    expected = np.where(rain > 40, world.physical(S10, "NDVI")[3:6], np.nan)
    np.testing.assert_allclose(loaded.values, expected, rtol=1e-6, atol=1e-8)


def test_masked_stored_numbers_become_the_no_data_value(world, product):
    sm = world.arrays[S10]["SM"]
    loaded = product.load(mask="clear", keep_dn=True, variable=["NDVI", "RED", "SM"])
    for name, blank in (("NDVI", 255), ("RED", -1), ("SM", 2)):
        array = world.arrays[S10][name]
        assert loaded[name].dtype == array.dtype
        np.testing.assert_array_equal(loaded[name], np.where(sm % 8 == 0, array, blank))


# --- areas ----------------------------------------------------------------------------------------------


def touched(world, shape):
    """The pixels of the sources that GDAL says a shape touches."""
    return rasterio.features.rasterize(
        [shape], out_shape=(300, 310), transform=world.transforms[S10], all_touched=True, dtype="uint8"
    ).astype(bool)


def test_an_area_gives_the_window_of_its_pixels_and_blanks_the_others(world, product):
    inside = touched(world, TRIANGLE)
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    window = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    expected = np.where(inside, world.physical(S10, "NDVI"), np.nan)[:, *window]
    loaded = product.load(TRIANGLE).NDVI
    np.testing.assert_allclose(loaded.values, expected, rtol=1e-6, atol=1e-8)
    whole = product.load(TRIANGLE, clip=False).NDVI
    np.testing.assert_allclose(whole.values, world.physical(S10, "NDVI")[:, *window], rtol=1e-6, atol=1e-8)
    assert loaded.sizes == whole.sizes
    stored = product.load(TRIANGLE, keep_dn=True).NDVI
    np.testing.assert_array_equal(stored, np.where(inside, world.arrays[S10]["NDVI"], 255)[:, *window])


def test_several_features_give_the_window_of_all(world, product):
    one, other = shapely.box(2.21, 49.31, 2.33, 49.37), shapely.box(2.71, 48.81, 2.77, 48.9)
    inside = touched(world, one) | touched(world, other)
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    loaded = product.load(shapely.MultiPolygon([one, other])).NDVI
    assert loaded.shape == (14, rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1)
    expected = np.where(inside, world.physical(S10, "NDVI"), np.nan)
    expected = expected[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    np.testing.assert_allclose(loaded.values, expected, rtol=1e-6, atol=1e-8)


def test_a_point_is_one_pixel(world, product):
    loaded = product.load((2.5, 49.1)).NDVI
    transform = world.transforms[S10]
    column, row = (int(np.floor(v)) for v in ~transform @ (2.5, 49.1))
    assert loaded.shape == (14, 1, 1)
    np.testing.assert_allclose(
        loaded.values[:, 0, 0], world.physical(S10, "NDVI")[:, row, column], rtol=1e-6, atol=1e-8
    )


def test_an_area_that_reaches_beyond_the_archive_gives_what_is_held(product):
    west, south, east, north = product.extent.bounds
    loaded = product.load((west - 2, south - 2, west + 0.2, south + 0.3))
    assert float(loaded.x.min()) == pytest.approx(west + 0.5 / 336)
    assert float(loaded.y.min()) == pytest.approx(south + 0.5 / 336)
    assert loaded.sizes["x"] == pytest.approx(0.2 * 336, abs=1)
    whole = product.load((west - 2, south - 2, east + 2, north + 2))
    assert whole.NDVI.shape == (14, 300, 310)


# --- laziness -------------------------------------------------------------------------------------------


def test_nothing_is_read_before_it_is_asked_for(world, tmp_path):
    url = world.copy(tmp_path)
    loaded = probav.open_archive(url)[S10].load(TRIANGLE, mask="clear & landcover == 40")
    shutil.move(Path(url) / "chunks", tmp_path / "aside")  # every pixel of the archive
    assert loaded.sizes["time"] == 14
    assert "NDVI" in repr(loaded)
    some = loaded.NDVI.isel(time=3)
    with pytest.raises(Exception, match=r"(?i)not found|no such|error"):
        _ = some.values
    shutil.move(tmp_path / "aside", Path(url) / "chunks")
    assert np.isfinite(some.values).any()


def test_an_open_dataset_stays_at_its_snapshot(world, tmp_path, sources):
    url = world.copy(tmp_path)
    loaded = probav.open_archive(url)[S10].load(keep_dn=True, mask="landcover == 40 | landcover != 40")
    sources.write_s10(tmp_path / "new", "2015-01-01", world.later_arrays[S10], "V102")
    probav.ingest(url, tmp_path / "new")
    inside = cover_of_pixels(world) != 255
    np.testing.assert_array_equal(loaded.NDVI[0], np.where(inside, world.arrays[S10]["NDVI"][0], 255))


def index(size):
    """An integer, a slice of any step, or a list of positions."""
    position = st.integers(-size, size - 1)
    ends = st.one_of(st.none(), st.integers(-size - 3, size + 3))
    steps = st.integers(-40, 40).filter(bool)
    # xarray itself (2026.9) takes a falling slice that begins before the first position for the whole axis
    slices = st.builds(slice, ends, ends, st.one_of(st.none(), steps)).filter(
        lambda taken: (taken.step or 1) > 0 or taken.start is None or taken.start >= -size
    )
    return st.one_of(
        position,
        slices,
        st.lists(position, min_size=1, max_size=4),
    )


@given(index(14), index(300), index(310))
def test_any_index_equals_numpy(world, everything, time, y, x):
    expected = world.physical(S10, "RED")
    for axis, key in enumerate((time, y, x)):
        full = (slice(None),) * axis
        # an integer drops its axis at the end, so that the axes keep their numbers until then
        expected = expected[(*full, [key] if isinstance(key, int) else key)]
    for axis, key in reversed(list(enumerate((time, y, x)))):
        if isinstance(key, int):
            expected = expected.take(0, axis)
    found = everything.RED.isel(time=time, y=y, x=x)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found.values, expected, rtol=1e-6, atol=1e-8)


@settings(max_examples=25)
@given(index(14), index(30))
def test_indexes_combine_with_masks_and_clips(world, product, time, y):
    clipped = product.load(TRIANGLE, mask="clear")
    eager = clipped.NDVI.values
    found = clipped.NDVI.isel(time=time).isel(y=y)[..., ::-3]
    expected = xr.DataArray(eager, dims=("time", "y", "x")).isel(time=time).isel(y=y)[..., ::-3]
    np.testing.assert_array_equal(found.values, expected.values)


def test_points_are_picked_together(world, everything):
    rows, columns = [5, 290, 150], [300, 2, 279]
    found = everything.NDVI.isel(y=xr.DataArray(rows, dims="point"), x=xr.DataArray(columns, dims="point"))
    expected = world.physical(S10, "NDVI")[:, rows, columns]
    np.testing.assert_allclose(found.values, expected, rtol=1e-6, atol=1e-8)
    nearest = everything.NDVI.sel(x=2.5, y=49.1, method="nearest").sel(time="2015-03-11")
    assert nearest.ndim == 0


# --- words ----------------------------------------------------------------------------------------------


def test_attributes_say_what_it_is_and_where_it_comes_from(world, product):
    loaded = product.load(variable=["NDVI", "RED"])
    assert loaded.attrs["product"] == S10
    assert loaded.attrs["snapshot"] == world.archive.snapshot
    assert loaded.attrs["archive"] == world.url
    assert "PROBA-V" in loaded.attrs["citation"]
    assert loaded.NDVI.attrs["long_name"] == "Normalized Difference Vegetation Index"
    assert loaded.NDVI.attrs["units"] == "1"
    assert (loaded.NDVI.attrs["dn_scale"], loaded.NDVI.attrs["dn_offset"]) == (0.004, -0.08)
    assert "scale_factor" not in loaded.NDVI.attrs  # nobody is to apply it twice
    assert CRS.from_cf(loaded.spatial_ref.attrs) == CRS("EPSG:4326")
    x0, dx, _, y0, _, dy = map(float, loaded.spatial_ref.attrs["GeoTransform"].split())
    assert (x0 + dx / 2, y0 + dy / 2) == pytest.approx((float(loaded.x[0]), float(loaded.y[0])))


@pytest.mark.parametrize("keep_dn", [False, True])
@pytest.mark.parametrize("engine", ["h5netcdf", "netcdf4"])
def test_netcdf_gives_the_same_values_back(world, product, tmp_path, keep_dn, engine):
    loaded = product.load(TRIANGLE, "2015-03", "clear", variable=["NDVI", "RED", "SM"], keep_dn=keep_dn)
    loaded.to_netcdf(tmp_path / "x.nc", engine=engine)
    physical = product.load(TRIANGLE, "2015-03", "clear", variable=["NDVI", "RED", "SM"])
    with xr.open_dataset(tmp_path / "x.nc", engine=engine, decode_coords="all") as again:
        for name in ("NDVI", "RED"):
            np.testing.assert_allclose(again[name].values, physical[name].values, rtol=1e-6, atol=1e-7)
        np.testing.assert_array_equal(again.SM, physical.SM)
        for name in ("x", "y", "time"):
            np.testing.assert_array_equal(again[name], loaded[name])
        assert again.attrs["snapshot"] == world.archive.snapshot
        assert CRS.from_cf(again.spatial_ref.attrs) == CRS("EPSG:4326")


# --- what goes wrong ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "arguments", "words"),
    [
        (OutsideError, {"aoi": (10, 49, 11, 50)}, "lies outside of what the archive holds"),
        (OutsideError, {"aoi": (20, -5)}, "lies outside"),
        (
            TimeError,
            {"time": "2016"},
            "has no date in 2016-01-01 to 2016-12-31: it holds 14",
        ),
        (TimeError, {"time": "last spring"}, "Can't read 'last spring' as a date"),
        (MaskError, {"mask": "clear &"}, "Can't read the mask"),
        (UnknownNameError, {"mask": "cleer"}, "Did you mean 'clear'"),
        (UnknownNameError, {"variable": "NDWI"}, "has no variable 'NDWI'. Did you mean 'NDVI'"),
        (UnknownNameError, {"variable": ["NDVI", "SZA"]}, "The archive holds no SZA"),
        (AoiError, {"aoi": (50, 100)}, "no longitude and latitude"),
    ],
)
def test_mistakes_are_found_before_anything_is_read(product, error, arguments, words):
    with pytest.raises(error) as caught:
        product.load(**arguments)
    assert words in str(caught.value)
    assert isinstance(caught.value, ProbavError)
