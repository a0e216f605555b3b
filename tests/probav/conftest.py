"""A small archive whose every pixel is known: written by rasterio and netCDF4, taken in by probav.ingest."""

import os
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import rasterio
import xarray as xr
from affine import Affine
from hypothesis import settings
from pyproj import CRS

import probav
from probav import storage
from probav.external import store_dataset
from probav.products.custom import from_dict

settings.register_profile("shared machine", deadline=None)  # how long an example takes is no finding
settings.load_profile("shared machine")

S10 = "PROBAV_L3_S10_TOC_333M"
COVER = "CGLS_LC100_V3"
RAIN = "CHIRPS_V2_DEKAD"
NDVI300 = "CGLS_NDVI300_V1"
DEKADS = [f"2015-{month:02d}-{day:02d}" for month in range(1, 6) for day in (1, 11, 21)]
BANDS = ("RED", "NIR", "BLUE", "SWIR")

# first pixel's centre, pixels per degree, shape. 280-pixel chunks of the world grids end within each
# window of 300 m pixels, in both directions: rows 1960 and columns 840 of tile X18Y02
WINDOWS = {
    S10: (0 + 700 / 336, 55 - 1850 / 336, 336, (300, 310)),
    COVER: (-180 + 183500 / 1008, 80 - 30690 / 1008, 1008, (980, 1020)),
    RAIN: (1.525, 49.725, 20, (30, 40)),
    NDVI300: (-180 + 61200 / 336, 80 - 10300 / 336, 336, (200, 220)),
}


@dataclass(repr=False)
class World:
    """The archive, and what its sources hold.

    `arrays[product][variable]` are stored numbers (time, y, x) in the order of `dates[product]`,
    `transforms[product]` their GDAL transform. `later` is a folder with sources of one more dekad, which
    hold `later_arrays[product][variable]` (y, x) for `later_date`.
    """

    url: str
    folder: Path
    later: Path
    archive: probav.Archive | None = None
    arrays: dict = field(default_factory=dict)
    later_arrays: dict = field(default_factory=dict)
    transforms: dict = field(default_factory=dict)
    dates: dict = field(default_factory=dict)

    @property
    def later_date(self) -> np.datetime64:
        return np.datetime64(DEKADS[-1])

    def copy(self, folder: Path) -> str:
        """Return the URL of a copy of the archive that a test may write to."""
        return str(shutil.copytree(self.url, folder / "copy"))

    def physical(self, product: str, variable: str) -> np.ndarray:
        """Values as the manuals have them, NaN where there is none; written without probav."""
        dn = self.arrays[product][variable]
        good, scale, offset = {
            "NDVI": (dn <= 250, 1 / 250, -0.08),
            "RAINFALL": (dn != -9999, 1, 0),
            **{band: (dn >= 0, 1 / 2000, 0) for band in BANDS},
        }[variable]
        return np.where(good, dn.astype(float) * scale + offset, np.nan)


