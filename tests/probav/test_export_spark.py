"""Spark's executors write the files that threads write, to the last byte; a file is whole or not there."""

import hashlib
import os
import pickle
import shutil
import signal
import stat
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import rasterio
import xarray as xr
from affine import Affine

import probav
from probav.errors import EngineError, ProbavError, QueryError
from probav.execution import spark as spark_engine
from probav.exporting import cog, on_spark, pieces

S10, COVER, RAIN = "PROBAV_L3_S10_TOC_333M", "CGLS_LC100_V3", "CHIRPS_V2_DEKAD"
BOX = (2.2, 48.75, 2.85, 49.3)


@pytest.fixture(scope="module")
def pixels(world):
    return world.archive[S10].load(BOX, "2015-01/2015-02", "clear & land", variable=["NDVI", "RED", "SM"])


def digests(folder):
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(folder.iterdir())}


def new(folder, name):
    (folder / name).mkdir()
    return folder / name


# --- a file a date --------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".tif", ".nc"])
def test_each_date_has_its_file(pixels, tmp_path, suffix):
    chosen = pixels.isel(time=slice(0, 5))
    chosen = chosen if suffix == ".nc" else chosen[["NDVI"]]
    files = probav.export(chosen, tmp_path / f"x{suffix}", by_date=True)
    dates = [f"2015-{month}-{day}" for month, day in [("01", d) for d in ("01", "11", "21")]]
    assert [file.name for file in files[:3]] == [f"x_{date}{suffix}" for date in dates]
    assert sorted(files) == sorted(tmp_path.iterdir())
    for number, file in enumerate(files):
        if suffix == ".nc":
            with xr.open_dataset(file, engine="h5netcdf", decode_coords="all") as again:
                np.testing.assert_array_equal(again["NDVI"], chosen["NDVI"].isel(time=[number]))
                np.testing.assert_array_equal(again["time_bnds"], chosen["time_bnds"].isel(time=[number]))
        else:
            with rasterio.open(file) as again:
                np.testing.assert_array_equal(again.read(), chosen["NDVI"].isel(time=[number]).values)
                assert again.descriptions == (str(chosen["time"].values[number])[:10],)


def test_a_date_is_the_file_that_its_date_alone_makes(pixels, tmp_path, monkeypatch):
    several = new(tmp_path, "several")
    probav.export(pixels, several / "x.tif", by_date=True)
    assert len(digests(several)) == 3 * pixels.sizes["time"]
    one = new(tmp_path, "one")
    probav.export(pixels.isel(time=[4]), one / "x.tif", by_date=True)
    assert digests(one).items() <= digests(several).items()
    monkeypatch.setattr(pieces, "_HELD", 0)  # nothing fits: block by block
    block = new(tmp_path, "block")
    monkeypatch.setenv("PROBAV_THREADS", "1")
    probav.export(pixels, block / "x.tif", by_date=True)
    assert digests(block) == digests(several)


def test_pieces_are_enough_for_the_writers_and_no_larger_than_a_chunk(pixels):
    parts = {Path("a.tif"): pixels[["NDVI"]], Path("b.tif"): pixels[["RED"]]}
    count = pixels.sizes["time"]
    for at_once in (1, 2, 5, 100):
        found = pieces.cut(parts, True, at_once)
        assert len(found) >= min(at_once, 2 * count)
        assert max(len(piece.names) for piece in found) <= 12
        assert len({name for piece in found for name in piece.names}) == 2 * count


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d.isel(time=0), "has no dimension time"),
        (lambda d: d.isel(time=[0, 0]), "two of its dates are the same"),
    ],
)
def test_dates_that_make_no_files(pixels, tmp_path, change, words):
    with pytest.raises(ProbavError, match=words):
        probav.export(change(pixels), tmp_path / "x.tif", by_date=True)
    assert list(tmp_path.iterdir()) == []


def test_steps_are_told_to_the_last(pixels, tmp_path):
    for name, by_date in [("a.tif", True), ("b.tif", False), ("c.nc", True), ("d.nc", False)]:
        calls = []
        few = pixels[["NDVI", "RED"]].isel(time=[0, 1, 2])
        tell = calls.append
        probav.export(few, tmp_path / name, by_date=by_date, progress=lambda *call, tell=tell: tell(call))
        assert calls[-1] == (calls[-1][1], calls[-1][1], 0)
        done = [call[0] for call in calls]
        assert done == sorted(set(done))


def test_pixels_travel_as_what_to_read(world, pixels):
    data = pickle.dumps(pixels)
    assert len(data) < 40_000 < pixels.nbytes / 50
    xr.testing.assert_identical(pickle.loads(data), pixels)
    coarse = world.archive[S10].load(BOX, "2015-02", "clear", like=RAIN, resampling="mean")
    xr.testing.assert_identical(
        pickle.loads(pickle.dumps(coarse.isel(y=slice(2, 9)))), coarse.isel(y=slice(2, 9))
    )
    assert on_spark.travels({"": coarse.isel(y=slice(2, 9))})
    assert not on_spark.travels({"": coarse.compute()})
    assert not on_spark.travels({"": coarse + 1})


