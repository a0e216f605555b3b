import datetime
import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import probav
from probav import storage, versions
from probav.cli import main
from probav.errors import ArchiveError, TimeError

S10, RAIN, NDVI300 = "PROBAV_L3_S10_TOC_333M", "CHIRPS_V2_DEKAD", "CGLS_NDVI300_V1"


@pytest.fixture
def url(world, tmp_path):
    return world.copy(tmp_path)


def pixels(archive):
    """Return a hash of everything an archive holds."""
    whole = hashlib.sha256()
    for product in archive:
        for name in product.variables:
            whole.update(np.ascontiguousarray(product.load(variable=name, keep_dn=True)[name].values))
    return whole.hexdigest()


def note(url, number):
    with storage.writing(
        url, f"note {number}", {"product": RAIN, "dates": ["2015-01-01", "2015-01-11"]}
    ) as root:
        root.attrs["note"] = number
    return probav.open_archive(url)


# --- history and tags -----------------------------------------------------------------------------------


def test_history_says_what_was_written(url):
    archive = note(url, 1)
    archive.tag("first")
    archive.tag("second")
    row = archive.history.iloc[0]
    assert (row.snapshot, row.message, row["product"], row.dates) == (archive.snapshot, "note 1", RAIN, 2)
    assert (row["first"], row["last"]) == (pd.Timestamp("2015-01-01"), pd.Timestamp("2015-01-11"))
    assert row.tags == "first, second"
    assert abs(row.time - pd.Timestamp.now("UTC")) < pd.Timedelta("1 min")
    assert len(versions.history(archive.store, 2)) == 2


def test_tags_stay_and_are_given_once(url):
    old = probav.open_archive(url)
    old.tag("v1.0")
    note(url, 1)
    archive = probav.open_archive(url, tag="v1.0")
    assert archive.snapshot == old.snapshot
    assert archive.tags.to_dict("records") == [
        {"tag": "v1.0", "snapshot": old.snapshot, **dict(old.history.iloc[0][["time", "message"]])}
    ]
    with pytest.raises(ArchiveError, match=r"Can't tag .* as 'v1\.0': "):
        probav.open_archive(url).tag("v1.0")
    archive.untag("v1.0")
    assert len(archive.tags) == 0
    with pytest.raises(ArchiveError, match=r"Can't tag .* as 'v1\.0': "):
        archive.tag("v1.0")
    with pytest.raises(ArchiveError, match=r"Can't take the tag 'none' away: "):
        archive.untag("none")


@pytest.mark.parametrize("name", ["", "a/b", "../x", "a b", ".hidden", "-x", "x" * 101, "a\nb"])
def test_what_can_be_no_tag_is_refused(url, name):
    with pytest.raises(ArchiveError, match="can't be a tag; expected a letter or digit"):
        probav.open_archive(url).tag(name)


def test_a_snapshot_is_known_by_how_it_begins(url):
    ids = [note(url, number).snapshot for number in range(3)]
    for wanted in ids:
        length = next(n for n in range(4, 21) if sum(one.startswith(wanted[:n]) for one in ids) == 1)
        for name in (wanted, wanted[:length], wanted[:length].lower()):
            assert probav.open_archive(url, snapshot=name).snapshot == wanted
    for wrong in ("ZZZZZZ", "Z" * 20, ids[0][:3], "what?"):
        with pytest.raises(ArchiveError, match="has no snapshot"):
            probav.open_archive(url, snapshot=wrong)


# --- differences ----------------------------------------------------------------------------------------


