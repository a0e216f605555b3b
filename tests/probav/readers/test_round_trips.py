"""Every product family, from an independent writer through discovery to numbers, values and coordinates.

Expected: what h5py or rasterio read of the same file, with the arithmetic of the manuals written out here.
"""

import gzip
import itertools

import h5py
import numpy as np
import pytest
import rasterio
import rasterio.shutil
from affine import Affine

from probav.products import PRODUCTS
from probav.products.custom import from_dict
from probav.readers import discover, open_granule

SIZES = {"1KM": 112, "333M": 336, "100M": 1008}
DATES = {"S1": "20160217", "S5": "20160226", "S10": "20160221"}
DAYS = {name: f"{date[:4]}-{date[4:6]}-{date[6:]}" for name, date in DATES.items()}
PROBAV = [name for name in PRODUCTS if name.startswith("PROBAV_") and not name.endswith("_C2")]
PROBAV_C2 = [name for name in PRODUCTS if name.startswith("PROBAV_") and name.endswith("_C2")]
# a corner of the world west, one east of 180 degrees, one on Greenwich: tile, and its first row and column
WINDOWS = {"west": ((0, 1), 0, 0), "east": ((35, 13), -60, -80), "middle": ((18, 7), 500, 600)}
# each product once, and each resolution everywhere
CASES = list(zip(PROBAV, itertools.cycle(WINDOWS))) + [
    (f"PROBAV_L3_S1_TOC_{resolution}", window) for resolution in SIZES for window in WINDOWS
]
ANGLES = ("SZA", "SAA", "SWIR_VAA", "SWIR_VZA", "VNIR_VAA", "VNIR_VZA")
MEMBERS = {
    "NDVI": "LEVEL3/NDVI/NDVI", "SM": "LEVEL3/QUALITY/SM", "TIME": "LEVEL3/TIME/TIME",
    **{name: f"LEVEL3/GEOMETRY/{name.replace('_', '/')}" for name in ANGLES},
    **{name: f"LEVEL3/RADIOMETRY/{name}/{{}}" for name in ("RED", "NIR", "BLUE", "SWIR")},
}  # fmt: skip
# physical value of a stored number, by the Products User Manual
PHYSICAL = {
    "NDVI": lambda dn: (dn - 20) / 250, "SZA": lambda dn: dn / 2, "SWIR_VZA": lambda dn: dn / 2,
    "VNIR_VZA": lambda dn: dn / 2, "SAA": lambda dn: dn * 1.5, "SWIR_VAA": lambda dn: dn * 1.5,
    "VNIR_VAA": lambda dn: dn * 1.5, "TIME": lambda dn: dn, "SM": lambda dn: dn,
    **dict.fromkeys(("RED", "NIR", "BLUE", "SWIR"), lambda dn: dn / 2000),
}  # fmt: skip


def opened(source, **given):
    (granule,), rejected = discover(source, **given)
    assert not rejected
    return granule, open_granule(granule)


def words(product):
    """Return (synthesis, level, is NDVI-only, resolution) of a product id."""
    parts = product.removesuffix("_C2").split("_")
    return parts[2], parts[3], "NDVI" in parts, parts[-1]


def place(window, resolution):
    """Tile name, tile, row, column; negative rows and columns count from the tile's end."""
    (x, y), row, column = WINDOWS[window]
    size = 10 * SIZES[resolution]
    return f"X{x:02d}Y{y:02d}", (x, y), row % size, column % size


def assert_same(granule, name, stored):
    found = granule.read(name)
    assert np.array_equal(found, stored)
    assert np.array_equal(granule.read(name, 17, 23), stored[17:23])
    physical = granule.variables[name].physical(found)
    assert np.allclose(physical, PHYSICAL[name](stored.astype(float)), rtol=0, atol=1e-9)


def assert_places(granule, path):
    """Compare pixel centres with rasterio, by hand at the corners, as the transform has edges."""
    with rasterio.open(path) as dataset:
        assert (granule.grid.height, granule.grid.width) == dataset.shape
        for row, column in ((0, 0), (granule.grid.height - 1, granule.grid.width - 1)):
            ours = granule.grid.xs()[column], granule.grid.ys()[row]
            assert ours == pytest.approx(dataset.xy(row, column), abs=1e-9)


