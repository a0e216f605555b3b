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

from probav_hub.prepare import free_ports
from probav_hub.remote_kernel import RemoteKernel

pytestmark = pytest.mark.e2e
PROBAV_HUB = Path(sys.executable).with_name("probav-hub")


def run(kernel: RemoteKernel, code: str) -> str:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    kernel.run(notebook, lambda number, count: None)
    return "".join(output.get("text", "") for output in notebook.cells[0].outputs)


class Keeping:
    """A hub whose servers outlive it, started as often as it takes."""

    def __init__(self, start_hub, folder: Path, archive: Path) -> None:
        self._start = start_hub
        self.file = folder / "probav-hub.yaml"
        content = {"port": free_ports(1)[0], "archive": str(archive), "keep_servers": True}
        self.file.write_text(yaml.safe_dump({**content, "culling": {"minutes": 60}}))

    def start(self):
        self.hub = self._start(command=[PROBAV_HUB, "up", "--config", str(self.file)])
        return self.hub

    def part(self, words: str) -> psutil.Process:
        """Return the one process whose command line holds some words."""
        found = [each for each in self.hub.processes() if words in " ".join(each.cmdline())]
        assert len(found) == 1, found
        return found[0]

    def hub_process(self) -> psutil.Process:
        return self.part("-m jupyterhub --config")

    def server(self, http: requests.Session) -> str:
        """Return the address of the user's server, which runs."""
        api = f"{self.hub.url}/hub/api/users/{self.hub.user}"
        assert http.get(api, timeout=30).json()["servers"][""]["ready"]
        return f"{self.hub.url}/user/{self.hub.user}"


@pytest.fixture
def keeping(start_hub, tmp_path, demo_archive) -> Iterator[Keeping]:
    kept = Keeping(start_hub, tmp_path, demo_archive)
    yield kept
    kept.hub.stop()
    for process in kept.hub.processes():
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
        assert [each.pid for each in again.processes() if "singleuser" in " ".join(each.cmdline())] == [
            single.pid
        ]
