"""Pixels as files, read back by rasterio, netCDF4 and xarray; COGs judged by rio-cogeo."""

import json
from dataclasses import replace

import netCDF4
import numpy as np
import pytest
import rasterio
import shapely
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import CRS
from rasterio.env import get_gdal_config
from xarray.backends import BackendArray
from xarray.core import indexing

import probav
from probav.errors import ProbavError

S10, COVER, NDVI300 = "PROBAV_L3_S10_TOC_333M", "CGLS_LC100_V3", "CGLS_NDVI300_V1"
TRIANGLE = shapely.Polygon([(2.2, 48.71), (2.91, 49.03), (2.43, 49.41)])
SAID = ("product", "snapshot", "archive", "citation", "license", "mask")


@pytest.fixture(scope="module")
def pixels(world):
    return world.archive[S10].load(TRIANGLE, "2015-03", "clear", variable=["NDVI", "RED", "SM"])


@pytest.fixture(scope="module")
def stored(world):
    return world.archive[S10].load(TRIANGLE, "2015-03", "clear", variable=["NDVI", "RED"], keep_dn=True)


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks that end within each of the small rasters here, on no chunk of theirs."""
    monkeypatch.setattr("probav.exporting.blocks.BLOCK", {"time": 2, "y": 100, "x": 90})


def valid_cog(path):
    cogeo = pytest.importorskip("rio_cogeo.cogeo", reason="rio-cogeo comes with the group bench")
    good, errors, warnings = cogeo.cog_validate(path, strict=True)
    return good and not errors and not warnings


# --- GeoTIFF --------------------------------------------------------------------------------------------


def test_one_band_a_date_in_physical_values(world, pixels, tmp_path, small_blocks):
    (path,) = probav.export(pixels[["NDVI"]], tmp_path / "x.tif")
    with rasterio.open(path) as file:
        np.testing.assert_array_equal(file.read(), pixels["NDVI"].values)
        assert file.descriptions == ("2015-03-01", "2015-03-11", "2015-03-21")
        assert file.dtypes == ("float32",) * 3
        assert np.isnan(file.nodata)
        assert (file.scales, file.offsets, file.units) == ((1.0,) * 3, (0.0,) * 3, ("1",) * 3)
        assert CRS(file.crs.to_wkt()) == CRS("EPSG:4326")
        source = world.transforms[S10]
        assert file.transform.almost_equals(
            source @ source.translation(*np.round(~source @ (file.bounds.left, file.bounds.top))), 1e-12
        )
        assert (file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"], file.compression.value) == ("COG", "DEFLATE")
        assert {name: file.tags()[name] for name in SAID} == {name: pixels.attrs[name] for name in SAID}
        assert file.tags()["probav_version"] == probav.__version__
        assert file.tags()["variable"] == "NDVI"
        if "query" in pixels.attrs:
            assert json.loads(file.tags()["query"]) == json.loads(pixels.attrs["query"])
    assert [file.name for file in tmp_path.iterdir()] == ["x.tif"]


def test_rio_cogeo_finds_nothing_wrong(world, pixels, tmp_path):
    for name, dataset in {"x": pixels, "big": world.archive[COVER].load()}.items():
        for path in probav.export(dataset, tmp_path / f"{name}.tif"):
            assert valid_cog(path)


def test_each_of_several_variables_has_its_file(pixels, tmp_path):
    paths = probav.export(pixels, tmp_path / "x.tiff")
    assert [path.name for path in paths] == ["x_NDVI.tiff", "x_RED.tiff", "x_SM.tiff"]
    assert sorted(tmp_path.iterdir()) == paths
    for path, name in zip(paths, ("NDVI", "RED", "SM"), strict=True):
        with rasterio.open(path) as file:
            np.testing.assert_array_equal(file.read(), pixels[name].values)
            assert file.tags()["variable"] == name


def test_stored_numbers_keep_scale_offset_and_no_data(pixels, stored, tmp_path):
    scales = {"NDVI": (1 / 250, -0.08, 255, "uint8"), "RED": (1 / 2000, 0, -1, "int16")}
    for path, (name, (scale, offset, nodata, dtype)) in zip(
        probav.export(stored, tmp_path / "x.tif"), scales.items(), strict=True
    ):
        with rasterio.open(path) as file:
            np.testing.assert_array_equal(file.read(), stored[name].values)
            assert (file.nodata, file.dtypes[0]) == (nodata, dtype)
            assert (file.scales[1], file.offsets[1]) == pytest.approx((scale, offset))
            physical = file.read(masked=True) * file.scales[0] + file.offsets[0]
        np.testing.assert_allclose(physical.filled(np.nan), pixels[name], rtol=1e-6, atol=1e-7)


def test_classes_have_their_colours_and_no_overview_invents_a_class(world, tmp_path):
    cover = world.archive[COVER].load()
    (path,) = probav.export(cover, tmp_path / "x.tif")
    with rasterio.open(path) as file:
        np.testing.assert_array_equal(file.read(), world.arrays[COVER]["LC"])
        assert file.colormap(1)[40] == (0xF0, 0x96, 0xFF, 255)  # cropland
        assert (file.nodata, file.overviews(1)) == (255, [2])
        assert "cropland" in file.tags()["flag_meanings"]
        coarse = file.read(1, out_shape=(file.height // 2, file.width // 2))
    assert set(np.unique(coarse)) <= set(np.unique(world.arrays[COVER]["LC"]))


def test_overviews_of_values_are_means_and_of_flags_are_flags(tmp_path):
    random = np.random.default_rng(1)
    values = random.random((1, 600, 600)).astype("float32")
    values[0, :2, :2] = np.nan
    values[0, 2, 2] = np.nan
    dataset = raster(values)
    dataset["SM"] = (("time", "y", "x"), random.choice([3, 250], values.shape).astype("uint8"))
    one, other = probav.export(dataset, tmp_path / "x.tif")
    with rasterio.open(one) as file:
        coarse = file.read(1, out_shape=(300, 300))
    with np.errstate(invalid="ignore"):
        quads = values[0].reshape(300, 2, 300, 2)
        sums, counts = np.nansum(quads, axis=(1, 3)), np.isfinite(quads).sum(axis=(1, 3))
        np.testing.assert_allclose(coarse, np.where(counts, sums / counts, np.nan), rtol=1e-5)
    with rasterio.open(other) as file:
        assert set(np.unique(file.read(1, out_shape=(300, 300)))) == {3, 250}


def test_many_dates_get_smaller_blocks(tmp_path):
    dataset = raster(np.random.default_rng(0).random((70, 130, 140)).astype("float32"))
    (path,) = probav.export(dataset, tmp_path / "x.tif")
    with rasterio.open(path) as file:
        assert file.block_shapes[0] == (128, 128)
        np.testing.assert_array_equal(file.read(), dataset["NDVI"].values)
    assert valid_cog(path)


def test_a_date_of_a_dataset_and_one_without_dates(pixels, tmp_path):
    (one,) = probav.export(pixels[["NDVI"]].isel(time=1), tmp_path / "one.tif")
    (mean,) = probav.export(pixels[["NDVI"]].mean("time", keep_attrs=True), tmp_path / "mean.tif")
    with rasterio.open(one) as file, rasterio.open(mean) as other:
        assert (file.descriptions, other.descriptions) == (("2015-03-11",), (None,))
        np.testing.assert_array_equal(file.read(1), pixels["NDVI"].isel(time=1).values)
        np.testing.assert_array_equal(other.read(1), pixels["NDVI"].mean("time").values)


# --- netCDF ---------------------------------------------------------------------------------------------


def test_netcdf_gives_the_same_dataset_back(pixels, stored, tmp_path, small_blocks):
    for name, dataset in {"pixels": pixels, "stored": stored}.items():
        (path,) = probav.export(dataset, tmp_path / f"{name}.nc")
        with xr.open_dataset(path, engine="netcdf4", mask_and_scale=False, decode_coords="all") as again:
            xr.testing.assert_equal(again, dataset)
            for variable in dataset.data_vars:
                assert again[variable].dtype == dataset[variable].dtype
            assert {key: again.attrs[key] for key in dataset.attrs} == dataset.attrs
            assert again.attrs["probav_version"] == probav.__version__
    with xr.open_dataset(tmp_path / "stored.nc", decode_coords="all") as physical:
        np.testing.assert_allclose(physical["NDVI"], pixels["NDVI"], rtol=1e-6, atol=1e-7)
        assert CRS.from_cf(physical["spatial_ref"].attrs) == CRS("EPSG:4326")


def test_netcdf_is_cf_and_compressed(pixels, tmp_path):
    probav.export(pixels, tmp_path / "x.nc")
    with netCDF4.Dataset(tmp_path / "x.nc") as file:
        assert file.Conventions.startswith("CF-1.")
        ndvi = file["NDVI"]
        assert (ndvi.dimensions, ndvi.filters()["zlib"], ndvi.grid_mapping) == (
            ("time", "y", "x"),
            True,
            "spatial_ref",
        )
        assert np.isnan(ndvi._FillValue)
        assert file["SM"].flag_values.dtype == np.uint8 if "flag_values" in file["SM"].ncattrs() else True
        for name in ("time", "y", "x"):
            assert "_FillValue" not in file[name].ncattrs()
        assert file["time"].units == "days since 1970-01-01"
        assert file["x"].units == "degrees_east"
        assert "coordinates" not in file.ncattrs()


def test_periods_are_bounds_of_the_time_in_its_unit(pixels, tmp_path):
    bounds = np.array(
        [["2015-03-01", "2015-03-11"], ["2015-03-11", "2015-03-21"], ["2015-03-21", "2015-04-01"]]
    )
    dataset = pixels[["NDVI"]].assign_coords(time_bnds=(("time", "bnds"), bounds.astype("datetime64[ns]")))
    dataset["time"].attrs["bounds"] = "time_bnds"
    probav.export(dataset, tmp_path / "x.nc")
    with netCDF4.Dataset(tmp_path / "x.nc") as file:
        assert file["time"].bounds == "time_bnds"
        found = netCDF4.num2date(file["time_bnds"][:], file["time"].units, file["time"].calendar)
        assert [[f"{day:%Y-%m-%d}" for day in row] for row in found] == bounds.tolist()
        assert "time_bnds" not in getattr(file["NDVI"], "coordinates", "").split()


def test_gdal_reads_the_netcdf_of_a_part_where_it_lies(pixels, tmp_path):
    part = pixels[["NDVI"]].isel(y=slice(20, 60), x=slice(31, None))
    (path,) = probav.export(part, tmp_path / "x.nc")
    (tif,) = probav.export(part, tmp_path / "x.tif")
    with rasterio.open(tif) as file:
        assert file.transform @ (0.5, 0.5) == pytest.approx((float(part.x[0]), float(part.y[0])), abs=1e-9)
        expected = file.transform
    if "netCDF" not in rasterio.drivers.raster_driver_extensions().values():
        pytest.skip("this GDAL has no netCDF")
    with rasterio.open(f"netcdf:{path}:NDVI") as file:
        assert file.transform.almost_equals(expected, 1e-9)
        np.testing.assert_array_equal(file.read(), part["NDVI"].values)


# --- where pixels lie -----------------------------------------------------------------------------------


def raster(values, x0=4.0, step=1 / 336, y0=51.0, names=("NDVI",)):
    """A dataset as `load` makes it, of one variable, around a centre of its first pixel."""
    times, height, width = values.shape
    return xr.Dataset(
        {names[0]: (("time", "y", "x"), values)},
        {
            "time": np.datetime64("2015-01-01", "ns") + np.arange(times) * np.timedelta64(1, "D"),
            "y": y0 - step * np.arange(height), "x": x0 + step * np.arange(width),
            "spatial_ref": ((), 0, {
                **CRS(4326).to_cf(),
                "GeoTransform": f"{x0 - step / 2} {step} 0 {y0 + step / 2} 0 {-step}",
            }),
        },
        {"product": "MINE", "archive": "nowhere"},
    )  # fmt: skip


@settings(max_examples=25)
@given(
    st.integers(0, 7),
    st.integers(1, 5),
    st.integers(1, 3),
    st.integers(0, 7),
    st.integers(1, 5),
    st.integers(1, 3),
)
def test_any_part_lies_where_its_coordinates_say(tmp_path_factory, y, height, down, x, width, right):
    whole = raster(np.arange(400, dtype="float32").reshape(1, 20, 20))
    part = whole.isel(y=slice(y, y + height * down, down), x=slice(x, x + width * right, right))
    if (part.sizes["y"] == 1 and down > 1) or (part.sizes["x"] == 1 and right > 1):
        return  # a pixel alone is as large as it was
    (path,) = probav.export(part, tmp_path_factory.mktemp("part") / "x.tif")
    with rasterio.open(path) as file:
        for row in range(part.sizes["y"]):
            for column in range(part.sizes["x"]):
                place = file.transform @ (column + 0.5, row + 0.5)
                assert place == pytest.approx((float(part.x[column]), float(part.y[row])), abs=1e-9)
        np.testing.assert_array_equal(file.read(1), part["NDVI"].values[0])


def test_rows_from_south_to_north_are_turned(pixels, tmp_path):
    upside = pixels[["NDVI"]].isel(y=slice(None, None, -1))
    (path,) = probav.export(upside, tmp_path / "x.tif")
    with rasterio.open(path) as file:
        assert file.transform.e < 0
        np.testing.assert_array_equal(file.read(), pixels["NDVI"].values)
        assert file.transform @ (0.5, 0.5) == pytest.approx((float(pixels.x[0]), float(pixels.y[0])))


# --- memory and failure ---------------------------------------------------------------------------------


class Watched(BackendArray):
    """Values that remember what was asked of them, and may fail."""

    def __init__(self, values, fail_after=None):
        self.values, self.shape, self.dtype = values, values.shape, values.dtype
        self.asked, self.fail_after = [], fail_after

    def __getitem__(self, key):
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self.read)

    def read(self, key):
        found = self.values[
            np.ix_(*[np.atleast_1d(np.arange(n)[k]) for k, n in zip(key, self.shape, strict=True)])
        ]
        self.asked.append(found.size)
        if self.fail_after is not None and len(self.asked) > self.fail_after:
            raise OSError("no space left")
        return found


def watched(fail_after=None):
    values = np.random.default_rng(2).random((7, 250, 300)).astype("float32")
    dataset = raster(values)
    array = Watched(values, fail_after)
    lazy = xr.Variable(("time", "y", "x"), indexing.LazilyIndexedArray(array), dataset["NDVI"].attrs)
    return dataset.assign(NDVI=lazy), array, values


@pytest.mark.parametrize("name", ["x.nc", "x.tif"])
def test_no_more_than_a_block_is_read_at_once_and_each_pixel_once(tmp_path, small_blocks, name):
    dataset, array, values = watched()
    (path,) = probav.export(dataset, tmp_path / name)
    assert max(array.asked) <= 2 * 100 * 90
    assert sum(array.asked) == values.size
    if name == "x.tif":
        with rasterio.open(path) as file:
            np.testing.assert_array_equal(file.read(), values)
    else:
        with netCDF4.Dataset(path) as file:
            np.testing.assert_array_equal(np.asarray(file["NDVI"]), values)


@pytest.mark.parametrize("name", ["x.nc", "x.tif"])
@pytest.mark.parametrize("there", [False, True])
def test_a_failure_leaves_nothing_or_what_there_was(tmp_path, small_blocks, name, there):
    if there:
        (tmp_path / name).write_bytes(b"old")
    dataset, _, _ = watched(fail_after=3)
    with pytest.raises(ProbavError, match=rf"Can't write .*{name}: no space left"):
        probav.export(dataset, tmp_path / name, overwrite=True)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == ({name: b"old"} if there else {})


def test_gdal_gets_its_cache_back(pixels, tmp_path):
    with rasterio.Env():
        before = get_gdal_config("GDAL_CACHEMAX")
        probav.export(pixels[["NDVI"]], tmp_path / "x.tif")
        assert get_gdal_config("GDAL_CACHEMAX") == before > 2**20


def test_a_dataset_in_dask_chunks(pixels, tmp_path):
    pytest.importorskip("dask")
    chunked = pixels[["NDVI"]].chunk({"time": 1, "y": 77, "x": 50})
    (nc,) = probav.export(chunked, tmp_path / "x.nc")
    (tif,) = probav.export(chunked, tmp_path / "x.tif")
    with rasterio.open(tif) as file, netCDF4.Dataset(nc) as other:
        np.testing.assert_array_equal(file.read(), pixels["NDVI"].values)
        np.testing.assert_array_equal(np.ma.filled(other["NDVI"][:], np.nan), pixels["NDVI"].values)


# --- what goes wrong ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["x.nc", "x.tif"])
def test_a_file_is_replaced_only_on_request(pixels, tmp_path, name):
    dataset = pixels[["NDVI"]].isel(time=[0])
    (path,) = probav.export(dataset, tmp_path / name)
    before = path.read_bytes()
    with pytest.raises(ProbavError, match=r"exists and was left as it is.*overwrite=True"):
        probav.export(pixels[["RED"]], path)
    assert path.read_bytes() == before
    probav.export(pixels[["RED"]], path, overwrite=True)
    assert path.read_bytes() != before
    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_one_of_several_files_that_exists_stops_all(pixels, tmp_path):
    (tmp_path / "x_RED.tif").write_bytes(b"old")
    with pytest.raises(ProbavError, match=r"x_RED\.tif exists"):
        probav.export(pixels, tmp_path / "x.tif")
    assert [file.name for file in tmp_path.iterdir()] == ["x_RED.tif"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "x.tfi",
            r"suffix '\.tfi', which names no format; results of load\(\) go to \.nc, \.tif or \.tiff\.",
        ),
        ("x.tifff", r"Did you mean '\.tiff'"),
        ("x", "has no suffix"),
        ("x.csv", r"would hold statistics, what statistics\(\) returns; this is a result of load\(\)"),
        ("no/such/x.tif", "there is no folder"),
        ("folder.tif", "is a folder"),
    ],
)
def test_mistakes_in_a_name(pixels, tmp_path, name, words):
    (tmp_path / "folder.tif").mkdir()
    with pytest.raises(ProbavError, match=words):
        probav.export(pixels, tmp_path / name)
    assert [file.name for file in tmp_path.iterdir()] == ["folder.tif"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d["NDVI"], "Can't export a DataArray; expected the xarray.Dataset"),
        (lambda d: d.isel(y=0, drop=True), "Can't export a dataset with the dimensions 'time', 'x'"),
        (lambda d: d.isel(x=[0, 1, 3]), "coordinates x are not evenly spaced"),
        (lambda d: d.drop_vars("spatial_ref"), "no coordinate spatial_ref"),
        (lambda d: d.drop_vars(d.data_vars), "no variable of the dataset"),
        (lambda d: d.expand_dims(sensor=["a"]), "has the dimension 'sensor'"),
    ],
)
def test_mistakes_in_a_dataset(pixels, tmp_path, change, words):
    with pytest.raises(ProbavError, match=words):
        probav.export(change(pixels), tmp_path / "x.tif")
    assert list(tmp_path.iterdir()) == []


# --- products of one's own ------------------------------------------------------------------------------


def test_classes_of_ones_own_product_on_a_projected_grid(tmp_path):
    classes = np.random.default_rng(3).choice([1, 2, 255], (1, 40, 50)).astype("uint8")
    dataset = xr.Dataset(
        {"CROP": (("time", "y", "x"), classes, {
            "long_name": "Crop", "_FillValue": np.uint8(255), "flag_values": np.array([1, 2], "uint8"),
            "flag_meanings": "wheat maize",
        })},
        {
            "time": np.array(["2016-01-01"], "datetime64[ns]"), "y": 3_130_000 - 100.0 * np.arange(40),
            "x": 3_870_000 + 100.0 * np.arange(50), "spatial_ref": ((), 0, CRS(3035).to_cf()),
        },
    )  # fmt: skip
    made = probav.definition_of(dataset, "MY_CROPS", title="My crops", cadence="year")
    crop = replace(made.variables["CROP"], kind="categorical", colours={1: "#ffcc00", 2: "#00aa11"})
    probav.store_dataset(tmp_path / "archive", dataset, replace(made, variables={"CROP": crop}))
    pixels = probav.open_archive(tmp_path / "archive")["MY_CROPS"].load()
    (path,) = probav.export(pixels, tmp_path / "x.tif")
    with rasterio.open(path) as file:
        np.testing.assert_array_equal(file.read(), classes)
        assert file.colormap(1)[2] == (0x00, 0xAA, 0x11, 255)
        assert file.crs.to_epsg() == 3035
        assert file.transform.to_gdal() == (3_869_950, 100, 0, 3_130_050, 0, -100)
    (path,) = probav.export(pixels, tmp_path / "x.nc")
    with netCDF4.Dataset(path) as file:
        assert file["x"].units == "m"
        assert file[file["CROP"].grid_mapping].grid_mapping_name == "lambert_azimuthal_equal_area"
