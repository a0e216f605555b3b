from __future__ import annotations

import threading

import numpy as np
import pytest
from affine import Affine

import probav
from probav import overviews
from probav.decimation import halve
from probav.errors import BudgetError
from probav.kept_files import KeptFiles
from probav.overviews import Overviews

NDVI = {"nodata": 255, "valid": [0, 250], "scale": 0.004, "offset": -0.08}


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("PROBAV_OVERVIEWS", raising=False)
    overviews._PAGES.clear()
    return overviews._folders()[0].folder


@pytest.fixture(scope="module")
def product(keep):
    """A product whose twelve dates are of a chunk, with gaps; its pixels are 5 x 4 pages and a bit."""
    random = np.random.default_rng(7)
    dn = random.integers(0, 251, (14, 330, 270)).astype("uint8")
    dn[random.random(dn.shape) < 0.4] = 255
    dn[:, :64, :64] = 255
    flags = random.integers(0, 4, dn.shape).astype("uint8")
    transform = Affine(1 / 112, 0, 10, 0, -1 / 112, 50)
    return keep(
        {"NDVI": (dn, NDVI), "SM": (flags, {"kind": "flags"})}, transform, cut=(12, 40)
    ), dn, flags  # fmt: skip


def made(product, variable="NDVI", mask=None, **options):
    return Overviews(probav.open_archive(product.store.url), product, variable, mask, **options)


