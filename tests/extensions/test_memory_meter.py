"""The meter has a limit to warn before, on a real server with the real extension."""

from __future__ import annotations

import pytest
from jupyter_server.serverapp import ServerApp
from traitlets.config import Config

from probav import memory
from probav_extensions import memory_meter

EXTENSION = "jupyter_resource_usage"


@pytest.fixture
def start(tmp_path, monkeypatch):
    for name in ("CONFIG", "DATA", "RUNTIME"):
        monkeypatch.setenv(f"JUPYTER_{name}_DIR", str(tmp_path / name))
    monkeypatch.setenv("MEM_LIMIT", "0")

    def server(*extensions: str, **settings: float) -> ServerApp:
        given = Config(ResourceUseDisplay={"enable_prometheus_metrics": False, **settings})
        app = ServerApp(
            config=given, jpserver_extensions=dict.fromkeys(extensions, True), root_dir=str(tmp_path)
        )
        app.initialize(argv=["--allow-root"], find_extensions=False, new_httpserver=False)
        memory_meter.configure(app)
        return app

    return server


def test_without_a_limit_it_gets_that_of_the_machine_or_container(start):
    display = start(EXTENSION).web_app.settings["jupyter_resource_usage_display_config"]
    assert display.mem_limit == memory.limit()
    assert display.mem_warning_threshold == 0.2


def test_what_is_configured_stays(start, monkeypatch):
    monkeypatch.setenv("MEM_LIMIT", "4000000000")
    app = start(EXTENSION, mem_warning_threshold=0.05)
    display = app.web_app.settings["jupyter_resource_usage_display_config"]
    assert (display.mem_limit, display.mem_warning_threshold) == (4_000_000_000, 0.05)


def test_a_server_without_the_meter_starts_as_ever(start):
    assert "jupyter_resource_usage_display_config" not in start().web_app.settings
