"""Writers of source products that share no code with probav: layouts and encodings as in the manuals."""

from pathlib import Path

import h5py
import netCDF4
import numpy as np
import pytest
import rasterio
from affine import Affine
from pyhdf.SD import SD, SDC

import probav

REAL = Path(__file__).parents[4] / "shared" / "real"

LAYERS = {
    "NDVI": ("NDVI/NDVI", "u1", 250, 20, 255),
    "RED": ("RADIOMETRY/RED/TOC", "<i2", 2000, 0, -1),
    "NIR": ("RADIOMETRY/NIR/TOC", "<i2", 2000, 0, -1),
    "BLUE": ("RADIOMETRY/BLUE/TOC", "<i2", 2000, 0, -1),
    "SWIR": ("RADIOMETRY/SWIR/TOC", "<i2", 2000, 0, -1),
    "SM": ("QUALITY/SM", "u1", None, None, None),
    "TIME": ("TIME/TIME", "<u2", 1, 0, 0),
    "SZA": ("GEOMETRY/SZA", "u1", 2, 0, 255),
    "SAA": ("GEOMETRY/SAA", "u1", 0.66667, 0, 255),
    "SWIR_VAA": ("GEOMETRY/SWIR/VAA", "u1", 0.66667, 0, 255),
    "SWIR_VZA": ("GEOMETRY/SWIR/VZA", "u1", 2, 0, 255),
    "VNIR_VAA": ("GEOMETRY/VNIR/VAA", "u1", 0.66667, 0, 255),
    "VNIR_VZA": ("GEOMETRY/VNIR/VZA", "u1", 2, 0, 255),
}


@pytest.fixture(scope="session")
def real():
    """Folder of real sample data beside the checkout; skips where it is absent."""
    if not REAL.is_dir():
        pytest.skip(f"the real sample data are not at {REAL}")
    return REAL


@pytest.fixture(scope="session")
def layers():
    """One random array for each PROBA-V layer, 60 rows x 80 columns, all numbers of the type occurring."""
    random = np.random.default_rng(7)
    return {
        name: random.integers(np.iinfo(dtype).min, np.iinfo(dtype).max, (60, 80), dtype, endpoint=True)
        for name, (_, dtype, *_) in LAYERS.items()
    }


@pytest.fixture
def write_hdf5(tmp_path, layers):
    """Write a PROBA-V HDF5: a crop of tile X18Y02 whose first pixel is column 100, row 200."""

    def write(
        name="PROBAV_S10_TOC_X18Y02_20160101_333M_V101.HDF5",
        *,
        arrays=None,
        n=336,
        column=100,
        row=200,
        corners=True,
        mapping=True,
        cf=True,
        changes=None,
        tile=(18, 2),
        corner_type=np.float32,
    ):
        path = tmp_path / name
        level = "TOA" if "_TOA_" in name else "TOC"
        west, north = tile[0] * 10 - 180 + column / n, 75 - tile[1] * 10 - row / n
        with h5py.File(path, "w") as file:
            file.attrs["DESCRIPTION"] = "Proba-V level3 product"
            root = file.create_group("LEVEL3")
            for group in ("GEOMETRY", "NDVI", "QUALITY", "RADIOMETRY", "TIME"):
                root.create_group(group)
            for layer, array in (layers if arrays is None else arrays).items():
                member, dtype, scale, offset, nodata = LAYERS[layer]
                member = member.replace("TOC", level)
                height, width = array.shape
                data = root.create_dataset(
                    member, data=array, dtype=array.dtype if array.dtype.kind == "u" else dtype,
                    chunks=(1, width), compression="szip", compression_opts=("nn", 16),
                )  # fmt: skip
                attributes = {"NO_DATA": nodata, "OFFSET": offset, "SCALE": scale}
                if mapping:
                    attributes["MAPPING"] = np.array(
                        ["Geographic Lat/Lon", "0.5", "0.5", f"{west:.12f}", f"{north:.12f}",
                         f"{1 / n:.12f}", f"{1 / n:.12f}", "WGS84", "Degrees"], "S"
                    )  # fmt: skip
                if cf and scale is not None:
                    attributes["scale_factor"] = np.array([1 / scale], "f4")
                    attributes["add_offset"] = np.array([-offset / scale], "f4")
                for key, value in (attributes | (changes or {}).get(layer, {})).items():
                    if value is not None:
                        data.attrs[key] = value
            if corners:
                east, south = west + (width - 1) / n, north - (height - 1) / n
                for side, x in (("LEFT", west), ("RIGHT", east)):
                    for end, y in (("TOP", north), ("BOTTOM", south)):
                        root["GEOMETRY"].attrs[f"{end}_{side}_LONGITUDE"] = corner_type(x)
                        root["GEOMETRY"].attrs[f"{end}_{side}_LATITUDE"] = corner_type(y)
        return path

    return write


