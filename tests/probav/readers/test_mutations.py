"""1,000 damaged files: each is a SourceError that names it, or a good read; never a crash or a hang."""

import gzip
import random
import zipfile
from pathlib import Path

import numpy as np
import pytest

from probav.errors import SourceError
from probav.readers import ReaderPool, discover

FAMILIES = ("hdf5", "netcdf", "cog", "strips", "gz", "hdf4", "hdf4-raw", "zip")
EACH = 125
MOST_MEMORY = 1 << 30  # bytes of a child with all its libraries


@pytest.fixture(scope="module")
def pool():
    with ReaderPool(1, timeout=20) as pool:
        yield pool


@pytest.fixture
def sources(write_hdf5, write_netcdf, write_tif, write_vgt, layers, planes, tmp_path):
    """Write the files of a family; return the folder and the files to damage, the large one first."""

    def vgt(**options):
        arrays = {plane: planes[plane] // 32 * 32 for plane in ("NDV", "B0")}  # so that they compress
        root = write_vgt(arrays=arrays, **options)
        return [root / "0001_NDV.HDF", root / "0001_LOG.TXT", root / "0001_B0.HDF"]

    def write(family):
        some = {name: layers[name] for name in ("NDVI", "RED", "SM")}
        if family == "hdf5":
            return [write_hdf5(arrays=some)]
        if family == "netcdf":
            name = "c_gls_NDVI300_201501010000_GLOBE_PROBAV_V1.0.1.nc"
            return [
                write_netcdf(name, "NDVI", layers["NDVI"], n=336, lon=0, lat=10, scale=0.004, offset=-0.08)
            ]
        if family == "cog":
            name = "PROBAV_S10_TOC_X18Y02_20190801_333M_NDVI_V201.TIFF"
            return [write_tif(name, layers["NDVI"], nodata=255, tiled=True, blockxsize=16, blockysize=16)]
        if family == "strips":
            name = "PROBAV_S1_TOC_X18Y02_20160101_333M_V101_RADIOMETRY.tif"
            return [write_tif(name, np.stack([layers["RED"]] * 4), nodata=-1, compress="none")]
        if family == "gz":
            plain = write_tif(
                "x.tif", layers["NDVI"].astype("f4"), corner=(3.75, 51.75), step=0.05, nodata=-9999
            )
            path = tmp_path / "chirps-v2.0.2015.02.3.tif.gz"
            path.write_bytes(gzip.compress(plain.read_bytes()))
            plain.unlink()
            return [path]
        if family == "zip":
            root = vgt()[0].parent
            path = tmp_path / "V2KRNS10__20060721E.zip"
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
                for file in sorted(root.iterdir()):
                    archive.write(file, file.name)
                    file.unlink()
            return [path]
        return vgt(compressed=family == "hdf4")

    return write


def damaged(data, chance):
    """Flip bits, cut the end, put extreme numbers or bytes of elsewhere, anywhere or in the header."""
    data = bytearray(data)
    reach = chance.choice((len(data), min(len(data), 2048)))
    how = chance.randrange(5)
    at = chance.randrange(reach)
    if how == 0:
        for _ in range(chance.choice((1, 2, 5, 20, 100))):
            data[chance.randrange(reach)] ^= 1 << chance.randrange(8)
    elif how == 1:
        del data[at:]
    elif how == 2:
        for _ in range(chance.choice((1, 2, 5, 20))):
            data[chance.randrange(reach)] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))
    elif how == 3:
        size = chance.choice((1, 2, 4, 8))
        data[at : at + size] = chance.choice((b"\xff" * size, b"\0" * size, b"\xff" * (size - 1) + b"\x7f"))
    else:
        other, size = chance.randrange(len(data)), chance.randrange(1, 64)
        data[at : at + size] = data[other : other + size]
    return bytes(data)


def peak(child):
    """Largest resident memory of a child so far, bytes."""
    status = Path(f"/proc/{child.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) << 10


@pytest.mark.parametrize("family", FAMILIES)
def test_damaged_files(pool, sources, tmp_path, family):
    files = sources(family)
    whole = {path: path.read_bytes() for path in files}
    chance = random.Random(f"probav {family}")
    (child,) = pool._children
    (granule,), _ = discover(tmp_path)
    with pool.open(granule) as opened:  # the whole files are good
        assert opened.read(next(iter(opened.variables))).size
    said, good = [], 0
    for number in range(EACH):
        path = files[(number % 8 == 7) * (number // 8) % len(files)]
        path.write_bytes(damaged(whole[path], chance))
        try:
            with pool.open(granule) as opened:
                for name in opened.variables:
                    for start in range(0, opened.grid.height, 32):
                        opened.read(name, start, min(start + 32, opened.grid.height))
            good += 1
        except SourceError as error:
            said.append(str(error))
        path.write_bytes(whole[path])
        if child.pid is not None:
            assert peak(child) < MOST_MEMORY
    assert len(said) + good == EACH
    named = [str(path) for path in granule.files] + [str(path) for path in files]
    assert [text for text in said if not any(path in text for path in named)] == []
    assert not [text for text in said if "no answer" in text]
    assert said
