"""One help: options with defaults, an example that runs, the same as a cell and in Python."""

from __future__ import annotations

import argparse
import shlex

import pandas as pd
import pytest
import xarray as xr
import yaml

from probav_magics import commands
from probav_magics.help import cell, page, python
from probav_magics.magic import answer_questions
from probav_magics.options import default_of
from probav_magics.query import cell_of, words_of

PRODUCT = "PROBAV_L3_S10_TOC_333M"
COMMANDS = commands.names()
WITH_EXAMPLE = [name for name in COMMANDS if commands.known(name).example]


def test_every_command_has_an_example():
    assert set(COMMANDS) == set(WITH_EXAMPLE)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_names_every_option_with_its_default(name):
    command = commands.known(name)
    words = " ".join(page(command).split())
    for action in command.parser()._actions:
        for option in action.option_strings:
            assert option in words
        default = default_of(action)
        if default is not None and not isinstance(action, argparse._HelpAction):
            assert f"default {default}" in words, action.dest


@pytest.mark.parametrize(
    "asked", ["%probav {}?", "%probav {} --help", "%probav help {}", "?%probav {}", "%%probav {}?"]
)
def test_help_can_be_asked_for_in_every_way(run, asked):
    for name in COMMANDS:
        shown = run(asked.format(name))
        assert shown.error is None
        assert shown.stdout == page(commands.known(name)) + "\n"


@pytest.mark.parametrize("asked", ["%probav?", "%probav --help", "%probav help", "?%probav"])
def test_the_overview_lists_every_command(run, asked):
    shown = run(asked).stdout
    assert [name for name in COMMANDS if f"%probav {name} " not in shown] == []


def test_help_of_nothing_names_near_commands(run):
    assert "Did you mean 'stats'" in run("%probav stast?").stderr
    assert "Did you mean 'stats'" in run("%probav help stast").stderr


@pytest.mark.parametrize(
    "lines",
    [
        ["x = 1\n"],
        ["%%writefile notes\n", "%probav stats?\n"],
        ['text = """\n', "%probav stats?\n", '"""\n'],
        ["%probav stats X --aoi field\n"],
        ["field?\n"],
    ],
)
def test_other_lines_stay_as_they_are(lines):
    assert answer_questions(list(lines)) == lines


def test_a_question_keeps_its_place_in_the_cell():
    lines = ["if True:\n", "    %probav stats X --aoi field?\n"]
    assert answer_questions(lines) == ["if True:\n", "    %probav stats --help\n"]


@pytest.fixture
def field(run, box):
    """What examples name: an area, and statistics of it."""
    run(f"%probav aoi field --bbox {box} --quiet")
    run(f"%probav stats {PRODUCT} --aoi field --time 2016-05 -o ts --quiet")


@pytest.mark.parametrize("name", [name for name in WITH_EXAMPLE if name != "spark"])  # that runs in a kernel
def test_example_cell_and_python_run_and_give_the_same(run, shell, field, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    command = commands.known(name)
    options = command.parser().parse_args(shlex.split(command.example)[2:])
    out = getattr(options, "out", None) or ("field" if name == "aoi" else None)
    results = []
    for source in (command.example, cell(command), python(command)):
        done = run(source) if source else None
        if done is not None:
            assert done.error is None, done.stderr
            results.append(shell.user_ns[out] if out else done.text())
    if out and name != "estimate":  # which says how long it takes
        for other in results[1:]:
            assert_same(results[0], other)


def assert_same(one, other):
    if isinstance(one, xr.Dataset):
        xr.testing.assert_identical(
            one.drop_vars("geometry", errors="ignore"), other.drop_vars("geometry", errors="ignore")
        )
    elif isinstance(one, pd.DataFrame):
        pd.testing.assert_frame_equal(one, other)
    else:
        assert one == other or one.digest == other.digest


@pytest.mark.parametrize("name", [name for name in WITH_EXAMPLE if name != "status"])
def test_the_python_in_the_help_is_what_code_prints(run, shell, field, name):
    if name == "spark":

        class Spark:
            def restart(self):
                """Never called."""

        shell.user_ns["spark"] = Spark()
    shown = run(f"{commands.known(name).example} --code")
    assert shown.error is None, shown.stderr
    assert shown.stdout.rstrip() == python(commands.known(name))


@pytest.mark.parametrize(
    "line",
    [
        'stats P --aoi field --mask "clear & ~cloud" --reduce mean,p10 --cache -o ts',
        "stats P --mask \"~shadow & landcover in (40, 'cropland')\" --aoi 'x: y # z'",
        "aoi field --bbox -4.5 50 -4 51 --no-plot",
        "spark restart --set a=1 --set b=2",
        "aoi --point 4.5 50.5 --buffer 2",
    ],
)
def test_a_line_as_a_cell_means_the_same(line):
    name, *words = shlex.split(line)
    command = commands.known(name)
    text = cell_of(command, words)
    head, _, body = text.partition("\n")
    assert head == f"%%probav {name}"
    assert isinstance(yaml.safe_load(body), dict)
    again = words_of([name], body)[1:]
    assert vars(command.parser().parse_args(again)) == vars(command.parser().parse_args(words))
