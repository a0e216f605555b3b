from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
from jupyterhub.utils import random_port

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


class Listening(SimpleSpawner):
    """Starts a program that listens, as what JupyterHub tells a server takes a whole hub."""

    def get_env(self):
        return {}

    def get_args(self):
        return [str(self.port)]


@pytest.fixture
def new_spawner(tmp_path):
    made = []

    def make():
        user = SimpleNamespace(name="ada", url="/user/ada/")
        code = "import socket; socket.create_server(('127.0.0.1', int(__import__('sys').argv[1]))).accept()"
        made.append(Listening(user=user, cmd=[sys.executable, "-c", code], home_dir=str(tmp_path)))
        return made[-1]

    yield make
    for spawner in made:
        asyncio.run(spawner.stop(now=True))


@pytest.mark.parametrize(
    ("thefts", "how"), [(0, "listens"), (1, "listens"), (1, "connected"), (2, "listens")]
)
def test_a_server_whose_port_was_taken_meanwhile_gets_another(new_spawner, monkeypatch, thefts, how):
    thieves = []

    def choose():
        port = random_port()
        if len(thieves) < thefts:  # between the choice and the server's start
            thieves.append(taken(port, how))
        return port

    monkeypatch.setattr("probav_hub.ports.random_port", choose)
    try:
        spawner = new_spawner()
        if thefts == 2:
            with pytest.raises(Exception, match="took its port 2 times in a row: please start it again"):
                asyncio.run(spawner.start())
            return
        _, port = asyncio.run(spawner.start())
        assert len(thieves) == thefts
        assert port not in [sockets[0].getsockname()[1] for sockets in thieves]
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            pass
    finally:
        for sockets in thieves:
            for each in sockets:
                each.close()


def taken(port, how):
    """Take a port for a server, or for this end of a connection to one."""
    if how == "listens":
        return [socket.create_server(("127.0.0.1", port))]
    elsewhere = socket.create_server(("127.0.0.1", 0))
    return [socket.create_connection(elsewhere.getsockname(), source_address=("127.0.0.1", port)), elsewhere]
