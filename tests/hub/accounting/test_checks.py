"""Budgets that can't be meant are found before the hub starts."""

from __future__ import annotations

import sqlite3

import pytest

from probav_hub.accounting.checks import problems
from probav_hub.configuration import Configuration

PROFILES = [
    {"name": "small", "title": "Small", "cpu": 1, "memory": "2G"},
    {
        "name": "large",
        "title": "Large",
        "cpu": 12,
        "memory": "64G",
        "spark_executors": 8,
        "groups": ["staff"],
    },
]


@pytest.fixture
def found():
    def look(budgets, **changes) -> dict[str, str]:
        given = Configuration.model_validate({"profiles": PROFILES, "budgets": budgets, **changes})
        return {setting: f"{what} {remedy}" for setting, what, remedy in problems(given)}

    return look


def test_budgets_that_have_room_are_fine(found):
    assert found([{"name": "all", "core_hours": 100, "memory_hours": 500, "executor_hours": 50}]) == {}
    assert found([{"name": "all", "bytes_read": "1K"}]) == {}


def test_a_profile_that_never_starts(found):
    wrong = found([{"name": "all", "core_hours": 1.9, "memory_hours": 500}])
    assert set(wrong) == {"budgets.all.core_hours"}
    assert "profile large never starts: 10 minutes of it" in wrong["budgets.all.core_hours"]
    assert "2.00 core-hours" in wrong["budgets.all.core_hours"]


def test_a_profile_of_other_groups_does_not_matter(found):
    assert found([{"name": "guests", "groups": ["guests"], "core_hours": 1.9}]) == {}
    assert set(found([{"name": "staff", "groups": ["staff"], "executor_hours": 1}])) == {
        "budgets.staff.executor_hours"
    }


def test_users_whom_nobody_lets_in(found):
    login = {"method": "first-use", "allowed_users": ["ann", "bob"], "admins": ["boss"]}
    budgets = [{"name": "some", "users": ["anne", "boss"], "bytes_read": "1G"}]
    assert "Did you mean 'ann'?" in found(budgets, authentication=login)["budgets.some.users"]
    assert found(budgets) == {}  # anybody may log in


def test_the_token_of_prometheus(found, tmp_path):
    file = tmp_path / "token"
    given = {"metrics_token_file": file}
    assert "can't be read" in found([], accounting=given)["accounting.metrics_token_file"]
    file.write_text("short")
    file.chmod(0o600)
    assert "32 characters" in found([], accounting=given)["accounting.metrics_token_file"]
    file.write_text("0123456789abcdef" * 2)
    assert found([], accounting=given) == {}


def test_a_damaged_database_is_found_before_the_hub_starts(found, tmp_path):
    (tmp_path / "accounting.sqlite").write_text("no database")
    wrong = found([], state=tmp_path)
    assert "accounting.sqlite can't be used: file is not a database" in wrong["accounting"]
    (tmp_path / "accounting.sqlite").unlink()
    assert found([], state=tmp_path) == {}
    assert not (tmp_path / "accounting.sqlite").exists()


def test_a_newer_versions_database_is_not_touched(found, tmp_path):
    with sqlite3.connect(tmp_path / "accounting.sqlite") as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    assert "is of version 99" in found([], state=tmp_path)["accounting"]
