"""A real culler stops a server that nobody uses, and none that computes, though its browser is closed."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml
from waiting import wait_for

from probav_hub.errors import HubError
from probav_hub.prepare import free_ports
from probav_hub.remote_kernel import RemoteKernel
from probav_hub.sandbox import machine

pytestmark = [pytest.mark.e2e, pytest.mark.load]  # an idle minute can't be had sooner
PROBAV_HUB = Path(sys.executable).with_name("probav-hub")
BUSY = 200  # seconds: much longer than an idle server is left


@pytest.mark.parametrize("spawner", ["simple", "sandbox"])
def test_an_idle_server_is_culled_and_one_that_computes_is_not(
    start_hub, tmp_path, demo_archive, run, spawner
):
    if spawner == "sandbox" and (found := machine.problems()):
        pytest.skip(f"NO SANDBOXES: {' '.join(found)}")
    file = tmp_path / "probav-hub.yaml"
    file.write_text(yaml.safe_dump({
        "port": free_ports(1)[0], "archive": str(demo_archive), "spawner": spawner, "servers_per_user": 2,
        "culling": {"minutes": 1, "every_minutes": 1},
    }))  # fmt: skip
    hub = start_hub(command=[PROBAV_HUB, "up", "--config", str(file)])
    http = hub.log_in()
    api, server = f"{hub.url}/hub/api/users/{hub.user}", hub.start_server(http)
    http.post(f"{api}/servers/idle", timeout=180).raise_for_status()

    def servers():
        return http.get(api, timeout=30).json()["servers"]

    def said():
        return f"{servers()}\n{hub.output}"

    wait_for(lambda: servers()["idle"]["ready"], 90, said)
    with RemoteKernel(http, server, "python3") as kernel, ThreadPoolExecutor(1) as beside:
        code = f"import time; open('began', 'w'); time.sleep({BUSY}); open('done', 'w')"
        running = beside.submit(run, kernel, code)
        home = hub.data / "probav" / "hub" / "homes" / hub.user
        wait_for((home / "began").exists, 60, said)
        kernel.disconnect()  # as a browser does that is closed
        assert isinstance(running.exception(60), HubError)
        wait_for(lambda: "idle" not in servers(), BUSY - 30, said)
        wait_for((home / "done").exists, BUSY, said)
        assert servers()[""]["ready"]
    wait_for(lambda: servers() == {}, 200, said)  # and now it is idle, too
