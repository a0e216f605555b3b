import csv
import io
import os
import subprocess
import sys

import numpy as np
import pytest
import xarray as xr

import probav
from probav.cli import main

S10, COVER, RAIN, NDVI300 = "PROBAV_L3_S10_TOC_333M", "CGLS_LC100_V3", "CHIRPS_V2_DEKAD", "CGLS_NDVI300_V1"
BOX = "2.2,48.8,2.4,49"


@pytest.fixture
def run(world, capsys, monkeypatch):
    """Run a command line on the known archive; give its exit code, output and errors."""
    monkeypatch.setenv("PROBAV_ARCHIVE", world.url)

    def command(*arguments):
        code = main([str(argument) for argument in arguments])
        return code, *capsys.readouterr()

    return command


@pytest.fixture
def succeed(run):
    """Run a command line that has to work; give its output."""

    def command(*arguments):
        code, out, errors = run(*arguments)
        assert (code, errors) == (0, "")
        return out

    return command


# --- looking ------------------------------------------------------------------------------------------------


def test_without_a_command_it_says_what_there_is(succeed):
    out = succeed()
    for name in ("archive", "products", "extent", "stats", "estimate", "load"):
        assert f"\n    {name} " in out


@pytest.mark.parametrize("command", [["--help"], ["archive", "--help"], ["archive", "create-demo", "--help"],
                                     ["stats", "--help"], ["--version"]])  # fmt: skip
def test_help_and_version_end_well(run, capsys, command):
    with pytest.raises(SystemExit) as caught:
        run(*command)
    assert caught.value.code == 0
    out = capsys.readouterr().out
    assert out.startswith(f"probav {probav.__version__}" if command == ["--version"] else "usage: probav")


def test_products(succeed, world):
    table = succeed("products")
    for product in world.arrays:
        assert product in table
    assert "13020000" in table
    chosen = succeed("products", "copernicus")
    assert NDVI300 in chosen
    assert S10 not in chosen
    assert succeed("products", "nothing like it") == "(nothing)\n"


def test_extent(succeed):
    first, *table = succeed("extent", S10.lower()).splitlines()
    assert first.startswith(f"{S10}: 2.08185 to 3.00446 east, 48.60268 to 49.49554 north (EPSG:4326)")
    assert first.endswith("14 dates from 2015-01-01 to 2015-05-11")
    assert table[-1].split() == ["X18Y02", "2015-01-01", "2015-05-11", "14"]


def test_info(succeed, world):
    out = succeed("archive", "info")
    assert out.startswith(f"Archive {world.url}\nSnapshot {world.archive.snapshot}\n")
    assert "Archive created" in out
    assert RAIN in out


def test_the_archive_may_be_named(succeed, tmp_path):
    probav.create_archive(tmp_path / "new")
    assert succeed("products", "--archive", tmp_path / "new") == "(nothing)\n"
    assert f"Archive {tmp_path / 'new'}\n" in succeed("archive", "info", "--archive", tmp_path / "new")


# --- queries ------------------------------------------------------------------------------------------------


