import json
import subprocess
import sys
import time

import numpy as np
import pytest

import probav
from probav.demo import create_demo, write_sources
from probav.errors import ArchiveError
from probav.readers import discover, open_granule

SMALL = {"years": (2016,), "size_degrees": 0.08}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    path = tmp_path_factory.mktemp("demo") / "data" / "archive"
    create_demo(path, progress=False, **SMALL)
    return path


def test_the_archive_holds_every_product(made):
    archive = probav.open_archive(str(made))
    assert {product.id: product.extent.dates for product in archive} == {
        "PROBAV_L3_S10_TOC_333M": 36, "CGLS_NDVI300_V1": 36, "CGLS_FAPAR_V2": 36, "CHIRPS_V2_DEKAD": 36,
        "CGLS_LC100_V3": 1,
    }  # fmt: skip
    assert sorted(path.name for path in made.parent.iterdir()) == [
        ".archive.lock",
        "archive",
        "archive-truth",
    ]


def test_the_archive_holds_what_the_sources_hold(made, tmp_path):
    write_sources(tmp_path, **SMALL)
    archive = probav.open_archive(str(made))
    best = {(granule.product, granule.date): granule for granule in discover(tmp_path)[0]}
    for (name, date), granule in best.items():
        product = archive[name]
        position = int(product.positions[np.flatnonzero(product.times == date)[0]])
        with open_granule(granule) as source:
            row, column = product.grid.offset_of(source.grid)
            window = np.s_[position, row : row + source.grid.height, column : column + source.grid.width]
            for variable in source.variables:
                assert np.array_equal(product.array(variable)[window], source.read(variable))


def test_a_second_call_does_nothing(made):
    before = probav.open_archive(str(made)).snapshot
    create_demo(made, progress=False, **SMALL)
    assert probav.open_archive(str(made)).snapshot == before


def test_a_killed_call_leaves_nothing_in_the_way(tmp_path, capsys):
    path = tmp_path / "archive"
    program = (
        f"from pathlib import Path; from probav.demo import create_demo; create_demo(Path({str(path)!r}))"
    )
    with subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.DEVNULL) as process:
        sources = tmp_path / ".archive.building" / "sources"
        deadline = time.monotonic() + 120
        while len(list(sources.glob("*.HDF5"))) < 2 and time.monotonic() < deadline:
            assert process.poll() is None
            time.sleep(0.05)
        process.kill()
    assert sources.is_dir()
    assert not path.exists()
    create_demo(path, **SMALL)
    shown = capsys.readouterr()
    assert "Writing demo sources: 100%" in shown.err
    assert "Taking them in: 100%" in shown.err
    assert len(probav.open_archive(str(path))) == 5
    assert not sources.exists()


def test_something_else_is_never_overwritten(tmp_path):
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive" / "letter.txt").write_text("dear")
    with pytest.raises(ArchiveError, match="something that is no demo archive"):
        create_demo(tmp_path / "archive", progress=False, **SMALL)
    (tmp_path / "archive-truth").mkdir()
    (tmp_path / "archive-truth" / "truth.json").write_text(json.dumps({"version": 0}))
    with pytest.raises(ArchiveError, match="a demo archive of version 0"):
        create_demo(tmp_path / "archive", progress=False, **SMALL)
    assert (tmp_path / "archive" / "letter.txt").read_text() == "dear"


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ArchiveError, match="can't be written"):
        create_demo(tmp_path / "file" / "archive", progress=False, **SMALL)
