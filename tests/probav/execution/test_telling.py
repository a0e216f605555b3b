from __future__ import annotations

import probav
from probav.execution.telling import told

PRODUCT = "PROBAV_L3_S10_TOC_333M"


def test_who_asks_is_told_which_engine_runs(demo_archive):
    product = probav.open_archive(demo_archive)[PRODUCT]
    heard: list[str] = []
    with told(heard.append):
        product.statistics(product.extent.bounds, "2016-05", engine="auto")
    assert heard == ["local"]
    product.statistics(product.extent.bounds, "2016-05")
    assert heard == ["local"]
