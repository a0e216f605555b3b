"""What a schedule may say."""

from __future__ import annotations

import pytest

from probav_hub.configuration import Schedules
from probav_hub.schedules.drafts import DraftError, Rules, parameters

RULES = Rules(Schedules(least_minutes=15, longest_minutes=60, timezone="Europe/Brussels"), ["small", "large"])
FIELDS = {"name": "daily", "notebook": "maps/trend of 2016.ipynb", "cron": "0 6 * * *"}


def errors(**changes) -> dict[str, str]:
    with pytest.raises(DraftError) as caught:
        RULES.draft({**FIELDS, **changes})
    return caught.value.errors


def test_the_hub_says_what_is_left_out():
    draft = RULES.draft({**FIELDS, "minutes": "30", "profile": "large"})
    assert (draft.timezone, draft.minutes, draft.profile, draft.mail) == (
        "Europe/Brussels", 30, "large", "failure",
    )  # fmt: skip
    assert RULES.draft(FIELDS).minutes == 60


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd.ipynb", "../b/home.ipynb", "a/../../x.ipynb", "a//b.ipynb", "./a.ipynb", "a.py",
     ".ssh/a.ipynb", "a\n.ipynb", "a\0.ipynb", ".ipynb", "x" * 400 + ".ipynb", ""],
)  # fmt: skip
def test_paths_stay_in_the_home(path):
    assert set(errors(notebook=path)) == {"notebook"}


@pytest.mark.parametrize("name", ["", "Daily", "a/b", "..", "-a", "a" * 41, "a b", "ä"])
def test_names_are_folders(name):
    assert errors(name=name) == {
        "name": "expected small letters, digits and hyphens, 40 at most, such as daily-ndvi"
    }


@pytest.mark.parametrize(
    "given",
    [{"for": 1}, {"a b": 1}, {"a.b": 1}, {"x": float("nan")}, {"x": "y" * 9000}, {"x": "\0"},
     {"import os; x": 1}],
)  # fmt: skip
def test_parameters_are_names_and_values(given):
    assert set(errors(parameters=given)) == {"parameters"}


def test_nested_too_deeply_is_no_crash():
    with pytest.raises(DraftError, match="parameters"):
        parameters("[" * 100_000)
    with pytest.raises(DraftError, match="names and values"):
        parameters("[1]")
    assert parameters(" ") == {}


def test_all_that_is_wrong_is_said_at_once():
    found = errors(cron="*/5 * * * *", minutes=90, profile="larg", timezone="UTC")
    assert found == {
        "cron": "it would run every 5 min; this hub allows every 15 min and less often",
        "minutes": "runs may take 60 minutes on this hub",
        "profile": "there is none 'larg' for you. Did you mean 'large'?",
    }
    assert set(errors(timezone="Mars", crown="x", mail="often")) == {"crown", "mail"}
    assert set(errors(timezone="Mars")) == {"timezone"}
