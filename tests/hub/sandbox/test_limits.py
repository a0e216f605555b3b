"""What takes too much is contained, and it is said what it was."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import time

import pytest

from probav_hub.sandbox import cgroups, quota, runs

MIB = 2**20


def test_a_memory_hog_is_killed_and_reported(start):
    sandbox = start("ann", "hog = bytearray(600 << 20)", memory=128 * MIB)
    result = sandbox.wait()
    assert result["code"] == -signal.SIGKILL
    assert result["memory_peak"] <= 128 * MIB
    assert "killed for their memory: 1. The limit is 128 MiB" in result["why"]


def test_what_is_written_into_temporary_files_counts_as_memory(start):
    code = "f = open('/tmp/hog', 'wb')\nwhile True: f.write(bytes(1 << 20))"
    result = start("ann", code, memory=96 * MIB, temporary=2**30).wait()
    assert "killed for their memory" in result["why"]


def test_temporary_files_have_a_limit(start):
    code = "f = open('/tmp/hog', 'wb')\nwhile True: f.write(bytes(1 << 20))"
    sandbox = start("ann", code, memory=256 * MIB, temporary=16 * MIB)
    assert sandbox.wait()["code"] == 1
    assert "No space left on device" in sandbox.output


def test_a_fork_bomb_is_contained_reported_and_ended(start):
    code = "import os\nprint('READY', flush=True)\nwhile True:\n  try: os.fork()\n  except OSError: pass"
    sandbox = start("ann", code, processes=50)
    sandbox.wait_for("READY")
    deadline = time.monotonic() + 30
    while not sandbox.run.figures.get("refused"):
        assert time.monotonic() < deadline, sandbox.run.figures
        time.sleep(0.1)
    assert len(cgroups.group(sandbox.plan.cgroup).processes()) <= 50
    before = time.monotonic()
    subprocess.run(["true"], check=True)
    assert time.monotonic() - before < 5, "the machine no longer answers"
    assert sandbox.stop()["refused"] > 0


def test_too_many_processes_are_named_as_the_reason(start):
    code = "import os, time\nfor _ in range(99):\n  if os.fork() == 0: time.sleep(60)"
    result = start("ann", code, processes=20).wait()
    assert result["code"] == 1
    assert "its limit of 20 processes" in result["why"]


def test_cores_have_a_limit(start):
    code = "import time\nend = time.monotonic() + 2\nwhile time.monotonic() < end: pass"
    result = start("ann", code, cpu=0.2).wait()
    assert result["cpu"] < 1
    assert result["throttled"] > 0


@pytest.mark.skipif(not quota.has_images(), reason="no loop devices, or no e2fsprogs, here")
class TestImages:
    FILLER = "f = open('hog', 'wb')\nwhile True: f.write(bytes(1 << 20))"

    def test_a_disk_filler_is_contained_and_reported(self, start, state):
        sandbox = start("ann", self.FILLER, disk=48 * MIB)
        result = sandbox.wait()
        assert "Its home is full: 48 MiB" in result["why"]
        assert "No space left on device" in sandbox.output
        assert quota.usage(state / "disks") <= 48 * MIB

    def test_files_stay_and_the_limit_grows(self, start):
        assert start("ann", "open('mine', 'w').write('kept')", disk=32 * MIB).wait()["code"] == 0
        code = (
            "import os; print(open('mine').read(), os.statvfs('.').f_blocks * os.statvfs('.').f_frsize >> 20)"
        )
        sandbox = start("ann", code, disk=128 * MIB)
        assert not sandbox.wait()["why"]
        text, size = sandbox.output.split()
        assert (text, int(size) > 90) == ("kept", True)

    def test_a_home_without_a_limit_keeps_its_files_when_it_gets_one(self, start, state):
        assert start("ann", "open('mine', 'w').write('kept')").wait()["code"] == 0
        sandbox = start("ann", "import os; print(open('mine').read(), os.stat('mine').st_uid)", disk=32 * MIB)
        sandbox.wait()
        assert sandbox.output.split() == ["kept", str(sandbox.plan.uid)]
        assert [path.name for path in (state / "homes").glob(".ann.before-*/*")] == ["mine"]

    def test_two_servers_share_a_home(self, start):
        first = start("ann", "import time; open('a', 'w'); print('READY'); time.sleep(60)", disk=32 * MIB)
        first.wait_for("READY")
        second = start("ann", "import os; print(os.listdir('.'))", disk=32 * MIB)
        second.wait()
        assert second.output.strip() == "['a']"

    def test_nothing_stays_mounted(self, start, state):
        start("ann", "pass", disk=32 * MIB).wait()
        assert str(state) not in open("/proc/mounts").read()
        deadline = time.monotonic() + 10
        while str(state) in subprocess.run(["losetup", "-a"], capture_output=True, text=True).stdout:
            assert time.monotonic() < deadline, "a loop device is left"
            time.sleep(0.1)


def test_without_images_a_server_whose_home_is_too_large_is_ended(start):
    code = "import time\nopen('hog', 'wb').write(bytes(64 << 20))\nprint('WRITTEN')\ntime.sleep(60)"
    sandbox = start("ann", code, disk=32 * MIB, image=None)
    result = sandbox.wait()
    assert "Its home held 64 MiB, and the limit is 32 MiB." in result["why"]
    refused = start("ann", "pass", disk=32 * MIB, image=None).wait()
    assert "The home of ann holds 64 MiB, and the limit is 32 MiB" in refused["why"]


def test_what_it_says_fills_no_disk(start, state):
    start("ann", "for _ in range(400): print('x' * 100_000)").wait()
    assert quota.usage(state / "logs") < 3 * MIB


def test_a_server_is_ended_when_its_time_is_over(start):
    result = start("ann", "import time; time.sleep(60)", hours=0.5 / 3600).wait()
    assert "The time of its profile" in result["why"]


def test_a_server_that_does_not_end_is_killed(start):
    code = "import signal, time\nsignal.signal(15, signal.SIG_IGN)\nprint('READY')\ntime.sleep(600)"
    sandbox = start("ann", code, grace=1.0)
    sandbox.wait_for("READY")
    sandbox.keeper.terminate()
    assert sandbox.wait(10)["code"] == -signal.SIGKILL


def test_a_sandbox_dies_with_its_keeper_and_is_swept_away(start, state):
    sandbox = start("ann", "import time; print('READY'); time.sleep(600)")
    sandbox.wait_for("READY")
    group = cgroups.group(sandbox.plan.cgroup)
    assert group.processes()
    sandbox.keeper.kill()
    sandbox.keeper.wait()
    runs.sweep(state, "ann", "")
    assert not any(folder.exists() for folder in group.folders)
    assert not list((state / "sandboxes").iterdir())


def test_an_end_before_the_start_is_an_end(start):
    sandbox = start("ann", "import time; time.sleep(600)")
    sandbox.keeper.terminate()
    began = time.monotonic()
    sandbox.wait(60)
    assert time.monotonic() - began < 30


def _left(state, user):
    """Return what is left of sandboxes on this machine."""
    processes = []
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        try:
            text = open(f"/proc/{pid}/cmdline").read()
        except OSError:
            continue
        if str(state) in text:
            processes.append(text)
    group = cgroups.group("probav-none").folders
    return {
        "processes": processes,
        "groups": [str(found) for folder in group for found in folder.parent.glob(f"probav-{user}-*")],
        "mounts": [line for line in open("/proc/mounts") if str(state) in line],
        "loop devices": [
            line
            for line in subprocess.run(["losetup", "-a"], capture_output=True, text=True).stdout.splitlines()
            if str(state) in line
        ],
        "files": [str(path) for path in (state / "sandboxes").glob("*")],
    }


@pytest.mark.parametrize("count", [10, pytest.param(100, marks=pytest.mark.cluster)])
def test_nothing_is_left_of_many_sandboxes(start, state, count):
    user = f"ann{secrets.token_hex(3)}"  # other tests' groups are theirs
    for number in range(count):
        sandbox = start(user, "print('READY'); import time; time.sleep(600)", disk=32 * MIB)
        sandbox.wait_for("READY")
        if number % 10 == 9:
            sandbox.keeper.kill()
        sandbox.stop()
        runs.sweep(state, user, "")
    deadline = time.monotonic() + 60
    while any((left := _left(state, user)).values()) and time.monotonic() < deadline:
        runs.sweep(state, user, "")  # as the next start would, where processes took long to go
        time.sleep(0.2)
    assert not any(left.values()), left
