import gzip

import numpy as np
import pytest
import rasterio
from affine import Affine

from probav.errors import SourceError
from probav.grid import CHIRPS_GRID, cgls_grid, probav_grid
from probav.readers import discover, open_granule

STEM = "PROBAV_S1_TOC_X18Y02_20160101_333M_V101"


def opened(source, **given):
    (granule,), rejected = discover(source, **given)
    assert not rejected
    return open_granule(granule)


def centres(path):
    """Longitude and latitude of the first and last pixel's centre, by rasterio."""
    with rasterio.open(path) as dataset:
        return [*dataset.xy(0, 0), *dataset.xy(dataset.height - 1, dataset.width - 1)]


def assert_centres(grid, path):
    ours = [grid.xs()[0], grid.ys()[0], grid.xs()[-1], grid.ys()[-1]]
    assert ours == pytest.approx(centres(path), abs=1e-9)


def test_a_derived_set_is_one_granule(write_tif, layers, tmp_path):
    bands = ["RED", "NIR", "BLUE", "SWIR"]
    path = write_tif(f"{STEM}_NDVI.tif", layers["NDVI"], nodata=255, scale=0.004, offset=-0.08)
    write_tif(
        f"{STEM}_RADIOMETRY.tif", np.stack([layers[b] for b in bands]), nodata=-1, scale=1 / 2000, offset=0
    )
    write_tif(f"{STEM}_SM.tif", layers["SM"])
    write_tif(f"{STEM}_TIME.tif", layers["TIME"], nodata=0)
    angles = ["SZA", "SAA", "SWIR_VAA", "SWIR_VZA", "VNIR_VAA", "VNIR_VZA"]
    write_tif(f"{STEM}_GEOMETRY.tif", np.stack([layers[a] for a in angles]), nodata=255)
    with opened(tmp_path) as granule:
        assert set(granule.variables) == set(layers)
        for name, array in layers.items():
            assert np.array_equal(granule.read(name), array)
            assert np.array_equal(granule.read(name, 5, 9), array[5:9])
        assert granule.grid == probav_grid(336).window(2 * 3360 + 200, 18 * 3360 + 100, 60, 80)
        assert_centres(granule.grid, path)
        assert granule.variables["SM"].nodata is None


def test_band_names_win_over_the_usual_order(write_tif, layers):
    names = ["SWIR", "RED", "NIR", "BLUE"]
    path = write_tif(f"{STEM}_RADIOMETRY.tif", np.stack([layers[n] for n in names]), nodata=-1, names=names)
    with opened(path) as granule:
        for name in names:
            assert np.array_equal(granule.read(name), layers[name])


def test_collection_2_bands(write_tif, layers, tmp_path):
    stem = "PROBAV_S10_TOC_X18Y02_20190801_333M_{}_V201.TIFF"
    for name in ("RED", "NDVI", "SM"):
        write_tif(stem.format(name), layers[name], nodata=-1 if name == "RED" else 255)
    with opened(tmp_path) as granule:
        assert set(granule.variables) == {"RED", "NDVI", "SM"}
        assert granule.variables["SM"].nodata == 255
        assert np.array_equal(granule.read("RED"), layers["RED"])


def test_physical_floats_keep_their_own_numbers(write_tif):
    array = np.linspace(-0.08, 0.92, 4800, dtype="f4").reshape(60, 80)
    step = 0.000991626
    path = write_tif(
        "PROBAV_S1_TOC_20150801_100M_V001.tif", array, corner=(108.8, 11.5), step=step, nodata=-3e38
    )
    with opened(path) as granule:
        ndvi = granule.variables["NDVI"]
        assert (ndvi.dtype, ndvi.scale, ndvi.offset, ndvi.valid) == ("float32", 1.0, 0.0, None)
        assert ndvi.nodata == pytest.approx(-3e38)
        assert np.array_equal(granule.read("NDVI"), array)
        assert_centres(granule.grid, path)
        assert list(ndvi.colours)[-1] == pytest.approx(0.92)


