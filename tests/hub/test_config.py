from __future__ import annotations

import re
from pathlib import Path

import pytest
from traitlets.config import Config

from probav_hub.config import configure
from probav_hub.settings import Settings


@pytest.fixture
def make(tmp_path):
    def configured(**changes) -> Config:
        values = {
            "state": str(tmp_path), "port": 8000, "hub_port": 8081, "proxy_port": 8001,
            "password": "pass-word", "archive": "/archive", "notebooks": None, "proxy": ["node", "proxy"],
        }  # fmt: skip
        c = Config()
        configure(c, Settings(**{**values, **changes}))
        return c

    return configured


def test_everything_listens_on_loopback(make):
    c = make()
    assert c.JupyterHub.bind_url == "http://127.0.0.1:8000"
    assert c.JupyterHub.hub_ip == c.Spawner.ip == "127.0.0.1"
    assert c.ConfigurableHTTPProxy.api_url == "http://127.0.0.1:8001"


def test_servers_get_the_archive_and_our_programs_first(make):
    environment = make().Spawner.environment
    assert environment["PROBAV_ARCHIVE"] == "/archive"
    assert Path(environment["PATH"].split(":")[0], "jupyter").exists()


@pytest.mark.parametrize(
    ("name", "fine"), [("probav", True), ("a-1_b", True), ("../up", False), ("A", False), ("", False)]
)
def test_user_names_are_folder_names(make, name, fine):
    assert bool(re.match(make().Authenticator.username_pattern, name)) == fine


def test_no_token_no_program(make):
    assert "services" not in make().JupyterHub
    assert make(token="to-ken").JupyterHub.services[0]["api_token"] == "to-ken"


def test_jupyterhub_knows_every_option_we_set(make):
    """A misspelt option would be ignored in silence."""
    from jupyterhub import app, auth, proxy, spawner
    from jupyterhub.authenticators.shared import SharedPasswordAuthenticator

    classes = [app.JupyterHub, auth.Authenticator, proxy.ConfigurableHTTPProxy, spawner.Spawner,
               spawner.SimpleLocalProcessSpawner, SharedPasswordAuthenticator]  # fmt: skip
    known = {cls.__name__: set(cls.class_trait_names(config=True)) for cls in classes}
    for section, options in make(token="to-ken").items():
        assert set(options) <= known[section]