@pytest.fixture
def write_tif(tmp_path):
    """Write a GeoTIFF of one or more bands; the first pixel's outer corner is at `corner`."""

    def write(name, array, *, corner=(99.5 / 336, 55 - 199.5 / 336), step=1 / 336, transform=None,
              crs="EPSG:4326", nodata=None, scale=None, offset=None, names=None, **options):  # fmt: skip
        bands = array if array.ndim == 3 else array[np.newaxis]
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with rasterio.open(
            path, "w", driver="GTiff", dtype=bands.dtype, count=len(bands), height=bands.shape[1],
            width=bands.shape[2], crs=crs, nodata=nodata,
            transform=transform or Affine(step, 0, corner[0], 0, -step, corner[1]),
            **{"compress": "deflate"} | options,
        ) as dataset:  # fmt: skip
            dataset.write(bands)
            if scale is not None:
                dataset.scales = (scale,) * len(bands)
                dataset.offsets = (offset,) * len(bands)
            for band, text in enumerate(names or (), start=1):
                dataset.set_band_description(band, text)
        return path

    return write


@pytest.fixture
def write_netcdf(tmp_path):
    """Write a Copernicus Global Land netCDF-4 with the netCDF4 library."""

    def write(name, layer, array, *, n, lon, lat, scale, offset, nodata=255, attributes=None, coordinate="f8",
              time=False, descending=True):  # fmt: skip
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        height, width = array.shape
        with netCDF4.Dataset(path, "w") as file:
            file.Conventions = "CF-1.6"
            for dim, size in (("lon", width), ("lat", height), ("time", 1)):
                file.createDimension(dim, size)
            file.createVariable("lon", coordinate, ("lon",))[:] = lon + np.arange(width) / n
            latitudes = lat - np.arange(height) / n
            file.createVariable("lat", coordinate, ("lat",))[:] = latitudes if descending else latitudes[::-1]
            file.createVariable("crs", "S1").grid_mapping_name = "latitude_longitude"
            dims = ("time", "lat", "lon") if time else ("lat", "lon")
            variable = file.createVariable(layer, array.dtype, dims, zlib=True, fill_value=nodata)
            variable.set_auto_maskandscale(False)
            variable.scale_factor, variable.add_offset = np.float32(scale), np.float32(offset)
            variable.setncatts(attributes or {})
            variable[...] = array[np.newaxis] if time else array
        return path

    return write


