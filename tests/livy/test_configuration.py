"""What of Livy needs no server: addresses, credentials, sparkmagic's configuration. Quick."""

import base64
import json
import os
from pathlib import Path

import pytest

from probav.errors import EngineError
from probav.execution import livy_remote
from probav.execution.livy_client import Server, _basic, _wanted
from probav_kernels import livy
from probav_kernels.configuration import ConfigurationError, Settings, load

URL = "https://livy.example.org:8998"


@pytest.fixture(autouse=True)
def _nothing_configured(monkeypatch):
    names = [name for name in os.environ if name.startswith(("PROBAV_SPARK_", "JUPYTERHUB_"))]
    for name in names:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def credentials(tmp_path):
    file = tmp_path / "credentials"
    file.write_text("carol:geheim:1\n")
    file.chmod(0o600)
    return file


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("", "needs the address"),
        ("livy:8998", "no address"),
        ("http://me:secret@livy", "holds a user's name"),
    ],
)
def test_engine_refuses_an_address(monkeypatch, url, expected):
    monkeypatch.setenv("PROBAV_SPARK_LIVY_URL", url)
    with pytest.raises(EngineError, match=expected) as caught:
        Server.configured()
    assert "secret" not in str(caught.value)


def test_engine_asks_for_the_configured_user_or_the_hubs(monkeypatch):
    monkeypatch.setenv("PROBAV_SPARK_LIVY_URL", URL + "/")
    assert Server.configured() == Server(URL)
    monkeypatch.setenv("JUPYTERHUB_USER", "bob")
    assert Server.configured() == Server(URL, "bob")
    monkeypatch.setenv("PROBAV_SPARK_LIVY_USER", "alice")
    assert Server.configured() == Server(URL, "alice")


def test_engine_takes_credentials_from_a_private_file_only(credentials):
    assert base64.b64decode(_basic(credentials)) == b"carol:geheim:1"
    credentials.chmod(0o644)
    with pytest.raises(EngineError, match="can be read by others") as caught:
        _basic(credentials)
    assert "geheim" not in str(caught.value)


def test_rows_of_tasks_are_one_line_and_come_back():
    text = livy_remote.probav_text([(1, -2, b"\x00\xff'\"\n")])
    assert not set(text) & {" ", "\n", "'"}
    ((number, key, data),) = json.loads(text)
    assert (number, key, base64.b64decode(data)) == (1, -2, b"\x00\xff'\"\n")


def test_sparkmagic_gets_what_the_settings_say(credentials):
    settings = Settings(
        livy_url=URL + "/", executors=4, executor_memory="2g", packages=("g:a:1",), conf={"spark.x": "1"}
    )
    found = livy.configuration(settings, {"JUPYTERHUB_USER": "bob"})
    assert found["kernel_python_credentials"] == found["kernel_scala_credentials"]
    assert found["kernel_scala_credentials"]["url"] == URL
    assert found["kernel_scala_credentials"]["auth"] == "None"
    assert found["session_configs"] == {
        "proxyUser": "bob", "numExecutors": 4, "executorMemory": "2g",
        "conf": {"spark.jars.packages": "g:a:1", "spark.x": "1"},
    }  # fmt: skip
    basic = livy.configuration(settings, {"PROBAV_SPARK_LIVY_CREDENTIALS": str(credentials)})
    assert basic["kernel_python_credentials"]["auth"] == "Basic_Access"
    assert basic["kernel_python_credentials"]["username"] == "carol"
    assert base64.b64decode(basic["kernel_python_credentials"]["base64_password"]) == b"geheim:1"
    assert (
        livy.configuration(settings, {"PROBAV_SPARK_LIVY_AUTH": "kerberos"})["kernel_python_credentials"][
            "auth"
        ]
        == "Kerberos"
    )


@pytest.mark.parametrize("url", [None, "http://me:secret@livy"])
def test_sparkmagic_is_not_set_up_without_a_proper_address(url):
    with pytest.raises(ConfigurationError) as caught:
        livy.configuration(Settings(livy_url=url), {})
    assert "secret" not in str(caught.value)


def test_example_of_the_manual_is_a_configuration(tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "livy.md").read_text()
    lines = [line.removeprefix("    ") for line in page.splitlines() if line.startswith("    ")]
    (tmp_path / "spark.toml").write_text("\n".join(lines))
    settings = load({"PROBAV_SPARK_CONFIG": str(tmp_path / "spark.toml")})
    assert settings.livy_url == URL
    assert livy.session(settings, None)["conf"] == {"spark.pyspark.python": "/opt/probav/bin/python"}


def test_engine_asks_for_the_sessions_the_environment_describes(monkeypatch):
    for name, value in {"EXECUTORS": "8", "EXECUTOR_MEMORY": "4g", "CONF": "spark.a=1 'spark.b=x y'"}.items():
        monkeypatch.setenv(f"PROBAV_SPARK_{name}", value)
    assert _wanted() == {
        "numExecutors": 8, "executorMemory": "4g", "conf": {"spark.a": "1", "spark.b": "x y"},
    }  # fmt: skip
