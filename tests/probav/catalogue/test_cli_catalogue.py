"""The commands `probav search` and `probav archive catalogue`."""

import pystac
import pytest

from probav import options
from probav.cli import catalogue
from probav.cli.terminal import group
from probav.errors import AoiError, QueryError

S10 = "PROBAV_L3_S10_TOC_333M"


@pytest.fixture
def run(world, tmp_path, monkeypatch, capsys):
    """Run a command line of these two commands and return what it prints."""
    monkeypatch.setenv("PROBAV_CATALOGUE", str(tmp_path / "counts"))

    def run(*arguments):
        parser = options.Parser("probav")
        commands = parser.add_subparsers(parser_class=options.Parser)
        catalogue.add(commands, group(commands, "archive", "archive"))
        parsed = parser.parse_args([*arguments, "--archive", world.url])
        parsed.run(parsed)
        return capsys.readouterr().out

    return run


def test_search_lists_items(run):
    shown = run("search", S10, "--bbox", "2.1,49,2.2,49.1", "--time", "2015-02/2015-03", "--limit", "5")
    assert f"{S10}_X18Y02_20150201" in shown
    assert shown.count(f"{S10}_X18Y02_") == 5
    assert "there may be more" in shown
    assert "(nothing)" in run("search", "--bbox", "100,-10,110,0")
    with pytest.raises(AoiError, match="W,S,E,N"):
        run("search", "--bbox", "France")


def test_catalogue_counts_clouds_and_writes(run, tmp_path):
    with pytest.raises(QueryError, match="--clouds"):
        run("search", S10, "--cloud-cover", "50")
    with pytest.raises(QueryError, match="FOLDER"):
        run("archive", "catalogue")
    assert "is known" in run("archive", "catalogue", "--clouds")
    assert S10 in run("search", S10, "--cloud-cover", "50")
    assert "catalog.json" in run("archive", "catalogue", str(tmp_path / "stac"))
    assert pystac.Catalog.from_file(str(tmp_path / "stac" / "catalog.json")).get_child(S10)