def by_hand(dn, level, size):
    """Means of four, rounded to whole numbers with halves up, level times over: written without numba."""
    side = -(-max(dn.shape) // size) * size
    values = np.full((side, side), np.nan)
    values[: dn.shape[0], : dn.shape[1]] = np.where(dn == 255, np.nan, dn)
    for _ in range(level):
        four = np.stack([values[i::2, j::2] for i in (0, 1) for j in (0, 1)])
        count = np.isfinite(four).sum(axis=0)
        with np.errstate(invalid="ignore"):
            values = np.floor(np.nansum(four, axis=0) / count + 0.5)
    return values


@pytest.mark.parametrize("level", range(6))
def test_an_overview_is_the_mean_of_the_pixels_that_hold_a_value(product, level, monkeypatch):
    product, dn, _ = product
    monkeypatch.setattr(overviews, "PAGE", 40)
    height, width = -(-330 // (1 << level)), -(-270 // (1 << level))
    for date in (0, 5, 13):
        found, keep = made(product).read(date, level, slice(0, height), slice(0, width))
        expected = by_hand(dn[date], level, 64)[:height, :width]
        assert (keep == np.isfinite(expected)).all()
        assert (found[keep] == expected[keep]).all()


def test_a_window_is_a_part_of_the_whole(product, monkeypatch):
    product, _, _ = product
    monkeypatch.setattr(overviews, "PAGE", 40)
    own = made(product)
    whole, kept = own.read(3, 2, slice(0, 80), slice(0, 60))
    part, part_kept = own.read(3, 2, slice(37, 61), slice(11, 43))
    assert (part == whole[37:61, 11:43]).all()
    assert (part_kept == kept[37:61, 11:43]).all()


def test_what_a_mask_leaves_out_counts_nowhere(product, monkeypatch):
    product, dn, flags = product
    monkeypatch.setattr(overviews, "PAGE", 40)
    found, keep = made(product, mask="SM == 1").read(2, 3, slice(0, 42), slice(0, 34))
    expected = by_hand(np.where(flags[2] == 1, dn[2], 255), 3, 64)[:42, :34]
    assert (keep == np.isfinite(expected)).all()
    assert (found[keep] == expected[keep]).all()


def test_of_classes_the_most_frequent_counts_and_of_several_the_smallest():
    dn = np.array([[[3, 3, 9, 8], [1, 3, 8, 9], [7, 0, 5, 5], [0, 7, 4, 4]]], "uint8")
    keep = np.ones(dn.shape, bool)
    keep[0, 2:, 2:] = [[False, False], [True, False]]
    found, kept = halve(dn, keep, mean=False)
    assert found.tolist() == [[[3, 8], [0, 4]]]
    assert kept.all()


def test_flags_say_nothing_of_what_was_never_taken_in(product, monkeypatch):
    product, _, _ = product
    monkeypatch.setattr(overviews, "PAGE", 40)
    found, keep = made(product, "SM").read(0, 1, slice(0, 170), slice(0, 140))
    assert keep[:165, :135].all()
    assert not keep[165:].any()
    assert not keep[:, 135:].any()
    assert set(np.unique(found[keep])) <= {0, 1, 2, 3}


def test_pages_made_once_are_read_from_the_disk(product, own_folder, monkeypatch):
    product, _, _ = product
    monkeypatch.setattr(overviews, "PAGE", 40)
    where = (4, 3, slice(0, 42), slice(0, 34))
    cold = made(product).read(*where)
    files = [path for path in own_folder.rglob("*") if path.is_file()]
    assert files
    assert own_folder.stat().st_mode & 0o077 == 0
    overviews._PAGES.clear()
    monkeypatch.setattr(overviews.Overviews, "_pixels", None)  # reading pixels would fail
    warm = made(product).read(*where)
    assert all((one == other).all() for one, other in zip(cold, warm, strict=True))
    # made beforehand or not, nothing is more to be read
    assert made(product, budget=0).read(*where)[1].any()


def test_a_folder_of_overviews_is_shared(product, own_folder, tmp_path, monkeypatch, ordinary_user):
    product, _, _ = product
    monkeypatch.setattr(overviews, "PAGE", 40)
    folder, rights = ordinary_user
    monkeypatch.setenv("PROBAV_OVERVIEWS", str(folder / "shared"))
    made(product).make(np.array([4]))  # the data manager
    files = [path for path in (folder / "shared").rglob("*") if path.is_file()]
    assert files
    assert not own_folder.exists()
    with rights():  # a user
        assert all(path.read_bytes() for path in files)


def test_a_damaged_page_is_made_again(product, own_folder, monkeypatch):
    product, _, _ = product
    monkeypatch.setattr(overviews, "PAGE", 40)
    where = (4, 3, slice(0, 42), slice(0, 34))
    cold = made(product).read(*where)
    for path in own_folder.rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[:-3])
    overviews._PAGES.clear()
    again = made(product).read(*where)
    assert all((one == other).all() for one, other in zip(cold, again, strict=True))


def test_more_than_may_be_read_is_refused_until_it_is_made(product, monkeypatch):
    product, _, _ = product
    monkeypatch.setattr(overviews, "PAGE", 40)
    where = (4, 3, slice(0, 42), slice(0, 34))
    with pytest.raises(BudgetError, match="`probav archive overviews`"):
        made(product, budget=1000).read(*where)
    steps = []
    made(product).make(np.array([4]), lambda *step: steps.append(step))
    assert [step[:2] for step in steps] == [(1, 2), (2, 2)]
    assert steps[-1][2] >= 12 * 330 * 270
    overviews._PAGES.clear()
    assert made(product, budget=1000).read(*where)[1].any()


def test_the_command_makes_them(world, own_folder, capsys):
    from probav.cli import main

    s10 = "PROBAV_L3_S10_TOC_333M"
    assert main(["archive", "overviews", s10, "--archive", world.url, "--mask", "clear"]) == 0
    assert capsys.readouterr().out == f"Overviews of NDVI of {s10} are in {own_folder}\n"
    overviews._PAGES.clear()
    product = world.archive[s10]
    own = made(product, mask="clear", budget=0)
    top, left = int(product.held.bounds[1]) >> 3, int(product.held.bounds[0]) >> 3
    assert own.read(0, 3, slice(top, top + 37), slice(left, left + 37))[1].any()
    assert main(["archive", "overviews", s10, "--archive", world.url, "--variable", "NDWI"]) == 2
    assert "no variable 'NDWI'" in capsys.readouterr().err


def test_threads_that_ask_for_the_same_get_the_same(product, monkeypatch):
    product, _, _ = product
    monkeypatch.setattr(overviews, "PAGE", 40)
    own, found = made(product), {}

    def ask(number):
        found[number] = own.read(number % 3, 3, slice(0, 42), slice(0, 34))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for number in range(12):
        expected = made(product).read(number % 3, 3, slice(0, 42), slice(0, 34))
        assert all((one == other).all() for one, other in zip(found[number], expected, strict=True))


def test_an_appended_date_leaves_the_pages_of_other_chunks(world, tmp_path, own_folder):
    url = world.copy(tmp_path)
    before = probav.open_archive(url)["PROBAV_L3_S10_TOC_333M"]
    keys = [made(before)._key(block, 3, 0, 0) for block in (0, 1)]
    probav.ingest(url, world.later)
    after = probav.open_archive(url)["PROBAV_L3_S10_TOC_333M"]
    assert len(after.times) == len(before.times) + 1
    assert made(after)._key(0, 3, 0, 0) == keys[0]
    assert made(after)._key(1, 3, 0, 0) != keys[1]  # the new date is in it


def test_files_are_bounded_and_the_least_used_go_first(tmp_path):
    import os

    files = KeptFiles(tmp_path / "files", 100_000, level=0)
    for number in range(40):
        files.put(f"{number:04}", os.urandom(10_000))
        sizes = sum(path.stat().st_size for path in (tmp_path / "files").rglob("*") if path.is_file())
        assert sizes <= 110_000
    assert files.get("0000") is None
    assert len(files.get("0039")) == 10_000
    assert not list((tmp_path / "files").rglob("*.part"))
    none = KeptFiles(tmp_path / "none", 0)
    none.put("0000", b"x")
    assert none.get("0000") is None
