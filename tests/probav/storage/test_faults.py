"""Real processes that die, run out of room, or lose what they read from and write to."""

import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import probav

pytestmark = pytest.mark.e2e  # heavy

S10, RAIN = "PROBAV_L3_S10_TOC_333M", "CHIRPS_V2_DEKAD"
SECONDS = 120  # until something that should happen soon has not happened

READ = """
import sys, time
from pathlib import Path
import probav
url, stop = sys.argv[1:]
first, count = {}, 0
while count < 2 or not Path(stop).exists():
    archive = probav.open_archive(url)
    for product, variable in (("PROBAV_L3_S10_TOC_333M", "NDVI"), ("CHIRPS_V2_DEKAD", "RAINFALL")):
        loaded = archive[product].load(variable=variable, keep_dn=True)[variable]
        known = loaded.values[:14].tobytes()
        assert first.setdefault(product, known) == known
    count += 1
    time.sleep(1)
"""

PROXY = """
import asyncio, sys
own, other, every = map(int, sys.argv[1:])
METHODS = (b"GET ", b"PUT ", b"POST ", b"HEAD ", b"DELETE ")
WAYS = ("request", "answer", "middle of the answer")  # what gets lost
requests = 0

async def serve(reader, writer):
    from_store, to_store = await asyncio.open_connection("127.0.0.1", other)
    lost = None

    async def up():
        nonlocal lost
        global requests
        while data := await reader.read(1 << 16):
            if data.startswith(METHODS):
                requests += 1
                if requests % every == 0:
                    lost = WAYS[requests // every % len(WAYS)]
                    if lost == "request":
                        return
            to_store.write(data)
            await to_store.drain()

    async def down():
        while data := await from_store.read(1 << 16):
            if lost is None:
                writer.write(data)
            elif lost != "answer":
                writer.write(data[:-10])
            await writer.drain()
            if lost is not None:
                return

    tasks = [asyncio.ensure_future(up()), asyncio.ensure_future(down())]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    writer.close()
    to_store.close()

async def main():
    async with await asyncio.start_server(serve, "127.0.0.1", own) as server:
        print("ready", flush=True)
        await server.serve_forever()

asyncio.run(main())
"""


