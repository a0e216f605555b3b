"""Whatever words or YAML come, a command succeeds or says in one line what is wrong: never a traceback."""

from __future__ import annotations

import string

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from IPython.core.error import UsageError

from probav_magics import commands
from probav_magics.dispatch import dispatch

PRODUCT = "PROBAV_L3_S10_TOC_333M"
NAMES = commands.names()
OPTIONS = sorted({option for name in NAMES for option in commands.known(name).parser().options()})
VALUES = [
    PRODUCT, PRODUCT.lower(), "CHIRPS_V2_DEKAD", "field", "number", "text", "ts", "nothing", "Belgium",
    "2016", "2016-05", "2016-05/2016-07", "2016-13", "/", "0000", "clear", "clear & land", "~cloud",
    "clear &", "landcover == 'crop'", "ndvi > 0.1", "NDVI", "NDVI,RED", "SM", ",", "mean", "mean,p10",
    "p101", "area", "histogram", "local", "auto", "fraction", "centre", "bilinear", "4.1,51.3,4.2,51.4",
    "1 2 3", "-1", "181", "nan", "inf", "1e400", "latest", "show", "a.csv", "b.tif", "c.nc", ".", "..",
    "/proc/1/mem", "no/such/folder/x.csv", "", " ", "'", "é", "\0", "{}", "[1]", "POINT (4.1 51.4)",
    "POLYGON EMPTY", '{"type": "Point"}',
]  # fmt: skip
TEXTS = st.one_of(st.sampled_from(VALUES), st.text(string.printable, max_size=12), st.text(max_size=6))
PIECES = st.one_of(st.sampled_from(OPTIONS), TEXTS)
QUERIES = st.recursive(
    TEXTS | st.integers() | st.floats() | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(PIECES, inner, max_size=4),
    max_leaves=8,
)
FUZZ = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture
def attempt(run, shell, box, tmp_path, monkeypatch):
    """Run words as a line, or YAML as a cell, and let through nothing but success and a user's mistake."""
    monkeypatch.chdir(tmp_path)
    run(f"%probav aoi field --bbox {box} --quiet")
    run(f"%probav stats {PRODUCT} --aoi field --time 2016-05 -o ts --quiet")
    run("number, text = 3, 'a text'")
    session = shell.magics_manager.registry["ProbavMagics"].session()

    def attempt(line: str, cell: str | None = None) -> str:
        try:
            dispatch(line, cell, session)
        except UsageError as error:
            mistake = error
        else:
            return ""
        assert type(mistake) is UsageError
        assert str(mistake).strip()
        return str(mistake)

    return attempt


def quoted(word: str) -> str:
    return word if word.isidentifier() else "'" + word.replace("'", "'\"'\"'") + "'"


@FUZZ
@given(name=st.sampled_from(NAMES), words=st.lists(PIECES, max_size=6))
def test_any_words(attempt, name, words):
    attempt(" ".join([name, *map(quoted, words), "--quiet"]))


@FUZZ
@given(
    name=st.sampled_from(["stats", "load", "mask", "estimate"]),
    options=st.dictionaries(
        st.sampled_from(
            ["aoi", "time", "mask", "variable", "by", "reduce", "coverage", "engine", "like", "map"]
        ),
        TEXTS,
    ),
)
def test_any_values_of_a_query(attempt, name, options):
    given_options = {"aoi": "field", "time": "2016-05", "mask": "clear"} | options
    if given_options.get("engine") in ("spark", "livy"):
        return
    words = " ".join(f"--{option} {quoted(value)}" for option, value in given_options.items())
    attempt(f"{name} {PRODUCT} {words} --quiet --no-plot")
    attempt(f"{name} {PRODUCT} {words} --code")


@FUZZ
@given(line=st.text(string.printable, max_size=40) | TEXTS)
def test_any_line(attempt, line):
    attempt(line)


@FUZZ
@given(name=st.sampled_from([*NAMES, ""]), query=QUERIES)
def test_any_yaml(attempt, name, query):
    attempt(name, yaml.safe_dump(query, allow_unicode=True))


@FUZZ
@given(name=st.sampled_from([*NAMES, ""]), cell=st.text(string.printable, max_size=60) | st.text(max_size=30))
def test_any_text_in_a_cell(attempt, name, cell):
    attempt(name, cell)


@pytest.mark.parametrize(
    "cell", ["a: &x [*x]", "[" * 5000, "!!python/object:os.system x: y", "{" * 3000, "? [a]\n: b"]
)
def test_yaml_that_means_harm(attempt, cell):
    assert attempt("stats", cell)
