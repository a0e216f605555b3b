"""Many users at once, and hundreds of starts and stops: the hub stays quick, and nothing is left."""

from __future__ import annotations

import os

import psutil
import pytest

from probav_hub.sandbox import machine

pytestmark = [pytest.mark.load, pytest.mark.timeout(5400)]
USERS = int(os.environ.get("PROBAV_LOAD_USERS", "50"))
CYCLES = int(os.environ.get("PROBAV_LOAD_CYCLES", "500"))
EACH = 300 * 2**20  # bytes of a user's server and kernel
# connections that are kept open a while, and what allocators keep: not a bit more with each cycle
ROOM = {"open files": 12, "sockets": 12, "memory": 40, "size": 64, "threads": 4}


def needs_sandboxes(spawner: str) -> None:
    if spawner == "sandbox" and (found := machine.problems()):
        pytest.skip(f"NO SANDBOXES: {' '.join(found)}")


def test_pages_are_quick_while_users_come_and_go():
    from benchmarks.hub_load import run, table

    users = min(USERS, int(psutil.virtual_memory().available / EACH))
    if users < USERS:
        print(f"FEWER USERS: {users} instead of {USERS}, as the memory is")
    found = run(users, every=6, stay=60, spawner="simple")
    print(table(found))
    assert found["failures"] == []
    assert {step["count"] for step in found["steps"].values()} == {users}
    assert found["pages"]["p95"] < 1


@pytest.mark.parametrize("spawner", ["simple", "sandbox"])
def test_starts_and_stops_leave_nothing(spawner):
    from benchmarks.hub_cycles import run

    needs_sandboxes(spawner)
    found = run(CYCLES, spawner)
    before, after = found["before"], found["after"]
    more = {name: after[name] - value for name, value in before.items() if after[name] > value}
    print(found)
    assert {name: by for name, by in more.items() if by > room(name)} == {}


def room(name: str) -> int:
    return next((allowed for words, allowed in ROOM.items() if name.startswith(words)), 0)
