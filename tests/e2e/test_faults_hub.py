"""Parts of a hub are killed; each comes back as docs/operations.md says, and nothing of a user's is lost.

One test is quick enough for every run: the hardest. The others are of `make test-load`.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import nbformat
import psutil
import pytest
import requests
import yaml
from waiting import wait_for

from probav_hub.errors import HubError
from probav_hub.prepare import free_ports
from probav_hub.remote_kernel import RemoteKernel
from probav_hub.sandbox import machine, runs

pytestmark = pytest.mark.e2e
PROBAV_HUB = Path(sys.executable).with_name("probav-hub")


def run(kernel: RemoteKernel, code: str) -> str:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    kernel.run(notebook, lambda number, count: None)
    return "".join(output.get("text", "") for output in notebook.cells[0].outputs)


class Keeping:
    """A hub whose servers outlive it, started as often as it takes."""

    def __init__(self, start_hub, folder: Path, archive: Path, spawner: str) -> None:
        self._start = start_hub
        self.file = folder / "probav-hub.yaml"
        content = {"port": free_ports(1)[0], "archive": str(archive), "keep_servers": True}
        content["spawner"] = spawner
        self.file.write_text(yaml.safe_dump({**content, "culling": {"minutes": 60}}))

    def start(self):
        self.hub = self._start(command=[PROBAV_HUB, "up", "--config", str(self.file)])
        return self.hub

    def part(self, words: str) -> psutil.Process:
        """Return the one process whose command line holds some words."""
        found = [each for each in self.processes() if words in " ".join(each.cmdline())]
        assert len(found) == 1, found
        return found[0]

    def processes(self) -> list[psutil.Process]:
        """Return the hub's processes; a sandbox's don't say whose they are, and what holds it is left out."""
        found = set(self.hub.processes())
        for kept in runs.all_of(self.hub.data / "probav" / "hub"):
            if kept.pid:
                found |= set(psutil.Process(kept.pid).children(recursive=True))
        return [each for each in found if works(each)]

    def hub_process(self) -> psutil.Process:
        return self.part("-m jupyterhub --config")

    def server(self, http: requests.Session) -> str:
        """Return the address of the user's server, which runs."""
        api = f"{self.hub.url}/hub/api/users/{self.hub.user}"
        assert http.get(api, timeout=30).json()["servers"][""]["ready"]
        return f"{self.hub.url}/user/{self.hub.user}"


def works(process: psutil.Process) -> bool:
    """Return whether a process is there, and none that only holds a sandbox."""
    with suppress(psutil.NoSuchProcess):
        return process.status() != psutil.STATUS_ZOMBIE and process.name() not in ("bwrap", "setpriv", "sh")
    return False


@pytest.fixture(params=["simple", pytest.param("sandbox", marks=pytest.mark.load)])
def keeping(request, start_hub, tmp_path, demo_archive) -> Iterator[Keeping]:
    if request.param == "sandbox" and (found := machine.problems()):
        pytest.skip(f"NO SANDBOXES: {' '.join(found)}")
    kept = Keeping(start_hub, tmp_path, demo_archive, request.param)
    yield kept
    kept.hub.stop()
    for process in kept.processes():
        with suppress(psutil.NoSuchProcess):
            process.kill()


def test_hub_and_supervisor_killed_at_once(keeping):
    hub = keeping.start()
    http = hub.log_in()
    server = hub.start_server(http)
    with RemoteKernel(http, server, "python3") as kernel:
        run(kernel, "kept = 'from before'")
        single = keeping.part("jupyterhub-singleuser")
        orphans = [keeping.part("configurable-http-proxy"), keeping.part("jupyterhub_idle_culler")]
        dying = [keeping.hub_process(), psutil.Process(hub.process.pid)]
        for process in dying:
            process.kill()
        psutil.wait_procs(dying, timeout=10)
        assert all(process.is_running() for process in orphans), "there is nothing to find"
        again = keeping.start()
        assert "Ended what a killed hub had left: " in again.output
        assert not any(process.is_running() for process in orphans)
        assert keeping.part("configurable-http-proxy").pid != orphans[0].pid
        # the token is in the database, the server in the hub's state
        assert keeping.server(http) == server
        assert keeping.part("jupyterhub-singleuser").pid == single.pid
        kernel.connect()  # as JupyterLab does, when the proxy has gone
        assert run(kernel, "print(kept)") == "from before\n"
        assert again.stop(signal.SIGTERM) == 0
        assert "Stopped: users' servers go on, and the next start finds them." in again.output
        assert keeping.part("jupyterhub-singleuser").pid == single.pid


