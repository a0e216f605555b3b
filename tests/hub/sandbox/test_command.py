from __future__ import annotations

import sys

import pytest

from probav_hub.errors import HubError
from probav_hub.sandbox import command, etc, seccomp
from probav_hub.sandbox.plan import Bind, Plan

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="sandboxes are Linux's")


@pytest.fixture
def plan():
    return Plan(
        user="ann", uid=1900000000, home="/state/homes/ann", command=["server"], log="/log",
        cgroup="probav-ann", groups={"forest": 1900000007}, hidden=["/srv/state"],
        binds=[Bind("/srv/state/archive", "/srv/state/archive"), Bind("/srv", "/srv")],
    )  # fmt: skip


def test_what_is_hidden_is_hidden_but_for_what_is_seen_in_it(plan, monkeypatch):
    monkeypatch.setattr(command, "need", lambda name: f"/usr/bin/{name}")
    words = " ".join(command.sandbox(plan, [], 3, 4))
    order = [
        "--ro-bind /srv /srv",
        "--tmpfs /srv/state",
        "--ro-bind /srv/state/archive",
        "--bind /state/homes/ann",
    ]
    places = [words.index(text) for text in order]
    assert places == sorted(places)


def test_nothing_is_the_users_before_everything_is_given_up(plan, monkeypatch):
    monkeypatch.setattr(command, "need", lambda name: f"/usr/bin/{name}")
    words = command.sandbox(plan, [], 3, 4)
    inner = words[words.index("--") + 1 :]
    assert inner[:4] == [
        "/usr/bin/setpriv",
        "--reuid=1900000000",
        "--regid=1900000000",
        "--groups=1900000007",
    ]
    assert inner[-2:] == ["--", "server"]
    assert {"--no-new-privs", "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all"} < set(inner)


def test_the_lists_of_users_have_one(plan, tmp_path):
    etc.write(plan, tmp_path)
    assert (tmp_path / "passwd").read_text().splitlines()[1] == (
        "ann:x:1900000000:1900000000::/home/ann:/bin/bash"
    )
    assert "forest:x:1900000007:ann" in (tmp_path / "group").read_text()


def test_the_host_keeps_its_secrets(plan, tmp_path):
    seen = [bind.target for bind in etc.write(plan, tmp_path)]
    assert not [
        path for path in seen if path in ("/etc/shadow", "/etc/ssl", "/etc/ssl/private", "/etc/probav")
    ]


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_filter_has_whole_instructions(machine):
    program = seccomp.program(machine)
    assert program
    assert len(program) % 8 == 0


def test_an_unknown_machine_is_told():
    with pytest.raises(HubError, match="no system calls of s390x"):
        seccomp.program("s390x")
