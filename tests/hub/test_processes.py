from __future__ import annotations

import subprocess
import sys

import pytest

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
