"""The hub in its pod: what the chart of JupyterHub has configured stays, and ours comes on top."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys

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
        c.JupyterHub.db_url = "sqlite:///jupyterhub.sqlite"
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


def test_keys_of_encryption_are_the_charts(tmp_path):
    from probav_hub import authentication
    from probav_hub.configuration import Authentication

    login = Authentication.model_validate({
        "method": "oidc", "allowed_groups": ["lab"],
        "oidc": {"issuer": "https://x", "client_id": "a", "client_secret_file": str(tmp_path / "secret"),
                 "groups_claim": "groups"},
    })  # fmt: skip
    (tmp_path / "secret").write_text("se-cret")
    (tmp_path / "secret").chmod(0o600)
    found = dict.fromkeys(("authorization_endpoint", "token_endpoint", "userinfo_endpoint"), "https://x/y")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(authentication, "discover", lambda provider: found)
        c = Config()
        c.CryptKeeper.keys = ["ab" * 32]
        authentication.authentication(c, login, tmp_path, "")
    assert c.CryptKeeper["keys"] == ["ab" * 32]
    assert not (tmp_path / "crypt_key").exists()


def test_the_database_is_on_the_hubs_volume_wherever_the_hub_starts(hub, tmp_path):
    assert hub({}).JupyterHub.db_url == f"sqlite:///{tmp_path}/jupyterhub.sqlite"


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


def test_hub_and_broker_need_no_library_of_notebooks():
    """Their image has none."""
    program = (
        "import sys, probav_hub.kubernetes.__main__, probav_hub.kubernetes.configured; print(*sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in shown.stdout.split()}
    assert (
        loaded & {"jupytext", "jupyter_server", "jupyter_client", "nbclient", "nbformat", "jupyterlab"}
        == set()
    )


READ = """
import base64
import json
from pathlib import Path
from traitlets.config.loader import PyFileConfigLoader
c = PyFileConfigLoader("jupyterhub_config.py", "/usr/local/etc/jupyterhub").load_config()
print("FOUND", json.dumps({
    "spawner": c.JupyterHub.spawner_class.__name__, "database": c.JupyterHub.db_url,
    "services": [each["name"] for each in c.JupyterHub.services], "labels": c.KubeSpawner.extra_labels,
    "image": c.KubeSpawner.image, "password": c.SharedPasswordAuthenticator.user_password,
    "common": c.KubeSpawner.common_labels, "volumes": list(c.KubeSpawner.volumes),
}))
"""


def test_jupyterhubs_own_configuration_and_ours_go_together(whole, find, tmp_path):
    """The files of the pod of the hub, where its container has them, read as JupyterHub reads them."""
    if not shutil.which("bwrap"):
        pytest.skip("bubblewrap puts the files where the hub's pod has them, and there is none")
    folder = tmp_path / "jupyterhub"
    for name, kind, entry in (("config", "ConfigMap", "data"), ("secret", "Secret", "data")):
        (folder / name).mkdir(parents=True)
        for key, value in find(whole, kind, "hub")[entry].items():
            (folder / name / key).write_bytes(base64.b64decode(value) if kind == "Secret" else value.encode())
    for name in ("jupyterhub_config.py", "z2jh.py"):
        (folder / name).write_text(find(whole, "ConfigMap", "hub")["data"][name])
    login = tmp_path / "login"
    login.mkdir()
    (login / "password").write_bytes(
        base64.b64decode(find(whole, "Secret", "probav-login")["data"]["password"])
    )
    (login / "password").chmod(0o600)
    (tmp_path / "state").mkdir()
    shown = subprocess.run(
        ["bwrap", "--ro-bind", "/", "/", "--dev", "/dev", "--tmpfs", "/usr/local/etc",
         "--ro-bind", folder, "/usr/local/etc/jupyterhub", "--tmpfs", "/etc",
         "--ro-bind", "/etc/passwd", "/etc/passwd", "--ro-bind", login, "/etc/probav/login",
         "--tmpfs", "/srv", "--bind", tmp_path / "state", "/srv/jupyterhub", sys.executable, "-c", READ],
        capture_output=True, text=True,
        env={**os.environ, "PROBAV_POD_IP": "10.1.2.3", "POD_NAMESPACE": "lab",
             "PROXY_API_SERVICE_PORT": "8001", "HUB_SERVICE_PORT": "8081"},
    )  # fmt: skip
    if "bwrap:" in shown.stderr:
        pytest.skip(f"bubblewrap can't: {shown.stderr.strip()}")
    found = json.loads(shown.stdout.partition("FOUND")[2] or "{}")
    assert found, shown.stderr
    assert found["spawner"] == "PodSpawner"
    assert found["database"] == "sqlite:////srv/jupyterhub/jupyterhub.sqlite"
    assert found["services"] == ["culler", "accounting"]
    assert found["labels"]["probav/server"] == "{user_server}"
    assert found["labels"]["hub.jupyter.org/network-access-hub"] == "true"
    assert (found["common"]["app"], found["common"]["release"]) == ("jupyterhub", "hub")
    assert found["image"] == "probav-user:0.1.0"
    assert found["volumes"] == ["home", "archive", "published"]
    assert len(found["password"]) == 20
