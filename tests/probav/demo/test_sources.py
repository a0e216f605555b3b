"""The files of the demo: names, layouts and encodings, read by other libraries than ours."""

import hashlib

import h5py
import netCDF4
import numpy as np
import pytest
import rasterio

from probav.demo import write_sources
from probav.demo.world import World
from probav.grid import CHIRPS_GRID, cgls_grid, probav_grid
from probav.readers import discover, open_granule

S10 = "PROBAV_L3_S10_TOC_333M"
SMALL = {"years": (2016,), "size_degrees": 0.08}


def digest(folder, product):
    whole = hashlib.sha256()
    for granule in discover(folder)[0]:
        if granule.product == product:
            with open_granule(granule) as source:
                for name in source.variables:
                    whole.update(np.ascontiguousarray(source.read(name)).tobytes())
    return whole.hexdigest()[:16]


def test_the_same_seed_gives_the_same_numbers_everywhere(tmp_path):
    for name, seed in (("one", 1998), ("two", 1998), ("other", 7)):
        write_sources(tmp_path / name, seed=seed, **SMALL)
    assert {path.name for path in (tmp_path / "one").iterdir()} == {
        p.name for p in (tmp_path / "two").iterdir()
    }
    found = {name: digest(tmp_path / name, S10) for name in ("one", "two", "other")}
    assert found["one"] == found["two"] != found["other"]
    # a change here changes every demo archive: raise probav.demo.sources.VERSION with it
    assert found["one"] == "64705a13b12b3a68"


def test_every_dekad_of_every_product_is_there(demo):
    counts = {product: len(granules) for product, granules in demo.granules.items()}
    assert counts == {
        S10: 108, "CGLS_NDVI300_V1": 108, "CGLS_FAPAR_V2": 110, "CHIRPS_V2_DEKAD": 108, "CGLS_LC100_V3": 1
    }  # fmt: skip
    for product, granules in demo.granules.items():
        if product != "CGLS_LC100_V3":
            assert sorted({str(granule.date) for granule in granules}) == demo.truth["dates"]
    assert demo.calls == [(done, 108) for done in range(1, 109)]


def test_windows_lie_on_the_official_grids(demo):
    size = 84
    expected = {
        S10: probav_grid(336).window(2 * 3360 + 1176, 18 * 3360 + 1344, size, size),
        "CGLS_NDVI300_V1": cgls_grid(336).window(28 * 336 + 168, 184 * 336, size, size),
        "CGLS_FAPAR_V2": cgls_grid(112).window(28 * 112 + 56, 184 * 112, size // 3, size // 3),
        "CGLS_LC100_V3": cgls_grid(1008).window(28 * 1008 + 503, 184 * 1008 - 1, 3 * size, 3 * size),
    }
    for product, grid in expected.items():
        with open_granule(demo.granules[product][0]) as source:
            assert source.grid == grid
    with open_granule(demo.granules["CHIRPS_V2_DEKAD"][0]) as source:
        west, south, east, north = source.grid.bounds
        assert CHIRPS_GRID.offset_of(source.grid) is not None
    area = expected[S10].bounds
    assert west < area[0] - 0.2
    assert south < area[1] - 0.2
    assert east > area[2] + 0.2
    assert north > area[3] + 0.2


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_the_hdf5_layout_is_the_original_one(demo):
    (path,) = demo.granules[S10][0].files
    assert path.name == "PROBAV_S10_TOC_X18Y02_20150101_333M_V101.HDF5"
    with h5py.File(path) as file:
        ndvi = file["LEVEL3/NDVI/NDVI"]
        assert (ndvi.compression, ndvi.chunks) == ("szip", (1, 84))
        assert (ndvi.attrs["SCALE"], ndvi.attrs["OFFSET"], ndvi.attrs["NO_DATA"]) == (250, 20, 255)
        assert ndvi.attrs["scale_factor"].shape == (1,)
        assert len(ndvi.attrs["MAPPING"]) == 9
        assert file["LEVEL3/GEOMETRY"].attrs["TOP_LEFT_LONGITUDE"] == 4.0
        assert file["LEVEL3/GEOMETRY"].attrs["BOTTOM_RIGHT_LATITUDE"] == 51.5 - 83 / 336
        assert set(file["LEVEL3/RADIOMETRY"]) == {"BLUE", "NIR", "RED", "SWIR"}
    with (
        rasterio.open(f'HDF5:"{path}"://LEVEL3/NDVI/NDVI') as gdal,
        open_granule(demo.granules[S10][0]) as source,
    ):
        assert np.array_equal(gdal.read(1), source.read("NDVI"))


def test_other_libraries_read_the_netcdf_files(demo):
    for product, variable in (("CGLS_NDVI300_V1", "NDVI"), ("CGLS_FAPAR_V2", "FAPAR")):
        granule = demo.granules[product][3]
        with netCDF4.Dataset(granule.files[0]) as file, open_granule(granule) as source:
            file.set_auto_maskandscale(False)
            assert file[variable].dimensions == ("lat", "lon")
            assert np.array_equal(file[variable][:], source.read(variable))
            assert np.allclose(file["lon"][:], source.grid.xs(), atol=1e-10)
            assert np.allclose(file["lat"][:], source.grid.ys(), atol=1e-10)
        with rasterio.open(f'NETCDF:"{granule.files[0]}":{variable}') as gdal:
            assert np.allclose(gdal.transform, source.grid.transform, atol=1e-10)


def test_an_early_run_lies_beside_the_final_one_and_differs(demo):
    runs = {}
    for granule in demo.granules["CGLS_FAPAR_V2"]:
        runs.setdefault(granule.date, []).append(granule)
    twice = [granules for granules in runs.values() if len(granules) == 2]
    assert len(twice) == 2
    for early, final in twice:
        assert early.rank < final.rank
        assert "-RT0_" in early.files[0].name
        with open_granule(early) as one, open_granule(final) as other:
            assert (one.read("FAPAR") != other.read("FAPAR")).any()


def test_a_window_of_the_full_size_lies_in_one_tile():
    grid = World(1998, (2015,), 2.0).grid300
    assert (grid.height, grid.width) == (672, 672)
    assert probav_grid(336).offset_of(grid) == (2 * 3360 + 1176, 18 * 3360 + 1344)
    assert grid.bounds[1] > 45
    assert grid.bounds[2] < 10 - 0.5 / 336