def test_a_series_of_two_products_travels_too(keep, tmp_path):
    random, transform = np.random.default_rng(5), Affine(0.01, 0, 2, 0, -0.01, 49)
    early, late = ({"NDVI": random.integers(0, 250, (3, 30, 40)).astype("uint8")} for _ in range(2))
    first = keep(early, transform, role="before")
    days = np.datetime64("2021-01-01") + np.arange(3)
    second = keep(late, transform, days=days, role="series", into=first.store.url)
    joined = probav.combine(probav.open_archive(first.store.url)[first.id], second).load()
    assert joined.sizes["time"] == 6
    assert on_spark.travels({"": joined})
    xr.testing.assert_identical(pickle.loads(pickle.dumps(joined)), joined)


# --- mistakes -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"engine": "livy"}, "engine='livy' writes no files.* shares no folder"),
        ({"engine": "sparc"}, "no engine 'sparc' to write files.*Did you mean 'spark'"),
    ],
)
def test_no_such_engine(pixels, tmp_path, options, words):
    with pytest.raises(QueryError, match=words):
        probav.export(pixels, tmp_path / "x.tif", **options)
    assert list(tmp_path.iterdir()) == []


def test_pixels_that_are_here_go_nowhere(pixels, tmp_path):
    with pytest.raises(QueryError, match="this dataset holds pixels, dask chunks or other sources"):
        probav.export(pixels.isel(time=[0, 1]).compute(), tmp_path / "x.tif", by_date=True, engine="spark")
    assert list(tmp_path.iterdir()) == []


def test_statistics_are_written_here(world, tmp_path):
    series = world.archive[S10].statistics(BOX, "2015-01")
    for options in ({"engine": "spark"}, {"by_date": True}):
        with pytest.raises(QueryError, match="is for the pixels of load"):
            probav.export(series, tmp_path / "x.csv", **options)
    assert list(tmp_path.iterdir()) == []


def test_one_file_stays_here_and_that_is_said(pixels, tmp_path):
    with pytest.warns(UserWarning, match=r"x.nc is one file, which one process writes, so this one does"):
        probav.export(pixels, tmp_path / "x.nc", engine="spark")
    assert [file.name for file in tmp_path.iterdir()] == ["x.nc"]


def test_an_interrupt_of_threads_leaves_nothing(world, tmp_path, monkeypatch):
    monkeypatch.setenv("PROBAV_THREADS", "2")
    many = world.archive[S10].load(variable=["NDVI", "RED", "NIR", "BLUE", "SWIR", "SM"])
    begun = threading.Event()

    def interrupt():
        begun.wait(60)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        probav.export(many, tmp_path / "x.tif", by_date=True, progress=lambda *_: begun.set())
    thread.join()
    assert list(tmp_path.iterdir()) == []


# --- Spark ----------------------------------------------------------------------------------------------


@pytest.mark.spark
@pytest.mark.parametrize(("name", "by_date"), [("x.tif", True), ("x.nc", True), ("x.tif", False)])
def test_the_same_bytes(spark, pixels, tmp_path, name, by_date):
    ours, theirs = new(tmp_path, "local"), new(tmp_path, "spark")
    calls = []
    pixels = pixels.isel(time=[0, 1, 2])
    here = probav.export(pixels, ours / name, by_date=by_date, engine="local")
    there = probav.export(
        pixels, theirs / name, by_date=by_date, engine="spark", progress=lambda *call: calls.append(call)
    )
    assert [file.name for file in here] == [file.name for file in there]
    assert digests(ours) == digests(theirs)
    assert len(here) == (1 if name == "x.nc" else 3) * (pixels.sizes["time"] if by_date else 1)
    assert calls[-1] == (calls[-1][1], calls[-1][1], 0)


@pytest.mark.spark
def test_stored_numbers_and_other_grids_too(spark, world, tmp_path):
    ours, theirs = new(tmp_path, "local"), new(tmp_path, "spark")
    stored = world.archive[S10].load(BOX, "2015-03", "landcover != 50", variable=["NDVI", "SM"], keep_dn=True)
    coarse = world.archive[S10].load(BOX, "2015-02", "clear", like=RAIN, resampling="mean")
    for folder, engine in ((ours, "local"), (theirs, "spark")):
        probav.export(stored, folder / "dn.tif", by_date=True, engine=engine)
        probav.export(coarse, folder / "km.nc", by_date=True, engine=engine)
    assert digests(ours) == digests(theirs)
    assert len(digests(ours)) == 9


