"""What is left of budgets, for whom; what is refused, and when there is room again."""

from __future__ import annotations

import pytest

from probav_hub.accounting.recording import Recorder, read
from probav_hub.accounting.standing import DAY, lines, moment, refusal, standings
from probav_hub.configuration import Budget, Profile

HOUR = 3600.0
SMALL = Profile(name="small", title="Small", cpu=1, memory="2G")
LARGE = Profile(name="large", title="Large", cpu=4, memory="16G", spark_executors=2)


@pytest.fixture
def ran(engine, server):
    """Keep that a user's server ran from an hour to another, counted from the first."""

    def keep(user: str, begin: float, end: float, *groups: str, **reserved: float) -> None:
        one = server(user=user, started=begin * HOUR, groups=groups, **reserved)
        Recorder(engine, "b").see([one], end * HOUR, end * HOUR)

    return keep


def of(engine, budget, user, groups=(), now=0.0):
    found = standings(engine, [budget], user, groups, now * HOUR)
    return {each.resource.name: each for each in found}


def test_each_user_has_a_budget_alone(engine, ran):
    ran("ann", 0, 3)
    ran("bob", 0, 5)
    budget = Budget(name="all", core_hours=4, memory_hours=10)
    ann, bob = of(engine, budget, "ann", now=5), of(engine, budget, "bob", now=5)
    assert ann["core_hours"].used == pytest.approx(3)
    assert ann["memory_hours"].used == pytest.approx(6)
    assert not ann["core_hours"].is_spent
    assert bob["core_hours"].is_spent
    assert bob["core_hours"].left == 0


def test_a_shared_budget_is_one_for_all_members_then(engine, ran):
    ran("ann", 0, 3, "course")
    ran("bob", 0, 5, "staff", "course")
    ran("eve", 0, 9)
    budget = Budget(name="course", groups=("course",), shared=True, core_hours=10)
    assert of(engine, budget, "cyd", ["course"], now=9)["core_hours"].used == pytest.approx(8)
    everybody = Budget(name="all", shared=True, core_hours=10)
    assert of(engine, everybody, "cyd", now=9)["core_hours"].used == pytest.approx(17)


def test_a_budget_is_for_its_groups_and_users(engine):
    budget = Budget(name="some", groups=("course",), users=("ann",), bytes_read="1G")
    assert of(engine, budget, "ann")
    assert of(engine, budget, "bob", ["course"])
    assert not of(engine, budget, "bob", ["staff"])


def test_old_use_counts_no_more_and_half_old_use_half(engine, ran):
    ran("ann", 0, 4)
    budget = Budget(name="day", days=1, core_hours=10)
    assert of(engine, budget, "ann", now=24)["core_hours"].used == pytest.approx(4)
    assert of(engine, budget, "ann", now=26)["core_hours"].used == pytest.approx(2)
    assert of(engine, budget, "ann", now=28)["core_hours"].used == 0


def test_bytes_count_until_they_are_old(engine):
    read(engine, "ann", (), {"session": "0123-4567", "total": 600_000}, 10 * HOUR)
    budget = Budget(name="day", days=1, bytes_read="1M")
    assert of(engine, budget, "ann", now=11)["bytes_read"].used == 600_000
    assert of(engine, budget, "ann", now=33)["bytes_read"].used == 600_000
    assert of(engine, budget, "ann", now=35)["bytes_read"].used == 0
    assert of(engine, Budget(name="d", days=1, bytes_read="1M"), "bob", now=11)["bytes_read"].used == 0


def test_a_refusal_says_what_was_used_and_when_there_is_room(engine, ran):
    ran("ann", 0, 3)
    budget = Budget(name="day", days=1, core_hours=3.5)
    found = standings(engine, [budget], "ann", (), 3 * HOUR)
    assert refusal(SMALL, found) is None
    text = refusal(LARGE, found)
    # 10 minutes of four cores are 0.67 core-hours: 0.17 more than is left, of the one core that ran
    room = DAY + (4 * 10 / 60 - 0.5) * HOUR
    assert text == (
        "Large can't start: of the budget day, you used 3.00 of 3.50 core-hours in the last 24 hours. "
        f"There is room from {moment(room)} on; a smaller server needs less."
    )


def test_bytes_keep_no_server_from_starting(engine):
    read(engine, "ann", (), {"session": "0123-4567", "total": 10**9}, 10.0)
    found = standings(engine, [Budget(name="b", bytes_read="1M")], "ann", (), 20.0)
    assert found[0].is_spent
    assert refusal(LARGE, found) is None


def test_what_is_left_in_words(engine, ran):
    ran("ann", 0, 4, "course", cores=2)
    given = [
        Budget(name="own", core_hours=100, bytes_read="2G"),
        Budget(name="course", groups=("course",), shared=True, days=7, core_hours=8),
    ]
    own, reads, course = lines(standings(engine, given, "ann", ["course"], 4 * HOUR))
    assert own == "own: 92.0 of 100 core-hours left (in any 30 days)"
    assert reads == "own: 2.0 GiB of 2.0 GiB of reading by queries left (in any 30 days)"
    assert course == (
        "course: 0.00 of 8.00 core-hours left (in any 7 days), for all of its users together; "
        f"some is free again from {moment(7 * DAY)} on"
    )