def smooth(random, shape, cell):
    """Return random numbers in 0..1 in patches of about `cell` pixels, each with a little noise."""
    height, width = shape
    coarse = random.random((height // cell + 2, width // cell + 2))
    field = np.kron(coarse, np.ones((cell, cell)))[:height, :width]
    return np.clip(field + random.normal(0, 0.03, shape), 0, 1)


def transform_of(product):
    west, north, n, _ = WINDOWS[product]
    return Affine(1 / n, 0, west - 0.5 / n, 0, -1 / n, north + 0.5 / n)


def write_tif(path, array, transform, nodata=None):
    bands = array if array.ndim == 3 else array[np.newaxis]
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(
        path, "w", driver="GTiff", dtype=bands.dtype, count=len(bands), height=bands.shape[1],
        width=bands.shape[2], crs="EPSG:4326", transform=transform, nodata=nodata, compress="deflate",
    ) as dataset:  # fmt: skip
        dataset.write(bands)


def write_ndvi300(path, array):
    west, north, n, (height, width) = WINDOWS[NDVI300]
    path.parent.mkdir(parents=True, exist_ok=True)
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("lat", height)
        file.createDimension("lon", width)
        file.createVariable("lon", "f8", ("lon",))[:] = west + np.arange(width) / n
        file.createVariable("lat", "f8", ("lat",))[:] = north - np.arange(height) / n
        variable = file.createVariable("NDVI", "u1", ("lat", "lon"), zlib=True, fill_value=255)
        variable.set_auto_maskandscale(False)
        variable.scale_factor, variable.add_offset = np.float32(1 / 250), np.float32(-0.08)
        variable[:] = array


def s10_arrays(random):
    """Return the layers of one dekad: every stored number of NDVI and SM occurs."""
    shape = WINDOWS[S10][3]
    ndvi = (smooth(random, shape, 30) * 250).round().astype("uint8")
    ndvi[random.random(shape) < 0.03] = 255
    ndvi[0, :252] = [*range(251), 255]
    # cloud, shadow, snow and sea in patches; quality bits at random
    kind = np.choose((smooth(random, shape, 45) * 5.99).astype(int), [0, 3, 0, 1, 4, 2])
    sea = (smooth(random, shape, 60) < 0.2) * 8
    quality = np.where(random.random(shape) < 0.9, 240, random.integers(0, 16, shape) * 16)
    status = (kind + (8 - sea) + quality).astype("uint8")
    status[1, :256] = range(256)
    bands = np.stack([(smooth(random, shape, 25) * 2400 - 100).round() for _ in BANDS]).astype("int16")
    bands[bands < 0] = -1
    return {"NDVI": ndvi, "SM": status, **dict(zip(BANDS, bands, strict=True))}


def write_s10(folder, date, layers, version="V101", tile="X18Y02"):
    head = folder / f"PROBAV_S10_TOC_{tile}_{date.replace('-', '')}_333M_{version}"
    transform = transform_of(S10)
    write_tif(Path(f"{head}_NDVI.tif"), layers["NDVI"], transform, 255)
    write_tif(Path(f"{head}_SM.tif"), layers["SM"], transform)
    write_tif(Path(f"{head}_RADIOMETRY.tif"), np.stack([layers[band] for band in BANDS]), transform, -1)


def rain_name(date):
    year, month, day = date.split("-")
    return f"chirps-v2.0.{year}.{month}.{int(day) // 10 + 1}.tif"


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    """Fourteen dekads of PROBA-V and rain, three of CGLS NDVI, one land cover, all where France is flat."""
    random = np.random.default_rng(20151101)
    folder = tmp_path_factory.mktemp("world")
    made = World(str(folder / "archive"), folder / "sources", folder / "later")
    made.transforms = {product: transform_of(product) for product in WINDOWS}
    series = {S10: DEKADS, RAIN: DEKADS, NDVI300: [*DEKADS[3:6], DEKADS[-1]]}
    layers = {
        S10: [s10_arrays(random) for _ in DEKADS],
        RAIN: [{"RAINFALL": rainfall(random)} for _ in DEKADS],
        NDVI300: [{"NDVI": coded_ndvi(random)} for _ in series[NDVI300]],
    }
    for product, dates in series.items():
        for date, found in zip(dates, layers[product], strict=True):
            into = made.later if date == DEKADS[-1] else made.folder
            if product == S10:
                write_s10(into / date, date, found)
            elif product == RAIN:
                write_tif(into / rain_name(date), found["RAINFALL"], made.transforms[RAIN], -9999)
            else:
                name = f"c_gls_NDVI300_{date.replace('-', '')}0000_CUST_PROBAV_V1.0.1.nc"
                write_ndvi300(into / name, found["NDVI"])
        made.dates[product] = np.array(dates[:-1], "datetime64[D]")
        made.arrays[product] = {
            name: np.stack([found[name] for found in layers[product][:-1]]) for name in layers[product][0]
        }
        made.later_arrays[product] = layers[product][-1]
    cover = land_cover(random)
    made.arrays[COVER], made.dates[COVER] = {"LC": cover[None]}, np.array(["2019-01-01"], "datetime64[D]")
    name = "E000N60_PROBAV_LC100_global_v3.0.1_2019-nrt_Discrete-Classification-map_EPSG-4326.tif"
    write_tif(made.folder / name, cover, made.transforms[COVER], 255)
    report = probav.ingest(made.url, made.folder)
    assert not report.rejected, report
    made.archive = probav.open_archive(made.url)
    return made


def rainfall(random):
    rain = (smooth(random, WINDOWS[RAIN][3], 6) * 80).astype("float32")
    rain[:3, :3] = -9999  # sea
    return rain


def coded_ndvi(random):
    shape = WINDOWS[NDVI300][3]
    ndvi = (smooth(random, shape, 20) * 250).round().astype("uint8")
    flagged = smooth(random, shape, 25) < 0.3
    ndvi[flagged] = 251 + random.integers(0, 5, flagged.sum())
    return ndvi


def land_cover(random):
    shape = WINDOWS[COVER][3]
    classes = np.array([20, 30, 40, 50, 80, 111, 114, 200], "uint8")
    cover = classes[(smooth(random, shape, 70) * 7.99).astype(int)]
    cover[:160, 800:] = 255
    return cover


@pytest.fixture(scope="session")
def sources():
    """The writers, for tests that make sources of their own."""
    return Sources


class Sources:
    s10_arrays = staticmethod(s10_arrays)
    write_s10 = staticmethod(write_s10)
    write_tif = staticmethod(write_tif)
    write_ndvi300 = staticmethod(write_ndvi300)
    transform_of = staticmethod(transform_of)


@pytest.fixture
def ordinary_user():
    """Give a folder, and a context in which this process has the rights of an ordinary user, even if root."""
    roots = [Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")]
    open_to_all = [
        root for root in roots if all(part.stat().st_mode & 0o001 for part in (root, *root.parents))
    ]
    if not open_to_all:
        pytest.skip(f"no ordinary user may enter any of {', '.join(map(str, roots))}")
    with tempfile.TemporaryDirectory(dir=open_to_all[0]) as name:
        folder = Path(name)
        folder.chmod(0o755)

        @contextmanager
        def rights():
            if os.geteuid() != 0:
                yield
                return
            os.seteuid(65534)
            try:
                yield
            finally:
                os.seteuid(0)

        yield folder, rights


@pytest.fixture(scope="session")
def keep(tmp_path_factory):
    """A function that puts arrays of stored numbers (time, y, x) into an archive and returns the product.

    Each variable may be given as an array, or as a pair of the array and what its definition adds. `cut` is
    the chunks' length in time and in pixels, `grid` the product's where it is larger than the arrays.
    """

    def keep(
        variables, transform, *, days=None, crs="EPSG:4326", cut=(12, 280), grid=None, role=None, into=None
    ):
        pairs = {name: item if isinstance(item, tuple) else (item, {}) for name, item in variables.items()}
        first = next(iter(pairs.values()))[0]
        count, height, width = first.shape
        x0, y0 = transform @ (0.5, 0.5)
        own = {
            "x0": x0, "y0": y0, "nx": 1 / transform.a, "ny": -1 / transform.e,
            "width": width, "height": height,
        }  # fmt: skip
        definition = from_dict({
            "id": "KEPT" if role is None else role.upper(), "title": "kept", "role": role,
            "cadence": "day" if role is None else "year", "citation": "none", "licence": "none",
            "grid": {**(grid or own), "crs": crs},
            "variables": {
                name: {"dtype": str(array.dtype), "long_name": name, **more}
                for name, (array, more) in pairs.items()
            },
        })  # fmt: skip
        if days is None:
            days = np.datetime64("2020-01-01") + np.arange(count)
        dataset = xr.Dataset(
            {name: (("time", "y", "x"), array) for name, (array, _) in pairs.items()},
            {
                "time": np.asarray(days, "datetime64[ns]"), "x": x0 + transform.a * np.arange(width),
                "y": y0 + transform.e * np.arange(height), "spatial_ref": ((), 0, CRS(crs).to_cf()),
            },
        )  # fmt: skip
        url = into or str(tmp_path_factory.mktemp("kept") / "archive")
        with pytest.MonkeyPatch.context() as patch:
            for module in (storage, storage.layout):
                patch.setattr(module, "TIME_CHUNK", cut[0])
                patch.setattr(module, "PIXEL_CHUNK", cut[1])
            report = store_dataset(url, dataset, definition)
        assert (report.taken, report.rejected) == (count, [])
        return probav.open_archive(url)[definition.id]

    return keep
