from __future__ import annotations

import psutil
import pytest

from probav import memory

PRODUCT = "PROBAV_L3_S10_TOC_333M"


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine whose files say what a test wants."""
    for name in ("PROBAV_MEM_LIMIT", "MEM_LIMIT"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "meminfo").write_text("MemTotal: 8000 kB\nMemAvailable: 6000 kB\n")
    monkeypatch.setattr(memory, "_GROUPS", tmp_path / "groups")
    monkeypatch.setattr(memory, "_PROCESS", tmp_path)
    monkeypatch.setattr(memory, "_MACHINE", tmp_path / "meminfo")

    def group(folder: str, **files: str) -> None:
        place = tmp_path / "groups" / folder
        place.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (place / name.replace("memory_", "memory.")).write_text(text)

    return group


def test_without_limits_the_machine_is_the_limit(machine):
    assert (memory.limit(), memory.free()) == (8000 * 1024, 6000 * 1024)


def test_the_real_machine():
    limit, free = memory.limit(), memory.free()
    assert free is not None
    assert limit is not None
    assert 0 <= free <= limit <= psutil.virtual_memory().total


def test_processes_ended_for_want_of_memory_are_counted(machine, tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "_EVENTS", tmp_path / "vmstat")
    assert memory.ended() is None
    (tmp_path / "vmstat").write_text("pgfault 12\noom_kill 3\noom_kill_other 5\n")
    assert memory.ended() == 3


def test_a_limit_of_a_group_or_its_parents_counts(machine, tmp_path):
    (tmp_path / "cgroup").write_text("0::/user/kernel\n")
    machine("user", memory_max="3000000\n", memory_current="1000000\n", memory_stat="inactive_file 400000\n")
    machine("user/kernel", memory_max="max\n", memory_current="900000\n", memory_stat="inactive_file 0\n")
    assert memory.limit() == 3_000_000
    assert memory.free() == 2_400_000


def test_groups_of_the_first_version(machine, tmp_path):
    (tmp_path / "cgroup").write_text("4:cpu:/x\n5:memory:/kernel\n")
    machine(
        "memory/kernel", memory_limit_in_bytes="2000000", memory_usage_in_bytes="1500000",
        memory_stat="total_inactive_file 100000\n",
    )  # fmt: skip
    machine("memory", memory_limit_in_bytes=str(2**63 - 4096), memory_usage_in_bytes="1", memory_stat="")
    assert memory.limit() == 2_000_000
    assert memory.free() == 600_000


def test_the_limit_a_server_was_told_counts(machine, monkeypatch):
    monkeypatch.setenv("MEM_LIMIT", "5000000")
    assert memory.limit() == 5_000_000