@pytest.mark.parametrize(("product", "window"), CASES)
def test_probav_hdf5(write_hdf5, layers, assert_archived, product, window):
    synthesis, level, ndvi_only, resolution = words(product)
    n = SIZES[resolution]
    tile, numbers, row, column = place(window, resolution)
    name = f"PROBAV_{synthesis}_{level}_{tile}_{DATES[synthesis]}_{resolution}{'_NDVI' * ndvi_only}_V101.HDF5"
    arrays = {"NDVI": layers["NDVI"]} if ndvi_only else layers
    path = write_hdf5(name, arrays=arrays, n=n, tile=numbers, row=row, column=column)
    granule, source = opened(path)
    with source, h5py.File(path, locking=False) as file:
        assert (granule.product, granule.tile, granule.rank) == (product, tile, 101)
        assert list(source.variables) == [name for name in PRODUCTS[product].variables if name in arrays]
        for layer in arrays:
            assert_same(source, layer, file[MEMBERS[layer].format(level)][()])
        # the integer degree is the centre of the tile's first pixel, at any resolution
        assert source.grid.xs()[0] == pytest.approx(numbers[0] * 10 - 180 + column / n, abs=1e-10)
        assert source.grid.ys()[0] == pytest.approx(75 - numbers[1] * 10 - row / n, abs=1e-10)
        west, south, east, north = source.grid.bounds
        assert (west, north) == pytest.approx((source.grid.x0 - 0.5 / n, source.grid.y0 + 0.5 / n), abs=1e-10)
        assert -180 - 0.51 / n < west < east < 180 - 0.49 / n
        assert -65 + 0.49 / n < south < north < 75 + 0.51 / n
    corner = numbers[0] * 10 - 180 + column / n, 75 - numbers[1] * 10 - row / n
    assert_archived(path, product, DAYS[synthesis], arrays, corner, n)


def test_collection_0_days(write_hdf5, layers):
    days = layers["SM"] % 11
    days[0, 0] = 255
    name = "PROBAV_S10_TOC_X18Y02_20140201_333M_V001.hdf5"
    for nodata in (255, None):
        path = write_hdf5(
            name, arrays=layers | {"TIME": days}, cf=False, changes={"TIME": {"NO_DATA": nodata}}
        )
        _, source = opened(path)
        with source:
            time = source.variables["TIME"]
            assert (time.dtype, time.nodata, time.units) == ("uint8", 255, "d")
            assert np.array_equal(time.is_valid(source.read("TIME")), days != 255)
        path.unlink()


@pytest.mark.parametrize(("product", "window"), CASES)
def test_probav_derived_geotiff(write_tif, layers, assert_archived, tmp_path, product, window):
    synthesis, level, ndvi_only, resolution = words(product)
    n = SIZES[resolution]
    tile, (x, y), row, column = place(window, resolution)
    stem = f"PROBAV_{synthesis}_{level}_{tile}_{DATES[synthesis]}_{resolution}{'_NDVI' * ndvi_only}_V101"
    # the trees of Collection 1, and of Collection 0 without the year
    tree = f"TIFFDERIVED/{product}/" + ("2016/" if window == "middle" else "") + f"{DATES[synthesis]}/{stem}/"
    corner = x * 10 - 180 + (column - 0.5) / n, 75 - y * 10 - (row - 0.5) / n
    files = {"NDVI": ("NDVI",)}
    if not ndvi_only:
        files |= {"RADIOMETRY": ("RED", "NIR", "BLUE", "SWIR"), "SM": ("SM",), "TIME": ("TIME",)}
        files |= {"GEOMETRY": ANGLES}
    nodata = {"RADIOMETRY": -1, "SM": None, "TIME": 0}
    scales = {"NDVI": (0.004, -0.08), "RADIOMETRY": (1 / 2000, 0)}
    for layer, bands in files.items():
        scale, offset = scales.get(layer, (None, None))
        write_tif(
            f"{tree}{stem}_{layer}.tif", np.stack([layers[band] for band in bands]), corner=corner,
            step=1 / n, nodata=nodata.get(layer, 255), scale=scale, offset=offset,
        )  # fmt: skip
    granule, source = opened(tmp_path)
    with source:
        assert (granule.product, len(granule.files)) == (product, len(files))
        for layer, bands in files.items():
            path = tmp_path / f"{tree}{stem}_{layer}.tif"
            assert_places(source, path)
            with rasterio.open(path) as gdal:
                for number, band in enumerate(bands, start=1):
                    assert_same(source, band, gdal.read(number))
                    assert source.variables[band].nodata == gdal.nodata
    arrays = {band: layers[band] for bands in files.values() for band in bands}
    assert_archived(tmp_path, product, DAYS[synthesis], arrays, (corner[0] + 0.5 / n, corner[1] - 0.5 / n), n)


