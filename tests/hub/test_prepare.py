from __future__ import annotations

import socket

import pytest

from probav_hub import prepare
from probav_hub.errors import EngineError, HubError


def test_a_taken_port_is_named(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(HubError, match=rf"Port {port} of 127\.0\.0\.1 is taken"):
            prepare.check_port(port)
    prepare.check_port(port)


def test_free_ports_differ_and_are_free():
    ports = prepare.free_ports(5)
    assert len(set(ports)) == 5
    for port in ports:
        prepare.check_port(port)


@pytest.mark.parametrize(
    ("named", "archive"),
    [("s3://bucket/archive", "s3://bucket/archive"), ("file:///a", "file:///a"), (None, None)],
)
def test_the_archive_of_the_environment(monkeypatch, named, archive):
    monkeypatch.delenv("PROBAV_ARCHIVE", raising=False)
    if named:
        monkeypatch.setenv("PROBAV_ARCHIVE", named)
    assert prepare.chosen_archive() == archive


def test_a_path_is_made_absolute_as_servers_run_elsewhere(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PROBAV_ARCHIVE", "archive")
    assert prepare.chosen_archive() == str(tmp_path / "archive")


def test_a_failing_engine_command_is_an_error():
    with pytest.raises(EngineError, match=r"`probav archive no-such-command` failed with exit code \d+"):
        prepare.run_engine("no-such-command")
