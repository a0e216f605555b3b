"""`probav stats -o` and `probav load -o` write what the engine exports, and never over a file unasked."""

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import xarray as xr

from probav.cli import main

S10 = "PROBAV_L3_S10_TOC_333M"
BOX = (2.2, 48.8, 2.4, 49)
QUERY = (S10, "--aoi", ",".join(map(str, BOX)), "--time", "2015-03", "--mask", "clear")


@pytest.fixture
def run(world, capsys, monkeypatch):
    monkeypatch.setenv("PROBAV_ARCHIVE", world.url)

    def command(*words):
        code = main([str(word) for word in words])
        return code, *capsys.readouterr()

    return command


@pytest.mark.parametrize("name", ["x.csv", "x.parquet", "x.nc"])
def test_stats_go_to_the_format_of_the_suffix(run, world, tmp_path, name):
    code, out, _ = run("stats", *QUERY, "-o", tmp_path / name)
    assert (code, out) == (0, f"3 rows in {tmp_path / name}\n")
    read = {
        "x.csv": lambda path: pd.read_csv(path, comment="#"),
        "x.parquet": gpd.read_parquet,
        "x.nc": lambda path: xr.open_dataset(path)["mean"].to_dataframe(),
    }[name]
    expected = world.archive[S10].statistics(BOX, "2015-03", "clear")["mean"].to_numpy().ravel()
    np.testing.assert_allclose(read(tmp_path / name)["mean"], expected, rtol=1e-14)


def test_stats_on_the_terminal_are_a_plain_table(run):
    code, out, _ = run("stats", *QUERY)
    assert (code, out[:5]) == (0, "zone,")


def test_load_writes_geotiffs(run, world, tmp_path):
    code, out, _ = run("load", *QUERY, "--variable", "RED", "-o", tmp_path / "x.tif")
    expected = world.archive[S10].load(BOX, "2015-03", "clear", variable="RED")
    assert (code, out) == (0, f"{dict(expected.sizes)} in {tmp_path / 'x.tif'}\n")
    with rasterio.open(tmp_path / "x.tif") as file:
        np.testing.assert_array_equal(file.read(), expected["RED"].values)


def test_load_writes_a_file_a_date(run, tmp_path):
    code, out, _ = run("load", *QUERY, "--by-date", "--engine", "local", "-o", tmp_path / "x.tif")
    names = [f"x_2015-03-{day}.tif" for day in ("01", "11", "21")]
    assert (code, sorted(file.name for file in tmp_path.iterdir())) == (0, names)
    assert out.endswith(" in " + ", ".join(str(tmp_path / name) for name in names) + "\n")


def test_the_engines_that_write_files_are_few(run, tmp_path):
    code, _, errors = run("load", *QUERY, "--engine", "livy", "-o", tmp_path / "x.tif")
    assert code == 2
    assert "'auto', 'local', 'spark'" in errors


@pytest.mark.parametrize(("command", "name"), [("stats", "x.csv"), ("load", "x.nc")])
def test_a_file_is_replaced_only_with_overwrite(run, tmp_path, command, name):
    (tmp_path / name).write_bytes(b"old")
    code, out, errors = run(command, *QUERY, "-o", tmp_path / name)
    assert (code, out) == (2, "")
    assert errors.startswith(f"probav: {tmp_path / name} exists and was left as it is")
    assert errors.count("\n") == 1
    assert (tmp_path / name).read_bytes() == b"old"
    assert run(command, *QUERY, "-o", tmp_path / name, "--overwrite")[0] == 0
    assert (tmp_path / name).read_bytes() != b"old"


@pytest.mark.parametrize(
    ("command", "name", "words"),
    [
        ("stats", "x.tif", "would hold pixels, what load() returns"),
        ("load", "x.parquet", "would hold statistics, what statistics() returns"),
        ("stats", "x.cvs", "Did you mean '.csv'"),
        ("load", "no/such/x.nc", "there is no folder"),
    ],
)
def test_a_wrong_name_is_told_before_anything_is_read(run, tmp_path, command, name, words, monkeypatch):
    monkeypatch.setattr("probav.archive.Product.statistics", None)
    monkeypatch.setattr("probav.archive.Product.load", None)
    code, _, errors = run(command, *QUERY, "-o", tmp_path / name)
    assert code == 2
    assert words in errors