@pytest.mark.parametrize("product", PROBAV_C2)
def test_collection_2_cogs(tmp_path, layers, assert_archived, product):
    synthesis, level, ndvi_only, resolution = words(product)
    n = SIZES[resolution]
    tile, (x, y), row, column = place("east", resolution)
    first = "_NDVI" * ndvi_only
    # reflectance and NDVI carry scale and offset, the angles' six bands their names
    bands = {"NDVI": (1 / 250, -0.08, 255)}
    if not ndvi_only:
        bands |= dict.fromkeys(("RED", "NIR", "BLUE", "SWIR"), (1 / 2000, 0, -1))
        bands |= {"SM": (None, None, None), "TIME": (None, None, 0), "GEOMETRY": (None, None, 255)}
    transform = Affine(1 / n, 0, x * 10 - 180 + (column - 0.5) / n, 0, -1 / n, 75 - y * 10 - (row - 0.5) / n)
    for band, (scale, offset, nodata) in bands.items():
        names = ANGLES if band == "GEOMETRY" else (band,)
        data = np.stack([layers[name] for name in names])
        path = (
            tmp_path
            / f"PROBAV_{synthesis}_{level}{first}_{tile}_{DATES[synthesis]}_{resolution}_{band}_V201.TIFF"
        )
        with rasterio.MemoryFile() as memory:
            with memory.open(
                driver="GTiff", dtype=data.dtype, count=len(data), height=60, width=80, crs="EPSG:4326",
                transform=transform, nodata=nodata,
            ) as dataset:  # fmt: skip
                dataset.write(data)
                if scale is not None:
                    dataset.scales, dataset.offsets = (scale,), (offset,)
                for number, name in enumerate(names, start=1):
                    dataset.set_band_description(number, name.replace("_", ""))
            with memory.open() as plain:
                rasterio.shutil.copy(plain, path, driver="COG", compress="deflate", blocksize=128)
    granule, source = opened(tmp_path)
    with source:
        assert (granule.product, granule.rank, len(granule.files)) == (product, 201, len(bands))
        for path in granule.files:
            assert_places(source, path)
            with rasterio.open(path) as gdal:
                for number, text in enumerate(gdal.descriptions, start=1):
                    name = next(name for name in layers if name.replace("_", "") == text)
                    assert_same(source, name, gdal.read(number))
        arrays = {name: layers[name] for name in source.variables}
    corner = x * 10 - 180 + column / n, 75 - y * 10 - row / n
    assert_archived(tmp_path, product, DAYS[synthesis], arrays, corner, n)


def test_free_vegetation_extract(write_tif, assert_archived):
    dn = np.random.default_rng(4).integers(0, 256, (30, 40), "u1")
    corner = (-26 - 0.5 / 112, 38 + 0.5 / 112)
    path = write_tif("NDV_20050511_AFRICA_Extract.tif", dn, corner=corner, step=1 / 112)
    granule, source = opened(path)
    with source:
        ndvi = source.variables["NDVI"]
        assert (granule.product, str(granule.date)) == ("SPOTVEGETATION_L3_S10", "2005-05-11")
        assert np.array_equal(source.read("NDVI"), dn)
        assert np.allclose(ndvi.physical(dn), 0.004 * dn.astype(float) - 0.1, rtol=0, atol=1e-12)
        assert np.array_equal(ndvi.is_valid(dn), (dn != 0) & (dn != 255))
        assert_places(source, path)
    assert_archived(path, "SPOTVEGETATION_L3_S10", "2005-05-11", {"NDVI": dn}, (-26, 38), 112)


