import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from probav.errors import EngineError, SourceError
from probav.readers import ReaderPool, discover, guard, open_granule


@pytest.fixture(scope="module")
def pool():
    with ReaderPool(2) as pool:
        yield pool


@pytest.fixture
def granule(write_hdf5):
    (granule,), _ = discover(write_hdf5())
    return granule


def running(pool):
    return [child.pid for child in pool._children if child.pid is not None]


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_same_as_in_process(pool, granule, layers):
    with pool.open(granule) as guarded, open_granule(granule) as plain:
        assert guarded.grid == plain.grid
        assert guarded.variables == plain.variables
        assert guarded.name == plain.name
        for name, array in layers.items():
            assert np.array_equal(guarded.read(name), array)
            rows = guarded.read(name, 3, 5)
            assert np.array_equal(rows, array[3:5])
            assert rows.dtype == array.dtype
        assert guarded.read("NDVI", 4, 4).shape == (0, 80)


def test_a_relative_path_means_the_folder_of_now(pool, granule, layers, monkeypatch):
    pool.open(granule).close()  # the children's working folder is that of before
    monkeypatch.chdir(granule.files[0].parent)
    (relative,), _ = discover(granule.files[0].name)
    with pool.open(relative) as opened:
        assert np.array_equal(opened.read("NDVI"), layers["NDVI"])


def test_errors_are_those_of_the_reader(pool, granule):
    with pool.open(granule) as guarded:
        with pytest.raises(SourceError, match="no variable 'LAI'; it has NDVI"):
            guarded.read("LAI")
        with pytest.raises(SourceError, match="rows 50 to 61"):
            guarded.read("NDVI", 50, 61)
        assert guarded.read("NDVI", 0, 1).shape == (1, 80)
    granule.files[0].write_bytes(b"nothing")
    with pytest.raises(SourceError, match="can't be read") as error:
        pool.open(granule)
    assert str(granule.files[0]) in str(error.value)


def test_a_lost_child_is_replaced_unseen(pool, granule, layers):
    with pool.open(granule) as one, pool.open(granule) as other:
        for pid in running(pool):
            os.kill(pid, signal.SIGKILL)
        assert np.array_equal(one.read("NDVI"), layers["NDVI"])
        assert np.array_equal(other.read("SM"), layers["SM"])
        assert np.array_equal(one.read("RED"), layers["RED"])


def test_a_file_that_crashes_the_library_is_rejected(pool, granule, monkeypatch, layers):
    with pool.open(granule) as guarded:
        monkeypatch.setattr(guarded._child, "ask", dying(guarded._child))
        with pytest.raises(
            SourceError, match=r"damaged or incomplete.*its library crashed \(SIGKILL\)"
        ) as error:
            guarded.read("NDVI")
        assert str(granule.files[0]) in str(error.value)
    monkeypatch.undo()
    with pool.open(granule) as guarded:
        assert np.array_equal(guarded.read("NDVI"), layers["NDVI"])


def dying(child):
    """Ask as ever, but of a process that is killed first: what a crash looks like from outside."""
    ask = child.ask

    def kill_and_ask(*request):
        os.kill(child.pid, signal.SIGKILL)
        return ask(*request)

    return kill_and_ask


def test_a_file_that_stalls_the_library_is_rejected(granule):
    with ReaderPool(1, timeout=10) as pool, pool.open(granule) as guarded:
        (pid,) = running(pool)
        pool._children[0]._timeout = 0.2
        os.kill(pid, signal.SIGSTOP)
        with pytest.raises(SourceError, match=r"no answer of its library for 0.2 s"):
            guarded.read("NDVI")
        assert not is_alive(pid)


def test_memory_is_bounded(write_hdf5, monkeypatch):
    monkeypatch.setattr(guard, "_MEMORY", 16 << 20)
    path = write_hdf5(arrays={"RED": np.zeros((3160, 3260), "<i2")})  # 20 MB
    (granule,), _ = discover(path)
    with ReaderPool(1) as pool, pool.open(granule) as guarded:
        assert guarded.read("RED", 0, 100).shape == (100, 3260)
        with pytest.raises(SourceError, match="allocate") as error:
            guarded.read("RED")
        assert str(path) in str(error.value)
        assert guarded.read("RED", 3100).shape == (60, 3260)


def test_children_end_with_the_pool(granule):
    pool = ReaderPool(2)
    assert running(pool) == []  # none before it is needed
    first, second = pool.open(granule), pool.open(granule)
    pids = running(pool)
    folders = [Path(child._folder.name) for child in pool._children]
    assert len(pids) == 2
    assert all(folder.is_dir() for folder in folders)
    pool.close()
    assert not any(map(is_alive, pids))
    assert not any(folder.exists() for folder in folders)
    first.close()
    second.close()


def test_children_end_with_their_parent(granule):
    code = f"""
import time
from probav.readers import ReaderPool, discover
pool = ReaderPool(1)
opened = pool.open(discover({str(granule.files[0])!r})[0][0])
print(pool._children[0].pid, flush=True)
time.sleep(600)
"""
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    pid = int(parent.stdout.readline())
    assert is_alive(pid)
    parent.kill()
    parent.wait()
    wait_until(lambda: not is_alive(pid))


def test_many_threads_at_once(pool, granule, layers):
    wrong = []

    def work(name):
        for start in range(0, 60, 7):
            with pool.open(granule) as guarded:
                if not np.array_equal(guarded.read(name, start, start + 1), layers[name][start : start + 1]):
                    wrong.append(name)

    threads = [threading.Thread(target=work, args=(name,)) for name in list(layers)[:6]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_python_that_cannot_start(granule, monkeypatch):
    monkeypatch.setattr(guard.sys, "path", [])
    monkeypatch.setattr(guard.sys, "executable", "/bin/false")
    with ReaderPool(1) as pool, pytest.raises(EngineError, match="can't start"):
        pool.open(granule)
