"""docs/magics.md says of every command what its parser says."""

import importlib.util
from pathlib import Path

import pytest

from probav_magics import commands

PAGE = Path(__file__).parents[1] / "docs" / "magics.md"


@pytest.fixture(scope="module")
def tables():
    spec = importlib.util.spec_from_file_location("magic_tables", PAGE.with_name("magic_tables.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_what_the_parsers_say(tables):
    text = PAGE.read_text(encoding="utf-8")
    assert tables.renewed(text) == text, "run `python docs/magic_tables.py`"


@pytest.mark.parametrize("name", commands.names())
def test_every_option_of_every_command_stands_there(name):
    section = PAGE.read_text(encoding="utf-8").partition(f"\n## {name}\n")[2].partition("\n## ")[0]
    for action in commands.known(name).parser()._actions:
        for option in action.option_strings:
            assert f"`{option}`" in section or action.dest == "help"
        assert action.option_strings or f"`{action.metavar or action.dest}`" in section


def test_a_page_without_a_place_for_commands_is_refused(tables):
    with pytest.raises(ValueError, match="no place for the commands"):
        tables.renewed("# Magics\n")
