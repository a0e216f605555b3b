import json
from types import SimpleNamespace

import numpy as np
import pytest

from probav.demo import write_sources
from probav.readers import discover, open_granule

YEARS, SIZE = (2015, 2016, 2017), 0.25


@pytest.fixture(scope="session")
def demo(tmp_path_factory):
    """A small demo world of three years: its folder, granules by product, truth, and a reader of cubes."""
    folder = tmp_path_factory.mktemp("demo")
    calls = []
    write_sources(folder, years=YEARS, size_degrees=SIZE, progress=lambda *call: calls.append(call))
    granules, rejected = discover(folder)
    assert not rejected
    by_product = {}
    for granule in granules:
        by_product.setdefault(granule.product, []).append(granule)

    def cube(product, variable):
        """(time, y, x) of stored numbers; of several runs of one date the best."""
        best = {granule.date: granule for granule in by_product[product]}  # sorted by rank
        layers = []
        for granule in best.values():
            with open_granule(granule) as source:
                layers.append(source.read(variable))
        return np.stack(layers)

    truth = json.loads((folder / "truth" / "truth.json").read_text())
    return SimpleNamespace(folder=folder, granules=by_product, cube=cube, truth=truth, calls=calls)


@pytest.fixture(scope="session")
def s10(demo):
    """NDVI as numbers (NaN where not clear) and the stored layers of the 300 m synthesis."""
    layers = {
        name: demo.cube("PROBAV_L3_S10_TOC_333M", name)
        for name in ("NDVI", "SM", "RED", "NIR", "SWIR", "TIME")
    }
    seen = (layers["SM"] & 7 == 0) & (layers["NDVI"] != 255)
    clear = np.where(seen, 0.004 * layers["NDVI"] - 0.08, np.nan)
    return SimpleNamespace(clear=clear, **{name.lower(): layer for name, layer in layers.items()})


@pytest.fixture(scope="session")
def cover(demo):
    """Land cover class of each 300 m pixel: the 100 m pixel at its centre."""
    return demo.cube("CGLS_LC100_V3", "LC")[0][1::3, 1::3]
