"""%probav export writes what a variable holds, or says in one line why not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import rasterio
from IPython.core.error import UsageError

PRODUCT = "PROBAV_L3_S10_TOC_333M"


@pytest.fixture
def results(run, shell, box):
    run(f"%probav aoi field --bbox {box} --quiet")
    run(f"%probav stats {PRODUCT} --aoi field --time 2016-05 -o ts --quiet")
    run(f"%probav load {PRODUCT} --aoi field --time 2016-05 -o ds --quiet")
    return shell.user_ns["ts"], shell.user_ns["ds"]


def test_statistics_and_pixels_become_files(run, results, tmp_path):
    series, pixels = results
    cell = run(f"%probav export ts {tmp_path / 'ts.csv'}")
    assert cell.stdout.startswith(f"{tmp_path / 'ts.csv'}: ")
    table = pd.read_csv(tmp_path / "ts.csv", comment="#", float_precision="round_trip")
    np.testing.assert_array_equal(table["mean"], series["mean"].to_numpy().ravel())
    assert run(f"%probav export ds {tmp_path / 'ds.tif'} --quiet").text().strip() == ""
    with rasterio.open(tmp_path / "ds.tif") as file:
        np.testing.assert_array_equal(file.read(), pixels["NDVI"].values)


def test_the_code_does_the_same(run, results, tmp_path):
    line = f"%probav export ts {tmp_path / 'ts.csv'} --overwrite"
    code = run(f"{line} --code").stdout
    assert code == f"import probav\n\nprobav.export(ts, {str(tmp_path / 'ts.csv')!r}, overwrite=True)\n"
    assert not (tmp_path / "ts.csv").exists()
    run(code)
    first = (tmp_path / "ts.csv").read_bytes()
    run(line)
    assert (tmp_path / "ts.csv").read_bytes() == first


def test_a_file_a_date(run, results, tmp_path):
    line = f"%probav export ds {tmp_path / 'ds.tif'} --by-date"
    assert run(f"{line} --code").stdout.endswith(f"{str(tmp_path / 'ds.tif')!r}, by_date=True)\n")
    said = run(line).stdout
    names = [f"ds_2016-05-{day}.tif" for day in ("01", "11", "21")]
    assert sorted(file.name for file in tmp_path.iterdir()) == names
    assert [text.split(": ")[0] for text in said.splitlines()] == [str(tmp_path / name) for name in names]


def test_a_cell_of_yaml(run, results, tmp_path):
    assert run(f"%%probav export\nname: ts\nfile: {tmp_path / 'ts.csv'}\noverwrite: yes").error is None
    assert (tmp_path / "ts.csv").exists()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("export tss x.csv", "no variable 'tss'. Did you mean 'ts'?"),
        ("export ts", "required: FILE"),
        ("export field x.csv", "Can't export a Aoi"),
        ("export ts x.tif", "would hold pixels"),
        ("export ts there.csv", "exists and was left as it is"),
        ("export ts x.csv --overwite", "Did you mean '--overwrite'"),
    ],
)
def test_a_mistake_is_one_line(run, results, tmp_path, monkeypatch, line, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.csv").write_bytes(b"old")
    cell = run(f"%probav {line}")
    assert type(cell.error) is UsageError
    assert words in cell.stderr
    assert len(cell.stderr.strip().splitlines()) == 1
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {"there.csv": b"old"}
