"""A killed hub finds its servers when it is started again; with certificates between all parts, too."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import suppress

import psutil
import pytest
import requests
from waiting import wait_for

from probav_hub import prepare
from probav_hub.configuration import Configuration, Culling, Profile
from probav_hub.demo import spawn
from probav_hub.processes import last_line, local_requests
from probav_hub.sandbox import machine, runs
from probav_hub.settings import CONFIG_FILE, VARIABLE

pytestmark = pytest.mark.e2e


class Jupyterhub:
    """JupyterHub as systemd would run it, without a supervisor of ours."""

    def __init__(self, settings) -> None:
        self.settings = settings

    def start(self) -> None:
        log = open(self.settings.log, "ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "jupyterhub", "--config", CONFIG_FILE],
            cwd=self.settings.state,
            env={**os.environ, VARIABLE: str(self.settings.file)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        deadline = time.monotonic() + 120
        with local_requests() as http:
            while time.monotonic() < deadline:
                assert self.process.poll() is None, last_line(self.settings.log)
                with suppress(requests.RequestException):
                    if http.get(f"{self.settings.url}/hub/api/", timeout=5).ok:
                        return
                time.sleep(0.2)
        pytest.fail(f"the hub does not answer: {last_line(self.settings.log)}")


@pytest.mark.parametrize(
    "is_encrypted",
    [pytest.param(False, id="plain", marks=pytest.mark.cluster), pytest.param(True, id="internal_ssl")],
)
def test_a_killed_hub_finds_its_servers_again(tmp_path, is_encrypted):
    if found := machine.problems():
        pytest.skip(f"no sandboxes here: {' '.join(found)}")
    state = tmp_path / "state"
    options = {"JupyterHub": {"internal_ssl": True}}
    profile = Profile(name="small", title="Small", cpu=1, memory="1G")
    settings = prepare.settings(
        state=state, port=None, archive=str(tmp_path), notebooks=None, token="t" * 32,
        configuration=Configuration(spawner="sandbox", profiles=(profile,), culling=Culling(every_minutes=1),
                                    jupyterhub=options if is_encrypted else {}),
    )  # fmt: skip
    settings.save()
    hub = Jupyterhub(settings)
    hub.start()
    started, services = [], []
    try:
        with local_requests() as http:
            http.headers["Authorization"] = f"token {settings.token}"
            server = spawn(http, settings, "ann")
            kernel = http.post(f"{server}/api/kernels", json={"name": "python3"}, timeout=60).json()
            (run,) = runs.all_of(state)
            started = [psutil.Process(run.pid), *psutil.Process(run.pid).children(recursive=True)]
            services = psutil.Process(hub.process.pid).children()  # which nobody ends for a killed hub here
            hub.process.kill()
            hub.process.wait()
            assert run.pid, "the server died with its hub"
            hub.start()
            api = f"{settings.url}/hub/api/users/ann"
            assert http.get(api, timeout=30).json()["servers"][""]["ready"]
            kernels = http.get(f"{server}/api/kernels", timeout=60).json()
            assert [found["id"] for found in kernels] == [kernel["id"]]
            culled = "GET /hub/api/users?state=[secret] (culler@127.0.0.1)"
            wait_for(lambda: culled in settings.log.read_text(), 30, "the culler did not reach the hub")
            http.delete(f"{api}/server", timeout=60).raise_for_status()
            assert psutil.wait_procs(started, timeout=60)[1] == []
            wait_for(lambda: not list((state / "sandboxes").iterdir()), 20, "the sandbox's folder is left")
    finally:
        hub.process.terminate()
        hub.process.wait(60)
        for process in [*started, *services]:
            with suppress(psutil.NoSuchProcess):
                process.kill()
