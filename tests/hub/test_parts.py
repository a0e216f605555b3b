from __future__ import annotations

import json
import os
import socket
import subprocess
import sys

import psutil
import pytest
from traitlets.config import Config

from probav_hub import parts
from probav_hub.errors import HubError
from probav_hub.prepare import LASTING_PORTS, lasting_port

DEAF = "import signal, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); signal.pause()"


@pytest.fixture
def start():
    """Start a process with a mark, or another environment, that does not end when it is asked to."""
    started = []

    def run(environment):
        process = subprocess.Popen(
            [sys.executable, "-c", DEAF], env={**os.environ, **environment}, stdout=subprocess.PIPE
        )
        started.append(process)
        process.stdout.readline()
        return process

    yield run
    for process in started:
        process.kill()
        process.wait()


def test_what_a_killed_hub_left_is_ended_and_nothing_of_another_hub(start, tmp_path):
    mine, other, user = start(parts.mark(tmp_path / "a")), start(parts.mark(tmp_path / "b")), start({})
    assert [process.pid for process in parts.left(tmp_path / "a")] == [mine.pid]
    parts.end(parts.left(tmp_path / "a"), patience=0.2)
    mine.wait(5)
    assert psutil.pid_exists(other.pid)
    assert psutil.pid_exists(user.pid)


def test_a_link_to_the_state_folder_is_the_same_hub(start, tmp_path):
    (tmp_path / "state").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "state")
    process = start(parts.mark(tmp_path / "state"))
    assert [found.pid for found in parts.left(tmp_path / "link")] == [process.pid]


def test_one_hub_a_state_folder(tmp_path):
    with parts.only_hub(tmp_path) as ended:
        assert ended == []
        with pytest.raises(HubError, match="Your hub runs already: use it"), parts.only_hub(tmp_path):
            pass
    with parts.only_hub(tmp_path):
        pass


def test_services_are_marked_and_keep_their_own_environment(tmp_path):
    c = Config()
    c.JupyterHub.services = [
        {"name": "a", "command": ["a"], "environment": {"X": "1"}},
        {"name": "b", "api_token": "t"},
    ]
    parts.mark_services(c, tmp_path)
    own, outside = c.JupyterHub.services
    assert own["environment"] == {"X": "1", **parts.mark(tmp_path)}
    assert "environment" not in outside


def test_the_hub_keeps_its_port_as_servers_know_it(tmp_path):
    port = lasting_port(tmp_path, is_needed=True)
    assert port in LASTING_PORTS
    (tmp_path / "settings.json").write_text(json.dumps({"hub_port": port}))
    assert lasting_port(tmp_path, is_needed=True) == port
    with socket.create_server(("127.0.0.1", port)):
        with pytest.raises(HubError, match=f"Port {port} of 127.0.0.1 is taken, and servers"):
            lasting_port(tmp_path, is_needed=True)
        assert lasting_port(tmp_path, is_needed=False) != port
