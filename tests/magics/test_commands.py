"""Each command shows what the engine returns, and leaves exactly that in the user's variable."""

from __future__ import annotations

import re
import time

import geopandas as gpd
import pytest
import xarray as xr

import probav

PRODUCT = "PROBAV_L3_S10_TOC_333M"


@pytest.fixture
def product(demo_archive):
    return probav.open_archive(demo_archive)[PRODUCT]


def test_alone_it_shows_archive_products_and_what_to_type_next(run, demo_archive):
    cell = run("%probav")
    assert str(demo_archive) in cell.stdout
    assert PRODUCT in cell.stdout
    assert "36 dates, 2016-01-01 to 2016-12-21" in cell.stdout
    assert "%probav stats" in cell.stdout
    assert len(cell.stdout.splitlines()) < 25


def test_alone_it_shows_the_time_and_room_that_the_hub_has_given(run, monkeypatch):
    monkeypatch.setenv("PROBAV_SERVER_ENDS", str(time.time() + 5400))
    monkeypatch.setenv("PROBAV_HOME_LIMIT", str(20 << 30))
    shown = run("%probav").stdout
    assert ", 1.5 h from now" in shown
    assert "Home       21.5 GB at most" in shown or re.search(r"Home       \S+ \w+ used of", shown)


def test_alone_it_asks_spark_for_its_state_without_starting_it(run, shell):
    class Spark:
        def describe(self):
            return "not started: local[2]"

    shell.user_ns["spark"] = Spark()
    assert "Spark not started: local[2]" in run("%probav").stdout


def test_products_are_listed_and_filtered(run):
    assert PRODUCT in run("%probav products").text()
    rain = run("%probav products rain -o found").text()
    assert "CHIRPS" in rain
    assert PRODUCT not in rain
    assert run("print(list(found.index))").stdout == "['CHIRPS_V2_DEKAD']\n"


def test_extent_shows_a_map_and_the_tiles(run, shell, product):
    cell = run(f"%probav extent {PRODUCT} -o tiles")
    assert len(cell.pngs()) == 1
    assert "X18Y02" in cell.text()
    assert isinstance(shell.user_ns["tiles"], gpd.GeoDataFrame)
    assert shell.user_ns["tiles"].equals(product.footprint())


def test_an_aoi_from_a_box_is_the_engines(run, shell, box):
    cell = run(f"%probav aoi field --bbox {box}")
    assert shell.user_ns["field"].bounds == tuple(float(word) for word in box.split())
    assert len(cell.pngs()) == 1
    assert "field: 1 feature" in cell.stdout


def test_aois_from_point_place_and_file(run, shell, tmp_path):
    run("%probav aoi --point 4.5 50.5 --buffer 2")
    assert shell.user_ns["aoi"].area_km2 == pytest.approx(12.566, rel=0.01)
    run("%probav aoi country --place belgium --no-plot")
    assert list(shell.user_ns["country"].frame["name"]) == ["Belgium"]
    path = tmp_path / "two fields.geojson"
    gpd.GeoDataFrame(
        geometry=[b.geometry for b in shell.user_ns["country"].frame.itertuples()], crs=4326
    ).to_file(path)
    run(f"%probav aoi fields --file '{path}' --quiet")
    assert len(shell.user_ns["fields"]) == 1


def test_statistics_are_the_engines_to_the_last_bit_with_figure_and_table(run, shell, box, product):
    run(f"%probav aoi --bbox {box} --quiet")
    cell = run(f'%probav stats {PRODUCT} --aoi aoi --time 2016 --mask "clear & land" -o ts')
    expected = product.statistics(shell.user_ns["aoi"], "2016", "clear & land")
    xr.testing.assert_identical(shell.user_ns["ts"].drop_vars("geometry"), expected.drop_vars("geometry"))
    assert len(cell.pngs()) == 1
    assert "10 of 36 rows. ts: 1 zone × 36 dates" in cell.text()
    assert any("<table" in data.get("text/html", "") for data in cell.displays)
    assert cell.error is None


def test_every_option_of_statistics_reaches_the_engine(run, shell, box, product):
    run(f"%probav aoi --bbox {box} --quiet")
    run(
        f"%probav stats {PRODUCT} --aoi aoi --time 2016-05/2016-06 --variable RED --by landcover "
        "--reduce mean,max --coverage centre --weights area --engine local -o ts --quiet"
    )
    expected = product.statistics(
        shell.user_ns["aoi"], "2016-05/2016-06", by="landcover", variable="RED", reducers=("mean", "max"),
        coverage="centre", weights="area", engine="local",
    )  # fmt: skip
    xr.testing.assert_identical(shell.user_ns["ts"].drop_vars("geometry"), expected.drop_vars("geometry"))


