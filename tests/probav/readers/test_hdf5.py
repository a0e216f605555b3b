import h5py
import numpy as np
import pytest
import rasterio

from probav.errors import SourceError
from probav.grid import probav_grid
from probav.readers import discover, open_granule

MEMBERS = {
    "NDVI": "NDVI/NDVI",
    "RED": "RADIOMETRY/RED/TOC",
    "SM": "QUALITY/SM",
    "SWIR_VZA": "GEOMETRY/SWIR/VZA",
}


def opened(path):
    (granule,), rejected = discover(path)
    assert not rejected
    return open_granule(granule)


def test_every_layer_comes_back_as_written(write_hdf5, layers):
    with opened(write_hdf5()) as granule:
        assert set(granule.variables) == set(layers)
        for name, array in layers.items():
            read = granule.read(name)
            assert read.dtype == granule.variables[name].dtype
            assert np.array_equal(read, array)
            assert np.array_equal(granule.read(name, 17, 23), array[17:23])
            assert granule.read(name, 60).shape == (0, 80)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_gdal_reads_the_same_numbers(write_hdf5):
    path = write_hdf5()
    with opened(path) as granule:
        for name, member in MEMBERS.items():
            with rasterio.open(f'HDF5:"{path}"://LEVEL3/{member}') as gdal:
                assert np.array_equal(granule.read(name), gdal.read(1))


@pytest.mark.parametrize("options", [{}, {"mapping": False}, {"corners": False}, {"n": 1008}, {"n": 112}])
def test_corners_are_pixel_centres(write_hdf5, options):
    n = options.get("n", 336)
    resolution = {112: "1KM", 336: "333M", 1008: "100M"}[n]
    path = write_hdf5(f"PROBAV_S1_TOC_X18Y02_20160101_{resolution}_V101.HDF5", **options)
    with opened(path) as granule:
        grid = granule.grid
    # exactly the lattice of the whole world, whatever the file's digits
    assert grid == probav_grid(n).window(2 * 10 * n + 200, 18 * 10 * n + 100, 60, 80)
    assert (grid.x0, grid.y0) == pytest.approx((100 / n, 55 - 200 / n), abs=1e-10)


def test_physical_values_apply_one_scale_once(write_hdf5):
    with opened(write_hdf5()) as granule:
        ndvi, red, saa = (granule.variables[name] for name in ("NDVI", "RED", "SAA"))
    assert ndvi.scale * 145 + ndvi.offset == pytest.approx(0.5, abs=1e-12)
    assert red.scale * 500 + red.offset == pytest.approx(0.25, abs=1e-12)
    assert saa.scale * 200 + saa.offset == pytest.approx(300, abs=1e-12)  # the file says 0.66667


def test_time_of_collection_0_is_days(write_hdf5, layers):
    old = layers | {"TIME": np.arange(4800, dtype="u1").reshape(60, 80)}
    path = write_hdf5("PROBAV_S10_TOC_X18Y02_20131101_333M_V002.HDF5", arrays=old, cf=False,
                      changes={"TIME": {"NO_DATA": 255}})  # fmt: skip
    with opened(path) as granule:
        time = granule.variables["TIME"]
        assert (time.dtype, time.nodata, time.units) == ("uint8", 255, "d")
        assert np.array_equal(granule.read("TIME"), old["TIME"])


def test_ndvi_only_files_have_empty_groups(write_hdf5, layers):
    path = write_hdf5("PROBAV_S10_TOC_X18Y02_20160101_333M_NDVI_V101.HDF5", arrays={"NDVI": layers["NDVI"]})
    with opened(path) as granule:
        assert list(granule.variables) == ["NDVI"]


def test_top_of_atmosphere_files_may_lack_ndvi(write_hdf5, layers):
    path = write_hdf5(
        "PROBAV_S1_TOA_X18Y02_20160101_333M_V101.HDF5", arrays={"RED": layers["RED"], "SM": layers["SM"]}
    )
    with opened(path) as granule:
        assert set(granule.variables) == {"RED", "SM"}
        assert np.array_equal(granule.read("RED"), layers["RED"])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"NDVI": {"SCALE": 0.004}}, "NDVI has the scale 250; expected 0.004"),
        ({"NDVI": {"SCALE": 0}}, "SCALE 0"),
        ({"NDVI": {"OFFSET": 25}}, "NDVI has the offset -0.1; expected -0.08"),
        ({"RED": {"scale_factor": np.float32(2000)}}, "RED has the scale 2000; expected 0.0005"),
        ({"NDVI": {"NO_DATA": 0}}, "no-data value 0, which is a valid value"),
        ({"NDVI": {"NO_DATA": -1}}, "can't hold no-data -1"),
    ],
)
def test_attributes_that_contradict_the_product_table(write_hdf5, changes, reason):
    path = write_hdf5(changes=changes)
    with pytest.raises(SourceError, match=reason) as error:
        opened(path)
    assert str(path) in str(error.value)


def test_no_georeference(write_hdf5):
    with pytest.raises(SourceError, match="no georeference"):
        opened(write_hdf5(corners=False, mapping=False))


