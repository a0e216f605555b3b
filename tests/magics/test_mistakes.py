"""Every mistake is one line that says what to do; never a traceback, and the notebook goes on."""

from __future__ import annotations

import pytest
from IPython.core.error import UsageError

PRODUCT = "PROBAV_L3_S10_TOC_333M"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("stat x", "no command 'stat'. Did you mean 'stats'"),
        (f"stats {PRODUCT} --aio here", "no option --aio. Did you mean '--aoi'"),
        ("stats --aoi here", "required: PRODUCT"),
        (f"stats {PRODUCT}", "--aoi is missing"),
        (f"stats {PRODUCT[:-1]} --aoi here", f"Did you mean '{PRODUCT}'"),
        (f"stats {PRODUCT} --aoi heer", "no variable 'heer'. Did you mean 'here'?"),
        (f"stats {PRODUCT} --aoi Belgim", "Did you mean 'Belgium'"),
        (f"stats {PRODUCT} --aoi number", "The variable number holds no area"),
        (f"stats {PRODUCT} --aoi nofile.geojson", "no file nofile.geojson"),
        (f"stats {PRODUCT} --aoi 10,10,11,11", "outside"),
        (f"stats {PRODUCT} --aoi here --mask cler", "Did you mean 'clear'"),
        (f"stats {PRODUCT} --aoi here --mask 'clear &'", "mask"),
        (f"stats {PRODUCT} --aoi here --mask clear & land", "quotes"),
        (f"stats {PRODUCT} --aoi here --time 2016-13", "2016-13"),
        (f"stats {PRODUCT} --aoi here --time 1999", "1999"),
        (f"stats {PRODUCT} --aoi here --reduce mena", "Did you mean 'mean'"),
        (f"stats {PRODUCT} --aoi here --coverage center", "there is no 'center'. Did you mean 'centre'?"),
        (f"stats {PRODUCT} --aoi here --engine sprk", "there is no 'sprk'. Did you mean 'spark'?"),
        (f"stats {PRODUCT} --aoi here --variable NDV", "Did you mean 'NDVI'"),
        (f"stats {PRODUCT} --aoi here -o 2ts", "'2ts' is no name for a Python variable"),
        (f"stats {PRODUCT} --aoi here -o class", "'class' is no name for a Python variable"),
        (f"stats {PRODUCT} --aoi \"here", "quotes"),
        ("products nothing-like-it", "Known: "),
        ("aoi --bbox 1 2 3", "--bbox"),
        ("aoi --bbox 1 2 3 x", "'x'"),
        ("aoi --bbox 1 5 2 3", "south < north"),
        ("aoi --point 4 50", "go together"),
        ("aoi --place Belgim", "Did you mean 'Belgium'"),
        ("aoi --place Belgium --bbox 1 2 3 4", "not allowed"),
        ("aoi number", "The variable number holds a int"),
        ("snapshot NOSUCH", "NOSUCH"),
        ("load CHIRPS_V2_DEKAD --aoi here --variable NDVI", "NDVI"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line(run, shell, box, line, expected):
    run(f"%probav aoi here --bbox {box} --quiet")
    run("number = 3")
    before = {name for name in shell.user_ns if not name.startswith("_")}
    cell = run(f"%probav {line}")
    assert type(cell.error) is UsageError  # IPython prints a traceback for any other, subclasses included
    assert cell.stderr.startswith("UsageError: ")
    assert expected in cell.stderr
    assert "Traceback" not in cell.text()
    assert len(cell.stderr.strip().splitlines()) == 1
    assert {name for name in shell.user_ns if not name.startswith("_")} == before
    assert run("%probav").error is None


def test_no_archive_at_all_is_said_too(run, monkeypatch, tmp_path):
    monkeypatch.setenv("PROBAV_ARCHIVE", str(tmp_path / "nothing"))
    cell = run("%probav")
    assert type(cell.error) is UsageError
    assert str(tmp_path / "nothing") in cell.stderr


def test_an_interrupt_ends_quietly_and_stops_the_cells_behind(run, shell, box, monkeypatch):
    from probav.archive import Product

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    run(f"%probav aoi here --bbox {box} --quiet")
    monkeypatch.setattr(Product, "statistics", interrupted)
    cell = run(f"%probav stats {PRODUCT} --aoi here -o ts")
    assert cell.stderr == "UsageError: Interrupted.\n"
    assert isinstance(cell.error, UsageError)
    assert "ts" not in shell.user_ns


def test_spark_that_can_not_start_is_said(run, shell, box):
    class Lazy:
        def session(self):
            raise RuntimeError("There is no Java.")

    shell.user_ns["spark"] = Lazy()
    run(f"%probav aoi here --bbox {box} --quiet")
    cell = run(f"%probav stats {PRODUCT} --aoi here --engine spark")
    assert cell.stderr == "UsageError: Spark can't start: There is no Java.\n"
