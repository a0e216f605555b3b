"""What the engine tells a meter: all that is read, once; and that a meter's no ends a query."""

from __future__ import annotations

import threading

import pytest

import probav
from probav import metering
from probav.chunks import ChunkReader
from probav.errors import BudgetError

PRODUCT = "PROBAV_L3_S10_TOC_333M"


class Meter:
    """Keeps what it is told; says no where it is to."""

    def __init__(self):
        self.planned, self.counted, self.ends = [], 0, 0
        self.ahead = []
        self.may_begin, self.most = True, None
        self._lock = threading.Lock()

    def before(self, planned):
        self.planned.append(planned)
        return None if self.may_begin else "It may not begin."

    def read(self, size, ahead=0):
        with self._lock:
            self.counted += size
            self.ahead.append(ahead)
            return "It is enough." if self.most is not None and self.counted + ahead > self.most else None

    def after(self):
        self.ends += 1


@pytest.fixture
def meter(monkeypatch):
    made = Meter()
    monkeypatch.setattr(metering, "meters", lambda: (made,))
    return made


@pytest.fixture
def fetched(monkeypatch):
    """Count the bytes that chunks have, behind the engine's back."""
    sizes = []
    real = ChunkReader.fetch

    def fetch(self, keys):
        found = real(self, keys)
        sizes.append(found[1])
        return found

    monkeypatch.setattr(ChunkReader, "fetch", fetch)
    return sizes


@pytest.fixture
def product(demo_archive):
    return probav.open_archive(demo_archive)[PRODUCT]


def middle(product):
    west, south, east, north = product.extent.bounds
    width, height = (east - west) / 4, (north - south) / 4
    return west + width, south + height, east - width, north - height


def test_a_query_is_planned_and_all_it_reads_is_told(product, meter, fetched):
    product.statistics(middle(product), mask="clear", engine="local")
    assert meter.counted == sum(fetched) > 0
    (planned,) = meter.planned
    assert planned.engine == "local"
    assert planned.bytes == pytest.approx(meter.counted, rel=0.3)
    assert meter.ends == 1


def test_loading_is_told_too(product, meter):
    area = middle(product)
    product.statistics(area, engine="local")
    whole, meter.counted = meter.counted, 0
    product.load(area).load()
    assert meter.counted == whole > 0  # the same chunks


def test_a_query_that_may_not_begin_reads_nothing(product, meter, fetched):
    meter.may_begin = False
    with pytest.raises(BudgetError, match=r"^It may not begin\.$"):
        product.statistics(middle(product), engine="local")
    assert meter.counted == sum(fetched) == 0


def test_a_query_stops_where_it_is_enough(product, meter, fetched, monkeypatch):
    monkeypatch.setenv("PROBAV_THREADS", "2")
    product.statistics(middle(product), engine="local")
    whole, meter.counted = meter.counted, 0
    meter.most = whole // 3
    with pytest.raises(BudgetError, match=r"^It is enough\.$"):
        product.statistics(middle(product), engine="local")
    with pytest.raises(BudgetError, match=r"^It is enough\.$"):
        product.load(middle(product)).load()


def test_without_meters_nothing_is_planned(product, monkeypatch):
    monkeypatch.setattr(metering, "meters", tuple)
    called = []
    with metering.metered("local", lambda: called.append(1), print) as progress:
        assert progress is print
    assert called == []


def test_the_progress_of_others_is_an_estimate_until_they_tell(meter):
    steps = []
    with metering.metered("spark", lambda: 1000, lambda *step: steps.append(step)) as progress:
        progress(0, 4, 0)
        progress(2, 4, 0)
        assert meter.ahead[-1] == 500
        progress(4, 4, 960)
    assert meter.counted == 960
    assert steps == [(0, 4, 0), (2, 4, 0), (4, 4, 960)]


def test_what_was_likely_read_counts_when_a_job_is_stopped(meter):
    meter.most = 600

    def run():
        with metering.metered("spark", lambda: 1000, lambda *_: None) as progress:
            progress(2, 4, 0)
            progress(3, 4, 0)

    with pytest.raises(BudgetError):
        run()
    assert meter.counted == 750


def test_meters_are_found_by_entry_points_and_executors_have_none(monkeypatch):
    metering.meters.cache_clear()
    monkeypatch.setattr(probav, "provided", "digest", raising=False)
    assert metering.meters() == ()
    metering.meters.cache_clear()
    monkeypatch.delattr(probav, "provided")
    assert metering.meters() == ()  # no hub keeps accounts here
    names = [entry.name for entry in metering.entry_points(group=metering.GROUP)]
    assert names == ["hub"]


@pytest.mark.spark
def test_what_executors_read_is_told_once_by_the_driver(product, meter, spark):
    product.statistics(middle(product), mask="clear", engine="local")
    local, meter.counted = meter.counted, 0
    product.statistics(middle(product), mask="clear", engine="spark")
    assert meter.counted == local
    assert meter.planned[-1].engine == "spark"


@pytest.mark.spark
def test_what_executors_read_for_files_is_told(product, meter, spark, tmp_path):
    pixels = product.load(middle(product), time="2016-05", mask="clear")
    told = []
    for engine in ("local", "spark"):
        meter.counted = 0
        probav.export(pixels, tmp_path / f"{engine}.tif", by_date=True, engine=engine)
        told.append(meter.counted)
    assert told[0] == told[1] > 0
