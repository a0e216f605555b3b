from __future__ import annotations

import re
from pathlib import Path

import pytest
from traitlets.config import Config

from probav_hub.config import configure
from probav_hub.settings import Settings
from probav_hub.simple import SimpleSpawner


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
    assert [service["name"] for service in make().JupyterHub.services] == ["culler", "accounting"]
    assert make(token="to-ken").JupyterHub.services[1]["api_token"] == "to-ken"


def test_culling_is_what_the_file_says(make):
    given = {"culling": {"minutes": 7, "every_minutes": 2}, "accounting": None}
    (culler,) = make(configured=given).JupyterHub.services
    assert culler["command"][2:] == ["jupyterhub_idle_culler", "--timeout=420", "--cull-every=120"]
    assert make(configured={"culling": None, "accounting": None}).JupyterHub.services == []


@pytest.mark.parametrize(("minutes", "seconds"), [(1, 10), (5, 50), (7, 60), (600, 60)])
def test_servers_tell_that_they_are_busy_several_times_before_they_would_be_culled(make, minutes, seconds):
    c = make(configured={"culling": {"minutes": minutes}})
    assert c.Spawner.environment["JUPYTERHUB_ACTIVITY_INTERVAL"] == str(seconds)
    # a look at the kernels, a report (late by a fifth at most), and what the hub does not write down
    assert seconds + 1.2 * seconds + 30 < minutes * 60


def test_the_operators_own_words_come_last(make):
    c = make(
        configured={"jupyterhub": {"Spawner": {"default_url": "/tree"}, "JupyterHub": {"log_level": 10}}}
    )
    assert c.Spawner.default_url == "/tree"
    assert c.JupyterHub.log_level == 10
    assert c.Spawner.ip == "127.0.0.1"


def test_tls_and_the_path_are_in_the_address(make):
    tls = {"certificate": "/c.pem", "key": "/k.pem"}
    c = make(configured={"address": "192.0.2.1", "base_url": "/veg/", "tls": tls})
    assert c.JupyterHub.bind_url == "https://192.0.2.1:8000/veg"
    assert c.JupyterHub.ssl_key == "/k.pem"
    assert c.JupyterHub.tornado_settings["cookie_options"]["secure"]
    assert c.JupyterHub.hub_ip == "127.0.0.1"


def test_settings_of_spark_reach_kernels(make):
    spark = {
        "master": "spark://c:7077",
        "executors": 3,
        "conf": {"a.b": "1", "c": "2"},
        "packages": ["g:a:1"],
    }
    environment = make(configured={"spark": spark}).Spawner.environment
    found = {name: value for name, value in environment.items() if name.startswith("PROBAV_SPARK_")}
    assert found["PROBAV_SPARK_MASTER"] == "spark://c:7077"
    assert found["PROBAV_SPARK_EXECUTORS"] == "3"
    assert found["PROBAV_SPARK_CONF"] == "a.b=1 c=2"
    assert found["PROBAV_SPARK_PACKAGES"] == "g:a:1"


def test_jupyterhub_knows_every_option_we_set(make):
    """A misspelt option would be ignored in silence."""
    from jupyterhub import app, auth, proxy, spawner
    from jupyterhub.authenticators.shared import SharedPasswordAuthenticator

    classes = [app.JupyterHub, auth.Authenticator, proxy.ConfigurableHTTPProxy, spawner.Spawner,
               spawner.SimpleLocalProcessSpawner, SimpleSpawner, SharedPasswordAuthenticator]  # fmt: skip
    known = {cls.__name__: set(cls.class_trait_names(config=True)) for cls in classes}
    for section, options in make(token="to-ken", configured={"servers_per_user": 3}).items():
        assert set(options) <= known[section]


@pytest.mark.parametrize("method", ["first-use", "sign-up", "oidc"])
def test_authenticators_know_every_option_we_set(tmp_path, monkeypatch, method):
    import firstuseauthenticator
    import nativeauthenticator
    import oauthenticator.generic
    from jupyterhub import app, auth, crypto

    from probav_hub import authentication
    from probav_hub.configuration import Authentication

    endpoints = ("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "end_session_endpoint")
    monkeypatch.setattr(authentication, "discover", lambda oidc: {name: "https://x" for name in endpoints})
    (tmp_path / "secret").write_text("s")
    (tmp_path / "secret").chmod(0o600)
    oidc = {"issuer": "https://x", "client_id": "i", "client_secret_file": tmp_path / "secret",
            "groups_claim": "groups", "callback_url": "https://h"}  # fmt: skip
    given = Authentication(
        method=method, oidc=oidc if method == "oidc" else None, allowed_users=("a",), admins=("b",),
        allowed_groups=("g",), admin_groups=("h",),
    )  # fmt: skip
    c = Config()
    authentication.authentication(c, given, tmp_path, "pass-word")
    kinds = [
        app.JupyterHub,
        auth.Authenticator,
        crypto.CryptKeeper,
        firstuseauthenticator.FirstUseAuthenticator,
        nativeauthenticator.NativeAuthenticator,
        oauthenticator.generic.GenericOAuthenticator,
    ]
    known = {kind.__name__: set(kind.class_trait_names(config=True)) for kind in kinds}
    for section, options in c.items():
        assert set(options) <= known[section]
    assert c.Authenticator.allowed_users == {"a", "b"}
    assert "allow_all" not in c.Authenticator
