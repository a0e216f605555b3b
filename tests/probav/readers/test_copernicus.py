"""Round trips of every Copernicus Global Land netCDF: netCDF4 writes and reads, arithmetic stands here."""

from contextlib import ExitStack
from dataclasses import replace

import h5py
import netCDF4
import numpy as np
import pytest
import rasterio

from probav.errors import SourceError
from probav.products import PRODUCTS, get_product
from probav.readers import discover, open_granule
from probav.readers.netcdf import open_netcdf

UNC = {"NDVI": ("u1", 0.004, -0.08, 255), "NDVI_unc": ("i2", 0.001, 0, -1), "NOBS": ("u1", None, None, 255),
       "QFLAG": ("u1", None, None, None)}  # fmt: skip
SIDE = {"LENGTH_BEFORE": ("u1", None, None, 255), "LENGTH_AFTER": ("u1", None, None, 255),
        "NOBS": ("u1", None, None, 255)}  # fmt: skip
TIMES = ("001", "005", "010", "015", "020", "040", "060", "100")
METRICS = "SOSD EOSD MAXD LENGTH AMPL SPROD TPROD LSLOPE RSLOPE MINV MAXV SOSV EOSV".split()


def biophysical(name, scale, flags):
    return {
        name: ("u1", scale, 0, 255),
        "RMSE": ("u1", scale, 0, 255),
        **SIDE,
        "QFLAG": (flags, None, None, None),
    }


# file name, product, first day of the period, pixels a degree, north edge's centre, layers:
# type, scale_factor, add_offset, _FillValue as the files have them
FILES = [
    ("c_gls_NDVI_199904210000_AFRI_VGT_V2.2.1.nc", "CGLS_NDVI_V2", "1999-04-21", 112,
     {"NDVI": ("u1", 0.004, -0.08, 255)}),
    ("c_gls_NDVI_202001010000_AFRI_PROBAV_V3.0.1.nc", "CGLS_NDVI_V3", "2020-01-01", 112,
     UNC | {"TIME_GRID": ("u2", None, None, None)}),
    ("c_gls_NDVI300_201501010000_AFRI_PROBAV_V1.0.1.nc", "CGLS_NDVI300_V1", "2015-01-01", 336,
     {"NDVI": ("u1", 0.004, -0.08, 255)}),
    ("c_gls_NDVI300_202103210000_AFRI_OLCI_V2.0.1.nc", "CGLS_NDVI300_V2", "2021-03-21", 336, UNC),
    ("c_gls_FAPAR-RT6_201506300000_AFRI_PROBAV_V2.0.2.nc", "CGLS_FAPAR_V2", "2015-06-21", 112,
     biophysical("FAPAR", 0.004, "u2")),
    ("c_gls_FAPAR300-RT5_201506100000_AFRI_PROBAV_V1.0.1.nc", "CGLS_FAPAR300_V1", "2015-06-01", 336,
     biophysical("FAPAR", 0.004, "u1")),
    ("c_gls_LAI_200502280000_AFRI_VGT_V2.0.1.nc", "CGLS_LAI_V2", "2005-02-21", 112,
     biophysical("LAI", 1 / 30, ">u2")),
    ("c_gls_LAI300-RT5_201602290000_AFRI_PROBAV_V1.0.1.nc", "CGLS_LAI300_V1", "2016-02-21", 336,
     biophysical("LAI", 1 / 30, "u1")),
    ("c_gls_FCOVER-RT6_201506200000_AFRI_PROBAV_V2.0.2.nc", "CGLS_FCOVER_V2", "2015-06-11", 112,
     biophysical("FCOVER", 0.004, "u2")),
    ("c_gls_FCOVER300-RT0_202010310000_AFRI_OLCI_V1.1.1.nc", "CGLS_FCOVER300_V1", "2020-10-21", 336,
     biophysical("FCOVER", 0.004, "u1")),
    ("c_gls_DMP-RT6_202003200000_AFRI_PROBAV_V2.0.1.nc", "CGLS_DMP_V2", "2020-03-11", 112,
     {"DMP": (">i2", 0.01, 0, -1), "QFLAG": ("u1", None, None, None)}),
    ("c_gls_DMP300-RT5_202003310000_AFRI_PROBAV_V1.0.1.nc", "CGLS_DMP300_V1", "2020-03-21", 336,
     {"DMP": ("i2", 0.01, 0, -1), "QFLAG": ("u1", None, None, None)}),
    ("c_gls_GDMP_199902280000_AFRI_VGT_V2.0.1.nc", "CGLS_GDMP_V2", "1999-02-21", 112,
     {"GDMP": ("i2", 0.02, 0, -1)}),
    ("c_gls_GDMP300-RT5_202003100000_AFRI_PROBAV_V1.0.1.nc", "CGLS_GDMP300_V1", "2020-03-01", 336,
     {"GDMP": ("i2", 0.02, 0, -1)}),
    ("c_gls_VCI_201501210000_AFRI_PROBAV_V1.0.1.nc", "CGLS_VCI_V1", "2015-01-21", 112,
     {"VCI": ("u1", 0.5, -12.5, 255)}),
    ("c_gls_VPI_201501110000_AFRI_PROBAV_V1.0.1.nc", "CGLS_VPI_V1", "2015-01-11", 112,
     {"VPI": ("u1", 0.5, -5, 255)}),
    ("c_gls_SWI_201501021200_GLOBE_ASCAT_V3.1.1.nc", "CGLS_SWI_V3", "2015-01-02", 10,
     {f"{name}_{days}": ("u1", 0.5, 0, 255) for name in ("SWI", "QFLAG") for days in TIMES}
     | {"SSF": ("u1", None, None, 255)}),
    ("c_gls_BA300_201812200000_AFRI_PROBAV_V1.1.1.nc", "CGLS_BA300_V1", "2018-12-11", 336,
     {"BA_DEKAD": ("u1", None, None, 255), "CP_DEKAD": ("u1", None, None, 255),
      "FDOB_DEKAD": ("u1", None, None, 255), "FDOB_SEASON": ("u2", None, None, 65535)}),
    ("c_gls_BA300_202008010000_AFRI_S3_V3.0.1.nc", "CGLS_BA300_V3", "2020-08-01", 336,
     {"day_of_burn": ("i2", None, None, None)}),
    ("c_gls_LSP300_201601010000_AFRI_PROBAV_V1.0.1.nc", "CGLS_LSP300_V1", "2016-01-01", 336,
     {name: ("i2", 0.25 if name.endswith("V") else None, 1.5 if name.endswith("V") else None, -32768)
      for name in METRICS} | {"sosd_s2": ("i2", None, None, -32768), "QFLAG": ("u1", None, None, None)}),
]  # fmt: skip
SHAPE = (37, 53)
STORAGES = [
    {"zlib": True, "chunksizes": SHAPE},
    {"contiguous": True},
    {"zlib": True, "shuffle": True, "chunksizes": (1, 53)},
    {"zlib": True, "fletcher32": True, "chunksizes": (20, 20)},
]


