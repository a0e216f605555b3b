"""`probav mask` prints what the engine counts."""

import pytest

import probav
from probav.cli import main
from probav.explanation import mask_table

S10 = "PROBAV_L3_S10_TOC_333M"


@pytest.fixture
def run(world, capsys, monkeypatch):
    monkeypatch.setenv("PROBAV_ARCHIVE", world.url)

    def command(*arguments):
        return main(list(arguments)), *capsys.readouterr()

    return command


def test_the_table_is_the_engines(world, run):
    mask = "clear & land & ndvi > 0.1"
    code, out, errors = run("mask", S10, "--aoi", "2.2,48.8,2.4,49", "--time", "2015-02", "--mask", mask)
    assert (code, errors) == (0, "")
    table = mask_table(probav.explain_mask(world.archive[S10], (2.2, 48.8, 2.4, 49), "2015-02", mask))
    lines = [line.strip() for line in out.splitlines()]
    assert lines[0].split() == ["reason", "pixels", "share", "alone"]
    assert len(lines) == len(table) + 1
    for line, row in zip(lines[1:], table.itertuples(), strict=True):
        assert line.startswith(row.reason)
        assert f"{row.pixels:.2f}" in line
        assert f"{row.share:.2%}" in line


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "--mask is missing: which pixels count"),
        (["--mask", "clear && land"], "'And' is one &"),
        (["--mask", "clouds"], "Did you mean 'cloud'?"),
        (["--mask", "clear", "--coverage", "bilinear"], "invalid choice: 'bilinear'"),
        (["--mask", "clear", "--variable", "NDVI,RED"], "explained for one variable"),
    ],
)
def test_mistakes_are_one_line(run, arguments, words):
    code, out, errors = run("mask", S10, "--aoi", "2.2,48.8,2.4,49", *arguments)
    assert (code, out) == (2, "")
    assert words in errors
    assert len(errors.splitlines()) == 1
