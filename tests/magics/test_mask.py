"""%probav mask shows the engine's counts as chart, map and table, and leaves them in the variable."""

from __future__ import annotations

import pytest
import xarray as xr

import probav

PRODUCT = "PROBAV_L3_S10_TOC_333M"
MASK = "clear & land & ndvi > 0.1"


def test_a_mask_is_explained_by_chart_map_and_table(run, shell, box, demo_archive):
    run(f"%probav aoi field --bbox {box} --quiet")
    cell = run(f'%probav mask {PRODUCT} --aoi field --time 2016-05 --mask "{MASK}" -o why')
    product = probav.open_archive(demo_archive)[PRODUCT]
    expected = product.explain_mask(shell.user_ns["field"], "2016-05", MASK)
    xr.testing.assert_identical(shell.user_ns["why"].drop_vars("geometry"), expected.drop_vars("geometry"))
    assert len(cell.pngs()) == 2
    assert all(png.startswith(b"\x89PNG") for png in cell.pngs())
    assert "Chart: why pixels are left out" in cell.text()
    assert "Map: why pixels are left out on 2016-05-" in cell.text()
    assert "why: 3 dates together" in cell.text()
    for words in ("reason", "pixels", "share", "alone", "not clear", "no data"):
        assert words in cell.text()


def test_a_date_of_the_map_no_figures_nothing_and_the_code(run, shell, box):
    run(f"%probav aoi field --bbox {box} --quiet")
    line = f"%probav mask {PRODUCT} --aoi field --time 2016-05 --mask clear"
    assert "left out on 2016-05-21" in run(f"{line} --map 2016-05-21").text()
    assert run(f"{line} --no-plot").pngs() == []
    assert run(f"{line} --quiet").text().strip() == ""
    code = run(f"{line} --coverage centre -o why --code").stdout
    assert (
        "why = archive['PROBAV_L3_S10_TOC_333M'].explain_mask(field, time='2016-05', mask='clear', " in code
    )
    assert "coverage='centre')" in code
    run(code)
    assert shell.user_ns["why"].sizes["time"] == 3


def test_as_yaml(run, shell, box):
    run(f"%probav aoi field --bbox {box} --quiet")
    lines = [f"product: {PRODUCT}", "aoi: field", "time: 2016-05", "mask: ~cloud & land", "out: why"]
    run("\n".join(["%%probav mask", *lines, "no-plot: yes"]))
    assert shell.user_ns["why"]["reason"].values.tolist()[0] == "cloud"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--aoi field", "--mask is missing"),
        ("--aoi field --mask '!cloud'", "'Not' is ~: ~cloud."),
        ("--aoi field --mask clouds", "Did you mean 'cloud'?"),
        ("--aoi field --mask clear --map 2016-05", "A map of reasons is of one date"),
        ("--mask clear", "--aoi is missing"),
    ],
)
def test_mistakes_are_one_line(run, box, options, words):
    run(f"%probav aoi field --bbox {box} --quiet")
    cell = run(f"%probav mask {PRODUCT} --time 2016-05 {options}")
    assert words in str(cell.error)
    assert "Traceback" not in cell.text()
