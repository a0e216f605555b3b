"""An archive in a real object store (versitygw, see conftest.py)."""

import numpy as np
import pytest

import probav
from probav import storage
from probav.errors import ArchiveError, ConflictError

pytestmark = pytest.mark.e2e  # a server that one process builds and starts

S10, RAIN = "PROBAV_L3_S10_TOC_333M", "CHIRPS_V2_DEKAD"


def test_what_goes_in_comes_out_again_and_a_second_run_does_nothing(s3, world):
    rain = sorted(world.folder.glob("chirps*"))
    report = probav.ingest(s3, rain)
    assert (report.taken, len(report.rejected)) == (14, 0)
    archive = probav.open_archive(s3)
    loaded = archive[RAIN].load(keep_dn=True).RAINFALL
    np.testing.assert_array_equal(loaded, world.arrays[RAIN]["RAINFALL"])
    assert probav.ingest(s3, rain).unchanged == 14
    assert probav.open_archive(s3).snapshot == archive.snapshot
    archive.tag("rain")
    assert probav.open_archive(s3, tag="rain").snapshot == archive.snapshot


def test_changes_of_different_things_are_both_kept(s3):
    storage.create(s3)
    with storage.writing(s3, "outer", {}) as outer:
        outer.create_group("outer")
        with storage.writing(s3, "inner", {}) as inner:
            inner.create_group("inner")
    archive = probav.open_archive(s3)
    assert sorted(archive.store.root.group_keys()) == ["inner", "outer"]
    assert list(archive.history["message"][:2]) == ["outer", "inner"]


def test_of_changes_of_one_thing_the_second_is_done_again(s3):
    storage.create(s3)
    with pytest.raises(ConflictError, match="another process changed the same part of it first"):  # noqa: PT012
        with storage.writing(s3, "outer", {}) as outer:
            outer.attrs["who"] = "outer"
            with storage.writing(s3, "inner", {}) as inner:
                inner.attrs["who"] = "inner"
    assert probav.open_archive(s3).store.root.attrs["who"] == "inner"
    tries = []

    def work(root):
        if not tries:
            with storage.writing(s3, "inner", {}) as inner:
                inner.attrs["who"] = "inner again"
        tries.append(root.attrs["who"])
        root.attrs["who"] = "outer"

    _, snapshot = storage.commit(s3, "outer", {}, work)
    assert tries == ["inner", "inner again"]
    archive = probav.open_archive(s3)
    assert archive.snapshot == snapshot
    assert archive.store.root.attrs["who"] == "outer"


def test_what_the_store_refuses_is_one_sentence(s3, monkeypatch):
    storage.create(s3)
    with pytest.raises(ArchiveError, match="there is something already"):
        storage.create(s3)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    with pytest.raises(ArchiveError, match=r"can't be read: .*requests were unsigned"):
        probav.open_archive(s3)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "else")
    with pytest.raises(ArchiveError, match=r"can't be read: .*requests were signed"):
        probav.open_archive(s3)


def test_garbage_in_an_object_store_keeps_an_hour(s3):
    storage.create(s3)
    with pytest.raises(ArchiveError, match="expected an hour or more"):
        probav.open_archive(s3).collect(grace="1 minute", yes=True)
    assert probav.open_archive(s3).collect(grace="1 hour", yes=True).bytes == 0
