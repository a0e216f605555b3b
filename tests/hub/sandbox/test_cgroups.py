"""Paths and values of both versions on folders that look like the kernel's; a real one in test_limits."""

from __future__ import annotations

from pathlib import Path

import pytest

from probav_hub.errors import HubError
from probav_hub.sandbox import cgroups

LIMITS = cgroups.Limits(memory=2**30, cpu=1.5, processes=100)


def fill(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)


@pytest.fixture
def version_1(tmp_path):
    for controller in ("memory", "cpu", "pids", "cpuacct"):
        (tmp_path / "fs" / controller / "system.slice" / "hub.service").mkdir(parents=True)
    own = tmp_path / "own"
    own.write_text("3:cpu,cpuacct:/system.slice/hub.service\n2:memory:/system.slice/hub.service\n"
                   "1:pids:/system.slice/hub.service\n0::/\n")  # fmt: skip
    return tmp_path / "fs", own


@pytest.fixture
def version_2(tmp_path):
    root = tmp_path / "fs"
    fill(root, cgroup__controllers="cpuset cpu io memory pids")
    fill(root / "hub.service", cgroup__controllers="cpu memory pids", cgroup__subtree_control="",
         cgroup__procs="")  # fmt: skip
    own = tmp_path / "own"
    own.write_text("0::/hub.service\n")
    return root, own


def read(*parts) -> str:
    return Path(*parts).read_text()


def test_version_1_limits(version_1):
    root, own = version_1
    group = cgroups.group("probav-ann", root, own)
    memory = root / "memory/system.slice/hub.service/probav-ann"
    fill(memory, memory__memsw__limit_in_bytes="")
    group.create(LIMITS)
    assert read(memory, "memory.limit_in_bytes") == read(memory, "memory.memsw.limit_in_bytes") == str(2**30)
    cpu = root / "cpu/system.slice/hub.service/probav-ann"
    assert (read(cpu, "cpu.cfs_quota_us"), read(cpu, "cpu.cfs_period_us")) == ("150000", "100000")
    assert read(root, "pids/system.slice/hub.service/probav-ann/pids.max") == "100"


def test_version_1_usage(version_1):
    root, own = version_1
    group = cgroups.group("probav-ann", root, own)
    below = "system.slice/hub.service/probav-ann"
    fill(root / "memory" / below, memory__max_usage_in_bytes="1000\n",
         memory__oom_control="oom_kill_disable 0\nunder_oom 0\noom_kill 2\n")  # fmt: skip
    fill(root / "cpu" / below, cpu__stat="nr_periods 9\nnr_throttled 3\nthrottled_time 2500000000\n")
    fill(root / "cpuacct" / below, cpuacct__usage="4000000000\n")
    fill(root / "pids" / below, pids__events="max 7\n")
    assert group.usage() == cgroups.Usage(1000, 2, 7, 2.5, 4.0)


def test_version_2_limits(version_2):
    root, own = version_2
    folder = root / "hub.service/probav-ann"
    fill(folder, memory__swap__max="max")
    cgroups.group("probav-ann", root, own).create(LIMITS)
    assert read(root, "hub.service/cgroup.subtree_control") == "+memory +cpu +pids"
    assert (read(folder, "memory.max"), read(folder, "memory.swap.max")) == (str(2**30), "0")
    assert (read(folder, "cpu.max"), read(folder, "pids.max")) == ("150000 100000", "100")


def test_version_2_usage(version_2):
    root, own = version_2
    fill(root / "hub.service/probav-ann", memory__peak="1000\n",
         memory__events="low 0\nhigh 0\nmax 9\noom 3\noom_kill 2\n", pids__events="max 7\n",
         cpu__stat="usage_usec 4000000\nnr_throttled 3\nthrottled_usec 2500000\n")  # fmt: skip
    assert cgroups.group("probav-ann", root, own).usage() == cgroups.Usage(1000, 2, 7, 2.5, 4.0)


def test_version_2_the_hub_moves_aside_where_a_group_may_hold_no_process(version_2, monkeypatch):
    root, own = version_2
    (root / "hub.service/cgroup.procs").write_text("11\n12\n")
    moved, real = [], cgroups._write

    def write(file: Path, value: object) -> None:
        if file.name == "cgroup.subtree_control" and not moved:
            raise OSError(16, "Device or resource busy")
        if file.parent.name == cgroups.HUB:
            moved.append(value)
        real(file, value)

    monkeypatch.setattr(cgroups, "_write", write)
    assert cgroups.group("probav-ann", root, own).folders == [root / "hub.service/probav-ann"]
    assert moved == [11, 12]


def test_version_2_a_hub_that_has_moved_makes_groups_beside_itself(version_2):
    root, own = version_2
    (root / "hub.service" / cgroups.HUB).mkdir()
    own.write_text(f"0::/hub.service/{cgroups.HUB}\n")
    assert cgroups.group("probav-ann", root, own).folders == [root / "hub.service/probav-ann"]


def test_a_group_is_found_again_by_its_folders(version_1, version_2):
    for root, own in (version_1, version_2):
        group = cgroups.group("probav-ann", root, own)
        group.create(LIMITS)
        assert cgroups.at(group.folders).folders == group.folders


def test_without_controllers_it_says_what_is_missing(tmp_path):
    (tmp_path / "memory").mkdir()
    (tmp_path / "own").write_text("1:memory:/\n")
    with pytest.raises(HubError, match="no control of cpu, pids"):
        cgroups.group("probav-ann", tmp_path, tmp_path / "own")


def test_where_nothing_can_be_written_it_says_what_to_do(version_1):
    root, own = version_1
    group = cgroups.group("probav-ann/none", root, own)
    with pytest.raises(HubError, match="Delegate=yes"):
        group.create(LIMITS)
