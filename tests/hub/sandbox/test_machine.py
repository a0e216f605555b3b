"""What keeps sandboxes from starting is said before anything starts."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from probav_hub.sandbox import machine, quota


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can try what others are told")
def test_who_is_not_root_is_told():
    code = "from probav_hub.sandbox import machine; print(*machine.problems(), sep='\\n')"
    done = subprocess.run(
        [sys.executable, "-c", f"import os, probav_hub.sandbox.machine; os.setuid(65534)\n{code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Only root can give each user's processes a number of their own; this is user 65534" in done.stdout


def test_missing_programs_are_named_with_their_packages(monkeypatch):
    monkeypatch.setattr("probav_hub.sandbox.programs.PATH", "/nowhere")
    found = "\n".join(machine.problems())
    assert "There is no program `bwrap`: install bubblewrap" in found
    assert "There is no program `setpriv`: install util-linux" in found


def test_homes_without_images_are_a_warning_only_where_a_home_has_a_limit(monkeypatch):
    monkeypatch.setattr(quota, "has_images", lambda: False)
    monkeypatch.setattr(quota, "missing_tools", lambda: ["mkfs.ext4"])
    assert machine.warnings([None]) == []
    assert "programs are missing: mkfs.ext4" in machine.warnings([2**30])[0]


def test_servers_that_start_at_once_look_at_once():
    if found := machine.problems():
        pytest.skip(f"no sandboxes here: {' '.join(found)}")
    with ThreadPoolExecutor(8) as pool:
        assert [each for each in pool.map(lambda _: machine.problems(), range(80)) if each] == []