def test_what_an_ingest_adds_and_replaces_is_the_difference(world, url, sources, tmp_path):
    old = probav.open_archive(url)
    probav.ingest(url, world.later)
    middle = probav.open_archive(url)
    added = middle.diff(old)
    assert added.columns.tolist() == ["product", "date", "tile", "change", "detail"]
    assert sorted(zip(added["product"], added.date, added.change, strict=True)) == [
        (product, pd.Timestamp(world.later_date), "added") for product in sorted([S10, RAIN, NDVI300])
    ]
    layers = {**world.later_arrays[S10], "NDVI": world.later_arrays[S10]["NDVI"] // 2}
    sources.write_s10(tmp_path / "newer", str(world.later_date), layers, version="V102")
    probav.ingest(url, tmp_path / "newer")
    newest = probav.open_archive(url)
    (row,) = newest.diff(middle.snapshot).to_dict("records")
    assert (row["product"], row["change"], row["tile"]) == (S10, "replaced", "X18Y02")
    assert set(old.diff(newest).change) == {"removed"}
    assert len(newest.diff(old)) == 3
    assert newest.diff(newest).empty


def test_changed_attributes_are_a_difference(url):
    old = probav.open_archive(url)
    old.tag("before")
    with storage.writing(url, "new words", {}) as root:
        root[RAIN].attrs["title"] = "Rain"
        root[f"{RAIN}/RAINFALL"].attrs["units"] = "cm"
    changed = probav.open_archive(url).diff("before")
    assert changed.change.tolist() == ["attributes"] * 2
    assert changed.detail.tolist() == ["RAINFALL.units: mm -> cm", f"title: {old[RAIN].title} -> Rain"]
    assert changed.date.isna().all()


def test_a_product_that_is_new_or_gone_is_a_difference(url):
    old = probav.open_archive(url)
    with storage.writing(url, "no rain", {}) as root:
        del root[RAIN]
    changed = probav.open_archive(url).diff(old)
    assert (set(changed["product"]), set(changed.change), len(changed)) == ({RAIN}, {"removed"}, 14)


# --- expiry and garbage ---------------------------------------------------------------------------------


def test_nothing_expires_unless_it_is_said(url):
    before = probav.open_archive(url)
    note(url, 1)
    later = note(url, 2)
    going = later.expire("0 seconds")
    assert "note 1" in going.message.tolist()
    assert later.snapshot not in going.snapshot.tolist()
    assert later.collect(grace="0 s").snapshots == 0
    assert probav.open_archive(url, snapshot=before.snapshot).snapshot == before.snapshot
    assert len(probav.open_archive(url).history) == len(later.history)


def test_pinned_snapshots_stay_bit_identical_and_the_rest_goes(world, url, sources, tmp_path):
    tagged = probav.open_archive(url)
    tagged.tag(versions.PUBLISHED + "paper")
    hashed = pixels(tagged)
    probav.ingest(url, world.later)  # rewrites the chunks of the time axis that the tagged one has
    middle = probav.open_archive(url)
    lazy = middle[S10].load(keep_dn=True)
    layers = {**world.later_arrays[S10], "NDVI": world.later_arrays[S10]["NDVI"] // 2}
    sources.write_s10(tmp_path / "newer", str(world.later_date), layers, version="V102")
    probav.ingest(url, tmp_path / "newer")
    newest = probav.open_archive(url)
    expected = pixels(newest)
    count = len(newest.history)
    going = newest.expire("0 seconds", yes=True)
    assert middle.snapshot in going.snapshot.tolist()
    assert not {tagged.snapshot, newest.snapshot} & set(going.snapshot)
    assert len(probav.open_archive(url).history) < count
    assert newest.collect(yes=True).bytes == 0  # all of it is younger than a day
    listed = newest.collect(grace="0 s")
    size = bytes_of(url)
    freed = newest.collect(grace="0 s", yes=True)
    assert (freed.bytes, freed.chunks, freed.snapshots) == (listed.bytes, listed.chunks, listed.snapshots)
    assert freed.snapshots == len(going)
    assert freed.bytes <= size - bytes_of(url) + 1000
    assert freed.bytes > 0
    assert "MB in" in str(freed)
    assert pixels(probav.open_archive(url, tag="published.paper")) == hashed
    assert pixels(probav.open_archive(url)) == expected
    assert probav.open_archive(url).verify().ok
    with pytest.raises(ArchiveError, match="has no snapshot"):
        probav.open_archive(url, snapshot=middle.snapshot)
    for read in (lazy.load, lambda: middle[S10].load().load()):  # it was open all the time
        with pytest.raises(ArchiveError, match="expired"):
            read()
    with pytest.raises(ArchiveError, match="expired"):
        middle[S10].statistics(middle[S10].footprint())
    with pytest.raises(ArchiveError, match="marks a published snapshot"):
        newest.untag("published.paper")
    report = probav.ingest(url, world.later)
    assert (report.unchanged, report.superseded) == (2, 1)


def bytes_of(url):
    return sum(path.stat().st_size for path in Path(url).rglob("*") if path.is_file())


def test_the_newest_are_kept(url):
    ids = [note(url, number).snapshot for number in range(4)]
    going = versions.expire(url, "0 seconds", keep=3, yes=True)
    assert ids[0] in going.snapshot.tolist()
    assert not set(ids[1:]) & set(going.snapshot)
    assert [probav.open_archive(url, snapshot=name).snapshot for name in ids[1:]] == ids[1:]
    with pytest.raises(ArchiveError, match="the newest snapshot always stays; expected 1 or more"):
        versions.expire(url, "1 day", keep=0)


@pytest.mark.parametrize(
    ("age", "hours"),
    [("90 days", 2160), ("12 hours", 12), ("1.5h", 1.5), (datetime.timedelta(hours=2), 2), ("0 s", 0)],
)
def test_ages_are_taken_from_now(age, hours):
    expected = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=hours)
    assert abs(versions.moment(age) - expected) < datetime.timedelta(seconds=5)


def test_dates_are_moments_of_utc():
    for said in (
        "2026-01-01",
        datetime.date(2026, 1, 1),
        datetime.datetime(2026, 1, 1),
        "2026-01-01T01:00+01:00",
    ):
        assert versions.moment(said) == datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


@pytest.mark.parametrize("wrong", ["soon", "", "3 fortnights", "9999999999999 days", None, "2026-13-01"])
def test_what_is_no_age_is_a_time_error(wrong):
    with pytest.raises(TimeError, match="is no age and no date; expected one like '90 days'"):
        versions.moment(wrong)


# --- command line ---------------------------------------------------------------------------------------


def test_the_command_line_has_all_of_it(url, capsys):
    def said(*arguments):
        assert main(["archive", *arguments, "--archive", url]) == 0
        return capsys.readouterr().out

    old = probav.open_archive(url).snapshot
    new = note(url, 1).snapshot
    assert said("tag", "old", "--snapshot", old[:10]) == f"old is snapshot {old}\n"
    assert old in said("tags")
    lines = said("history", "--limit", "1").splitlines()
    assert new in lines[-1]
    assert "note 1" in lines[-1]
    assert old not in "".join(lines)
    assert said("diff", "old") == "(nothing)\n"
    assert "yes does it" in said("expire", "0 s")
    assert "Forgotten" in said("expire", "0 s", "--yes")
    assert "To throw away: " in said("collect", "--grace", "0 s")
    assert "Thrown away: " in said("collect", "--grace", "0 s", "--yes")
    assert set(probav.open_archive(url, tag="old").ids) == set(probav.open_archive(url).ids)
    assert said("untag", "old") == ""
    assert said("tags") == "(nothing)\n"
    assert main(["archive", "expire", "soon", "--archive", url]) == 2
