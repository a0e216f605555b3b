"""What would take more memory than there is says so before it does, with the remedy."""

from __future__ import annotations

import pytest

from probav import memory

PRODUCT = "PROBAV_L3_S10_TOC_333M"


@pytest.fixture
def field(run, box):
    run(f"%probav aoi field --bbox {box} --quiet")


@pytest.mark.usefixtures("field")
def test_with_memory_enough_nothing_is_said(run):
    assert run(f"%probav stats {PRODUCT} --aoi field -o ts --quiet").stderr == ""
    assert run(f"%probav load {PRODUCT} --aoi field -o ds --quiet").stderr == ""


@pytest.mark.usefixtures("field")
def test_statistics_that_may_not_fit_say_so_in_one_line_and_go_on(run, shell, monkeypatch):
    monkeypatch.setattr(memory, "free", lambda: 1000)
    cell = run(f"%probav stats {PRODUCT} --aoi field -o ts --quiet --reduce histogram")
    assert cell.error is None
    first = cell.stderr.splitlines()[0]
    assert first.startswith("Memory: statistics of 1 zones take about ")
    assert "1.0 kB are free" in first
    assert "--time" in first
    assert "ts" in shell.user_ns


@pytest.mark.usefixtures("field")
def test_pixels_that_do_not_fit_say_so_when_they_are_kept(run, monkeypatch):
    monkeypatch.setattr(memory, "free", lambda: 1000)
    cell = run(f"%probav load {PRODUCT} --aoi field -o ds --quiet")
    assert len(cell.stderr.splitlines()) == 1
    assert "ds, when it is read, takes about" in cell.stderr
    assert "%probav export ds FILE.nc" in cell.stderr


@pytest.mark.usefixtures("field")
def test_a_system_that_says_nothing_of_memory_is_believed(run, monkeypatch):
    monkeypatch.setattr(memory, "free", lambda: None)
    assert run(f"%probav load {PRODUCT} --aoi field -o ds --quiet").stderr == ""
