"""Results on the disk: the same as computed, under their snapshot and query, and never a reason to fail."""

import os

import numpy as np
import pytest
import xarray as xr

import probav
from probav import remembered, statistics

S10 = "PROBAV_L3_S10_TOC_333M"
QUERY = {"mask": "clear", "by": "landcover", "reducers": ("mean", "p90", "histogram", "area")}


@pytest.fixture
def kept(tmp_path, monkeypatch):
    monkeypatch.setenv("PROBAV_RESULTS", str(tmp_path / "results"))
    return tmp_path / "results"


@pytest.fixture
def computed(monkeypatch):
    """Queries that were really computed."""
    calls = []
    original = statistics._computed
    monkeypatch.setattr(statistics, "_computed", lambda *a: calls.append(a[0]) or original(*a))
    return calls


def area(world):
    west, south, *_ = world.archive[S10].extent.bounds
    return probav.aoi((west + 0.1, south + 0.2, west + 0.3, south + 0.4), name="field")


def test_a_second_call_is_the_same_and_computes_nothing(world, kept, computed):
    product = world.archive[S10]
    first = product.statistics(area(world), cache=True, **QUERY)
    assert len(computed) == 2  # numbers, and areas
    again = product.statistics(area(world), cache=True, **QUERY)
    assert len(computed) == 2
    xr.testing.assert_identical(first, again)
    for name in first.variables:
        if name != "geometry":
            assert first[name].values.tobytes() == again[name].values.tobytes()
            assert first[name].dtype == again[name].dtype
    plain = product.statistics(area(world), **QUERY)
    xr.testing.assert_identical(first, plain)


def test_another_query_or_area_is_another_result(world, kept, computed):
    product = world.archive[S10]
    product.statistics(area(world), cache=True)
    for options in ({"mask": "clear"}, {"time": "2015-03"}, {"weights": "area"}, {"by_time": "month"}):
        product.statistics(area(world), cache=True, **options)
    west, south, _, _ = product.extent.bounds
    product.statistics((west + 0.1, south + 0.2, west + 0.31, south + 0.4), cache=True)
    assert len(computed) == len(list(kept.glob("*.npz"))) == 6


def test_a_damaged_file_is_computed_anew(world, kept, computed):
    product = world.archive[S10]
    first = product.statistics(area(world), cache=True)
    (file,) = kept.glob("*.npz")
    for damage in (b"", b"PK\x03\x04 rubbish", file.read_bytes()[:-200]):
        file.write_bytes(damage)
        xr.testing.assert_identical(product.statistics(area(world), cache=True), first)
    assert len(computed) == 4
    assert [path.suffix for path in kept.iterdir()] == [".npz"]


def test_the_oldest_go_first(world, kept, monkeypatch):
    product = world.archive[S10]
    product.statistics(area(world), "2015-01", cache=True)
    (oldest,) = kept.glob("*.npz")
    os.utime(oldest, ns=(0, 0))
    monkeypatch.setenv("PROBAV_RESULTS_BYTES", str(int(oldest.stat().st_size * 2.5)))
    product.statistics(area(world), "2015-02", cache=True)
    product.statistics(area(world), "2015-03", cache=True)
    assert not oldest.exists()
    assert len(list(kept.glob("*.npz"))) == 2


def test_no_room_on_the_disk_costs_only_the_copy(world, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("PROBAV_RESULTS", str(tmp_path / "file" / "below"))
    found = world.archive[S10].statistics(area(world), "2015-01", cache=True)
    assert np.isfinite(found["mean"]).all()
    assert remembered.folder() == tmp_path / "file" / "below"
