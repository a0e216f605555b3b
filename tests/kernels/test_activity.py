from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from waiting import wait_for

from probav_kernels import activity

BACKGROUND = """
import threading, time
def wait(number):
    time.sleep(300)
def work():
    try:
        spark.sparkContext.parallelize(range(2), 2).map(wait).count()
    except Exception:
        pass
thread = threading.Thread(target=work)
thread.start()
"""


def test_a_busy_kernel_is_activity_and_an_idle_one_is_none(tmp_path, monkeypatch):
    """With a real kernel of Jupyter's own manager; of the server, what is asked of it."""
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))

    async def look() -> tuple[dict, dict]:
        manager = AsyncMappingKernelManager(connection_dir=str(tmp_path))
        name = await manager.start_kernel(kernel_name="probav-python", cwd=str(tmp_path))
        server = SimpleNamespace(kernel_manager=manager, web_app=SimpleNamespace(settings={}))
        kernel = manager.get_kernel(name)
        client = kernel.client()
        client.start_channels()
        try:
            await client.wait_for_ready(timeout=120)
            while kernel.execution_state != "idle":
                client.kernel_info()  # what was said before the manager listened, it has not heard
                await asyncio.sleep(0.2)
            await activity.note(server)
            idle = dict(server.web_app.settings)
            client.execute("import time; time.sleep(300)")
            while kernel.execution_state != "busy":
                await asyncio.sleep(0.05)
            await activity.note(server)
            return idle, dict(server.web_app.settings)
        finally:
            client.stop_channels()
            await manager.shutdown_all(now=True)

    idle, busy = asyncio.run(asyncio.wait_for(look(), 180))
    assert idle == {}
    assert list(busy) == ["probav_last_activity"]


@pytest.mark.spark
def test_a_job_in_the_background_is_activity(start_server, monkeypatch):
    server = start_server()
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(server.runtime))
    server.run("spark.range(1).count()")
    pid = int(server.run("import os; print(os.getpid())").text)
    assert not asyncio.run(activity.works([pid]))
    server.run(BACKGROUND)
    wait_for(lambda: asyncio.run(activity.works([pid])), 60)
    assert not asyncio.run(activity.works([]))  # of another server's kernels nothing is asked
    server.run("spark.sparkContext.cancelAllJobs(); thread.join()")
    wait_for(lambda: not asyncio.run(activity.works([pid])), 30)
