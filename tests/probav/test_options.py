import argparse

import pytest

from probav import options
from probav.errors import QueryError


@pytest.fixture
def parse():
    """Parse a line of the options of `stats`."""
    parser = options.Parser("stats")
    options.add_statistics(parser, aoi_help="where")
    return lambda *arguments: parser.parse_args(["X", *arguments])


@pytest.fixture
def parse_load():
    """Parse a line of the options of `load`."""
    parser = options.Parser("load")
    options.add_load(parser, aoi_help="where")
    return lambda *arguments: parser.parse_args(["X", *arguments])


def test_nothing_given_means_the_engines_defaults(parse, parse_load):
    assert options.statistics_arguments(parse()) == {}
    assert options.load_arguments(parse_load()) == {}


def test_options_become_the_engines_arguments(parse, parse_load):
    parsed = parse(
        "--time", "2015-03/2015-10", "--mask", "clear & land", "--by", "landcover", "--variable", "NDVI",
        "--reduce", "mean, p10,,p90", "--coverage", "centre", "--weights", "area", "--engine", "spark",
        "--by-time", "month", "--cache",
    )  # fmt: skip
    assert options.statistics_arguments(parsed) == {
        "by_time": "month", "cache": True,
        "time": "2015-03/2015-10", "mask": "clear & land", "by": "landcover", "variable": "NDVI",
        "reducers": ("mean", "p10", "p90"), "coverage": "centre", "weights": "area", "engine": "spark",
    }  # fmt: skip
    several = parse("--by", "landcover,SM", "--variable", "NDVI,RED")
    assert options.statistics_arguments(several) == {"by": ("landcover", "SM"), "variable": ("NDVI", "RED")}
    loaded = parse_load(
        "--time", "2015-03/2015-10", "--mask", "clear & land", "--variable", "NDVI, RED", "--keep-dn",
        "--like", "OTHER", "--resampling", "mean",
    )  # fmt: skip
    assert options.load_arguments(loaded) == {
        "time": "2015-03/2015-10", "mask": "clear & land", "variable": ("NDVI", "RED"), "keep_dn": True,
        "like": "OTHER", "resampling": "mean",
    }  # fmt: skip


def test_they_are_arguments_that_the_engine_takes(parse, parse_load):
    import inspect

    from probav.loading import load
    from probav.statistics import statistics

    parsed = parse("--time", "2015", "--mask", "m", "--by", "b", "--variable", "v", "--reduce", "max",
                   "--coverage", "touched", "--weights", "area", "--engine", "local", "--by-time", "year",
                   "--cache")  # fmt: skip
    assert set(options.statistics_arguments(parsed)) <= set(inspect.signature(statistics).parameters)
    loaded = parse_load("--time", "2015", "--mask", "m", "--variable", "v", "--keep-dn", "--like", "p",
                        "--resampling", "mode")  # fmt: skip
    assert set(options.load_arguments(loaded)) <= set(inspect.signature(load).parameters)


@pytest.mark.parametrize("box", ["-5,40,3.5,44", "-.5,40,3,44", "-5.25,-10,3,4"])
def test_a_box_west_of_greenwich_is_no_option(parse, box):
    assert parse("--aoi", box).aoi == box


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--aio", "2,48"], "stats: there is no option or argument '--aio'. Did you mean '--aoi'"),
        (["--aio=2,48"], "there is no option or argument '--aio'. Did you mean '--aoi'"),
        (["--tim", "2015"], "Did you mean '--time'"),  # never taken for an abbreviation
        (["--reducer", "mean"], "Did you mean '--reduce'"),
        (["second"], "there is no option or argument 'second'"),
        (["--coverage", "center"], "'fraction', 'centre', 'touched'"),
        (["--engine", "sparc"], "'auto', 'local', 'spark'"),
        (["--time"], "argument --time: expected one argument"),
    ],
)
def test_mistakes_are_raised_with_near_options(parse, arguments, words):
    with pytest.raises(QueryError) as caught:
        parse(*arguments)
    assert words in str(caught.value)


def test_a_missing_product_is_named():
    parser = options.Parser("stats")
    options.add_product(parser)
    with pytest.raises(QueryError, match="stats: the following arguments are required: PRODUCT"):
        parser.parse_args([])
    assert isinstance(parser.parse_args(["X"]), argparse.Namespace)
