"""The database of schedules: one run at a time, a bounded history, whose turn it is, what is due when."""

from __future__ import annotations

import sqlite3
import stat
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probav_hub.configuration import Schedules
from probav_hub.errors import HubError
from probav_hub.schedules import changes
from probav_hub.schedules.drafts import Rules
from probav_hub.schedules.scheduler import by_turn, due
from probav_hub.schedules.store import Store, failed_since_visit
from probav_hub.schedules.tables import Run

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
GIVEN = Schedules(history=3, pause_after=3)


@pytest.fixture
def store(tmp_path):
    made = Store(tmp_path / "schedules.sqlite")
    yield made
    made.close()


@pytest.fixture
def add(store):
    def add(name: str = "daily", user: str = "ada", cron: str = "0 6 * * *", **more):
        fields = {"name": name, "notebook": "a.ipynb", "cron": cron, **more}
        return changes.add(store, GIVEN, user, Rules(GIVEN, ["small"]).draft(fields), NOW.timestamp())

    return add


def finish(store, run, state="done", now=0.0, **fields):
    return store.finish(run.id, state, now, GIVEN.history, GIVEN.pause_after, **fields)


def test_it_is_private_and_says_when_it_can_not_be_used(tmp_path):
    file = tmp_path / "schedules.sqlite"
    Store(file).close()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(HubError, match=r"later version \(99\)"):
        Store(file)
    file = tmp_path / "damaged.sqlite"
    file.write_bytes(b"no database, but long enough to be read as the head of one" * 20)
    with pytest.raises(HubError, match="restore it from a backup"):
        Store(file)


def test_a_schedule_has_one_run_at_a_time(store, add):
    schedule = add()
    first = changes.run_now(store, schedule, 1.0)
    assert changes.run_now(store, schedule, 2.0) is None
    finish(store, first)
    assert changes.run_now(store, schedule, 3.0) is not None


def test_names_are_a_users_own_and_free_again_once_removed(store, add):
    first = add()
    assert "already" in add()
    assert add(user="ben").user == "ben"
    changes.remove(store, first, 1.0)
    assert add().name == "daily"
    assert [schedule.user for schedule in store.schedules()] == ["ada", "ben"]


def test_a_user_has_so_many_at_most(store):
    given = Schedules(per_user=2)
    rules, fields = Rules(given, []), {"notebook": "a.ipynb", "cron": "0 6 * * *"}
    made = [changes.add(store, given, "ada", rules.draft({**fields, "name": name}), 0) for name in "abc"]
    assert made[2] == "You have 2 schedules, as many as this hub allows: delete one first."


def test_what_is_due_is_due_once_and_later_moments_wait(store, add):
    add()
    assert store.due(NOW.timestamp()) == []
    late = datetime(2026, 3, 5, 6, 30, tzinfo=UTC)  # three mornings later
    (schedule,) = store.due(late.timestamp())
    run = due(store, schedule, late, GIVEN)
    assert datetime.fromtimestamp(run.moment, UTC) == late.replace(minute=0)
    assert store.due(late.timestamp()) == []
    (again,) = store.due((late + timedelta(days=1)).timestamp())
    assert due(store, again, late + timedelta(days=1), GIVEN) is None  # the first still goes on
    note = store.schedule(again.id).note
    assert note == "The moment 2026-03-06 06:00 was passed over: the run before still went on."


def test_what_was_missed_too_long_ago_is_not_caught_up_with(store, add):
    add()
    late = datetime(2026, 3, 5, 6, 30, tzinfo=UTC)
    (schedule,) = store.due(late.timestamp())
    assert due(store, schedule, late, Schedules(catch_up_hours=0.25)) is None
    assert "was missed: the hub did not run" in store.schedule(schedule.id).note
    assert store.due(late.timestamp()) == []


def test_a_pause_is_not_caught_up_with(store, add):
    schedule = add()
    changes.set_enabled(store, schedule, False, NOW.timestamp())
    assert store.due(NOW.timestamp() + 10 * 86400) == []
    later = NOW + timedelta(days=2)
    changes.set_enabled(store, store.schedule(schedule.id), True, later.timestamp())
    assert store.due(later.timestamp()) == []
    assert len(store.due(later.timestamp() + 86400)) == 1


def test_history_is_bounded_and_what_always_fails_is_paused(store, add):
    schedule = add()
    for number in range(6):
        run = changes.run_now(store, schedule, float(number))
        finish(store, run, "failed" if number > 2 else "done", float(number), error="cell 1")
    assert [run.moment for run in store.runs(schedule.id)] == [5.0, 4.0, 3.0]
    found = store.schedule(schedule.id)
    assert (found.enabled, found.note) == (False, "Paused: the last 3 runs failed.")
    changes.set_enabled(store, found, True, NOW.timestamp())
    assert store.schedule(schedule.id).failures == 0


def test_users_are_told_of_failures_until_they_have_looked(store, add, tmp_path):
    file = tmp_path / "schedules.sqlite"
    finish(store, changes.run_now(store, add(), 1.0), "failed", 10.0, error="Cell 1: no")
    assert failed_since_visit(file, "ada") == [("daily", "Cell 1: no")]
    assert failed_since_visit(file, "ben") == []
    store.visited("ada", 11.0)
    assert failed_since_visit(file, "ada") == []


def test_what_is_removed_is_forgotten_when_no_server_is_left(store, add):
    schedule = add()
    run = changes.run_now(store, schedule, 1.0)
    store.update(run.id, state="starting", server_left=True)
    changes.remove(store, schedule, 2.0)
    store.forget()
    assert store.run(run.id).state == "stopped"
    store.clean(run.id)
    store.forget()
    assert store.run(run.id) is None


@given(
    st.lists(st.sampled_from("abc"), max_size=12),
    st.lists(st.sampled_from("abc"), max_size=4),
    st.integers(1, 5),
)
def test_nobody_waits_for_ever_behind_one_who_has_many(waiting, going, at_once):
    runs = [Run(id=number, user=user) for number, user in enumerate(waiting)]
    chosen = by_turn(runs, Counter(going), at_once)
    assert len(chosen) == max(0, min(len(runs), at_once - len(going)))
    total = Counter(going) + Counter(run.user for run in chosen)
    left = {run.user for run in runs} - {run.user for run in chosen}
    for user in left:  # whoever had a turn had no more runs than who still waits
        assert all(total[run.user] - 1 <= total[user] for run in chosen)
