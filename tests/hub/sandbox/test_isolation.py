"""What one user's processes try against another's, the hub's and the host's."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from probav_hub.sandbox import landlock
from probav_hub.sandbox.keeper import children

PYTHON = [sys.executable, "-c"]
# where the environment itself lies below /tmp, in a throwaway checkout, it is seen there
FOLDERS = (sys.prefix, sys.base_prefix, str(Path(__file__).parents[3]))
OWN = {Path(folder).parts[2] for folder in FOLDERS if folder.startswith("/tmp/")}

BEN = """
import os, pathlib, socket, sys, time
pathlib.Path("secret.txt").write_text("ben's result")
pathlib.Path("/dev/shm/ben").write_text("ben's memory")
pathlib.Path("/tmp/ben").write_text("ben's scratch")
listener = socket.socket(socket.AF_UNIX)
listener.bind("\\0" + sys.argv[1])
listener.listen()
print("READY", flush=True)
while True:
    listener.accept()[0].send(b"hello, ben")
"""

REFUSED = [
    "other home", "other file", "other file through a link", "through the first process",
    "working folder of the first", "hub's secret", "hub's secret through a link", "shadow", "kill other",
    "kill keeper", "kill first", "trace first", "become root", "become other", "become group", "mount",
    "remount", "user namespace", "user namespace by clone", "user namespace by a program", "keys",
    "kernel's log", "bpf",
    "device", "write into the environment", "write beside the environment", "write into a package",
    "write into /usr", "write into /etc", "write into the kernel", "more memory", "terminal",
]  # fmt: skip


@pytest.fixture(scope="module")
def got(sandboxes, tmp_path_factory):
    """What each attempt of ann's got while ben's sandbox ran."""
    state = tmp_path_factory.mktemp("state")
    secret = state / "cookie_secret"
    secret.write_text("the hub's")
    secret.chmod(0o644)  # were it only for its mode
    name = f"probav-{os.getpid()}"
    with sandboxes(state) as start:
        ben = start("ben", [*PYTHON, BEN, name])
        ben.wait_for("READY")
        first = children(next(iter(children(ben.keeper.pid))))[0]
        where = {
            "state": str(state), "other_home": ben.plan.home, "secret": str(secret), "socket": name,
            "other_pid": children(first)[0], "other_uid": ben.plan.uid, "keeper": ben.keeper.pid,
        }  # fmt: skip
        code = Path(__file__).with_name("attack.py").read_text()
        ann = start("ann", [*PYTHON, code, json.dumps(where)])
        ann.wait()
        assert "RESULT " in ann.output, ann.output
        yield json.loads(ann.output.partition("RESULT ")[2])
        assert ben.keeper.poll() is None, "ben's sandbox did not outlive ann's attempts"


@pytest.mark.parametrize("attempt", REFUSED)
def test_is_refused(got, attempt):
    assert "refused" in got[attempt], f"{attempt}: {got[attempt]}"


def test_sees_its_own_home_alone(got):
    assert got["homes"]["got"] == ["ann"]


def test_sees_its_own_processes_alone(got):
    commands = got["processes"]["got"]
    assert any("def commands" in line for line in commands)
    assert not [line for line in commands if "ben's result" in line]


def test_sees_its_own_environment_alone(got):
    environments = got["environments"]["got"]
    assert any("secret of ann" in text for text in environments)
    assert not [text for text in environments if "secret of ben" in text]


@pytest.mark.parametrize("place", ["shared memory", "temporary files", "hub's folder", "host's disks"])
def test_finds_nothing(got, place):
    assert set(got[place]["got"]) <= (OWN if place == "temporary files" else set())


def test_has_no_privilege_and_gets_none(got):
    assert got["privileges"]["got"] == [""] * 4
    assert got["no new privileges"]["got"] == "1"
    assert "0" not in got["set-user-ID program"]["got"]


def test_holds_no_file_of_the_hub(got):
    assert got["files of the hub left open"]["got"] == []
    assert got["output is a pipe"]["got"] == "pipe"


@pytest.mark.skipif(not landlock.is_there(), reason="Linux before 6.12: no Landlock scopes")
def test_reaches_no_abstract_socket(got):
    assert "refused" in got["abstract socket"], got["abstract socket"]