@pytest.mark.spark
def test_relative_names_and_files_that_exist(spark, pixels, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    two = pixels[["NDVI"]].isel(time=[0, 1])
    files = probav.export(two, "x.tif", by_date=True, engine="spark")
    assert [str(file) for file in files] == ["x_2015-01-01.tif", "x_2015-01-11.tif"]
    before = digests(tmp_path)
    with pytest.raises(ProbavError, match=r"x_2015-01-01.tif exists and was left as it is"):
        probav.export(two, "x.tif", by_date=True, engine="spark")
    probav.export(two, "x.tif", by_date=True, engine="spark", overwrite=True)
    assert digests(tmp_path) == before


@pytest.mark.spark
def test_an_executor_that_sees_another_folder_says_so_in_one_line(spark, pixels, tmp_path):
    parts = {"x.tif": pixels[["NDVI"]]}
    gone = tmp_path / "where" / ".x-1234"
    with pytest.raises(
        EngineError, match=f"doesn't see {gone.parent} as the notebook does: name a file"
    ) as caught:
        on_spark.write_all(cog, parts, pieces.cut({Path("x.tif"): parts["x.tif"]}, True, 2), gone, print)
    assert "\n" not in str(caught.value)


def test_a_file_that_this_process_does_not_see(pixels, tmp_path, monkeypatch):
    monkeypatch.setattr(spark_engine, "each", lambda *_: iter([(0, 12, b"x_2015-01-01.tif")]))
    with pytest.raises(EngineError, match=r"wrote x_2015-01-01.tif \(12 bytes\).*finds no such file there"):
        on_spark.write_all(cog, {"x.tif": pixels[["NDVI"]]}, [], tmp_path, print)


def written(pixels, folder, names=("x_2015-01-01.tif", "x_2015-01-11.tif")):
    """What an executor says of the files of a piece that it writes, here in this process."""
    shared = pickle.dumps((on_spark._versions(), str(folder), cog.__name__, pickle.dumps({"x.tif": pixels})))
    *files, (_, nameless) = on_spark.write_one(shared, pickle.dumps(pieces.Piece("x.tif", 0, names)))
    assert nameless == b""  # of what was read
    return files


def test_a_task_that_is_tried_again_writes_the_same(pixels, tmp_path):
    first = written(pixels[["NDVI"]], tmp_path)
    before = digests(tmp_path)
    (tmp_path / ".killed").mkdir()  # of a first try that was killed
    (tmp_path / ".killed" / "x_2015-01-01.tif").write_bytes(b"half")
    assert written(pixels[["NDVI"]], tmp_path) == first
    shutil.rmtree(tmp_path / ".killed")
    assert digests(tmp_path) == before
    assert [name.decode() for _, name in first] == list(before)


def test_an_executor_with_another_library(pixels, tmp_path, monkeypatch):
    other = {**on_spark._versions(), "GDAL": "2.0"}
    shared = pickle.dumps((other, str(tmp_path), cog.__name__, b""))
    with pytest.raises(RuntimeError, match=r"probav: the executor on .* the notebook xarray .*, GDAL 2.0, "):
        list(on_spark.write_one(shared, b""))


def test_an_executor_that_may_not_write(pixels, ordinary_user):
    folder, rights = ordinary_user
    inner = new(folder, "inner")
    here = pixels[["NDVI"]].compute()
    with rights(), pytest.raises(RuntimeError, match=f"can't write to {folder}: .*Permission denied"):
        written(here, inner)


def test_the_folder_of_the_moment_lets_in_whom_the_target_does(pixels, tmp_path, monkeypatch):
    tmp_path.chmod(0o770)
    seen = []

    def modes(module, parts, todo, folder, *_):
        seen.append(stat.S_IMODE(folder.stat().st_mode))
        raise EngineError("enough")

    monkeypatch.setattr(on_spark, "write_all", modes)
    monkeypatch.setattr("probav.execution.spark.parallelism", lambda: 2)
    monkeypatch.setattr("probav.exporting.local.write_all", modes)
    for engine in ("spark", "local"):
        with pytest.raises(EngineError, match="enough"):
            probav.export(pixels, tmp_path / "x.tif", engine=engine)
    assert seen == [0o770, 0o700]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.spark
def test_an_interrupt_leaves_nothing(spark, world, tmp_path):
    many = world.archive[S10].load(variable=["NDVI", "RED", "NIR", "BLUE", "SWIR", "SM"])

    def interrupt():
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if any(tmp_path.glob(".x-*/x_*.tif")):
                break
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        probav.export(many, tmp_path / "x.tif", by_date=True, engine="spark")
    thread.join()
    deadline = time.monotonic() + 10
    while list(tmp_path.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.spark
def test_auto_takes_spark_where_it_is_faster_and_writes_the_same(spark, pixels, tmp_path, monkeypatch):
    from probav.execution import telling

    ours, theirs = new(tmp_path, "local"), new(tmp_path, "spark")
    pixels = pixels[["NDVI", "SM"]]
    probav.export(pixels, ours / "x.tif", by_date=True, engine="local")
    monkeypatch.setattr("probav.execution.spark.parallelism", lambda: 1000)  # a cluster
    monkeypatch.setattr("probav.execution.JOB", 0.0)
    engines = []
    with telling.told(engines.append):
        probav.export(pixels, theirs / "x.tif", by_date=True)
    assert engines == ["spark"]
    assert digests(ours) == digests(theirs)
