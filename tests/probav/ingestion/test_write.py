import hashlib
import itertools

import icechunk
import netCDF4
import numpy as np
import pytest
import zarr
from affine import Affine

import probav
import probav.storage

S10 = "PROBAV_L3_S10_TOC_333M"
DATES = ["20150101", "20150111", "20150121"]


def numbers(seed, shape=(20, 30), dtype="uint8"):
    return np.random.default_rng(seed).integers(0, 251, shape, dtype)


def group(url):
    store = (
        icechunk.Repository.open(icechunk.local_filesystem_storage(str(url))).readonly_session("main").store
    )
    return zarr.open_group(store, mode="r")[S10]


@pytest.mark.parametrize("threads", [2, 5])
def test_any_number_of_threads_writes_the_same(tmp_path, crop, threads):
    """A window of 600 x 700 pixels from row 100, column 200 on: partial chunks on every side."""
    files = [
        crop(date, numbers(seed, (600, 700)), layer=layer)
        for seed, (date, layer) in enumerate(itertools.product(DATES, ("NDVI", "SM")))
    ]
    found = []
    for count in (1, threads):
        url = tmp_path / str(count)
        assert probav.ingest(url, files, threads=count).taken == 3
        product = group(url)
        found.append([product[name][:, 6700:7500, 60600:61600] for name in ("NDVI", "SM")])
        found[-1] += [product[name][:] for name in ("time", "source_rank", "source_digest", "content_digest")]
    for one, many in zip(*found, strict=True):
        np.testing.assert_array_equal(one, many)


def test_cuts_that_share_chunks_are_all_kept_by_many_threads(url, crop):
    """64 neighbouring windows of one date, of which up to 64 lie in one chunk."""
    whole = numbers(1, (80, 120))
    files = [
        crop(
            "20150101",
            whole[row : row + 10, column : column + 15],
            row=100 + row,
            column=200 + column,
            folder=f"{row}-{column}",
        )
        for row in range(0, 80, 10)
        for column in range(0, 120, 15)
    ]
    assert probav.ingest(url, files, threads=8).taken == 64
    np.testing.assert_array_equal(probav.open_archive(url)[S10].load(keep_dn=True).NDVI[0], whole)


def test_of_overlapping_cuts_the_later_version_is_on_top(url, crop):
    low, high = numbers(1), numbers(2)
    files = [
        crop("20150101", high, version="V102", folder="high"),
        crop("20150101", low, column=215, version="V101", folder="low"),
    ]
    assert probav.ingest(url, files).taken == 2
    loaded = probav.open_archive(url)[S10].load(keep_dn=True).NDVI[0].values
    np.testing.assert_array_equal(loaded, np.hstack([high, low[:, 15:]]))


def test_nothing_remains_of_what_a_newer_version_replaces(url, crop):
    """V101 has a status map, V102 has not: V101's must not stand beside V102's NDVI."""
    probav.ingest(url, [crop("20150101", numbers(1)), crop("20150101", numbers(2), layer="SM")])
    assert probav.ingest(url, crop("20150101", numbers(3), version="V102")).taken == 1
    loaded = probav.open_archive(url)[S10].load(variable=["NDVI", "SM"], keep_dn=True)
    np.testing.assert_array_equal(loaded.NDVI[0], numbers(3))
    assert (loaded.SM == 2).all()  # undefined


def test_each_date_and_window_has_a_digest_of_its_numbers(url, crop):
    """Recomputed here with hashlib: XOR over variables and chunks of blake2b(variable/row/column/ + DNs)."""
    ndvi, status = numbers(1, (300, 400)), numbers(2, (300, 400))
    probav.ingest(url, [crop("20150101", ndvi), crop("20150101", status, layer="SM")])
    expected = 0
    top, left = 20 * 336 + 100, 180 * 336 + 200  # on the world grid
    for name, array in (("NDVI", ndvi), ("SM", status)):
        rows = [top, *range(top + 280 - top % 280, top + 300, 280), top + 300]
        columns = [left, *range(left + 280 - left % 280, left + 400, 280), left + 400]
        for (row, below), (column, right) in itertools.product(
            itertools.pairwise(rows), itertools.pairwise(columns)
        ):
            part = array[row - top : below - top, column - left : right - left]
            digest = hashlib.blake2b(f"{name}/{row}/{column}/".encode() + part.tobytes(), digest_size=8)
            expected ^= int.from_bytes(digest.digest(), "little")
    assert group(url)["content_digest"][:].tolist() == [[expected]]