@pytest.mark.parametrize("packed", [False, True])
def test_rainfall(write_tif, tmp_path, packed):
    array = np.random.default_rng(1).gamma(2, 20, (50, 60)).astype("f4")
    array[0, 0] = -9999
    path = write_tif("chirps-v2.0.2015.02.3.tif", array, corner=(3.75, 51.75), step=0.05, nodata=-9999)
    with rasterio.open(path) as dataset:
        assert np.array_equal(dataset.read(1), array)
    expected = centres(path)
    if packed:
        (tmp_path / "chirps-v2.0.2015.02.3.tif.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    with opened(tmp_path) as granule:
        assert np.array_equal(granule.read("RAINFALL"), array)
        assert granule.variables["RAINFALL"].nodata == -9999
        assert granule.grid == CHIRPS_GRID.window(165, 3675, 50, 60)
        assert [granule.grid.x0, granule.grid.y0] == pytest.approx(expected[:2], abs=1e-9)
    assert len(list(tmp_path.iterdir())) == 1  # nothing is left beside the source


def test_land_cover(write_tif):
    array = np.random.default_rng(1).choice(np.array([40, 114, 200, 255], "u1"), (30, 40))
    name = "PROBAV_LC100_global_v3.0.1_2015-base_Discrete-Classification-map_EPSG-4326.tif"
    path = write_tif(name, array, corner=(4 - 0.5 / 1008, 51 + 0.5 / 1008), step=1 / 1008, nodata=255)
    with opened(path) as granule:
        assert np.array_equal(granule.read("LC"), array)
        assert granule.variables["LC"].flags[40] == "cropland"
        assert granule.grid == cgls_grid(1008).window(29 * 1008, 184 * 1008, 30, 40)


def test_the_caller_names_product_and_date(write_tif, layers):
    path = write_tif("ndvi.tif", layers["NDVI"], nodata=255)
    with opened(path, product="cgls_ndvi300_v1", date="2015-01-01") as granule:
        assert np.array_equal(granule.read("NDVI"), layers["NDVI"])
        assert granule.variables["NDVI"].flags[252] == "cloud or shadow"


def test_another_projection_is_taken_as_it_is(write_tif, layers):
    path = write_tif("x.tif", layers["NDVI"], transform=Affine(300, 0, 4e6, 0, -300, 3e6), crs="EPSG:3035")
    with opened(path, product="CGLS_NDVI300_V1", date="2015-01-01") as granule:
        assert granule.grid.crs == "EPSG:3035"
        assert (granule.grid.x0, granule.grid.y0) == (4e6 + 150, 3e6 - 150)
        assert not granule.grid.is_geographic


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"transform": Affine(1 / 336, 0, 4, 0, 1 / 336, 51)}, "from south to north"),
        ({"transform": Affine(1 / 336, 1e-4, 4, 0, -1 / 336, 51)}, "rotated"),
        ({"transform": Affine.identity()}, "no georeference"),
        ({"crs": None}, "no georeference"),
        ({"scale": 0.005, "offset": -0.08}, "NDVI has the scale 0.005; expected 0.004"),
        ({"scale": 0.004, "offset": -0.1}, "NDVI has the offset -0.1; expected -0.08"),
        ({"nodata": 0}, "no-data value 0, which is a valid value"),
        ({"names": ["SM"]}, "names its bands SM; expected NDVI"),
        ({"corner": (14.0, 51.0)}, "isn't in tile X18Y02|off the grid"),
    ],
)
def test_files_that_contradict_themselves(write_tif, layers, options, reason):
    if "corner" in options:
        options = {"corner": (14 - 0.5 / 336, 51 + 0.5 / 336)}
    path = write_tif(f"{STEM}_NDVI.tif", layers["NDVI"], **options)
    with pytest.raises(SourceError, match=reason) as error:
        opened(path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize(
    ("layer", "array", "reason"),
    [
        ("NDVI", np.zeros((2, 9, 9), "u1"), "has 2 bands; expected 1: NDVI"),
        ("RADIOMETRY", np.zeros((3, 9, 9), "i2"), "has 3 bands; expected 4: RED, NIR, BLUE, SWIR"),
        ("SM", np.zeros((9, 9), "f4"), "SM holds float32 numbers; expected integer codes"),
        ("NDVI", np.zeros((9, 9), "i4"), "NDVI has the type int32"),
    ],
)
def test_bands_that_are_not_the_layer(write_tif, layer, array, reason):
    with pytest.raises(SourceError, match=reason):
        opened(write_tif(f"{STEM}_{layer}.tif", array))


def test_files_of_one_granule_must_share_their_grid(write_tif, layers, tmp_path):
    write_tif(f"{STEM}_NDVI.tif", layers["NDVI"])
    write_tif(f"{STEM}_SM.tif", layers["SM"], corner=(98.5 / 336, 55 - 199.5 / 336))
    with pytest.raises(SourceError, match="covers"):
        opened(tmp_path)


def test_only_geotiff_is_opened_under_its_suffix(tmp_path, write_tif, layers):
    write_tif("other.tif", layers["NDVI"])
    path = tmp_path / f"{STEM}_NDVI.tif"
    path.write_text('<VRTDataset rasterXSize="80" rasterYSize="60"></VRTDataset>')
    with pytest.raises(SourceError, match="can't be read"):
        opened(path)


@pytest.mark.parametrize("part", [0.0, 0.01, 0.3, 0.6, 0.95])
@pytest.mark.parametrize("packed", [False, True])
def test_truncated_files(write_tif, layers, part, packed):
    path = write_tif(
        "chirps-v2.0.2015.02.3.tif", layers["NDVI"].astype("f4"), corner=(3.75, 51.75), step=0.05
    )
    if packed:
        target = path.with_name(path.name + ".gz")
        target.write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
        path = target
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * part)])

    def read():
        with opened(path) as granule:
            granule.read("RAINFALL")

    with pytest.raises(SourceError, match="can't be read") as error:
        read()
    assert str(path) in str(error.value)


def test_absurd_sizes_are_refused_before_anything_is_allocated(write_tif, layers):
    path = write_tif(f"{STEM}_NDVI.tif", layers["NDVI"], compress="none")
    data = bytearray(path.read_bytes())
    for tag in (256, 257):  # width and height of the first directory
        at = data.index(np.array([tag, 3], "<u2").tobytes() + np.array([1], "<u4").tobytes())
        data[at + 2 : at + 12] = np.array([4], "<u2").tobytes() + np.array([1, 2_000_000], "<u4").tobytes()
    path.write_bytes(data)
    with pytest.raises(SourceError, match=r"claims 2000000 x 2000000 pixels|can't be read") as error:
        opened(path)
    assert str(path) in str(error.value)
