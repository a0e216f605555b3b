from __future__ import annotations

import sqlite3
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from probav_hub.errors import HubError
from probav_hub.sandbox.accounts import FIRST, Accounts


def test_each_has_a_number_and_keeps_it(tmp_path):
    accounts = Accounts(tmp_path)
    assert [accounts.user(name) for name in ("ann", "ben", "ann")] == [FIRST, FIRST + 1, FIRST]
    assert Accounts(tmp_path).user("ben") == FIRST + 1


def test_a_group_has_another_number_than_a_user_of_its_name(tmp_path):
    accounts = Accounts(tmp_path)
    assert accounts.user("forest") != accounts.group("forest")


def test_no_number_is_given_twice(tmp_path):
    accounts = Accounts(tmp_path)
    number = accounts.user("ann")
    with sqlite3.connect(accounts.file) as database:
        database.execute("DELETE FROM account")
    assert accounts.user("ann") == number + 1


def test_many_at_once_get_different_ones(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda name: Accounts(tmp_path).user(f"user{name}"), range(40)))
    assert len(set(found)) == 40


def test_only_the_hub_reads_the_file(tmp_path):
    Accounts(tmp_path).user("ann")
    assert stat.S_IMODE((tmp_path / "accounts.sqlite").stat().st_mode) == 0o600


@pytest.mark.parametrize("name", ["", "..", ".ssh", "a/b", "a:b", "a\nroot:x:0:0", "-rf", "a" * 65, "a b"])
def test_a_name_that_is_no_folder_is_refused(tmp_path, name):
    with pytest.raises(HubError, match="can have no folder"):
        Accounts(tmp_path).user(name)