@pytest.mark.parametrize(
    ("name", "product", "layer", "dtype", "scale", "offset"),
    [
        ("FAPAR300-RT0-FAPAR_202010310000_CUSTOM_OLCI_V1.1.1", "CGLS_FAPAR300_V1", "FAPAR", "u1", 1 / 250, 0),
        ("NDVI300-NDVI_201501010000_CUSTOM_PROBAV_V1.0.1", "CGLS_NDVI300_V1", "NDVI", "u1", 1 / 250, -0.08),
        ("LAI-RT6-LAI_201506300000_CUSTOM_PROBAV_V2.0.2", "CGLS_LAI_V2", "LAI", "u1", 1 / 30, 0),
        ("DMP-RT6-DMP_201506300000_CUSTOM_PROBAV_V2.0.1", "CGLS_DMP_V2", "DMP", "<i2", 1 / 100, 0),
    ],
)  # fmt: skip
def test_ordered_copernicus_tiffs(write_tif, name, product, layer, dtype, scale, offset):
    n = 336 if "300" in product else 112
    dn = np.random.default_rng(4).integers(0, 200, (30, 40)).astype(dtype)
    nodata = -1 if dtype == "<i2" else 255
    corner = (179.9 - 39.5 / n, 80 + 0.5 / n)
    corner = (round(corner[0] * n + 0.5) / n - 0.5 / n, corner[1])
    path = write_tif(
        f"c_gls_{name}.tiff", dn, corner=corner, step=1 / n, nodata=nodata, scale=scale, offset=offset
    )
    granule, source = opened(path)
    with source:
        assert granule.product == product
        assert np.array_equal(source.read(layer), dn)
        with rasterio.open(path) as gdal:
            expected = gdal.read(1) * gdal.scales[0] + gdal.offsets[0]
        assert np.allclose(source.variables[layer].physical(dn), expected, rtol=0, atol=1e-9)
        assert PRODUCTS[product].grid.offset_of(source.grid) is not None
        assert_places(source, path)


def test_land_cover_tiles(write_tif, tmp_path):
    layers = ("Discrete-Classification-map", "Tree-CoverFraction-layer", "Forest-Type-layer")
    n = 1008
    stem = "{}_PROBAV_LC100_global_v3.0.1_2019-nrt_{}_EPSG-4326.tif"
    dn = np.random.default_rng(4).integers(0, 6, (3, 30, 40), "u1")
    for tile, lon, lat in (("W080N20", -80, 20), ("E160S40", 160, -40)):
        for layer, array in zip(layers, dn, strict=True):
            corner = (lon - 0.5 / n, lat + 0.5 / n)
            write_tif(stem.format(tile, layer), array, corner=corner, step=1 / n, nodata=255)
    granules, rejected = discover(tmp_path)
    assert not rejected
    assert [granule.tile for granule in granules] == ["E160S40", "W080N20"]
    for granule in granules:
        with open_granule(granule) as source:
            assert set(source.variables) == {"LC", "TREE_COVER", "FOREST_TYPE"}
            for name, array in zip(("LC", "TREE_COVER", "FOREST_TYPE"), dn, strict=True):
                assert np.array_equal(source.read(name), array)
            assert_places(source, granule.files[0])


@pytest.mark.parametrize("packed", [False, True])
def test_the_whole_of_a_rainfall_dekad(write_tif, tmp_path, packed):
    rain = np.random.default_rng(1).integers(0, 300, (2000, 7200)).astype("f4") / 7
    rain[:50] = -9999
    path = write_tif(
        "prelim/chirps-v2.0.2015.02.3.tif", rain, corner=(-180, 50), step=0.05, nodata=-9999, compress="none"
    )
    with rasterio.open(path) as gdal:
        expected = gdal.read(1)
    if packed:
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes(), 1))
    granules, rejected = discover(tmp_path)
    assert not rejected
    assert len(granules) == 1 + packed  # two copies, both are candidates
    granule = granules[-1]
    assert granule.files[0].suffix == (".gz" if packed else ".tif")
    assert granule.rank == 1000
    with open_granule(granule) as source:
        assert np.array_equal(source.read("RAINFALL"), expected)
        valid = source.variables["RAINFALL"].is_valid(expected)
        assert np.array_equal(valid, expected != -9999)
        assert_places(source, path)
        assert source.grid.bounds == pytest.approx((-180, -50, 180, 50), abs=1e-9)


