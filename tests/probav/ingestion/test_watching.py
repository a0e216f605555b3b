import signal
import subprocess
import sys
import threading
import time

import netCDF4
import numpy as np
import pytest

import probav
from probav.errors import SourceError

FAPAR = "CGLS_FAPAR_V2"


@pytest.fixture
def fapar():
    """Write a Copernicus FAPAR file of 40 x 50 pixels, as a delivery would: beside, then renamed."""

    def write(folder, date, run, value, text=None):
        name = f"c_gls_FAPAR-RT{run}_{date}0000_GLOBE_PROBAV_V2.0.1.nc"
        beside = folder / f"{name}.part"
        with netCDF4.Dataset(beside, "w") as file:
            file.createDimension("lat", 40)
            file.createDimension("lon", 50)
            for axis, first, step, size in (("lat", 50.0, -1 / 112, 40), ("lon", 3.0, 1 / 112, 50)):
                file.createVariable(axis, "f8", (axis,))[:] = first + np.arange(size) * step
            layer = file.createVariable("FAPAR", "u1", ("lat", "lon"), fill_value=255)
            layer.set_auto_maskandscale(False)
            layer.setncatts({"scale_factor": np.float32(1 / 250), "add_offset": np.float32(0)})
            layer[:] = np.full((40, 50), value, "uint8")
        beside.rename(folder / name)
        return folder / name

    return write


class Watcher:
    """`probav archive watch` in a process of its own."""

    def __init__(self, url, folder):
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "probav.cli",
                "archive",
                "watch",
                folder,
                "--archive",
                url,
                "--every",
                "0.3",
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines = []
        self._changed = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self._process.stdout:
            with self._changed:
                self.lines.append(line)
                self._changed.notify_all()

    def wait(self, words, seconds=60):
        """Wait for a line with some words after the last one waited for, and return it."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while True:
                for number, line in enumerate(self.lines):
                    if words in line:
                        del self.lines[: number + 1]
                        return line
                left = deadline - time.monotonic()
                assert left > 0, f"no {words!r} in {self.lines}"
                self._changed.wait(left)

    def end(self):
        self._process.send_signal(signal.SIGINT)
        code = self._process.wait(30)
        self._process.stdout.close()
        return code


def values(url, product=FAPAR):
    return probav.open_archive(url)[product].load(keep_dn=True).FAPAR[:, 0, 0].values.tolist()


def test_new_files_are_taken_in_as_they_arrive_and_later_runs_replace_earlier(tmp_path, fapar):
    url, folder = tmp_path / "archive", tmp_path / "incoming"
    (folder / "2015").mkdir(parents=True)
    (folder / "notes.txt").write_text("not a product")
    fapar(folder, "20150110", 0, 10)
    watcher = Watcher(url, folder)
    try:
        watcher.wait("Watching")
        watcher.wait("1 taken in")
        assert values(url) == [10]
        fapar(folder / "2015", "20150120", 0, 20)
        watcher.wait("1 taken in")
        assert values(url) == [10, 20]
        for run in (1, 6):  # consolidation steps of the first dekad
            fapar(folder, "20150110", run, 10 + run)
            watcher.wait("1 taken in")
            assert values(url) == [10 + run, 20]
        bad = folder / "c_gls_FAPAR-RT0_201501310000_GLOBE_PROBAV_V2.0.1.nc"
        bad.write_bytes(b"\x89HDF half of it")
        assert "1 rejected" in watcher.wait("0 taken in")
        watcher.wait(str(bad))
        bad.unlink()
        fapar(folder, "20150131", 0, 30)
        watcher.wait("1 taken in")
        assert values(url) == [16, 20, 30]
    finally:
        code = watcher.end()
    assert code == 0
    assert any("Watching ended" in line for line in watcher.lines)


def test_a_copy_under_way_is_left_alone(tmp_path, fapar):
    """A file that still grows is no rejected file: only what rests is looked at."""
    url, folder, elsewhere = tmp_path / "archive", tmp_path / "incoming", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    whole = fapar(elsewhere, "20150110", 6, 7).read_bytes()
    path = folder / "c_gls_FAPAR-RT6_201501100000_GLOBE_PROBAV_V2.0.1.nc"
    watcher = Watcher(url, folder)
    try:
        watcher.wait("Watching")
        with path.open("wb") as file:
            for start in range(0, len(whole), max(1, len(whole) // 15)):
                file.write(whole[start : start + max(1, len(whole) // 15)])
                file.flush()
                threading.Event().wait(0.1)  # a slow copy: what is tested
        line = watcher.wait("taken in")
        assert "1 taken in" in line
        assert "0 rejected" in line
    finally:
        watcher.end()


def test_a_folder_that_is_not_there_is_said_at_once(tmp_path):
    with pytest.raises(SourceError, match="is no folder"):
        next(probav.watch(tmp_path / "archive", tmp_path / "nowhere"))