def rows(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_stats_are_the_engines_as_csv(succeed, world):
    table = rows(
        succeed("stats", S10, "--aoi", BOX, "--time", "2015-03", "--mask", "clear", "--reduce", "mean,p50")
    )
    result = world.archive[S10].statistics((2.2, 48.8, 2.4, 49), "2015-03", "clear", reducers=("mean", "p50"))
    assert [row["time"] for row in table] == ["2015-03-01", "2015-03-11", "2015-03-21"]
    for name in ("mean", "p50", "valid", "masked", "nodata", "outside", "count"):
        assert [float(row[name]) for row in table] == result[name].values[0].tolist()
    assert "geometry" not in table[0]


def test_stats_by_class_into_a_file(succeed, tmp_path):
    path = tmp_path / "table.csv"
    out = succeed("stats", S10, "--aoi", BOX, "--time", "2015-03-01", "--by", "landcover", "-o", path)
    lines = path.read_text().splitlines(keepends=True)
    table = rows("".join(line for line in lines if not line.startswith("#")))
    assert out == f"{len(table)} rows in {path}\n"
    assert len({row["class"] for row in table}) == len(table) > 2
    assert "cropland" in {row["class_name"] for row in table}


@pytest.mark.parametrize("form", ["file", "wkt", "geojson", "point", "west"])
def test_an_area_in_every_form(succeed, tmp_path, form):
    import json

    import shapely

    shape = shapely.box(2.2, 48.8, 2.4, 49)
    (tmp_path / "area.geojson").write_text(shapely.to_geojson(shape))
    text = {
        "file": str(tmp_path / "area.geojson"), "wkt": shape.wkt,
        "geojson": json.dumps(shape.__geo_interface__), "point": "2.5,49", "west": "-5,48.8,2.4,49",
    }[form]  # fmt: skip
    table = rows(succeed("stats", S10, "--aoi", text, "--time", "2015-03-01", "--reduce", "mean"))
    assert len(table) == 1
    outside = float(table[0]["outside"])
    assert (outside > 0) == (form == "west")


def test_estimate(succeed):
    out = succeed("estimate", S10, "--aoi", BOX, "--time", "2015-03", "--reduce", "mean")
    assert out.startswith("1 chunks, ")
    assert "with engine 'local'" in out


def test_load_writes_netcdf(succeed, world, tmp_path):
    path = tmp_path / "pixels.nc"
    out = succeed(
        "load", S10, "--aoi", BOX, "--time", "2015-03", "--mask", "clear", "--variable", "RED", "-o", path
    )
    expected = world.archive[S10].load((2.2, 48.8, 2.4, 49), "2015-03", "clear", variable="RED")
    assert out == f"{dict(expected.sizes)} in {path}\n"
    with xr.open_dataset(path) as written:
        np.testing.assert_array_equal(written.RED, expected.RED)
    succeed("load", RAIN, "--time", "2015-03-01", "-o", tmp_path / "rain.nc")


# --- filling ------------------------------------------------------------------------------------------------


def test_ingest_says_what_it_did(run, world, tmp_path):
    url = tmp_path / "new"
    (tmp_path / "holiday.tif").write_bytes(b"II*\0")
    code, out, _ = run("archive", "ingest", world.later, tmp_path / "holiday.tif", "--archive", url)
    assert code == 0
    assert out.startswith(f"{url}: 3 taken in, 0 already there, 0 older than what is there, 1 rejected (")
    assert f"rejected {tmp_path / 'holiday.tif'}: " in out
    _, out, _ = run("archive", "ingest", world.later, "--archive", url)
    assert "0 taken in, 3 already there" in out
    assert len(probav.open_archive(url)) == 3


def test_ingest_of_files_whose_names_say_nothing(succeed, run, world, tmp_path, sources):
    path = tmp_path / "rain of may.tif"
    sources.write_tif(path, world.later_arrays[RAIN]["RAINFALL"], world.transforms[RAIN], -9999)
    arguments = ["archive", "ingest", path, "--archive", tmp_path / "new", "--product", RAIN]
    code, _, errors = run(*arguments)
    assert code == 2
    assert "doesn't say its date; give date=" in errors
    assert "1 taken in" in succeed(*arguments, "--date", "2015-05-21")


def test_create_demo_leaves_alone_what_is_no_demo_archive(run, world):
    before = world.archive.snapshot
    code, out, errors = run("archive", "create-demo", world.url)
    assert (code, out) == (2, "")
    assert errors.startswith(f"probav: At {world.url} there is something that is no demo archive")
    assert probav.open_archive(world.url).snapshot == before


# --- mistakes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["stat", S10], "probav: argument COMMAND: invalid choice: 'stat' (choose from"),
        (["archive"], "probav archive: the following arguments are required: ACTION"),
        (["archive", "fill"], "invalid choice: 'fill'"),
        (["archive", "ingest"], "probav archive ingest: the following arguments are required: SOURCE"),
        (["archive", "ingest", "no/such/folder"], "probav: no/such/folder does not exist"),
        (["extent", "CHIRPS_V2"], "Did you mean 'CHIRPS_V2_DEKAD'"),
        (["extent"], "probav extent: the following arguments are required: PRODUCT"),
        (["products", "--archive", "no/such/archive"], "probav: There is no archive at "),
        (["stats", S10], "probav: --aoi is missing: file, place name"),
        (["stats", S10, "--aio", BOX],
        "probav stats: there is no option or argument '--aio'. Did you mean '--aoi'"), (["stats", S10,
        "--aoi", "10,20,11,21"], "lies outside of what the archive holds"), (["stats", S10, "--aoi",
        "1,2,3"], "Can't make an area of interest of a list"), (["stats", S10, "--aoi", "Belgim"],
        "Did you mean 'Belgium'"), (["stats", S10, "--aoi", BOX, "--time", "2016"],
        "has no date in 2016-01-01 to 2016-12-31"), (["stats", S10, "--aoi", BOX, "--mask", "cleer"],
        "Did you mean 'clear'"), (["stats", S10, "--aoi", BOX, "--reduce", "maen"], "Did you mean 'mean'"),
        (["stats", S10, "--aoi", BOX, "--by", "landcovr"], "'landcovr'"),
        (["stats", S10, "--aoi", BOX, "--coverage", "center"], "invalid choice: 'center'"),
        (["stats", S10, "--aoi", BOX, "--variable", "SM"], "Status map is no quantity that has a mean"),
        (["stats", S10, "--aoi", BOX, "-o", "no/such/folder/x.csv"], "no/such/folder"),
        (["load", S10, "--aoi", BOX], "required: --output/-o"),
        (["load", S10, "--aoi", BOX, "-o", "no/such/folder/x.nc"], "no/such/folder/x.nc"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_and_exit_code_2(run, arguments, words):
    code, out, errors = run(*arguments)
    assert (code, out) == (2, "")
    assert words in errors
    assert errors.startswith("probav")
    assert errors.count("\n") == 1
    assert "Traceback" not in errors


def test_an_interruption_is_no_traceback(run, world, tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(probav, "ingest", interrupted, raising=False)
    code, _, errors = run("archive", "ingest", world.later, "--archive", tmp_path / "new")
    assert (code, errors) == (130, "probav: interrupted; what was committed stays\n")


# --- as a process -------------------------------------------------------------------------------------------


@pytest.fixture
def process(world):
    """Start `python -m probav.cli` on the known archive."""

    def start(*arguments, **options):
        return subprocess.run(
            [sys.executable, "-m", "probav.cli", *arguments], env={**os.environ, "PROBAV_ARCHIVE": world.url},
            capture_output=True, text=True, timeout=120, **options,
        )  # fmt: skip

    return start


def test_a_process_prints_csv_alone_and_exits_with_the_code(process):
    done = process("stats", RAIN, "--aoi", BOX, "--time", "2015-03", "--reduce", "mean")
    assert (done.returncode, done.stderr) == (0, "")
    assert len(rows(done.stdout)) == 3
    done = process("stats", "CHIRPS", "--aoi", BOX)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("probav: The archive ")


def test_a_reader_that_stops_early_is_no_error(world):
    """As in `probav products | head -1`: the other end of the pipe is closed before anything is written."""
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "probav.cli", "products"], env={**os.environ, "PROBAV_ARCHIVE": world.url},
        stdout=writing, stderr=subprocess.PIPE, text=True, timeout=120,
    )  # fmt: skip
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_console_script_is_installed():
    from importlib.metadata import entry_points

    (script,) = entry_points(group="console_scripts", name="probav")
    assert script.load() is main
