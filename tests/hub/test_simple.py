from __future__ import annotations

import asyncio
import subprocess
import time
from types import SimpleNamespace

import pytest

from probav_hub.configuration import Profile
from probav_hub.simple import SimpleSpawner

HOUR = Profile(name="hour", title="An hour", hours=1)


@pytest.fixture
def running():
    """Return a spawner whose server is a process that ends when it is told to."""
    process = subprocess.Popen(["sleep", "1000"])
    spawner = SimpleSpawner(user=SimpleNamespace(name="ada", url="/user/ada/"))
    spawner.proc, spawner.pid = process, process.pid
    yield spawner
    process.kill()
    process.wait()


def test_a_server_ends_with_its_hours(running, monkeypatch):
    running.take(HOUR)
    assert asyncio.run(running.poll()) is None
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 3601)
    process = running.proc
    assert asyncio.run(running.poll()) == 0
    assert process.wait(10) != 0


def test_the_next_hub_knows_when(running):
    running.take(HOUR)
    state = running.get_state()
    again = SimpleSpawner(user=running.user)
    again.load_state(state)
    assert again.ends == running.ends == state["ends"]
    running.take(Profile(name="long", title="Long"))
    assert "ends" not in running.get_state()
