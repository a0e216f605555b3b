import h5py
import netCDF4
import numpy as np
import pytest
import rasterio

from probav.errors import SourceError
from probav.grid import cgls_grid
from probav.readers import discover, open_granule

NDVI = "c_gls_NDVI300_201501010000_GLOBE_PROBAV_V1.0.1.nc"
FAPAR = "c_gls_FAPAR-RT6_201506300000_GLOBE_PROBAV_V2.0.2.nc"


def opened(path):
    (granule,), rejected = discover(path)
    assert not rejected
    return open_granule(granule)


@pytest.fixture
def dns():
    return np.random.default_rng(5).integers(0, 256, (40, 50), "u1")


@pytest.fixture
def write_ndvi(write_netcdf, dns):
    def write(name=NDVI, array=None, **options):
        defaults = {"n": 336, "lon": 4.0, "lat": 51.5, "scale": 0.004, "offset": -0.08}
        return write_netcdf(name, "NDVI", dns if array is None else array, **(defaults | options))

    return write


@pytest.mark.parametrize("options", [{}, {"coordinate": "f4"}, {"time": True}, {"nodata": None}])
def test_numbers_as_stored_and_pixel_centres(write_ndvi, dns, options):
    path = write_ndvi(**options)
    with opened(path) as granule:
        assert np.array_equal(granule.read("NDVI"), dns)
        assert np.array_equal(granule.read("NDVI", 3, 8), dns[3:8])
        assert granule.variables["NDVI"].nodata == 255
        # exactly the lattice of the whole world: 184 degrees east of -180, 28.5 south of 80
        assert granule.grid == cgls_grid(336).window(9576, 61824, 40, 50)
    with rasterio.open(f'NETCDF:"{path}":NDVI') as gdal:
        assert np.array_equal(gdal.read(1), dns)
        if options.get("coordinate") != "f4":
            assert (granule.grid.x0, granule.grid.y0) == pytest.approx(gdal.xy(0, 0), abs=1e-9)


def test_physical_values_equal_the_netcdf_librarys(write_ndvi, dns):
    path = write_ndvi(attributes={"valid_range": np.array([0, 250], "u1")})
    with opened(path) as granule:
        ndvi = granule.variables["NDVI"]
        ours = ndvi.scale * granule.read("NDVI") + ndvi.offset
    with netCDF4.Dataset(path) as file:
        theirs = file["NDVI"][:]
    assert np.array_equal(np.ma.getmaskarray(theirs), (dns > 250))
    assert np.allclose(ours[dns <= 250], theirs.compressed(), atol=1e-7)


def test_fapar_carries_the_last_day(write_netcdf, dns):
    path = write_netcdf(FAPAR, "FAPAR", dns, n=112, lon=4.0, lat=51.5, scale=1 / 250, offset=0)
    (granule,), _ = discover(path)
    assert granule.date == np.datetime64("2015-06-21")
    with open_granule(granule) as source:
        assert source.grid == cgls_grid(112).window(3192, 20608, 40, 50)
        assert np.array_equal(source.read("FAPAR"), dns)


def test_flags_of_the_file_join_those_of_the_table(write_ndvi):
    attributes = {"flag_values": np.array([251, 252], "u1"), "flag_meanings": "missing_value cloud"}
    with opened(write_ndvi(attributes=attributes)) as granule:
        assert granule.variables["NDVI"].flags[252] == "cloud or shadow"
        assert len(granule.variables["NDVI"].flags) == 5


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"scale": 250}, "NDVI has the scale 250; expected 0.004"),
        ({"offset": 0}, "NDVI has the offset 0; expected -0.08"),
        ({"nodata": 100}, "no-data value 100, which is a valid value"),
        ({"array": np.zeros((4, 4), "i4"), "nodata": None}, "NDVI has the type int32"),
        ({"array": np.zeros((1, 4), "u1")}, "expected at least 2 x 2"),
    ],
)
def test_files_that_contradict_the_product_table(write_ndvi, options, reason):
    path = write_ndvi(**options)
    with pytest.raises(SourceError, match=reason) as error:
        opened(path)
    assert str(path) in str(error.value)


def test_missing_parts(write_ndvi):
    path = write_ndvi()
    with h5py.File(path, "a") as file:
        del file["lat"]
    with pytest.raises(SourceError, match="no coordinate 'lat'"):
        opened(path)
    with h5py.File(path, "w") as file:
        file["LAI"] = 1
    with pytest.raises(SourceError, match="holds LAI; expected NDVI"):
        opened(path)


def test_an_irregular_coordinate(write_ndvi):
    path = write_ndvi()
    with h5py.File(path, "a") as file:
        file["lon"][7] += 0.001
    with pytest.raises(SourceError, match="'lon' isn't regular"):
        opened(path)


def test_classic_netcdf_is_refused(tmp_path):
    path = tmp_path / NDVI
    netCDF4.Dataset(path, "w", format="NETCDF3_CLASSIC").close()
    with pytest.raises(SourceError, match="can't be read"):
        opened(path)


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
def test_truncated_files(write_ndvi, part):
    path = write_ndvi()
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * part)])
    with pytest.raises(SourceError, match="can't be read"):
        opened(path)
