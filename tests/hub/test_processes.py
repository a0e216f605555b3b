from __future__ import annotations

import subprocess
import sys
import time

import psutil
import pytest

from probav_hub.parts import end
from probav_hub.processes import born_since

ADOPTING = """
import subprocess, time
from pathlib import Path
from probav_hub.processes import PR_SET_CHILD_SUBREAPER, Hub, _prctl

_prctl(PR_SET_CHILD_SUBREAPER, 1)
pid = subprocess.run(["sh", "-c", "sleep 0.2 & echo $!"], stdout=subprocess.PIPE, text=True).stdout.strip()
status = Path(f"/proc/{pid}/status")
deadline = time.monotonic() + 20
while "zombie" not in status.read_text():
    assert time.monotonic() < deadline
    time.sleep(0.05)
Hub(None).reap()
print("left" if status.exists() else "gone")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has processes that adopt")
def test_adopted_processes_leave_no_zombie():
    done = subprocess.run([sys.executable, "-c", ADOPTING], capture_output=True, text=True, timeout=60)
    assert done.stdout == "gone\n", done.stderr


def test_children_of_before_are_no_hubs():
    program = [sys.executable, "-c", "import subprocess, sys; subprocess.run(['sleep', '60'])"]
    with subprocess.Popen(program) as other:
        others = psutil.Process().children()
        with subprocess.Popen(program) as own:
            try:
                wait_for_child(own)
                wait_for_child(other)
                found = {process.pid for process in born_since(others)}
                assert found == {own.pid, psutil.Process(own.pid).children()[0].pid}
            finally:
                end([*tree(own), *tree(other)])


ADOPTS = """
import os, subprocess
import psutil
from probav_hub.processes import _adopting

def adopted():
    orphan = subprocess.run(["sh", "-c", "sleep 60 >&2 & echo $!"], stdout=subprocess.PIPE, text=True).stdout
    process = psutil.Process(int(orphan))
    is_ours = process.ppid() == os.getpid()
    process.kill()
    return is_ours

with _adopting():
    within = adopted()
print(within, adopted())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has processes that adopt")
def test_a_process_adopts_only_while_it_runs_a_hub():
    done = subprocess.run([sys.executable, "-c", ADOPTS], capture_output=True, text=True, timeout=60)
    assert done.stdout == "True False\n", done.stderr


def tree(process):
    return [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]


def wait_for_child(process):
    deadline = time.monotonic() + 30
    while len(tree(process)) < 2:
        assert time.monotonic() < deadline, "the program starts nothing"
        time.sleep(0.05)
