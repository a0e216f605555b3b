from __future__ import annotations

import os
import signal

import psutil
import pytest
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.provisioning import KernelProvisionerFactory
from waiting import wait_for

from probav_kernels.provisioner import cores, limits, size

HERE = len(os.sched_getaffinity(0))
SHOW = "import os; print({name: os.environ.get(name) for name in %r})"


@pytest.fixture(autouse=True)
def no_file(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    for name in list(os.environ):
        if name.startswith("PROBAV_SPARK") or name.endswith(("CPU_LIMIT", "MEM_LIMIT", "NUM_THREADS")):
            monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("text", "value"),
    [("2", 2), ("1.9", 1), ("0.5", 1), ("", None), ("None", None), ("0", None), ("nan", None), ("inf", None)],
)
def test_a_limit_of_cores(text, value):
    assert cores(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2147483648", 2**31), ("2G", 2**31), ("2g", 2**31), ("1.5G", 3 * 2**29), ("512M", 2**29),
        ("2 GiB", 2**31), ("", None), ("None", None), ("0", None), ("a lot", None), ("1.2.3G", None),
    ],
)  # fmt: skip
def test_a_limit_of_memory(text, value):
    assert size(text) == value


def test_without_limits_nothing_changes():
    assert limits({}) == {}
    assert limits({"CPU_LIMIT": "", "MEM_LIMIT": "None"}) == {}


def test_limits_of_the_hub_size_threads_memory_and_spark():
    found = limits({"CPU_LIMIT": "1.0", "MEM_LIMIT": str(4 * 2**30)})
    assert found["PROBAV_THREADS"] == found["OMP_NUM_THREADS"] == found["NUMBA_NUM_THREADS"] == "1"
    assert found["PROBAV_SPARK_CORES"] == "1"
    assert found["PROBAV_MEMORY"] == str(2**30)
    assert found["PROBAV_SPARK_DRIVER_MEMORY"] == "1024m"


def test_no_more_threads_than_there_are_cores():
    assert limits({"CPU_LIMIT": "1000"})["PROBAV_THREADS"] == str(HERE)


@pytest.mark.parametrize(("memory", "heap"), [("1G", "512m"), ("8G", "2048m"), ("256G", "4096m")])
def test_sparks_heap_is_neither_too_small_to_start_nor_larger_than_useful(memory, heap):
    assert limits({"MEM_LIMIT": memory})["PROBAV_SPARK_DRIVER_MEMORY"] == heap


def test_our_own_variables_come_before_the_hubs():
    assert limits({"CPU_LIMIT": "1000", "PROBAV_CPU_LIMIT": "1"})["PROBAV_THREADS"] == "1"
    assert limits({"MEM_LIMIT": "8G", "PROBAV_MEM_LIMIT": "4G"})["PROBAV_MEMORY"] == str(2**30)


def test_what_a_user_says_wins(tmp_path):
    said = {"PROBAV_THREADS": "7", "PROBAV_MEMORY": "5", "PROBAV_SPARK_CORES": "3"}
    found = limits({"CPU_LIMIT": "1", "MEM_LIMIT": "4G", **said})
    assert not set(found) & set(said)
    file = tmp_path / "spark.toml"
    file.write_text('cores = 3\n[conf]\nspark.driver.memory = "3g"\n')
    found = limits({"CPU_LIMIT": "1", "MEM_LIMIT": "4G", "PROBAV_SPARK_CONFIG": str(file)})
    assert not [name for name in found if "SPARK" in name]


@pytest.mark.parametrize(
    ("variable", "value"),
    [("PROBAV_SPARK_MASTER", "sc://there:15002"), ("PROBAV_SPARK_LIVY_URL", "http://there:8998")],
)
def test_a_driver_elsewhere_is_not_sized_by_this_servers_limits(variable, value):
    found = limits({"CPU_LIMIT": "1", "MEM_LIMIT": "4G", variable: value})
    assert not [name for name in found if "SPARK" in name]


def test_a_clusters_cores_are_not_this_servers():
    found = limits({"CPU_LIMIT": "1", "MEM_LIMIT": "4G", "PROBAV_SPARK_MASTER": "spark://there:7077"})
    assert [name for name in found if "SPARK" in name] == ["PROBAV_SPARK_DRIVER_MEMORY"]


