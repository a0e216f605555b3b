from __future__ import annotations

import probav
from probav.result_memory import statistics_bytes

PRODUCT = "PROBAV_L3_S10_TOC_333M"


def test_what_statistics_take_grows_with_zones_dates_and_numbers(demo_archive, monkeypatch):
    product = probav.open_archive(demo_archive)[PRODUCT]
    area = probav.aoi(product.extent.bounds)
    least = statistics_bytes(product, area, "2016-05", reducers=("mean",))
    assert statistics_bytes(product, area, "2016", reducers=("mean",)) == 12 * least
    assert statistics_bytes(product, area, "2016", by_time="year", reducers=("mean",)) < least
    assert statistics_bytes(product, area, "2016-05", reducers=("histogram",)) > least
    assert statistics_bytes(product, area, "2016-05", reducers=("mean",), by="landcover") == 8 * least
    monkeypatch.setenv("PROBAV_MEMORY", "1000")
    assert statistics_bytes(product, area, "2016-05", reducers=("mean",)) < least