class Later:
    """Sources of later dekads, and everything that the archive must then hold."""

    def __init__(self, world, sources, folder):
        self._sources, self._folder = sources, folder
        self._random = np.random.default_rng(7)
        self.dates = list(world.dates[S10])
        self.arrays = {
            product: {name: list(array) for name, array in world.arrays[product].items()}
            for product in (S10, RAIN)
        }

    def write(self):
        """Write the sources of the next dekad; return their folder."""
        number = len(self.dates) - 14
        date = np.datetime64("2015-06-01") + (number // 3) * 31
        month = str(date.astype("datetime64[M]"))
        date = f"{month}-{(1, 11, 21)[number % 3]:02d}"
        folder = self._folder / date
        layers = self._sources.s10_arrays(self._random)
        rain = self._random.random((30, 40)).astype("float32")
        self._sources.write_s10(folder, date, layers)
        name = f"chirps-v2.0.{date[:4]}.{date[5:7]}.{number % 3 + 1}.tif"
        self._sources.write_tif(folder / name, rain, self._sources.transform_of(RAIN), -9999)
        self.dates.append(np.datetime64(date))
        for name, array in layers.items():
            self.arrays[S10][name].append(array)
        self.arrays[RAIN]["RAINFALL"].append(rain)
        return folder

    def check(self, archive, whole=True):
        """Compare all that an archive holds; the last dekad may be missing unless it is to be whole."""
        for product, arrays in self.arrays.items():
            loaded = archive[product].load(variable=list(arrays), keep_dn=True)
            dates = loaded.time.values.astype("datetime64[D]").tolist()
            count = len(dates)
            assert dates == [date.item() for date in self.dates][:count]
            assert count == len(self.dates) or (not whole and count == len(self.dates) - 1)
            for name, expected in arrays.items():
                np.testing.assert_array_equal(loaded[name], np.stack(expected[:count]))


@pytest.fixture
def later(world, sources, tmp_path):
    return Later(world, sources, tmp_path / "later")


def ingesting(url, source, **options):
    command = [sys.executable, "-m", "probav.cli", "archive", "ingest", str(source), "--archive", str(url)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, start_new_session=True, **pipes, **options)


def wait_for(happened, process=None):
    end = time.monotonic() + SECONDS
    while not happened() and (process is None or process.poll() is None):
        assert time.monotonic() < end
        time.sleep(0.001)


@contextmanager
def read_meanwhile(url, tmp_path):
    """Let a process read over and over again, which must never fail."""
    stop = tmp_path / "stop"
    reader = subprocess.Popen(
        [sys.executable, "-c", READ, str(url), str(stop)], stderr=subprocess.PIPE, text=True
    )
    try:
        yield
        assert reader.poll() is None, reader.communicate()[1]
    finally:
        stop.touch()
        _, errors = reader.communicate(timeout=SECONDS)
    assert reader.returncode == 0, errors


def has_lock(url, process):
    """Return a function that tells whether a process has (or had last) an archive's lock."""
    lock = Path(f"{url}.lock")
    return lambda: lock.exists() and f'"pid": {process.pid},' in lock.read_text()


def new_files(url, folder, before):
    return len(set(os.listdir(Path(url, folder))) - before)


@pytest.mark.parametrize("count", [7, pytest.param(20, marks=pytest.mark.load)])
def test_a_writer_killed_at_moments(world, later, tmp_path, count):
    url = world.copy(tmp_path)
    folders = ("snapshots", "transactions", "manifests", "chunks")
    before = {folder: set(os.listdir(Path(url, folder))) for folder in folders}
    running = ingesting(url, later.write())
    assert running.wait(SECONDS) == 0, running.communicate()
    # a moment is the nth new file of a folder, 0 that of the lock: whatever the machine's pace, it comes
    # while the writer is at work
    written = [(folder, n + 1) for folder in folders for n in range(new_files(url, folder, before[folder]))]
    chance = random.Random(20)
    moments = [(folder, 1) for folder in folders] + [("chunks", 0)] * 2
    moments += [chance.choice(written) for _ in range(count - len(moments))]
    killed = 0
    with read_meanwhile(url, tmp_path):
        for folder, number in chance.sample(moments, len(moments)):
            before = probav.open_archive(url)
            files = set(os.listdir(Path(url, folder)))
            source = later.write()
            running = ingesting(url, source)
            wait_for(has_lock(url, running), running)
            wait_for(
                lambda folder=folder, number=number, files=files: new_files(url, folder, files) >= number,
                running,
            )
            running.kill()
            killed += running.wait() == -signal.SIGKILL
            running.communicate()
            wait_for(lambda group=running.pid: not alive(group))  # its reading processes end with it
            later.check(probav.open_archive(url), whole=False)
            report = probav.ingest(url, source)
            assert report.taken + report.unchanged == 2  # compared in the next turn
            same_as_before = probav.open_archive(url, snapshot=before.snapshot)
            assert len(same_as_before[S10].times) == len(later.dates) - 1
            later.check(same_as_before, whole=False)
    assert killed >= 0.7 * count  # a later dekad may need fewer files than the first did
    later.check(probav.open_archive(url))
    assert probav.open_archive(url).verify().ok


def alive(group):
    """Return whether any process of a group is left that is no zombie."""
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, of_group = status.read_text().rpartition(") ")[2].split()[:3]
        except OSError:
            continue
        if int(of_group) == group and state not in "ZX":
            return True
    return False


def fails_for_want_of_room(later, url, tmp_path, words, **options):
    before = probav.open_archive(url).snapshot
    source = later.write()
    with read_meanwhile(url, tmp_path):
        running = ingesting(url, source, **options)
        out, errors = running.communicate(timeout=SECONDS)
    assert running.returncode == 2, out + errors
    assert f"Nothing was changed in {url}: " in errors
    assert words in errors
    assert "Traceback" not in errors
    archive = probav.open_archive(url)
    later.check(archive, whole=False)
    later.check(probav.open_archive(url, snapshot=before), whole=False)
    return source


def completes(later, url, source):
    assert not probav.ingest(url, source).rejected
    later.check(probav.open_archive(url))
    assert probav.open_archive(url).verify().ok


@pytest.fixture
def small_disk(tmp_path, world):
    """Mount a file system with little more room than the archive needs; give it and its making larger."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small file system")
    folder = tmp_path / "disk"
    folder.mkdir()
    size = sum(path.stat().st_size + 4096 for path in Path(world.url).rglob("*")) + 300_000
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    made = subprocess.run(mount, capture_output=True, text=True)
    if made.returncode != 0:
        pytest.skip(f"no small file system can be mounted here: {made.stderr}")
    larger = ["mount", "-o", "remount,size=100m", str(folder)]
    try:
        yield folder, lambda: subprocess.run(larger, check=True)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk(world, later, small_disk, tmp_path):
    folder, make_larger = small_disk
    url = world.copy(folder)
    source = fails_for_want_of_room(later, url, tmp_path, "No space left on device")
    make_larger()
    completes(later, url, source)


def test_a_file_that_may_not_grow(world, later, tmp_path):
    url = world.copy(tmp_path)
    source = fails_for_want_of_room(
        later, url, tmp_path, "File too large",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, resource.RLIM_INFINITY)),
    )  # fmt: skip
    completes(later, url, source)


@pytest.mark.parametrize("left", [0.5, 0])
def test_a_source_that_is_cut_while_it_is_read(world, later, tmp_path, left):
    url = world.copy(tmp_path)
    before = probav.open_archive(url).snapshot
    source = later.write()
    whole = shutil.copytree(source, tmp_path / "whole")
    (cut,) = source.glob("*RADIOMETRY.tif")
    with read_meanwhile(url, tmp_path):
        running = ingesting(url, source)
        wait_for(has_lock(url, running), running)
        os.truncate(cut, int(cut.stat().st_size * left))
        out, errors = running.communicate(timeout=SECONDS)
    assert running.returncode == 0, errors
    assert "2 taken in" in out or ("1 taken in" in out and f"rejected {source}" in out)
    later.check(probav.open_archive(url), whole=False)
    later.check(probav.open_archive(url, snapshot=before), whole=False)
    completes(later, url, whole)


@pytest.fixture
def shaky(s3, s3_endpoint, free_port):
    """Give an archive's URL and an endpoint that loses every tenth request, its answer, or the end of it."""
    port = free_port()
    command = [sys.executable, "-c", PROXY, str(port), s3_endpoint.rpartition(":")[2], "10"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout.readline() == "ready\n"
        yield s3, f"http://127.0.0.1:{port}"
        running.kill()


def test_an_object_store_that_loses_every_tenth_request(
    world, later, shaky, s3_endpoint, tmp_path, monkeypatch
):
    url, endpoint = shaky
    probav.ingest(url, [*world.folder.glob("chirps*"), *world.folder.glob("20*")])
    before = probav.open_archive(url)
    count = len(before.history)
    before.tag("before")
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    with read_meanwhile(url, tmp_path):
        for number in range(3):
            source = later.write()
            running = ingesting(url, source)
            out, errors = running.communicate(timeout=SECONDS)
            assert running.returncode == 0, errors
            assert "2 taken in" in out
            probav.open_archive(url).tag(f"later{number}")
    assert probav.ingest(url, source).unchanged == 2
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_endpoint)
    archive = probav.open_archive(url)
    later.check(archive)
    assert len(archive.history) == count + 6  # none was committed twice, because its answer got lost
    assert archive.tags["tag"].tolist() == ["before", "later0", "later1", "later2"]
    same_as_before = probav.open_archive(url, tag="before")
    assert len(same_as_before[S10].times) == 14
    assert same_as_before.snapshot == before.snapshot