@pytest.fixture
def write(tmp_path):
    """Write a window of the real grid: its first pixel is row 3000, column 20000 (SWI: 300, 1900)."""

    def write(name, n, layers, arrays, storage, *, time=False, coordinate="f8", upwards=False):
        path = tmp_path / name
        west, north = (-180 + 20000 / n, 80 - 3000 / n) if n > 10 else (-179.95 + 190, 89.95 - 30)
        with netCDF4.Dataset(path, "w") as file:
            file.Conventions = "CF-1.6"
            for dim, size in (("time", 1), ("lat", SHAPE[0]), ("lon", SHAPE[1])):
                file.createDimension(dim, size)
            turn = slice(None, None, -1 if upwards else 1)
            file.createVariable("lon", coordinate, ("lon",))[:] = west + np.arange(SHAPE[1]) / n
            file.createVariable("lat", coordinate, ("lat",))[:] = (north - np.arange(SHAPE[0]) / n)[turn]
            file.createVariable("time", "f8", ("time",))[:] = 0
            file.createVariable("crs", "S1").grid_mapping_name = "latitude_longitude"
            dims = ("time", "lat", "lon") if time else ("lat", "lon")
            for layer, (dtype, scale, offset, nodata) in layers.items():
                options = dict(storage)
                if time and "chunksizes" in options:
                    options["chunksizes"] = (1, *options["chunksizes"])
                fill = False if nodata is None else nodata
                endian = "big" if dtype.startswith(">") else "little"
                variable = file.createVariable(layer, dtype, dims, fill_value=fill, endian=endian, **options)
                variable.set_auto_maskandscale(False)
                variable.grid_mapping = "crs"
                if scale is not None:
                    variable.scale_factor, variable.add_offset = np.float32(scale), np.float32(offset)
                data = arrays[layer][turn]
                variable[...] = data[np.newaxis] if time else data
        return path, (west, north)

    return write


