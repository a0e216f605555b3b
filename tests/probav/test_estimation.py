"""Estimates count what there is to read; their seconds are measured on the query's own chunks."""

import numpy as np
import pytest

import probav
from probav import estimation, tasks
from probav.query import prepare
from probav.statistics import _covered, _query

S10, NDVI300 = "PROBAV_L3_S10_TOC_333M", "CGLS_NDVI300_V1"


def query_of(product, area, **options):
    given = {"time": None, "mask": "clear", "by": None, "variable": None, "by_time": None, **options}
    query, _ = _query(
        product,
        given["time"],
        given["mask"],
        given["by"],
        given["variable"],
        "pixel",
        ("mean",),
        given["by_time"],
    )
    return query, *_covered(product, probav.aoi(area), "fraction")


@pytest.fixture
def wide_area(world):
    west, south, east, north = world.archive[S10].extent.bounds
    return (west + 0.01, south + 0.01, east - 0.01, north - 0.01)


def test_chunks_and_bytes_are_those_that_are_read(world, wide_area):
    product = world.archive[S10]
    for options in ({}, {"mask": "clear"}, {"mask": "clear", "by": "SM", "variable": ("NDVI", "RED")}):
        estimate = product.estimate(wide_area, **options)
        read = []
        product.statistics(wide_area, **options, progress=lambda *call: read.append(call))  # noqa: B023
        layers = len({"NDVI", *(options.get("variable") or ())}) + ("mask" in options)
        blocks = 4 * 2  # the window lies in four chunks, the dates in two of time
        assert estimate.chunks == blocks * layers
        assert estimate.bytes == pytest.approx(read[-1][2], rel=0.3)
        assert estimate.engine == "local"
        assert estimate.seconds > 0
        assert f"{estimate.chunks:,} chunks" in str(estimate)


def test_an_estimate_tries_few_chunks(world, wide_area, monkeypatch):
    tried, run = [], estimation.run
    monkeypatch.setattr(estimation, "run", lambda task, sink: tried.append(task) or run(task, sink))
    world.archive[S10].estimate(wide_area, mask="clear")
    chunks = [np.unique(prepare(task.query).stored[task.dates] // 12) for task in tried]
    assert 1 < len(tried) <= 5
    assert all(len(one) == 1 for one in chunks)  # of time each


@pytest.mark.parametrize("memory", ["1", "3000000", "1000000000"])
@pytest.mark.parametrize("options", [{}, {"by_time": "year"}, {"by": "landcover"}, {"variable": "RED"}])
def test_batches_hold_each_pixel_and_date_once(world, wide_area, monkeypatch, memory, options):
    monkeypatch.setenv("PROBAV_MEMORY", memory)
    query, coverage, area = query_of(world.archive[S10], wide_area, **options)
    batches = tasks.make_batches(query, coverage, 2, area)
    times, height, width = prepare(query).shape
    seen = np.zeros((len(query.dates), *world.arrays[S10]["NDVI"].shape[1:]), np.int64)
    top = round((75 + 0.5 / 336 - world.transforms[S10].f) * 336)
    left = round((world.transforms[S10].c + 180 + 0.5 / 336) * 336)
    for task in (task for batch in batches for task in batch):
        row0, column0 = task.block[0] * height - top, task.block[1] * width - left
        for _, row, first, last in task.runs.tolist():
            seen[task.dates, row0 + row, column0 + first : column0 + last] += 1
        for _, row, column in task.edges.tolist():
            seen[task.dates, row0 + row, column0 + column] += 1
    assert seen.max() == 1
    assert (seen == seen[0]).all()
    assert seen[0].sum() == coverage.pixels
    if memory == "1" and not query.merges:
        assert len(batches) >= 2  # a chunk of time each
        assert all(
            len(np.unique(prepare(query).stored[task.dates] // times)) == 1 for b in batches for task in b
        )


def test_few_blocks_are_shared_among_threads_in_time(world, monkeypatch):
    product = world.archive[S10]
    west, south, *_ = product.extent.bounds
    query, coverage, area = query_of(product, (west + 0.4, south + 0.4))
    (batch,) = tasks.make_batches(query, coverage, 2, area)
    assert [task.dates.tolist() for task in batch] == [list(range(14))]  # too few to be worth a thread
    monkeypatch.setattr(tasks, "_SHARE", 1)
    (batch,) = tasks.make_batches(query, coverage, 2, area)
    assert [task.dates.tolist() for task in batch] == [list(range(12)), [12, 13]]
    assert all(task.alone.tolist() == [0] for task in batch)
    query, *_ = query_of(product, (west + 0.4, south + 0.4), by_time="year")
    (batch,) = tasks.make_batches(query, coverage, 2, area)
    assert all(task.alone.tolist() == [] for task in batch)  # the year is complete with both of them