@pytest.mark.parametrize(
    "aoi",
    [
        "Belgium",
        "4.1,51.3,4.2,51.4",
        '"4.1 51.3 4.2 51.4"',
        '"POLYGON ((4 51.3, 4.2 51.3, 4.2 51.4, 4 51.3))"',
    ],
)
def test_an_aoi_is_a_variable_a_name_a_box_or_wkt(run, shell, aoi):
    cell = run(f"%probav stats {PRODUCT} --aoi {aoi} --time 2016-05-01 -o ts --quiet")
    assert cell.error is None, cell.stderr
    assert shell.user_ns["ts"].sizes == {"zone": 1, "time": 1}


def test_pixels_are_the_engines(run, shell, box, product):
    run(f"%probav aoi --bbox {box} --quiet")
    cell = run(f"%probav load {PRODUCT} --aoi aoi --time 2016-05 --mask clear --variable NDVI,RED -o ds")
    expected = product.load(shell.user_ns["aoi"], "2016-05", "clear", variable=["NDVI", "RED"])
    xr.testing.assert_identical(shell.user_ns["ds"].compute(), expected.compute())
    assert len(cell.pngs()) == 1
    assert "ds: NDVI, RED; 3 dates" in cell.stdout


def test_code_is_python_that_gives_the_same(run, shell, box):
    run(f"%probav aoi --bbox {box} --quiet")
    line = f'stats {PRODUCT.lower()} --aoi aoi --time 2016-05 --mask "clear" --reduce mean,p10 -o ts'
    code = run(f"%probav {line} --code").stdout
    assert "ts" not in shell.user_ns
    run(code)
    by_code = shell.user_ns.pop("ts")
    run(f"%probav {line} --quiet")
    xr.testing.assert_identical(by_code.drop_vars("geometry"), shell.user_ns["ts"].drop_vars("geometry"))


def test_code_of_areas_can_be_run(run, shell, box):
    code = run(f"%probav aoi field --bbox {box} --code").stdout
    run(code)
    assert shell.user_ns["field"].bounds == tuple(float(word) for word in box.split())
    assert "buffer_km=2.0" in run("%probav aoi --point 4 50 --buffer 2 --code").stdout


def test_an_estimate_is_a_sentence(run, box):
    run(f"%probav aoi --bbox {box} --quiet")
    assert "chunks" in run(f"%probav estimate {PRODUCT} --aoi aoi --time 2016").stdout


def test_a_pinned_snapshot_is_used_until_the_latest_is_asked_for(run, demo_archive):
    history = probav.open_archive(demo_archive).history["snapshot"]
    assert history[0] in run("%probav snapshot").text()
    first = history.iloc[-2]  # the last one is the empty archive
    assert first in run(f"%probav snapshot {first}").stdout
    assert "pinned" in run("%probav").stdout
    assert f"snapshot='{first}'" in run("%probav products --code").stdout
    run("%probav snapshot latest")
    assert "the newest" in run("%probav").stdout


def test_quiet_and_no_plot(run, box):
    run(f"%probav aoi --bbox {box} --quiet")
    cell = run(f"%probav stats {PRODUCT} --aoi aoi --time 2016-05 --quiet")
    assert (cell.text().strip(), cell.pngs()) == ("", [])
    assert run(f"%probav stats {PRODUCT} --aoi aoi --time 2016-05 --no-plot").pngs() == []


def test_line_magics_expand_variables(run, shell):
    run(f"name = '{PRODUCT}'")
    run("%probav extent {name} -o tiles --quiet")
    assert len(shell.user_ns["tiles"]) == 1


def test_help_lists_commands_and_options(run):
    assert "%probav stats" in run("%probav --help").stdout
    assert "--coverage" in run("%probav stats --help").stdout


@pytest.mark.spark
def test_spark_gives_the_same_bits_and_the_notebooks_own_session_starts_it(run, shell, box, spark):
    started = []

    class Lazy:
        def session(self):
            started.append(True)
            return spark

    shell.user_ns["spark"] = Lazy()
    run(f"%probav aoi --bbox {box} --quiet")
    line = f"%probav stats {PRODUCT} --aoi aoi --time 2016-05 --quiet"
    run(f"{line} --engine spark -o far")
    run(f"{line} --engine local -o near")
    assert started == [True]
    xr.testing.assert_identical(*(shell.user_ns[name].drop_vars("geometry") for name in ("far", "near")))