def random_arrays(layers):
    random = np.random.default_rng(11)
    kinds = {name: np.dtype(dtype.lstrip(">")) for name, (dtype, *_) in layers.items()}
    return {
        name: random.integers(np.iinfo(kind).min, np.iinfo(kind).max, SHAPE, kind, endpoint=True)
        for name, kind in kinds.items()
    }


def test_every_netcdf_product_is_here():
    expected = {name for name in PRODUCTS if name.startswith("CGLS_")} - {"CGLS_LC100_V3"}
    assert {product for _, product, *_ in FILES} == expected


@pytest.mark.parametrize("case", range(len(FILES)), ids=lambda case: FILES[case][1])
def test_round_trip(case, write, assert_archived):
    name, product, day, n, layers = FILES[case]
    arrays = random_arrays(layers)
    options = {"time": case % 3 == 1, "coordinate": "f4" if case % 4 == 2 else "f8", "upwards": case % 5 == 3}
    path, (west, north) = write(name, n, layers, arrays, STORAGES[case % len(STORAGES)], **options)
    (granule,), rejected = discover(path)
    assert not rejected
    assert (granule.product, str(granule.date)) == (product, day)
    definition = get_product(product)
    with open_granule(granule) as source, netCDF4.Dataset(path) as theirs:
        grid = source.grid
        assert definition.grid.offset_of(grid) == ((3000, 20000) if n > 10 else (300, 1900))
        assert (grid.x0, grid.y0) == pytest.approx((west, north), abs=1e-9)
        assert grid.xs() == pytest.approx(theirs["lon"][:].data, abs=0.01 / n)
        assert sorted(grid.ys()) == pytest.approx(sorted(theirs["lat"][:].data), abs=0.01 / n)
        by_variable = {definition.variable_in_file(layer).name: layer for layer in layers}
        assert set(source.variables) == set(by_variable)
        for variable_name, layer in by_variable.items():
            dn, variable = source.read(variable_name), source.variables[variable_name]
            assert np.array_equal(dn, arrays[layer])
            assert np.array_equal(source.read(variable_name, 5, 9), arrays[layer][5:9])
            assert dn.dtype.isnative
            dtype, scale, offset, nodata = layers[layer]
            assert (variable.dtype, variable.nodata) == (np.dtype(dtype.lstrip(">")).name, nodata)
            theirs[layer].set_auto_maskandscale(True)
            expected = np.ma.squeeze(theirs[layer][:])[slice(None, None, -1 if options["upwards"] else 1)]
            with_value = variable.is_valid(dn)
            assert not (with_value & np.ma.getmaskarray(expected)).any()
            if variable.kind == "continuous":
                ours = dn * (scale or 1) + (offset or 0)
                assert variable.physical(dn)[with_value] == pytest.approx(
                    ours[with_value], rel=1e-6, abs=1e-6
                )
                assert expected.data[with_value] == pytest.approx(ours[with_value], rel=1e-6, abs=1e-6)
    first = next(iter(layers))
    with rasterio.open(f'NETCDF:"{path}":{first}') as gdal:  # GDAL turns what runs upwards, too
        assert np.array_equal(gdal.read(1), arrays[first])
        if options["coordinate"] == "f8":
            assert gdal.xy(0, 0) == pytest.approx((grid.x0, grid.y0), abs=1e-7)
    stored = {variable: arrays[layer] for variable, layer in by_variable.items()}
    assert_archived(path, product, day, stored, (west, north), n)


def vci(write, scale=0.5, offset=-12.5, nodata=255):
    layers = {"VCI": ("u1", scale, offset, nodata)}
    return write(
        "c_gls_VCI_201501210000_AFRI_PROBAV_V1.0.1.nc", 112, layers, random_arrays(layers), STORAGES[0]
    )[0]


def opened(path):
    (granule,), _ = discover(path)
    return open_granule(granule)


