"""The Spark engine gives the local engine's result to the last bit."""

import numpy as np
import pytest

from probav.accumulate import Accumulator
from probav.errors import EngineError, QueryError
from probav.execution import choose, engine
from probav.execution.spark import execute
from probav.query import Query, Task
from probav.reducers import plan
from probav.reducing import Reducer

S10 = "PROBAV_L3_S10_TOC_333M"


@pytest.mark.spark
@pytest.mark.parametrize(
    "query",
    [
        {"mask": "clear & land", "reducers": ("mean", "std", "p10", "p90")},
        {"by": "landcover", "mask": "landcover != 50"},
        {"variable": "RED", "mask": "clear", "coverage": "centre"},
        {"weights": "area", "coverage": "touched"},
    ],
)
def test_spark_equals_local_to_the_last_bit(world, spark, query):
    product = world.archive[S10]
    west, south, east, north = product.extent.bounds
    area = (west + 0.1, south + 0.1, east - 0.05, north - 0.2)
    calls = []
    local = product.statistics(area, engine="local", **query)
    remote = product.statistics(area, engine="spark", progress=lambda *call: calls.append(call), **query)
    assert remote.attrs == local.attrs
    for name in local.data_vars:
        assert local[name].values.tobytes() == remote[name].values.tobytes(), name
    assert calls[-1][0] == calls[-1][1]
    assert calls[-1][2] > 0


@pytest.mark.spark
def test_a_failing_job_says_why_in_one_line(world, spark):
    product = world.archive[S10]
    query = Query(
        product.store.url + "-gone",
        product.store.snapshot,
        S10,
        ("NDVI",),
        None,
        (),
        "pixel",
        (0,),
        (0,),
        ("mean",),
    )
    none = np.empty(0, int)
    zero, runs = np.array([0]), np.array([[0, 0, 0, 5]])
    gone = [Task(query, (0, 0), zero, runs, np.empty((0, 3), int), none, zero, none)]
    with pytest.raises(EngineError, match="There is no archive at") as caught:
        execute(gone, Accumulator(np.array([0]), Reducer(plan(()), []), np.array([1]), 1))
    assert "\n" not in str(caught.value)


def test_auto_is_local_where_no_cluster_is_running():
    assert choose("auto", lambda: 1e6) == "local"
    assert choose("spark", lambda: 0.0) == "spark"
    with pytest.raises(QueryError, match="Did you mean 'spark'"):
        engine("sparks")
