"""Chunks found on the disk are what Icechunk says they are; what can't be found is left to Icechunk."""

from pathlib import Path

import numpy as np
import pytest
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync

import probav
from probav.chunks import ChunkReader
from probav.errors import ArchiveError, LostChunkError
from probav.storage.locations import Places, UnknownPlaceError

S10, COVER, RAIN = "PROBAV_L3_S10_TOC_333M", "CGLS_LC100_V3", "CHIRPS_V2_DEKAD"


def stored(archive, name):
    found = sync(archive.store.zarr_store.get(name, default_buffer_prototype()))
    return None if found is None else found.to_bytes()


@pytest.mark.parametrize(
    ("product", "variable"), [(S10, "NDVI"), (S10, "SM"), (COVER, "LC"), (RAIN, "RAINFALL")]
)
def test_each_chunk_is_where_it_is_said_to_be(world, product, variable):
    archive = probav.open_archive(world.url)
    array = archive[product].array(variable)
    held = archive[product].held.bounds
    _, height, width = array.chunks
    rows = range(max(0, int(held[1]) // height - 1), int(held[3]) // height + 2)
    columns = range(int(held[0]) // width - 1, int(held[2]) // width + 2)
    found = 0
    for key in ((t, row, column) for t in range(2) for row in rows for column in columns):
        place = archive.store.places.find(f"{product}/{variable}", key)
        expected = stored(archive, f"{product}/{variable}/c/{'/'.join(map(str, key))}")
        if place is None:
            assert expected is None
        else:
            found += 1
            assert bytes(place.read(memoryview(bytearray(place.length)))) == expected
    assert found


def test_a_small_chunk_may_lie_in_the_manifest_itself(world):
    archive = probav.open_archive(world.url)
    places = Places(archive.store)
    manifest = next(
        made
        for name, _ in places._manifests[f"{RAIN}/RAINFALL"]
        if (made := places._manifest(Path(world.url), f"{RAIN}/RAINFALL", name))
    )
    assert manifest.find(manifest.first) is not None
    assert manifest.find((99, 99, 99)) is None


def test_what_is_not_understood_is_left_to_icechunk(world, tmp_path):
    copy = world.copy(tmp_path)
    for path in Path(copy, "manifests").iterdir():  # another version of the format, here
        data = bytearray(path.read_bytes())
        data[37] = 9
        path.with_suffix(".odd").write_bytes(data)
    archive = probav.open_archive(copy)
    places = Places(archive.store)
    places._manifests[f"{S10}/NDVI"] = [
        (f"{name}.odd", extents) for name, extents in places._manifests[f"{S10}/NDVI"]
    ]
    product = archive[S10]
    key = next(
        (0, row, column)
        for row in range(300)
        for column in range(400)
        if archive.store.places.find(f"{S10}/NDVI", (0, row, column))
    )
    with pytest.raises(UnknownPlaceError):
        places.find(f"{S10}/NDVI", key)
    archive.store.places = places
    reader = ChunkReader(product, "NDVI")
    (item,), size = reader.fetch([key])
    assert size == reader.sizes([key]) > 0
    out = reader.empty()
    reader.decode(item, out)
    archive.store.places = Places(archive.store)
    direct, again = ChunkReader(product, "NDVI"), reader.empty()
    direct.decode(direct.fetch([key])[0][0], again)
    np.testing.assert_array_equal(out, again)


def test_a_chunk_that_is_gone_or_cut_is_told(world, tmp_path):
    copy = world.copy(tmp_path)
    archive = probav.open_archive(copy)
    reader = ChunkReader(archive[S10], "NDVI")
    key = next(
        (0, row, column)
        for row in range(300)
        for column in range(400)
        if archive.store.places.find(f"{S10}/NDVI", (0, row, column))
    )
    (item,), _ = reader.fetch([key])
    path = Path(item.path)
    data = path.read_bytes()
    path.write_bytes(data[:-5])
    with pytest.raises(ArchiveError, match="damaged"):
        reader.decode(item, reader.empty())
    path.write_bytes(data[:100] + b"\xff" * 50 + data[150:])
    with pytest.raises(ArchiveError, match="damaged"):
        reader.decode(item, reader.empty())
    path.unlink()
    with pytest.raises(LostChunkError, match="Can't read a chunk of NDVI"):
        reader.decode(item, reader.empty())
