"""A new sub-command is one small class in one file: help, completion, cell and near misses come with it."""

from __future__ import annotations

import sys
import textwrap

import pytest
from IPython.core.completer import provisionalcompleter

from probav_magics import commands

MODULE = """
from probav_magics.commands.base import Command, python_call
from probav_magics.options import add_output, add_product


class _Dates(Command):
    name = "dates"
    help = "List the dates of a product."
    example = "%probav dates PROBAV_L3_S10_TOC_333M -o days --order down"

    def add_options(self, parser):
        add_product(parser)
        parser.add_argument("--order", choices=("up", "down"), default="up", help="which comes first")
        add_output(parser)

    def run(self, options, session):
        if options.code:
            session.say(python_call(session, options, "footprint"))
            return
        days = session.archive()[options.product].times
        session.store(options.out, days[::-1] if options.order == "down" else days)


COMMAND = _Dates()
"""


@pytest.fixture
def dates(tmp_path, monkeypatch):
    (tmp_path / "dates.py").write_text(textwrap.dedent(MODULE))
    monkeypatch.setattr(commands, "__path__", [*commands.__path__, str(tmp_path)])
    yield
    sys.modules.pop("probav_magics.commands.dates", None)


def offered(shell, line):
    with provisionalcompleter():
        return {completion.text for completion in shell.Completer.completions(line, len(line))}


@pytest.mark.usefixtures("dates")
def test_a_file_is_all_a_command_needs(run, shell):
    run("%probav dates probav_l3_s10_toc_333m -o days --order down")
    assert str(shell.user_ns["days"][0]) == "2016-12-21"
    run("%%probav\ndates:\n  product: PROBAV_L3_S10_TOC_333M\n  out: days")
    assert str(shell.user_ns["days"][0]) == "2016-01-01"
    assert "%probav dates " in run("%probav?").stdout
    help_page = run("%probav dates?").stdout
    for words in (
        "which comes first (default up)",
        "order: down",
        "days = archive['PROBAV_L3_S10_TOC_333M']",
    ):
        assert words in help_page
    assert "dates" in offered(shell, "%probav da")
    assert offered(shell, "%probav dates PROBAV_L3_S10_TOC_333M --order ") >= {"up", "down"}
    assert "Did you mean 'dates'" in run("%probav daets").stderr
    assert "Did you mean '--order'" in run("%probav dates PROBAV_L3_S10_TOC_333M --ordr up").stderr


def test_without_the_file_there_is_no_such_command(run):
    assert "no command 'dates'" in run("%probav dates").stderr
