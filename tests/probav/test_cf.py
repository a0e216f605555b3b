"""What loaded pixels say of themselves, as other programs read it: netCDF4, xarray, GDAL."""

import json

import netCDF4
import numpy as np
import pytest
import rasterio
import shapely
import xarray as xr

import probav
from probav.grid import Grid

S10, COVER, RAIN, NDVI300 = "PROBAV_L3_S10_TOC_333M", "CGLS_LC100_V3", "CHIRPS_V2_DEKAD", "CGLS_NDVI300_V1"
TRIANGLE = shapely.Polygon([(2.2, 48.71), (2.91, 49.03), (2.43, 49.41)])


@pytest.mark.parametrize(
    ("product", "variable", "name"),
    [
        (S10, "NDVI", "normalized_difference_vegetation_index"),
        (S10, "RED", "surface_bidirectional_reflectance"),
        (S10, "SM", "status_flag"),
        (COVER, "LC", "land_cover_lccs"),
        (RAIN, "RAINFALL", "lwe_thickness_of_precipitation_amount"),
    ],
)
def test_standard_names_are_those_of_the_table(world, product, variable, name):
    assert world.archive[product].load(variable=variable)[variable].attrs["standard_name"] == name


def test_periods_are_the_bounds_of_time(world):
    loaded = world.archive[S10].load(time="2015-01-21/2015-03-01")
    assert loaded.time.attrs["bounds"] == "time_bnds"
    np.testing.assert_array_equal(loaded.time_bnds[:, 0], loaded.time)
    last = [str(day)[:10] for day in loaded.time_bnds.values[:, 1]]
    assert last == ["2015-02-01", "2015-02-11", "2015-02-21", "2015-03-01", "2015-03-11"]
    year = world.archive[COVER].load().time_bnds.values[0]
    assert [str(day)[:10] for day in year] == ["2019-01-01", "2020-01-01"]


def test_rain_is_a_sum_and_a_composite_an_observation(world):
    assert world.archive[RAIN].load().RAINFALL.attrs["cell_methods"] == "time: sum"
    assert world.archive[S10].load().NDVI.attrs["cell_methods"].startswith("time: point (")