def test_a_window_outside_of_its_tile(write_hdf5):
    with pytest.raises(SourceError, match="isn't in tile X17Y02"):
        opened(write_hdf5("PROBAV_S10_TOC_X17Y02_20160101_333M_V101.HDF5"))


def test_corners_taken_for_edges(write_hdf5):
    with pytest.raises(SourceError, match="off the grid of PROBAV_L3_S10_TOC_333M"):
        opened(write_hdf5(column=99.5, row=199.5))


def test_a_wrong_resolution(write_hdf5):
    with pytest.raises(SourceError, match="off the grid of PROBAV_L3_S10_TOC_1KM"):
        opened(write_hdf5("PROBAV_S10_TOC_X18Y02_20160101_1KM_V101.HDF5", column=101))


def test_layers_of_different_shape(write_hdf5, layers):
    with pytest.raises(SourceError, match="differ in shape"):
        opened(write_hdf5(arrays=layers | {"SM": layers["SM"][:50]}))


def test_a_file_of_something_else(tmp_path):
    path = tmp_path / "PROBAV_S10_TOC_X18Y02_20160101_333M_V101.HDF5"
    with h5py.File(path, "w") as file:
        file["LEVEL2A/x"] = 1
    with pytest.raises(SourceError, match=r"Level 2A segment.*take PROBAV_L3_S10_TOC_333M"):
        opened(path)
    with h5py.File(path, "w") as file:
        file.create_group("LEVEL3")
    with pytest.raises(SourceError, match="holds none of NDVI, RED"):
        opened(path)


def test_questions_a_granule_cannot_answer(write_hdf5):
    with opened(write_hdf5()) as granule:
        with pytest.raises(SourceError, match="no variable 'LAI'; it has NDVI"):
            granule.read("LAI")
        with pytest.raises(SourceError, match="has 60 rows; got rows 50 to 61"):
            granule.read("NDVI", 50, 61)
        with pytest.raises(SourceError, match="rows"):
            granule.read("NDVI", -1)


def read_all(path):
    with opened(path) as granule:
        for name in granule.variables:
            granule.read(name)


@pytest.mark.parametrize("part", [0.0, 0.001, 0.05, 0.2, 0.4, 0.6, 0.8, 0.9, 0.99])
def test_truncated_files(write_hdf5, part):
    path = write_hdf5()
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * part)])
    with pytest.raises(SourceError, match="can't be read") as error:
        read_all(path)
    assert str(path) in str(error.value)


def test_absurd_sizes_are_refused_before_anything_is_allocated(tmp_path):
    path = tmp_path / "PROBAV_S10_TOC_X18Y02_20160101_333M_V101.HDF5"
    with h5py.File(path, "w") as file:
        file.create_dataset("LEVEL3/NDVI/NDVI", (10**6, 10**6), "u1", chunks=(1, 10**6))
    with pytest.raises(SourceError, match="claims 1000000 x 1000000 pixels; expected"):
        opened(path)
    with h5py.File(path, "w") as file:
        file.create_dataset("LEVEL3/NDVI/NDVI", (60000, 60000), "u1", chunks=(60000, 60000))
    with pytest.raises(SourceError, match="is stored in chunks of"):
        opened(path)


def test_too_many_rows_at_once_are_refused(tmp_path):
    path = tmp_path / "c_gls_NDVI300_201501010000_GLOBE_PROBAV_V1.0.1.nc"
    with h5py.File(path, "w") as file:
        file.create_dataset("NDVI", (47040, 120960), "u1", chunks=(1, 120960))
        file["lat"], file["lon"] = 80 - np.arange(47040) / 336, -180 + np.arange(120960) / 336
    with opened(path) as granule:
        assert granule.read("NDVI", 0, 2).shape == (2, 120960)
        with pytest.raises(SourceError, match="47040 rows are 5 GiB; read fewer at once"):
            granule.read("NDVI")


def test_pixels_in_other_files_are_refused(write_hdf5, tmp_path):
    path = write_hdf5()
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(4800))
    with h5py.File(path, "a") as file:
        del file["LEVEL3/NDVI/NDVI"]
        file.create_dataset("LEVEL3/NDVI/NDVI", (60, 80), "u1", external=[(str(secret), 0, 4800)])
    with pytest.raises(SourceError, match="keeps its pixels in other files"):
        opened(path)
    other = write_hdf5("PROBAV_S10_TOC_X18Y02_20160111_333M_V101.HDF5")
    with h5py.File(path, "a") as file:
        del file["LEVEL3/NDVI/NDVI"]
        file["LEVEL3/NDVI/NDVI"] = h5py.ExternalLink(str(other), "LEVEL3/NDVI/NDVI")
    with opened(path) as granule:
        assert "NDVI" not in granule.variables


def test_szip_settings_that_crash_the_decoder_are_refused(write_hdf5, layers):
    path = write_hdf5(arrays={"NDVI": layers["NDVI"]})
    data = path.read_bytes()
    settings = np.array([16, 8, 80], "<u4").tobytes()  # pixels a block, bits a pixel, pixels a row
    assert data.count(settings) == 1
    path.write_bytes(data.replace(settings, np.array([0, 8, 80], "<u4").tobytes()))
    with pytest.raises(SourceError, match="expected 2 to 32 pixels a block") as error:
        opened(path)
    assert str(path) in str(error.value)