SINUSOIDAL = "+proj=sinu +lon_0=0 +x_0=0 +y_0=0 +R=6371007.181 +units=m +no_defs"
STEP = 463.312716527917


def modis(**changes):
    return from_dict(
        {
            "id": "MODIS_NDVI",
            "title": "MODIS-like NDVI, 500 m",
            "variables": {
                "ndvi": {
                    "dtype": "int16", "long_name": "NDVI", "scale": 0.0001, "nodata": -3000,
                    "valid": [-2000, 10000],
                },
                "quality": {"dtype": "uint16", "long_name": "Quality", "kind": "flags", "nodata": 65535},
            },
            "default": "ndvi",
            "grid": {
                "x0": -20015109.354 + STEP / 2, "y0": 10007554.677 - STEP / 2, "nx": 1 / STEP, "ny": 1 / STEP,
                "width": 86400, "height": 43200, "crs": rasterio.crs.CRS.from_string(SINUSOIDAL).to_wkt(),
            },
            "cadence": "sixteen-day",
            "date_in_name": "first",
            "pattern": r"MOD13\.A(?P<date>\d{7})\.(?P<tile>h\d\dv\d\d)\.(?P<version>\d{3})_(?P<layer>[a-z]+)",
            "citation": "somebody",
            "licence": "CC-BY 4.0",
        }
        | changes
    )  # fmt: skip


def test_a_user_defined_product_in_another_projection(write_tif, tmp_path):
    random = np.random.default_rng(3)
    ndvi, quality = random.integers(-2000, 10001, (24, 36), "i2"), random.integers(0, 9, (24, 36), "u2")
    transform = Affine(STEP, 0, -20015109.354 + 18 * 2400 * STEP, 0, -STEP, 10007554.677 - 4 * 2400 * STEP)
    common = {"transform": transform, "crs": SINUSOIDAL}
    path = write_tif("MOD13.A2015049.h18v04.006_ndvi.tif", ndvi, nodata=-3000, **common)
    write_tif("MOD13.A2015049.h18v04.006_quality.tif", quality, nodata=65535, **common)
    write_tif("something_else.tif", quality, **common)
    definition = modis()
    (granule,), (rejected,) = discover(tmp_path, definition)
    assert rejected.path.name == "something_else.tif"
    assert (granule.product, str(granule.date), granule.tile) == ("MODIS_NDVI", "2015-02-18", "h18v04")
    assert granule.definition == definition
    with open_granule(granule) as source:
        assert np.array_equal(source.read("ndvi"), ndvi)
        assert np.array_equal(source.read("quality"), quality)
        assert np.allclose(source.variables["ndvi"].physical(ndvi), ndvi / 10000, rtol=0, atol=1e-12)
        assert definition.grid.offset_of(source.grid) == (4 * 2400, 18 * 2400)
        with rasterio.open(path) as gdal:
            centre = source.grid.xs()[35], source.grid.ys()[23]
            assert centre == pytest.approx(gdal.xy(23, 35), abs=1e-3)


def test_a_user_defined_product_without_pattern_or_grid(write_tif, tmp_path):
    definition = modis(grid="from file", pattern=None, cadence="day", date_in_name="first")
    array = np.arange(12, dtype="i2").reshape(3, 4)
    transform = Affine(300, 0, 4e6, 0, -300, 3e6)
    path = write_tif("anything.tif", array, transform=transform, crs="EPSG:3035", nodata=-3000)
    with opened(path, product=definition, date="2015-03-04")[1] as source:
        assert np.array_equal(source.read("ndvi"), array)
        assert source.grid.crs == "EPSG:3035"
        assert_places(source, path)
    _, (rejected,) = discover(path, definition)
    assert "doesn't say its date" in rejected.reason