def test_settings_that_make_no_sense_are_left_to_the_kernel_to_tell():
    assert "PROBAV_THREADS" in limits({"CPU_LIMIT": "1", "PROBAV_SPARK_CORES": "many"})


def test_the_kernel_spec_names_a_provisioner_that_is_there():
    spec = KernelSpecManager().get_kernel_spec("probav-python")
    assert KernelProvisionerFactory.instance().is_provisioner_available(spec)
    assert spec.metadata["kernel_provisioner"]["provisioner_name"] == "probav-provisioner"


def test_a_kernel_starts_within_the_limits(start_kernel):
    kernel = start_kernel(CPU_LIMIT="1", MEM_LIMIT="4G", PROBAV_MEMORY="12345")
    shown = kernel.run(SHOW % (["PROBAV_THREADS", "PROBAV_MEMORY", "PROBAV_SPARK_DRIVER_MEMORY"],)).text
    assert "'PROBAV_THREADS': '1'" in shown
    assert "'PROBAV_MEMORY': '12345'" in shown
    assert "'PROBAV_SPARK_DRIVER_MEMORY': '1024m'" in shown


CHILDREN = """
import os, subprocess, sys
stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
sleep = [sys.executable, "-c", stubborn]
one = subprocess.Popen(sleep)
two = subprocess.Popen(sleep, process_group=0)
detached = subprocess.Popen(["sleep", "600"], start_new_session=True)
print(one.pid, two.pid, detached.pid)
"""


@pytest.mark.parametrize("way", ["shutdown", "kill", "crash"])
def test_a_kernel_and_what_it_started_end_together(start_kernel, way):
    kernel = start_kernel()
    one, two, detached = (int(pid) for pid in kernel.run(CHILDREN).text.split())
    try:
        if way == "crash":
            os.kill(kernel.manager.provisioner.pid, signal.SIGKILL)
        kernel.manager.shutdown_kernel(now=way == "kill")
        wait_for(lambda: not _alive(one) and not _alive(two), seconds=15)
        assert way == "shutdown" or _alive(detached)  # ipykernel ends every child it can still see
    finally:
        for pid in (one, two, detached):
            if _alive(pid):
                os.kill(pid, signal.SIGKILL)


def _alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_the_kernel_restarts(start_kernel):
    kernel = start_kernel()
    before = kernel.run("import os; print(os.getpid())").text
    kernel.manager.restart_kernel()
    kernel.client.wait_for_ready(timeout=60)
    assert kernel.run("import os; print(os.getpid())").text != before


LEFT = """
import os, subprocess, sys
left = (
    "import signal, sys, time\\n"
    "signal.signal(signal.SIGTERM, lambda *_: open(sys.argv[1], 'w'))\\n"
    "print('ready', flush=True)\\n"
    "time.sleep(600)"
)
command = [sys.executable, "-c", left, %r]
process = subprocess.Popen(command, stdout=subprocess.PIPE, process_group=0)  # as Spark's Java
process.stdout.readline()
print(process.pid, os.getpid())
"""


@pytest.mark.parametrize("told", ["server", "kernel"])
def test_what_is_told_to_end_while_a_dead_kernel_is_cleared_away_ends(start_server, tmp_path, told):
    server = start_server()
    left, kernel = (int(pid) for pid in server.run(LEFT % str(tmp_path / "told")).text.split())
    (listed,) = server.session.get(f"{server.url}api/kernels", timeout=60).json()
    os.kill(kernel, signal.SIGKILL)
    wait_for(lambda: (tmp_path / "told").exists(), seconds=30)
    if told == "server":
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(timeout=30) == 0
    else:
        answer = server.session.delete(f"{server.url}api/kernels/{listed['id']}", timeout=30)
        assert answer.status_code == 204, answer.text
        assert server.session.get(f"{server.url}api/kernels", timeout=60).json() == []
        assert psutil.Process(server.process.pid).children() == []
    assert not _alive(left)
    assert "restarting kernel" not in (tmp_path / "server.log").read_text()