@pytest.mark.load
def test_a_killed_hub_ends_the_supervisor_and_a_stopped_one_keeps_servers(keeping):
    hub = keeping.start()
    http = hub.log_in()
    hub.start_server(http)
    single = keeping.part("jupyterhub-singleuser")
    keeping.hub_process().kill()
    assert hub.process.wait(60) == 1
    assert "probav-hub: JupyterHub ended: " in hub.output
    left = {each.pid for each in keeping.processes() if "keeper" not in " ".join(each.cmdline())}
    assert left == {single.pid}
    keeping.start()
    keeping.server(http)
    assert keeping.part("jupyterhub-singleuser").pid == single.pid


@pytest.mark.load
def test_a_killed_proxy_comes_back_with_its_routes(keeping):
    hub = keeping.start()
    http = hub.log_in()
    server = hub.start_server(http)
    with RemoteKernel(http, server, "python3") as kernel:
        run(kernel, "kept = 'from before'")
        before = keeping.part("configurable-http-proxy")
        before.kill()
        wait_for(lambda: answers(http, f"{server}/api/status"), 60, "no route to the server")
        assert keeping.part("configurable-http-proxy").pid != before.pid
        kernel.connect()
        assert run(kernel, "print(kept)") == "from before\n"


@pytest.mark.load
def test_a_killed_service_comes_back(keeping):
    hub = keeping.start()
    before = keeping.part("jupyterhub_idle_culler")
    before.kill()
    log = hub.data / "probav" / "hub" / "hub.log"
    wait_for(lambda: others(keeping, "jupyterhub_idle_culler", before.pid), 60, log.read_text())


@pytest.mark.load
def test_a_killed_server_is_noticed_and_starts_again_with_its_home(keeping):
    hub = keeping.start()
    http = hub.log_in()
    server = hub.start_server(http)
    with RemoteKernel(http, server, "python3") as kernel:
        run(kernel, "open('mine.txt', 'w').write('kept')")
        kernels = others(keeping, "ipykernel_launcher", 0)
        keeping.part("jupyterhub-singleuser").kill()
        api = f"{hub.url}/hub/api/users/{hub.user}"
        wait_for(lambda: not http.get(api, timeout=30).json()["servers"], 60, "the hub does not notice")
        assert psutil.wait_procs(kernels, timeout=60)[1] == [], "a kernel is left"
    assert http.get(f"{server}/api/status", timeout=30).status_code in (424, 503)
    again = hub.start_server(http)
    assert http.get(f"{again}/api/contents/mine.txt", timeout=30).json()["content"] == "kept"


@pytest.mark.load
@pytest.mark.spark
def test_a_killed_driver_of_spark_is_said_and_the_kernel_starts_another(keeping):
    hub = keeping.start()
    server = hub.start_server(http := hub.log_in())
    with RemoteKernel(http, server, "probav-python") as kernel:
        assert run(kernel, "kept = 1; print(spark.range(3).count())").endswith("3\n")
        keeping.part("java").kill()
        told = run(
            kernel,
            "try:\n    spark.range(3).count()\nexcept BaseException as error: print(type(error).__name__)",
        )
        assert told.strip()
        assert run(kernel, "print(kept)") == "1\n"
        http.post(f"{kernel._address}/restart", timeout=60).raise_for_status()
        wait_for(lambda: counts(kernel), 120, "Spark does not start again")


def counts(kernel: RemoteKernel) -> bool:
    """Return whether Spark counts in a kernel, which may be about to start."""
    with suppress(HubError):
        return run(kernel, "print(spark.range(3).count())").endswith("3\n")
    return False


def others(keeping: Keeping, words: str, pid: int) -> list[psutil.Process]:
    """Return the processes of a hub whose command line holds some words, but one."""
    return [each for each in keeping.processes() if each.pid != pid and words in " ".join(each.cmdline())]


def answers(http: requests.Session, url: str) -> bool:
    with suppress(requests.RequestException):
        return http.get(url, timeout=10).ok
    return False
