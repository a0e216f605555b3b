"""The Spark engine gives the local engine's result to the last bit."""

import shutil
from concurrent.futures import ThreadPoolExecutor

import geopandas as gpd
import numpy as np
import pytest
from affine import Affine
from shapely import box

import probav
from probav.accumulate import Accumulator
from probav.errors import EngineError, QueryError
from probav.execution import choose, engine
from probav.execution.spark import execute, running_cores
from probav.query import Query, Task, prepare
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
def test_a_failing_job_says_why_in_one_line(world, spark, tmp_path):
    url = world.copy(tmp_path)
    product = probav.open_archive(url)[S10]
    query = Query(
        product.store.url,
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
    prepare(query)  # as whoever makes tasks does
    shutil.rmtree(url)
    none = np.empty(0, int)
    zero, runs = np.array([0]), np.array([[0, 0, 0, 5]])
    gone = [Task(query, (0, 0), zero, runs, np.empty((0, 3), int), none, zero, none)]
    with pytest.raises(EngineError, match="There is no archive at") as caught:
        execute(gone, Accumulator(np.array([0]), Reducer(plan(()), []), np.array([1]), 1))
    assert "\n" not in str(caught.value)


@pytest.mark.spark
@pytest.mark.parametrize(
    "query",
    [
        {"by": "landcover", "mask": "clear", "reducers": ("mean", "p10", "mode", "histogram")},
        {"variable": ("NDVI", "RED"), "reducers": ("std", "p90")},
        {"by_time": "month", "reducers": ("mean", "median")},
    ],
    ids=["classes", "8 and 16 bits", "months"],
)
@pytest.mark.parametrize("budget", ["", "3000000"], ids=["all zones of a date", "few zones of a date"])
def test_counts_added_up_on_the_cluster_are_the_same(world, spark, monkeypatch, query, budget):
    product = world.archive[S10]
    west, south, east, north = product.extent.bounds
    edges = np.linspace(west, east, 6)
    zones = gpd.GeoDataFrame(
        geometry=[box(edges[i] - 0.02, south, edges[i + 1] + 0.01, north) for i in range(5)], crs=4326
    )
    local = product.statistics(zones, engine="local", **query)
    monkeypatch.setattr("probav.execution.spark._MANY", 0)
    monkeypatch.setenv("PROBAV_MEMORY", budget)
    calls = []
    merged = product.statistics(zones, engine="spark", progress=lambda *call: calls.append(call), **query)
    for name in local.data_vars:
        assert local[name].values.tobytes() == merged[name].values.tobytes(), name
    assert calls[-1][0] == calls[-1][1]


@pytest.mark.spark
def test_results_in_another_order_than_dates_are_the_same(keep, spark, monkeypatch):
    """July to June by the month of the year: one date a result, and the last dates come first."""
    random = np.random.default_rng(3)
    transform = Affine(1 / 8, 0, 10, 0, -1 / 8, 50)
    values = random.integers(0, 250, (12, 40, 60)).astype("uint8")
    days = np.arange("2019-07", "2020-07", dtype="datetime64[M]").astype("datetime64[D]")
    product = keep({"U8": values}, transform, days=days, cut=(5, 16))
    zones = gpd.GeoDataFrame(geometry=[box(10, 46, 14, 50), box(13, 45.5, 17, 49)], crs=4326)
    query = {"by_time": "month-of-year", "reducers": ("mean", "p10")}
    local = product.statistics(zones, engine="local", **query)
    monkeypatch.setattr("probav.execution.spark._MANY", 0)
    merged = product.statistics(zones, engine="spark", **query)
    for name in local.data_vars:
        assert local[name].values.tobytes() == merged[name].values.tobytes(), name


def test_auto_is_local_where_no_session_is_running(monkeypatch):
    monkeypatch.setattr("probav.execution.spark.running_cores", lambda: 0)
    assert choose("auto", lambda: 1e6) == "local"
    assert choose("spark", lambda: 0.0) == "spark"
    with pytest.raises(QueryError, match="Did you mean 'spark'"):
        engine("sparks")


def test_auto_weighs_a_jobs_overhead_against_the_clusters_cores(monkeypatch):
    monkeypatch.setattr("probav.execution.threads", lambda: 2)
    monkeypatch.setattr("probav.execution.spark.running_cores", lambda: 100)
    assert choose("auto", lambda: 0.5) == "local"
    assert choose("auto", lambda: 5.0) == "spark"
    monkeypatch.setattr("probav.execution.spark.running_cores", lambda: 2)

    def never():
        raise AssertionError("nothing is to be decided with no more cores than threads")

    assert choose("auto", never) == "local"


@pytest.mark.spark
def test_an_interrupt_while_java_is_spoken_to_is_an_interrupt(world, spark, monkeypatch):
    def stages(jobs):
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt:
            raise RuntimeError("Gateway must be connected to send cancel cmd.")  # noqa: B904 - as Py4J

    monkeypatch.setattr("probav.execution.spark._ClassicJobs.stages", stages)
    product = world.archive[S10]
    with pytest.raises(KeyboardInterrupt):
        product.statistics(product.extent.bounds, engine="spark", progress=print)


@pytest.mark.spark
def test_a_job_that_fails_after_an_interrupt_fails(world, spark, monkeypatch):
    def stages(jobs):
        raise RuntimeError("no such stage")

    monkeypatch.setattr("probav.execution.spark._ClassicJobs.stages", stages)
    product = world.archive[S10]
    try:
        raise KeyboardInterrupt
    except KeyboardInterrupt:
        with pytest.raises(EngineError, match="no such stage"):
            product.statistics(product.extent.bounds, engine="spark", progress=print)


@pytest.mark.spark
def test_a_session_runs_for_every_thread(spark):
    """After an interrupt PySpark speaks to Java through another connection, which is a new thread there."""
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(running_cores).result() == running_cores() > 0