def test_dry_run_says_what_would_be_done_and_writes_nothing(url, crop):
    good, bad = crop("20150101", numbers(1)), crop("20150111", numbers(2))
    bad.write_bytes(bad.read_bytes()[:50])
    report = probav.ingest(url, [good, bad], dry_run=True)
    assert (report.taken, report.bytes, [item.path for item in report.rejected]) == (
        1, good.stat().st_size, [bad],
    )  # fmt: skip
    assert "1 would be taken in" in str(report)
    assert not url.exists()
    probav.ingest(url, good)
    before = probav.open_archive(url).snapshot
    newer = crop("20150101", numbers(3), version="V102")
    report = probav.ingest(url, [good, newer], dry_run=True)
    assert (report.taken, report.unchanged, report.snapshots) == (1, 1, [])
    report = probav.ingest(url, good, dry_run=True)
    assert (report.taken, report.unchanged) == (0, 1)
    assert probav.open_archive(url).snapshot == before


def test_tiles_on_both_sides_of_180_degrees_lie_at_the_ends_of_the_world(url, tmp_path, sources):
    arrays = {"X00": numbers(1, (15, 20)), "X35": numbers(2, (15, 20))}
    for tile, array in arrays.items():
        edge = -180 if tile == "X00" else 170 + (3360 - 20) / 336
        path = tmp_path / f"PROBAV_S10_TOC_{tile}Y02_20150101_333M_V101_NDVI.tif"
        sources.write_tif(path, array, Affine(1 / 336, 0, edge - 0.5 / 336, 0, -1 / 336, 55 + 0.5 / 336), 255)
    probav.ingest(url, tmp_path)
    product = probav.open_archive(url)[S10]
    assert product.extent.bounds == pytest.approx(
        (-180 - 0.5 / 336, 55 - 14.5 / 336, 180 - 0.5 / 336, 55 + 0.5 / 336)
    )
    world = group(url)["NDVI"]
    np.testing.assert_array_equal(world[0, 6720:6735, :20], arrays["X00"])
    np.testing.assert_array_equal(world[0, 6720:6735, -20:], arrays["X35"])


def test_an_archive_made_before_digests_were_kept_is_added_to(url, crop):
    probav.ingest(url, crop("20150101", numbers(1)))
    with probav.storage.writing(str(url), "as the first version made it", {}) as root:
        del root[S10]["content_digest"]
    assert (
        probav.ingest(url, [crop("20150111", numbers(2)), crop("20150121", numbers(3), row=300)]).taken == 2
    )
    assert (group(url)["content_digest"][:] != 0).tolist() == [[False, False], [True, False], [False, True]]
    np.testing.assert_array_equal(probav.open_archive(url)[S10].load(keep_dn=True).NDVI[1, :20], numbers(2))


@pytest.mark.parametrize("together", [True, False])
def test_files_that_disagree_about_a_scale_never_share_an_array(url, tmp_path, together):
    """Of the VCI only the files say the scale: the number 100 is 37.5 % in one, 40 % in the other."""
    files = []
    for day, scale, offset in (("01", 0.5, -12.5), ("11", 0.4, 0)):
        path = tmp_path / f"c_gls_VCI_201501{day}0000_AFRI_PROBAV_V1.0.1.nc"
        with netCDF4.Dataset(path, "w") as file:
            for axis, first, step in (("lat", 50.0, -1 / 112), ("lon", 3.0, 1 / 112)):
                file.createDimension(axis, 20)
                file.createVariable(axis, "f8", (axis,))[:] = first + np.arange(20) * step
            layer = file.createVariable("VCI", "u1", ("lat", "lon"), fill_value=255)
            layer.set_auto_maskandscale(False)
            layer.setncatts({"scale_factor": np.float32(scale), "add_offset": np.float32(offset)})
            layer[:] = np.full((20, 20), 100, "uint8")
        files.append(path)
    calls = [files] if together else [files[:1], files]
    reports = [probav.ingest(url, call) for call in calls]
    assert sum(report.taken for report in reports) == 1
    assert [item.path for item in reports[-1].rejected] == files[1:]
    assert "VCI is stored with scale 0.4" in reports[-1].rejected[0].reason
    assert probav.open_archive(url)["CGLS_VCI_V1"].load().VCI.values.ravel()[0] == 37.5
