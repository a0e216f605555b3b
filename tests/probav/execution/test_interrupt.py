"""An interrupt ends a query at once, whatever its threads are at, and leaves the next one alone."""

from __future__ import annotations

import os
import signal
import threading
import time

import geopandas as gpd
import numpy as np
import pytest
import shapely
import xarray as xr

import probav

PRODUCT = "PROBAV_L3_S10_TOC_333M"


@pytest.fixture
def long_query(demo_archive):
    """A query of two tasks that take many seconds: thousands of zones that overlap each other."""
    product = probav.open_archive(demo_archive)[PRODUCT]
    west, south, east, north = product.extent.bounds
    random = np.random.default_rng(0)
    centres = shapely.points(random.uniform(west, east, 2000), random.uniform(south, north, 2000))
    zones = probav.aoi(gpd.GeoDataFrame(geometry=shapely.buffer(centres, 0.05), crs=4326))
    return lambda **options: product.statistics(zones, mask="clear & land", engine="local", **options)


@pytest.mark.parametrize("threads", ["1", "2"])
def test_an_interrupt_stops_threads_within_two_seconds(demo_archive, long_query, monkeypatch, threads):
    monkeypatch.setenv("PROBAV_THREADS", threads)
    product = probav.open_archive(demo_archive)[PRODUCT]
    before = product.statistics(product.extent.bounds, "2016-05")
    sent = []

    def interrupt():
        sent.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(1.5, interrupt)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        long_query()
    assert time.monotonic() - sent[0] < 2
    timer.join()
    after = product.statistics(product.extent.bounds, "2016-05")
    xr.testing.assert_identical(before.drop_vars("geometry"), after.drop_vars("geometry"))
