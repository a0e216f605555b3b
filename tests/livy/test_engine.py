"""engine="livy" against a real server: the same bytes as local, faults told, interrupts obeyed."""

import os
import shutil
import signal
import threading
import time

import numpy as np
import psutil
import pytest

import probav
from probav.errors import EngineError
from probav.execution import at_once
from probav.execution import livy as engine

pytestmark = pytest.mark.cluster
PRODUCT = "CGLS_NDVI300_V1"


@pytest.fixture
def at(livy, monkeypatch):
    """The server, as the environment names it to the engine."""
    monkeypatch.setenv("PROBAV_SPARK_LIVY_URL", livy.url)
    monkeypatch.setenv("PROBAV_SPARK_LIVY_USER", "alice")
    return livy


@pytest.fixture(scope="module")
def product(demo_archive):
    return probav.open_archive(str(demo_archive))[PRODUCT]


@pytest.fixture(scope="module", autouse=True)
def _ended():
    yield
    engine.close()


# inside the demo archive of tests/conftest.py, with edges that cut pixels
AREA, STRIP = (4.0143, 51.2671, 4.2337, 51.4839), (4.0211, 51.3007, 4.0699, 51.3493)


QUERIES = {
    "mean": {},
    "all": {"reducers": ("mean", "std", "p10", "p50", "p90", "min", "max")},
    "strata": {"by": "landcover", "reducers": ("mean", "p50")},
    "months": {"by_time": "month", "weights": "area"},
}


def bytes_of(result):
    return {
        name: np.asarray(variable).tobytes()
        for name, variable in result.variables.items()
        if name != "geometry"
    }


def test_tasks_are_cut_for_the_cluster_and_not_for_this_machine(at, monkeypatch):
    monkeypatch.setenv("PROBAV_THREADS", "7")
    assert at_once("livy") == 2  # local[2,4]


@pytest.mark.parametrize("name", QUERIES)
def test_same_bytes_as_local(at, product, name):
    calls, reports = QUERIES[name], []
    local = product.statistics(AREA, engine="local", cache=False, **calls)
    remote = product.statistics(
        AREA, engine="livy", cache=False, progress=lambda *now: reports.append(now), **calls
    )
    assert bytes_of(remote) == bytes_of(local)
    done = [report[0] for report in reports]
    assert done == sorted(done)
    assert reports[-1][0] == reports[-1][1] > 0
    assert reports[-1][2] > 0, "the bytes read are not told"


def test_one_session_serves_all_queries_as_the_user(at, product):
    for name in ("mean", "months"):
        product.statistics(STRIP, engine="livy", cache=False, **QUERIES[name])
    ours = [session for session in at.sessions() if session["kind"] == "pyspark"]
    assert len(ours) == 1
    assert ours[0]["proxyUser"] == "alice"
    assert ours[0]["heartbeatTimeoutInSecond"] > 0, "a dead kernel would leave its session"


def test_pieces_and_rounds_give_the_same(at, product, monkeypatch):
    local = product.statistics(AREA, engine="local", cache=False)
    monkeypatch.setattr(engine, "PIECE", 700)
    monkeypatch.setattr(engine, "MIN_TASKS", 1)
    monkeypatch.setattr(engine, "ROUNDS", 0)
    assert bytes_of(product.statistics(AREA, engine="livy", cache=False)) == bytes_of(local)


def test_session_that_was_ended_is_replaced(at, product):
    product.statistics(STRIP, engine="livy", cache=False)
    before = {session["id"] for session in at.sessions()}
    for number in before:
        at.ask(f"/sessions/{number}", "DELETE")
    product.statistics(STRIP, engine="livy", cache=False)
    assert {session["id"] for session in at.sessions()}.isdisjoint(before)


def session_of(at):
    return engine._session(engine.Server.configured())[0]


def test_interrupt_cancels_the_statement_and_the_session_stays(at, product):
    session = session_of(at)
    slow = "import time\nspark.sparkContext.parallelize(range(8), 8).foreach(lambda _: time.sleep(30))"
    path = f"/sessions/{session.number}/statements"

    def interrupt():
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and at.ask(path)["statements"][-1]["state"] != "running":
            time.sleep(0.1)
        time.sleep(1)  # the job itself starts after its statement
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        session.statement(slow)
    began = time.monotonic()
    thread.join()
    assert at.ask(path)["statements"][-1]["state"] in ("cancelled", "cancelling")
    assert session.statement("print(6 * 7)").strip() == "42"
    assert time.monotonic() - began < 10
    product.statistics(STRIP, engine="livy", cache=False)
    assert session_of(at) is session


def test_error_of_a_task_is_one_line(at, demo_archive, tmp_path):
    copy = shutil.copytree(demo_archive, tmp_path / "copy")
    product = probav.open_archive(str(copy))[PRODUCT]
    product.statistics(STRIP, engine="local", cache=False)  # this process now knows the archive
    shutil.rmtree(copy)
    with pytest.raises(EngineError) as caught:
        product.statistics(STRIP, engine="livy", cache=False, by_time="month")
    assert "\n" not in str(caught.value)
    assert f"Livy server {at.url}: " in str(caught.value)
    assert str(copy) in str(caught.value)


def test_session_that_dies_at_work_is_told(at):
    session = session_of(at)
    family = psutil.Process(at.process.pid).children(recursive=True)
    drivers = [process for process in family if process.name() == "java"]
    assert drivers, "no driver is running"

    def kill():
        time.sleep(2)
        for driver in drivers:
            driver.kill()

    thread = threading.Thread(target=kill)
    thread.start()
    with pytest.raises(EngineError, match=r"died while it worked \(state '\w+'\)|can't|refused") as caught:
        session.statement("import time\ntime.sleep(120)")
    thread.join()
    assert "\n" not in str(caught.value)
    assert not session.alive


def test_server_that_goes_at_work_is_told(start_livy, tmp_path, monkeypatch):
    own = start_livy(tmp_path)
    monkeypatch.setenv("PROBAV_SPARK_LIVY_URL", own.url)
    try:
        session = session_of(own)
        family = psutil.Process(own.process.pid).children(recursive=True)
        thread = threading.Timer(2, own.process.kill)
        thread.start()
        with pytest.raises(EngineError, match=f"The Livy server {own.url} can't be reached") as caught:
            session.statement("import time\ntime.sleep(120)")
        assert "\n" not in str(caught.value)
        for process in family:
            process.kill()
    finally:
        own.process.kill()
        own.process.wait()


def test_wrong_address_is_told(monkeypatch, product):
    monkeypatch.setenv("PROBAV_SPARK_LIVY_URL", "http://127.0.0.1:9")
    with pytest.raises(EngineError, match=r"The Livy server http://127.0.0.1:9 can't be reached: .*refused"):
        product.statistics(STRIP, engine="livy", cache=False)


def test_sessions_end_with_their_process(at, product):
    session = session_of(at)
    engine.close()
    assert session.number not in {found["id"] for found in at.sessions()}
