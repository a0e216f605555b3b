import os
from pathlib import Path

import icechunk
import numpy as np
import pytest

import probav
from probav import storage
from probav.errors import ArchiveError
from probav.products import get_product

RAIN = "CHIRPS_V2_DEKAD"


# --- what goes wrong ------------------------------------------------------------------------------------


def test_what_is_no_archive_says_so(tmp_path):
    with pytest.raises(ArchiveError, match=r"There is no archive at .*none\. Create the demo archive"):
        probav.open_archive(tmp_path / "none")
    (tmp_path / "file").write_text("x")
    with pytest.raises(ArchiveError, match=r"There is no archive at .*file\."):
        probav.open_archive(tmp_path / "file")
    with pytest.raises(ArchiveError, match="is no probav archive, or can't be read: "):
        probav.open_archive(tmp_path)
    other = tmp_path / "other"
    repository = icechunk.Repository.create(icechunk.local_filesystem_storage(str(other)))
    with pytest.raises(ArchiveError, match="is an Icechunk repository, but no probav archive"):
        probav.open_archive(other)
    with pytest.raises(ArchiveError, match="there is something already"):
        storage.create(str(other))
    assert repository.list_branches() == {"main"}


def test_a_damaged_archive_is_an_archive_error(world, tmp_path):
    url = Path(world.copy(tmp_path))
    newest = url / "snapshots" / probav.open_archive(url).snapshot
    newest.write_bytes(newest.read_bytes()[:50])
    with pytest.raises(ArchiveError, match=str(url)):
        probav.open_archive(url)


def test_a_folder_that_may_not_be_written_is_an_archive_error(world, ordinary_user):
    folder, rights = ordinary_user
    url = world.copy(folder)
    for path in (Path(url), *Path(url).rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    folder.chmod(0o555)
    with rights():
        archive = probav.open_archive(url)
        with pytest.raises(ArchiveError, match=r"Can't lock .*copy for writing: .*Permission denied"):
            archive.tag("mine")
        with pytest.raises(ArchiveError, match=r"Can't lock .*new for writing: .*Permission denied"):
            probav.create_archive(folder / "new")
    folder.chmod(0o777)  # the lock beside the archive can be had, but not the archive
    with rights():
        with pytest.raises(ArchiveError, match=f"Nothing was changed in {url}: "):
            with storage.writing(url, "message", {}) as root:
                root.attrs["title"] = "mine"
        assert probav.open_archive(url).snapshot == archive.snapshot
    for path in (folder, Path(url), *Path(url).rglob("*")):  # so that it can be taken away
        path.chmod(0o755)


def test_a_path_below_a_file_is_an_archive_error(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(ArchiveError, match=r"Can't create an archive at .*file/archive"):
        storage.create(str(tmp_path / "file" / "archive"))


# --- changes are whole ----------------------------------------------------------------------------------


def test_a_change_that_fails_leaves_nothing(world, tmp_path):
    url = world.copy(tmp_path)
    before = probav.open_archive(url)

    def fail():
        with storage.writing(url, "half a change", {}) as root:
            storage.append_times(root[RAIN], np.array(["2020-01-01"], "datetime64[D]"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    after = probav.open_archive(url)
    assert after.snapshot == before.snapshot
    assert len(after[RAIN].times) == 14
    with storage.writing(url, "the lock is free again", {"by": "test"}) as root:
        root.attrs["note"] = 1
    assert probav.open_archive(url).history["message"][0] == "the lock is free again"


def test_a_change_of_nothing_makes_no_snapshot(world, tmp_path):
    url = world.copy(tmp_path)
    before = probav.open_archive(url).snapshot
    with storage.writing(url, "nothing", {}):
        pass
    assert probav.open_archive(url).snapshot == before


def test_creating_leaves_nothing_half_made(tmp_path):
    name = "x" * 250  # with the suffix of its lock it can be, with that of a folder beside it it can't
    with pytest.raises(ArchiveError, match=r"Can't create an archive at .*x: "):
        storage.create(str(tmp_path / name))
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".lock"] == []


def test_creating_again_is_an_error_unless_only_what_is_missing_is_wanted(tmp_path):
    url = str(tmp_path / "new")
    (tmp_path / "new").mkdir()  # an empty folder is in nobody's way
    assert storage.create(url)
    assert not storage.create(url, missing_only=True)
    with pytest.raises(ArchiveError, match="there is something already"):
        storage.create(url)
    assert os.listdir(tmp_path / "new") != []


def test_an_archive_made_for_a_change_goes_with_it(tmp_path):
    url = str(tmp_path / "deep" / "new")
    with pytest.raises(ZeroDivisionError):  # noqa: PT012
        with storage.writing(url, "fails", {}, create=True) as root:
            root.create_group("half")
            raise ZeroDivisionError
    with storage.writing(url, "nothing", {}, create=True):
        pass
    assert not storage.exists(url)
    result, snapshot = storage.commit(url, "made", {}, lambda root: root.create_group("a").path, create=True)
    assert (result, snapshot) == ("a", probav.open_archive(url).snapshot)
    assert storage.commit(url, "nothing", {}, lambda root: 1, create=True) == (1, None)
    with storage.writing(url, "fails", {}, create=True):  # what was there stays
        pass
    assert list(probav.open_archive(url).store.root.group_keys()) == ["a"]


def test_what_a_commit_writes_does_not_grow_with_the_archive(tmp_path):
    url, product = tmp_path / "archive", "PROBAV_L3_S10_TOC_1KM"
    definition = get_product(product)
    dates = np.datetime64("2000-01-01") + 10 * np.arange(24 * 12)

    def start(root):
        group = storage.create_group(root, definition, definition.grid)
        storage.create_variable(group, definition.variable("NDVI"), definition.grid)

    storage.commit(str(url), "start", {}, start, create=True)
    sizes = []
    for first in range(0, len(dates), 12):  # a chunk of the time axis each
        before = manifest_bytes(url)
        with storage.writing(str(url), "dates", {}) as root:
            storage.append_times(root[product], dates[first : first + 12])
            root[f"{product}/NDVI"][first, :1120, :1120] = np.full((1120, 1120), first % 250)
        sizes.append(manifest_bytes(url) - before)
    assert max(sizes[-4:]) < 1.2 * max(sizes[:4])


def manifest_bytes(url):
    return sum(path.stat().st_size for path in (url / "manifests").iterdir())
