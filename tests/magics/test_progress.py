"""Progress is one line: share, tasks, bytes, rates, time left, engine; and its last word stays."""

from __future__ import annotations

import io
import re
import sys

import pytest

from probav.execution.telling import tell
from probav_magics.progress import ProgressLine

PRODUCT = "PROBAV_L3_S10_TOC_333M"


class Kernel:
    """A shell with a kernel, as ProgressLine tells a notebook from a terminal."""

    kernel = True


@pytest.fixture
def displayed(monkeypatch):
    """All that is displayed: (data, whether it replaces the line before)."""
    shown = []

    class Handle:
        def update(self, data, raw):
            assert raw
            shown.append((data, True))

    def publish(data, raw, display_id):
        assert raw
        assert display_id
        shown.append((data, False))
        return Handle()

    monkeypatch.setattr("probav_magics.progress.publish", publish)
    return shown


@pytest.fixture
def clock(monkeypatch):
    """Two seconds pass from each look at the clock to the next."""
    now = iter(range(0, 1000, 2))
    monkeypatch.setattr("probav_magics.progress.time.monotonic", lambda: float(next(now)))


def test_a_quick_query_shows_no_progress(displayed):
    line = ProgressLine(Kernel())
    for done in range(1, 5):
        line(done, 4, done * 1000)
    assert displayed == []
    assert line.bytes == 4000


@pytest.mark.usefixtures("clock")
def test_a_long_query_shows_one_line_that_ends_as_its_last_word(displayed):
    with ProgressLine(Kernel()) as line:
        tell("spark")
        for done in range(1, 5):
            line(done, 4, done * 1_000_000)
    assert [replaces for _, replaces in displayed] == [False, True, True, True]
    assert all(set(data) == {"text/plain"} for data, _ in displayed)
    first, *_, last = (data["text/plain"] for data, _ in displayed)
    assert re.fullmatch(
        r"█{5}░{15}  25%  1 of 4 tasks \([0-9.]+/(s|min)\), 1\.0 MB read \([0-9.]+ .B/s\), [0-9]+ s left, "
        "engine spark",
        first,
    )
    assert re.fullmatch(
        r"█{20} 100%  4 of 4 tasks \([0-9.]+/(s|min)\), 4\.0 MB read \([0-9.]+ .B/s\), in [0-9]+ s, "
        "engine spark",
        last,
    )


@pytest.mark.usefixtures("clock")
def test_an_interrupted_query_says_how_far_it_came(displayed):
    line = ProgressLine(Kernel())
    line.__enter__()
    line(1, 4, 1_000_000)
    line.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert "25%  1 of 4 tasks" in displayed[-1][0]["text/plain"]
    assert "stopped after" in displayed[-1][0]["text/plain"]
    assert displayed[-1][1]


@pytest.mark.usefixtures("clock")
def test_a_terminal_gets_one_line_that_overwrites_itself(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stderr", Terminal())
    with ProgressLine(object()) as line:
        for done in range(1, 5):
            line(done, 4, 0)
    shown = sys.stderr.getvalue()
    assert shown.count("\r") == 4
    assert shown.count("\n") == 1
    assert shown.endswith("\n")
    assert "read" not in shown  # the bytes are not known


@pytest.mark.usefixtures("clock")
def test_elsewhere_there_is_nothing(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    line = ProgressLine(object())
    line(1, 4, 0)
    assert sys.stderr.getvalue() == ""


def test_quiet_is_quiet(displayed, monkeypatch):
    monkeypatch.setattr("probav_magics.progress._PATIENCE", 0)
    line = ProgressLine(Kernel(), quiet=True)
    line(1, 2, 5)
    assert displayed == []


def test_statistics_name_the_engine_that_auto_chose(run, shell, box, displayed, monkeypatch):
    monkeypatch.setattr("probav_magics.progress._PATIENCE", 0)
    monkeypatch.setattr("probav_magics.progress._PAUSE", 0)
    monkeypatch.setattr(type(shell), "kernel", True, raising=False)
    run(f"%probav aoi field --bbox {box} --quiet")
    line = f"%probav mask {PRODUCT} --aoi field --mask 'clear & land & ndvi > 0.1' --no-plot"
    assert run(line).error is None
    lines = [data["text/plain"] for data, _ in displayed]
    assert len(lines) > 1
    assert all("engine local" in line for line in lines)
    assert "100%" in lines[-1]
