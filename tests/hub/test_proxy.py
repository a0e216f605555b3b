from __future__ import annotations

import json
import re
import stat

import pytest

from probav_hub import proxy
from probav_hub.errors import HubError


def fake(folder, name, says):
    program = folder / name
    program.write_text(f"#!/bin/sh\necho {says}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)


def test_the_lock_pins_everything_and_names_no_host():
    wanted = json.loads((proxy.LOCKED / "package.json").read_text())["dependencies"]
    locked = json.loads((proxy.LOCKED / "package-lock.json").read_text())["packages"]
    assert re.fullmatch(r"5\.3\.\d+", wanted["configurable-http-proxy"])
    assert locked["node_modules/configurable-http-proxy"]["version"] == wanted["configurable-http-proxy"]
    assert all(
        "integrity" in package and "resolved" not in package for name, package in locked.items() if name
    )


@pytest.mark.parametrize(("version", "enough"), [("v18.20.4", False), ("v20.0.0", True), ("v24.1.0", True)])
def test_node_is_taken_from_the_path_when_new_enough(tmp_path, monkeypatch, version, enough):
    fake(tmp_path, "node", version)
    fake(tmp_path, "npm", "10")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.executable", str(tmp_path / "elsewhere" / "python"))
    if enough:
        assert proxy.find_node() == tmp_path
    else:
        with pytest.raises(HubError, match=r"Node\.js 20"):
            proxy.find_node()


def test_a_failing_npm_is_one_sentence_and_leaves_nothing(tmp_path, monkeypatch):
    programs = tmp_path / "bin"
    programs.mkdir()
    fake(programs, "node", "v22.0.0")
    fake(programs, "npm", "no network >&2; exit 1")
    monkeypatch.setenv("PATH", str(programs))
    with pytest.raises(HubError, match=r"npm could not install the hub's proxy into .*: no network"):
        proxy.command(tmp_path / "data")
    assert list((tmp_path / "data" / "proxy").iterdir()) == []
