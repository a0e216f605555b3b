import shutil
from pathlib import Path

import icechunk
import numpy as np
import pytest
import zarr

import probav
from probav.cli import main
from probav.errors import ArchiveError

NDVI300 = "CGLS_NDVI300_V1"
S10 = "PROBAV_L3_S10_TOC_333M"
RAIN = "CHIRPS_V2_DEKAD"


def opened(url):
    return icechunk.Repository.open(icechunk.local_filesystem_storage(str(url))).writable_session("main")


@pytest.fixture
def copy(world, tmp_path):
    return world.copy(tmp_path)


def largest_chunk(url):
    return max(Path(url, "chunks").iterdir(), key=lambda file: file.stat().st_size)


def test_an_untouched_archive_is_well(world):
    moved = []
    archive = probav.open_archive(world.url)
    report = archive.verify(progress=lambda *step: moved.append(step))
    assert report.ok, report
    assert report.findings == []
    assert report.snapshot == archive.snapshot
    assert report.to_dataframe().empty
    stored = sum(
        len([key for key in zarr.core.sync.sync(listed(array)) if "/c/" in key])
        for product in archive
        for array in (product.array(name) for name in product.variables)
    )
    assert report.chunks == stored
    assert moved[-1] == (stored, stored, report.bytes)
    assert "all is well" in str(report)


async def listed(array):
    return [key async for key in array.store.list_prefix(array.path)]


