import gzip
import struct
import tempfile
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from probav.errors import SourceError
from probav.readers import discover, open_granule, zips

NAME = "c_gls_VPI_201501010000_GLOBE_PROBAV_V1.0.1"


@pytest.fixture
def leftovers():
    """Temporary folders of unpacked zips that are there now."""
    return lambda: set(Path(tempfile.gettempdir()).glob("probav-zip-*"))


@pytest.fixture
def pack(tmp_path):
    def pack(members, name=f"{NAME}.zip", compression=zipfile.ZIP_DEFLATED):
        path = tmp_path / name
        with zipfile.ZipFile(path, "w", compression) as archive:
            for member, data in members.items():
                archive.writestr(member, data)
        return path

    return pack


def opened(path, **given):
    (granule,), _ = discover(path, **given)
    return open_granule(granule)


def vpi(path, array):
    with h5py.File(path, "w") as file:
        data = file.create_dataset("VPI", data=array, compression="gzip")
        data.attrs.update(scale_factor=0.5, add_offset=-5.0, _FillValue=np.uint8(255))
        file["lat"] = 80 - np.arange(array.shape[0]) / 112
        file["lon"] = -180 + np.arange(array.shape[1]) / 112
    return path.read_bytes()


def test_one_hdf5_in_a_zip(tmp_path, pack, leftovers):
    before = leftovers()
    array = np.random.default_rng(2).integers(0, 256, (30, 40), "u1")
    data = vpi(tmp_path / "x.bin", array)
    path = pack({f"somewhere/{NAME}.h5": data, "somewhere/readme.pdf": b"", "__MACOSX/._x.h5": b"x"})
    with opened(path) as granule:
        assert np.array_equal(granule.read("VPI"), array)
        assert granule.paths == {"VPI": path}
        assert granule.places == {"VPI": None}
        assert granule.variables["VPI"].physical(np.array([210], "u1")) == 100
        assert len(leftovers() - before) == 1
    assert leftovers() == before


def test_one_geotiff_in_a_zip_says_nothing_itself(write_tif, pack, tmp_path):
    array = np.arange(12, dtype="u1").reshape(3, 4)
    inner = write_tif("inner/data.tif", array, nodata=255)
    path = pack({"data.tif": inner.read_bytes()}, "ndvi.zip")
    with opened(path, product="CGLS_NDVI300_V1", date="2015-01-01") as granule:
        assert np.array_equal(granule.read("NDVI"), array)


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({}, "holds nothing; expected a product file"),
        ({"readme.pdf": b"x"}, "holds readme.pdf; expected a product file"),
        ({"a.zip": b"x"}, "holds a.zip; expected a product file"),
        ({"a.h5": b"x", "b.h5": b"x"}, "holds a.h5, b.h5; expected one product file"),
        ({"../a.h5": b"x"}, "which leads out of it"),
        ({"a/../../b.h5": b"x"}, "which leads out of it"),
        ({"a\\..\\b.h5": b"x"}, "which leads out of it"),
        ({"/etc/a.h5": b"x"}, "which leads out of it"),
        ({"c:/a.h5": b"x"}, "which leads out of it"),
        ({f"{number}.xml": b"" for number in range(1001)}, "holds 1001 files"),
        ({"a.h5": b"no HDF5 at all"}, "can't be read"),
    ],
)
def test_zips_that_are_refused(pack, members, reason, leftovers):
    before = leftovers()
    path = pack(members)
    with pytest.raises(SourceError, match=reason) as error:
        opened(path)
    assert str(path) in str(error.value)
    assert leftovers() == before


def test_a_zip_bomb(pack, leftovers, monkeypatch):
    monkeypatch.setattr(zips, "_SMALL", 1 << 20)
    before = leftovers()
    with pytest.raises(SourceError, match=r"unpacks from \d+ to 4194304 bytes, which no product does"):
        opened(pack({"a.h5": bytes(4 << 20)}))
    monkeypatch.setattr(zips, "_LARGEST", 1 << 20)
    with pytest.raises(SourceError, match="to 4194304 bytes, which no product does"):
        opened(pack({"a.h5": np.random.default_rng(1).bytes(4 << 20)}))
    assert leftovers() == before


def test_a_size_that_is_a_lie(pack, leftovers):
    path = pack({"a.h5": bytes(4 << 20)})
    data = bytearray(path.read_bytes())
    where = data.index(b"PK\x01\x02") + 24  # uncompressed size in the central directory
    data[where : where + 4] = struct.pack("<I", 100)
    path.write_bytes(data)
    before = leftovers()
    with pytest.raises(SourceError, match="can't be read"):
        opened(path)
    assert leftovers() == before


def test_a_full_disk(pack, monkeypatch):
    monkeypatch.setattr(zips.shutil, "disk_usage", lambda folder: zips.shutil._ntuple_diskusage(10, 9, 1))
    with pytest.raises(SourceError, match="set TMPDIR to a larger disk"):
        opened(pack({"a.h5": b"12345"}))


def test_a_gzip_bomb(tmp_path, monkeypatch):
    monkeypatch.setattr(zips, "_LARGEST_GZIP", 1 << 20)
    path = tmp_path / "chirps-v2.0.2015.01.1.tif.gz"
    path.write_bytes(gzip.compress(bytes(2 << 20)))
    with pytest.raises(SourceError, match="unpacks to more than 1 MiB"):
        opened(path)