def test_flags_of_the_status_map_are_numbers_under_masks(world):
    loaded = world.archive[S10].load(variable="SM").SM
    words = loaded.attrs["flag_meanings"].split()
    sm = world.arrays[S10]["SM"]
    for word, expected in (("cloud", sm % 8 == 3), ("land", sm // 8 % 2 == 1), ("sea", sm // 8 % 2 == 0)):
        at = words.index(word)
        found = (loaded.values & loaded.attrs["flag_masks"][at]) == loaded.attrs["flag_values"][at]
        np.testing.assert_array_equal(found, expected)
    assert loaded.attrs["flag_masks"].dtype == loaded.dtype


def test_meanings_are_words_without_commas(world):
    attributes = world.archive[COVER].load().LC.attrs
    words = attributes["flag_meanings"].split(" ")
    assert len(words) == len(attributes["flag_values"])
    assert words[list(attributes["flag_values"]).index(116)] == "closed_forest_type_unknown"


def test_the_query_can_be_asked_again(world):
    product = world.archive[S10]
    loaded = product.load(
        TRIANGLE, slice("2015-02", None), "clear", variable=["ndvi", "RED"], like=RAIN, resampling="mean"
    )
    query = json.loads(loaded.attrs["query"])
    assert query.pop("call") == "load"
    assert query.pop("aoi") == probav.aoi(TRIANGLE).digest
    archive = probav.open_archive(loaded.attrs["archive"], snapshot=loaded.attrs["snapshot"])
    again = archive[loaded.attrs["product"]].load(TRIANGLE, **query)
    xr.testing.assert_identical(again.compute(), loaded.compute())


def test_pixels_have_the_same_coordinates_in_every_window(world):
    product = world.archive[S10]
    whole, part = product.load(), product.load(TRIANGLE)
    for name in ("x", "y"):
        assert np.isin(part[name].values, whole[name].values).all()


# --- netCDF ---------------------------------------------------------------------------------------------


@pytest.fixture(params=[False, True], ids=["physical", "stored"])
def written(request, world, tmp_path):
    """A dataset and the netCDF file that xarray made of it."""
    loaded = world.archive[S10].load(
        TRIANGLE, "2015-03", "clear", variable=["NDVI", "RED", "SM"], keep_dn=request.param
    )
    loaded.to_netcdf(tmp_path / "pixels.nc", engine="h5netcdf")
    return loaded, tmp_path / "pixels.nc"


def test_gdal_finds_the_pixels_where_they_are(world, written):
    loaded, path = written
    source = world.transforms[S10]
    for name in ("NDVI", "RED", "SM"):
        with rasterio.open(f"netcdf:{path}:{name}") as file:
            assert file.crs.to_epsg() == 4326 or "WGS 84" in file.crs.to_wkt()
            column, row = ~source @ (file.transform.c, file.transform.f)
            assert (column, row) == pytest.approx((round(column), round(row)), abs=1e-6)
            assert (file.transform.a, file.transform.e) == pytest.approx((source.a, source.e), rel=1e-12)
            window = np.s_[
                :, round(row) : round(row) + file.height, round(column) : round(column) + file.width
            ]
            sources = world.arrays[S10][name][6:9][window]
            band = file.read()
            if loaded[name].dtype != "float32":
                held = loaded[name].values == sources
                np.testing.assert_array_equal(band[held], sources[held])
                assert 0.1 < held.mean() < 1
            else:
                expected = world.physical(S10, name)[6:9][window]
                held = np.isfinite(band)
                assert 0.1 < held.mean() < 1
                np.testing.assert_allclose(band[held], expected[held], rtol=1e-6, atol=1e-7)


def test_the_file_is_as_cf_has_it(written):
    _, path = written
    with netCDF4.Dataset(path) as file:
        assert file.Conventions == "CF-1.8"
        time = file["time"]
        assert (time.axis, time.standard_name, time.units) == ("T", "time", "days since 1970-01-01")
        assert file[time.bounds].dimensions == ("time", "bnds")
        assert not set(file[time.bounds].ncattrs()) - {"units", "calendar"}
        np.testing.assert_array_equal(file[time.bounds][:, 0], time[:])
        for name, axis in (("y", "Y"), ("x", "X")):
            assert file[name].axis == axis
            assert "_FillValue" not in file[name].ncattrs()  # CF 2.5.1: no coordinate is missing
        for name in ("NDVI", "RED", "SM"):
            assert file[name].dimensions == ("time", "y", "x")
            assert file[file[name].grid_mapping].grid_mapping_name == "latitude_longitude"


def test_netcdf4_python_masks_and_scales_stored_numbers(world, tmp_path):
    product = world.archive[NDVI300]
    product.load(keep_dn=True).to_netcdf(tmp_path / "dn.nc", engine="h5netcdf")
    expected = world.physical(NDVI300, "NDVI")
    with netCDF4.Dataset(tmp_path / "dn.nc") as file:
        found = file["NDVI"][:]  # flags 251 to 254 lie beyond valid_range
    np.testing.assert_array_equal(np.ma.getmaskarray(found), np.isnan(expected))
    np.testing.assert_allclose(found.filled(np.nan), expected, rtol=1e-6, atol=1e-7)


def test_another_coordinate_system_is_named_in_the_file(world, tmp_path):
    grid = Grid(3_770_000, 2_900_000, 1 / 500, 1 / 500, 200, 200, "EPSG:3035")
    loaded = world.archive[S10].load(time="2015-01-01", like=grid)
    assert loaded.x.attrs["standard_name"] == "projection_x_coordinate"
    loaded.to_netcdf(tmp_path / "laea.nc", engine="h5netcdf")
    with rasterio.open(f"netcdf:{tmp_path / 'laea.nc'}:NDVI") as file:
        assert file.crs.to_epsg() == 3035
        assert file.transform.c == pytest.approx(float(loaded.x[0]) - 250)
        np.testing.assert_array_equal(file.read(), loaded.NDVI.values)