def test_a_flipped_byte(copy):
    chunk = largest_chunk(copy)
    data = bytearray(chunk.read_bytes())
    data[len(data) // 2] ^= 4
    chunk.write_bytes(data)
    report = probav.open_archive(copy).verify()
    assert not report.ok
    (finding,) = report.findings
    assert finding.kind == "damaged"
    assert (finding.first, finding.last) in (
        (np.datetime64("2015-01-01"), np.datetime64("2015-04-21")),
        (np.datetime64("2015-05-01"), np.datetime64("2015-05-11")),
    )
    assert finding.tile
    product = probav.open_archive(copy)[finding.product]
    with pytest.raises(ArchiveError, match="damaged"):
        product.statistics(product.extent.bounds, variable=finding.variable)


def test_a_lost_file(copy):
    largest_chunk(copy).unlink()
    report = probav.open_archive(copy).verify()
    (finding,) = report.findings
    assert finding.kind == "missing"
    assert finding.variable
    with pytest.raises(ArchiveError):
        probav.open_archive(copy)[finding.product].load(variable=finding.variable)[finding.variable].load()


@pytest.mark.parametrize("left", [0, 10, 1000])
def test_a_truncated_file(copy, left):
    chunk = largest_chunk(copy)
    chunk.write_bytes(chunk.read_bytes()[:left])
    report = probav.open_archive(copy).verify()
    (finding,) = report.findings
    assert finding.kind in ("missing", "damaged")


def test_a_lost_manifest(copy):
    for manifest in Path(copy, "manifests").iterdir():
        manifest.unlink()
    report = probav.open_archive(copy).verify()
    assert not report.ok
    assert {finding.product for finding in report.findings} == {S10, RAIN, NDVI300, "CGLS_LC100_V3"}


def test_other_numbers_than_were_written(copy, world):
    """Whole chunks with right checksums, but not what was taken in."""
    before = probav.open_archive(copy).snapshot
    session = opened(copy)
    group = zarr.open_group(session.store)[S10]
    tile = group.attrs["probav"]["tiles"][0]
    array, row, column = group["RED"], tile["row"], tile["column"]
    array[3, row + 5, column + 7] = array[3, row + 5, column + 7] ^ 1
    session.commit("one pixel")
    (finding,) = probav.open_archive(copy).verify().findings
    assert (finding.kind, finding.product, finding.first) == ("content", S10, world.dates[S10][3])
    assert (
        probav.open_archive(copy, snapshot=before).verify().ok
    )  # the version that is verified is the one opened


def test_a_chunk_that_is_gone_without_a_trace(copy, world):
    session = opened(copy)
    keys = zarr.core.sync.sync(listed(zarr.open_group(session.store)[RAIN]["RAINFALL"]))
    chunk = next(key for key in keys if "/c/0/" in key)
    zarr.core.sync.sync(session.store.delete(chunk))
    session.commit("a chunk less")
    found = probav.open_archive(copy).verify().findings
    assert kinds_of(found) == {"content"}
    assert [finding.first for finding in found] == list(world.dates[RAIN][:12])


def kinds_of(findings):
    return {finding.kind for finding in findings}


@pytest.fixture
def made(tmp_path, sources):
    """Make an archive of CGLS NDVI from date -> numbers."""

    def make(arrays):
        folder = tmp_path / "made"
        for date, array in arrays.items():
            sources.write_ndvi300(folder / f"c_gls_NDVI300_{date}0000_CUST_PROBAV_V1.0.1.nc", array)
        probav.ingest(tmp_path / "archive", folder)
        return str(tmp_path / "archive")

    return make


def test_missing_dekads_are_holes(made):
    array = np.full((200, 220), 100, "uint8")
    dates = ("20150101", "20150201", "20150211", "20150311", "20150401")
    url = made({date: array for date in dates})
    report = probav.open_archive(url).verify()
    assert report.ok
    found = [(str(item.first), str(item.last), item.kind) for item in report.findings]
    assert found == [
        ("2015-01-11", "2015-01-21", "hole"),
        ("2015-02-21", "2015-03-01", "hole"),
        ("2015-03-21", "2015-03-21", "hole"),
    ]
    assert main(["archive", "verify", "--archive", url]) == 0
    assert main(["archive", "verify", "--archive", url, "--strict"]) == 1


def test_impossible_values_are_counted(tmp_path, sources):
    """DN 251 to 254 mean nothing in PROBA-V NDVI; in CGLS NDVI they are codes."""
    random = np.random.default_rng(1)
    layers = sources.s10_arrays(random)
    layers["NDVI"][20:23, 30:37] = 253
    layers["NDVI"][200, 290] = 251
    sources.write_s10(tmp_path / "files", "2015-01-01", layers)
    probav.ingest(tmp_path / "archive", tmp_path / "files")
    report = probav.open_archive(tmp_path / "archive").verify()
    (finding,) = report.findings
    assert (finding.kind, finding.variable, finding.tile) == ("impossible", "NDVI", "X18Y02")
    assert finding.words.startswith("22 pixels")
    assert main(["archive", "verify", "--archive", str(tmp_path / "archive")]) == 1


def test_windows_that_overlap(tmp_path, sources):
    transform = sources.transform_of(NDVI300)
    one, other = np.full((200, 220), 100, "uint8"), np.full((150, 160), 120, "uint8")
    moved = transform @ transform.__class__.translation(50, 60)
    sources.write_tif(
        tmp_path / "a" / "c_gls_NDVI300_201501010000_CUST_PROBAV_V1.0.1.tiff", one, transform, 255
    )
    sources.write_tif(
        tmp_path / "b" / "c_gls_NDVI300_201501010000_CUST_PROBAV_V1.0.1.tiff", other, moved, 255
    )
    url = tmp_path / "archive"
    report = probav.ingest(url, [tmp_path / "a", tmp_path / "b"])
    assert report.taken == 2, report
    found = probav.open_archive(url).verify()
    assert found.ok  # no content error, though one window's numbers were overwritten
    (finding,) = found.findings
    assert (finding.kind, str(finding.first)) == ("overlap", "2015-01-01")


def test_registered_originals_that_changed(tmp_path, sources):
    folder = tmp_path / "files"
    for date in ("20150101", "20150111", "20150121"):
        array = np.full((200, 220), int(date[-2:]), "uint8")
        sources.write_ndvi300(folder / f"c_gls_NDVI300_{date}0000_CUST_PROBAV_V1.0.1.nc", array)
    probav.register(tmp_path / "archive", folder)
    assert probav.open_archive(tmp_path / "archive").verify().ok
    first, second, _ = sorted(folder.iterdir())
    first.unlink()
    shutil.copy(second, second.with_suffix(".other"))
    second.with_suffix(".other").replace(second)
    report = probav.open_archive(tmp_path / "archive").verify()
    assert [(item.kind, str(item.first)) for item in report.findings] == [
        ("changed", "2015-01-01"),
        ("changed", "2015-01-11"),
    ]
    assert "can't be read any more" in report.findings[0].words
    assert str(second) in report.findings[1].words


def test_command_line(copy, capsys):
    assert main(["archive", "verify", "--archive", copy]) == 0
    assert "all is well" in capsys.readouterr().out
    largest_chunk(copy).unlink()
    assert main(["archive", "verify", "--archive", copy]) == 1
    said = capsys.readouterr().out
    assert "SOMETHING IS WRONG: 1 missing" in said
