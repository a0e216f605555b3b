"""The hub in its pod: what the chart of JupyterHub has configured stays, and ours comes on top."""

from __future__ import annotations

import json
import os

import pytest
from pydantic import ValidationError
from traitlets.config import Config

from probav_hub.authentication import secret
from probav_hub.check import problems
from probav_hub.configuration import Configuration
from probav_hub.errors import HubError
from probav_hub.kubernetes.configured import configure
from probav_hub.kubernetes.spawner import PodSpawner
from probav_hub.kubernetes.values import Values


@pytest.fixture
def hub(tmp_path):
    """Configure a hub as the chart of JupyterHub leaves it to us."""
    (tmp_path / "password").write_text("pass-word-of-the-lab")
    (tmp_path / "password").chmod(0o600)

    def make(own):
        c = Config()
        c.JupyterHub.services = [{"name": "grafana", "api_token": "to-ken"}]
        c.JupyterHub.load_roles = [{"name": "grafana", "services": ["grafana"], "scopes": ["read:metrics"]}]
        c.JupyterHub.tornado_settings = {"slow_spawn_timeout": 0}
        c.JupyterHub.base_url = "/lab/"
        c.CryptKeeper.keys = ["ab" * 32]
        c.KubeSpawner.environment = {"LANG": "nl_BE.UTF-8"}
        configure(c, own, tmp_path, tmp_path / "password", "10.1.2.3")
        return c

    return make


def test_services_and_roles_of_jupyterhubs_chart_stay(hub):
    c = hub({})
    assert c.JupyterHub.services[0]["name"] == "grafana"
    assert "culler" in {each["name"] for each in c.JupyterHub.services}
    assert "grafana" in {each["name"] for each in c.JupyterHub.load_roles}
    assert c.KubeSpawner.environment["LANG"] == "nl_BE.UTF-8"


def test_the_culler_asks_within_the_pod(hub):
    (culler,) = [each for each in hub({}).JupyterHub.services if each["name"] == "culler"]
    assert "--url=http://localhost:8081/lab/hub/api" in culler["command"]


def test_services_with_pages_listen_where_the_proxy_reaches_them_and_kernels_find_them(hub):
    c = hub({"hub": {"schedules": {}}})
    addresses = {each["name"]: each["url"] for each in c.JupyterHub.services if "url" in each}
    assert addresses == {"accounting": "http://10.1.2.3:8082", "schedules": "http://10.1.2.3:8083"}
    (schedules,) = [each for each in c.JupyterHub.services if each["name"] == "schedules"]
    assert json.loads(schedules["environment"]["PROBAV_SCHEDULES"])["proxy"] == "http://proxy-public"
    assert c.Spawner.environment["PROBAV_ACCOUNTING_URL"] == "http://hub:8082/lab/services/accounting/"
    assert c.KubeSpawner.environment["PROBAV_ACCOUNTING_URL"] == "http://hub:8082/lab/services/accounting/"


def test_the_generated_password_is_that_of_the_secret(hub):
    assert hub({}).SharedPasswordAuthenticator.user_password == "pass-word-of-the-lab"


def test_keys_of_encryption_are_the_charts(hub):
    assert hub({}).CryptKeeper["keys"] == ["ab" * 32]


def test_cookies_are_for_tls_alone_where_the_ingress_speaks_it(hub):
    settings = hub({"hub": {"tls_elsewhere": True}}).JupyterHub.tornado_settings
    assert settings["cookie_options"]["secure"] is True
    assert settings["slow_spawn_timeout"] == 0
    assert "cookie_options" not in hub({}).JupyterHub.tornado_settings


def test_the_operators_own_settings_have_the_last_word(hub):
    c = hub({"hub": {"jupyterhub": {"KubeSpawner": {"node_selector": {"pool": "users"}}}}})
    assert c.KubeSpawner.node_selector == {"pool": "users"}
    assert c.JupyterHub.spawner_class is PodSpawner


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ({"hub": {"address": "0.0.0.0"}}, "hub.address is no setting here"),
        ({"hub": {"profiles": [{"name": "a", "title": "A", "spark_executors": 1}]},
          "spark": {"enabled": False}},
         "switch Spark on"),
        ({"archive": {"claim": "a", "url": "s3://a/b"}}, "name one of them"),
        ({"archive": {"claim": "A B"}}, "string_pattern_mismatch"),
        ({"nonsense": 1}, "extra_forbidden"),
    ],
)  # fmt: skip
def test_values_that_make_no_sense_are_refused(own, said):
    with pytest.raises(ValidationError, match=said):
        Values.model_validate(own)


def test_a_machine_is_no_place_for_pods():
    found = [str(each) for each in problems(Configuration(spawner="kubernetes"))]
    assert any("the chart in helm/" in each for each in found)


@pytest.mark.skipif(os.geteuid() != 0, reason="files of root's are made by root")
def test_secrets_that_root_hands_out_to_a_group_are_taken(tmp_path):
    file = tmp_path / "secret"
    file.write_text("se-cret")
    file.chmod(0o440)  # as Kubernetes mounts a Secret for the pod's group
    assert secret(file) == "se-cret"
    for mode in (0o444, 0o460):
        file.chmod(mode)
        with pytest.raises(HubError, match="others can read"):
            secret(file)
