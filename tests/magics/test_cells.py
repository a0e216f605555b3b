"""A query as YAML means the same as on a line."""

from __future__ import annotations

import pytest
import xarray as xr
from IPython.core.error import UsageError

from probav_magics.query import words_of

PRODUCT = "PROBAV_L3_S10_TOC_333M"
QUERY = f"""
product: {PRODUCT}
aoi: here
time: 2016-05
mask: clear & land
reduce: [mean, p10]
no-plot: yes
quiet: no
out: ts
"""


def test_a_cell_becomes_the_words_of_a_line():
    assert words_of(["stats"], QUERY) == [
        "stats", PRODUCT, "--aoi=here", "--time=2016-05", "--mask=clear & land", "--reduce=mean,p10",
        "--no-plot", "--out=ts",
    ]  # fmt: skip


def test_the_cell_may_name_the_command_and_give_lists_of_numbers():
    words = words_of([], "aoi:\n  name: field\n  bbox: [-4.5, 50, -4, 51]\n")
    assert words == ["aoi", "field", "--bbox", "-4.5", "50", "-4", "51"]


def test_an_empty_cell_leaves_the_line_as_it_is():
    assert words_of(["products"], "\n") == ["products"]


def test_a_cell_runs_as_its_line(run, shell, box):
    run(f"%probav aoi here --bbox {box} --quiet")
    run(f"%%probav stats\n{QUERY}")
    by_cell = shell.user_ns.pop("ts")
    run(
        f"%probav stats {PRODUCT} --aoi here --time 2016-05 --mask 'clear & land' "
        "--reduce mean,p10 -o ts --quiet"
    )
    xr.testing.assert_identical(by_cell.drop_vars("geometry"), shell.user_ns["ts"].drop_vars("geometry"))


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("%%probav stats\nprodct: x", "no option 'prodct'. Did you mean 'product'"),
        ("%%probav stats\njust words", "expected lines like"),
        ("%%probav stats\na: [", "no YAML"),
        ("%%probav stats\nquiet: perhaps", "yes or no"),
        ("%%probav stats\naoi: {west: 3}", "a value or a list"),
        ("%%probav\nproduct: x\naoi: y", "Name the command"),
        ("%%probav stast\nproduct: x", "Did you mean 'stats'"),
    ],
)
def test_a_mistake_in_a_cell_is_one_message(run, cell, expected):
    result = run(cell)
    assert type(result.error) is UsageError
    assert expected in result.stderr
    assert "Traceback" not in result.text()
