"""A server whose budget is spent: first its user is warned, then it is stopped, and not before."""

from __future__ import annotations

import pytest

from probav_hub.accounting.enforcing import enforce, stopped, warnings
from probav_hub.accounting.recording import Recorder
from probav_hub.accounting.standing import moment
from probav_hub.accounting.totals import totals
from probav_hub.configuration import Accounting, Budget

MINUTE = 60.0
GIVEN = Accounting(warn_minutes=15, grace_minutes=5)


@pytest.fixture
def at(engine):
    """Look at servers at a minute; return whose are to be stopped."""

    def look(minute: float, servers, *budgets: Budget, given: Accounting = GIVEN) -> list[str]:
        now = minute * MINUTE
        Recorder(engine, "b").see(servers, now, now)
        return sorted(f"{stop.server.user}/{stop.server.server}" for stop in enforce(
            engine, given, budgets, servers, now))  # fmt: skip

    return look


HOUR_OF_A_CORE = Budget(name="hour", core_hours=1)


def test_a_warning_comes_first(engine, server, at):
    ann = [server(started=0.0)]
    assert at(40, ann, HOUR_OF_A_CORE) == []
    assert warnings(engine, "ann") == []
    assert at(50, ann, HOUR_OF_A_CORE) == []
    (text,) = warnings(engine, "ann")
    assert "the budget hour has 0.17 of 1.00 core-hours left. Save your work." in text
    assert at(59, ann, HOUR_OF_A_CORE) == []
    assert at(60, ann, HOUR_OF_A_CORE) == ["ann/"]


def test_nobody_is_stopped_without_the_time_of_grace(server, at):
    ann = [server(started=0.0)]
    assert at(120, ann, HOUR_OF_A_CORE) == []  # the service was not there before
    assert at(124, ann, HOUR_OF_A_CORE) == []
    assert at(125, ann, HOUR_OF_A_CORE) == ["ann/"]


def test_a_restarted_service_gives_no_new_grace(engine, server, at):
    ann = [server(started=0.0)]
    at(120, ann, HOUR_OF_A_CORE)
    engine.dispose()
    assert at(126, ann, HOUR_OF_A_CORE) == ["ann/"]


def test_only_servers_that_use_what_is_spent_are_stopped(server, at):
    servers = [server(started=0.0, executors=2.0), server(started=0.0, server="plain")]
    budget = Budget(name="spark", executor_hours=1)
    at(31, servers, budget)
    assert at(40, servers, budget) == ["ann/"]


def test_a_shared_budget_stops_all_who_use_it_and_nobody_else(engine, server, at):
    servers = [
        server(user="ann", started=0.0, groups=["course"]),
        server(user="bob", started=0.0, groups=["course"]),
        server(user="eve", started=0.0),
    ]
    budget = Budget(name="course", groups=("course",), shared=True, core_hours=1)
    at(24, servers, budget)  # 48 minutes are used, and 12 left are 6 for two
    assert warnings(engine, "ann")
    assert not warnings(engine, "eve")
    assert at(30, servers, budget) == ["ann/", "bob/"]


def test_a_warning_goes_when_there_is_room_again(engine, server, at):
    ann = [server(started=0.0)]
    at(55, ann, HOUR_OF_A_CORE)
    assert warnings(engine, "ann")
    at(56, ann, Budget(name="hour", core_hours=10))
    assert not warnings(engine, "ann")


def test_bytes_stop_no_server(server, at):
    assert at(1000, [server(started=0.0)], Budget(name="b", bytes_read="1K")) == []


def test_stops_are_kept_with_their_reason(engine, server, at):
    ann = [server(started=0.0, server="named")]
    at(70, ann, HOUR_OF_A_CORE)
    (stop,) = enforce(engine, GIVEN, [HOUR_OF_A_CORE], ann, 80 * MINUTE)
    stopped(engine, stop, 80 * MINUTE)
    assert stop.text.startswith(f"Your server named was stopped on {moment(80 * MINUTE)}")
    assert "you used 1.17 of 1.00 core-hours in the last 30 days" in stop.text
    assert totals(engine, 0)[0][0].amounts["core_hours"] == pytest.approx(70 / 60)