VGT_PLANES = {
    "B0": SDC.INT16, "B2": SDC.INT16, "B3": SDC.INT16, "MIR": SDC.INT16, "NDV": SDC.UINT8, "SM": SDC.UINT8,
    "SZA": SDC.UINT8, "SAA": SDC.UINT8, "VZA": SDC.UINT8, "VAA": SDC.UINT8, "TG": SDC.UINT16,
}  # fmt: skip
# the keys of a LOG.TXT of Collection 3
LOG = """PRODUCT_ID                V2KRNS10__20060721E
MAP_PROJ_CODE             PLATE_CARREE_1KMG
MAP_PROJ_UNIT             DEGREES
MAP_PROJ_RESOLUTION       0.0089285714
GEODETIC_SYST_NAME        WGS 1984
MERIDIAN_ORIGIN           +000.000
GEO_UPPER_LEFT_LAT        {north:+011.6f}
GEO_UPPER_LEFT_LONG       {west:+011.6f}
GEO_LOWER_RIGHT_LAT       {south:+011.6f}
GEO_LOWER_RIGHT_LONG      {east:+011.6f}
IMAGE_UPPER_LEFT_ROW      1
IMAGE_UPPER_LEFT_COL      1
IMAGE_LOWER_RIGHT_ROW     {height}
IMAGE_LOWER_RIGHT_COL     {width}
"""


@pytest.fixture(scope="session")
def planes():
    """One random array for each SPOT-VEGETATION plane, 40 rows x 50 columns, all numbers of the type."""
    random = np.random.default_rng(11)
    dtypes = {SDC.INT16: "i2", SDC.UINT8: "u1", SDC.UINT16: "u2"}
    return {
        plane: random.integers(np.iinfo(dtype).min, np.iinfo(dtype).max, (40, 50), dtype, endpoint=True)
        for plane, dtype in ((plane, dtypes[kind]) for plane, kind in VGT_PLANES.items())
    }


@pytest.fixture
def write_vgt(tmp_path, planes):
    """Write a SPOT-VEGETATION product with pyhdf: one file a plane and LOG.TXT, at 1 km."""

    def write(
        folder="V2KRNS10__20060721E/0001", *, prefix="0001_", west=-11.0, north=75.0, arrays=None,
        dataset="PIXEL_DATA", log=LOG, size=None, compressed=True,
    ):  # fmt: skip
        root = tmp_path / folder
        root.mkdir(parents=True, exist_ok=True)
        arrays = planes if arrays is None else arrays
        for plane, array in arrays.items():
            file = SD(str(root / f"{prefix}{plane}.HDF"), SDC.WRITE | SDC.CREATE)
            data = file.create(
                "ANGLES_VALUES" if plane in ("SZA", "SAA") else dataset, VGT_PLANES[plane], array.shape
            )
            if compressed:
                data.setcompress(SDC.COMP_DEFLATE, 5)
            data[:] = array
            data.endaccess()
            file.end()
        height, width = size or next(iter(arrays.values())).shape
        if log is not None:
            east, south = west + (width - 1) / 112, north - (height - 1) / 112
            (root / f"{prefix}LOG.TXT").write_text(
                log.format(west=west, north=north, east=east, south=south, height=height, width=width)
            )
            (root / f"{prefix}RIG.TXT").write_text("FORMAT 1.5\n")
            (root / f"{prefix}QL.TIF").write_bytes(b"a picture")
            (root.parent / "PHYS_VOL.TXT").write_text("FORMAT_REFERENCE   VGT PRODUCT FORMAT V1.5\n")
        return root

    return write


@pytest.fixture
def assert_archived(tmp_path_factory):
    """Take a source into a new archive and compare what comes out, and its coordinates, with what went in."""

    def check(source, product, date, arrays, corner, n):
        """`arrays`: stored numbers by variable; `corner`: centre of the first pixel (west, north)."""
        url = tmp_path_factory.mktemp("archive") / "archive"
        report = probav.ingest(url, source)
        assert (report.taken, report.rejected) == (1, [])
        held = probav.open_archive(url)[product]
        assert list(held.times.astype(str)) == [date]
        loaded = held.load(variable=list(arrays), keep_dn=True)
        for name, array in arrays.items():
            np.testing.assert_array_equal(loaded[name][0].values, array, err_msg=name)
        height, width = loaded[next(iter(arrays))].shape[1:]
        np.testing.assert_allclose(loaded.x, corner[0] + np.arange(width) / n, rtol=0, atol=1e-9)
        np.testing.assert_allclose(loaded.y, corner[1] - np.arange(height) / n, rtol=0, atol=1e-9)

    return check