def test_a_scale_only_the_file_knows(write):
    with opened(vci(write, 0.4, -10)) as source:
        found = source.variables["VCI"]
        assert (found.scale, found.offset) == pytest.approx((0.4, -10))
        # the ramp stays at 0 to 100 %
        assert [0.4 * dn - 10 for dn in found.colours] == pytest.approx([0, 25, 50, 75, 100], abs=1e-4)
    with pytest.raises(SourceError, match="VCI has no scale and offset"):
        opened(vci(write, None))
    with pytest.raises(SourceError, match="VCI has the scale 0"):
        opened(vci(write, 0))


def test_one_scale_in_float32_and_float64(write):
    scales = []
    for kind in (np.float32, np.float64):
        path = vci(write, 1 / 3, -1 / 7)
        with h5py.File(path, "a") as file:
            file["VCI"].attrs["scale_factor"] = kind(1 / 3)
            file["VCI"].attrs["add_offset"] = kind(-1 / 7)
        with opened(path) as source:
            scales.append((source.variables["VCI"].scale, source.variables["VCI"].offset))
    assert scales[0] == scales[1] == pytest.approx((1 / 3, -1 / 7), rel=1e-6)


def test_a_valid_range_only_the_file_knows(write):
    path = vci(write)
    for change in ({"valid_range": np.array([10, 240], "u1")}, {"valid_min": 10.0, "valid_max": 240.0}):
        with h5py.File(path, "a") as file:
            for key in ("valid_range", "valid_min", "valid_max"):
                file["VCI"].attrs.pop(key, None)
            file["VCI"].attrs.update(change)
        with opened(path) as source:
            assert source.variables["VCI"].valid == (10, 240)


def test_one_layer_twice(write):
    layers = {"VCI": ("u1", 0.5, -12.5, 255), "vci": ("u1", 0.5, -12.5, 255)}
    path, _ = write(
        "c_gls_VCI_201501210000_AFRI_PROBAV_V1.0.1.nc", 112, layers, random_arrays(layers), STORAGES[0]
    )
    with pytest.raises(SourceError, match="repeats the variable VCI"):
        opened(path)


def test_links_to_other_files_are_not_followed(write, tmp_path):
    path = vci(write)
    with h5py.File(path, "a") as file:
        del file["VCI"]
        file["VCI"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "/VCI")
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["VCI"] = np.zeros(SHAPE, "u1")
    with pytest.raises(SourceError, match="expected VCI"):
        opened(path)


def test_coordinates_that_do_not_fit_the_pixels(write):
    path = vci(write)
    with h5py.File(path, "a") as file:
        lon = file["lon"][:-1]
        del file["lon"]
        file["lon"] = lon
    with pytest.raises(SourceError, match="has 52 values of 'lon' for 53 pixels"):
        opened(path)


@pytest.mark.parametrize("has_crs", [True, False])
def test_a_foreign_grid_in_metres(tmp_path, has_crs):
    crs = rasterio.crs.CRS.from_proj4("+proj=sinu +lon_0=0 +x_0=0 +y_0=0 +R=6371007.181 +units=m +no_defs")
    path = tmp_path / "any.nc"
    data = np.random.default_rng(3).integers(0, 250, SHAPE, "u1")
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("y", SHAPE[0])
        file.createDimension("x", SHAPE[1])
        file.createVariable("x", "f8", ("x",))[:] = 111_194.9 + 231.656 * np.arange(SHAPE[1])
        file.createVariable("y", "f8", ("y",))[:] = 5_559_752.6 - 231.656 * np.arange(SHAPE[0])
        if has_crs:
            file.createVariable("sinusoidal", "S1").crs_wkt = crs.to_wkt()
        variable = file.createVariable("ndvi", "u1", ("y", "x"))
        variable.grid_mapping = "sinusoidal"
        variable[:] = data
    product = replace(get_product("CGLS_NDVI300_V1"), id="MINE")
    with ExitStack() as stack:
        if not has_crs:
            with pytest.raises(SourceError, match="no coordinate reference system"):
                open_netcdf(path, product, "", stack)
            return
        grid, layers = open_netcdf(path, product, "", stack)
        assert np.array_equal(layers["NDVI"].rows(0, SHAPE[0]), data)
        assert rasterio.crs.CRS.from_string(grid.crs) == crs
        assert (grid.x0, grid.y0, 1 / grid.nx) == pytest.approx((111_194.9, 5_559_752.6, 231.656))
