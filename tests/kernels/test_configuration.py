from __future__ import annotations

import os
import shlex
import stat
from pathlib import Path

import pytest

from probav_kernels import class_data, environment
from probav_kernels.configuration import LOCAL, ConfigurationError, load

FILE = """
master = "spark://cluster:7077"
executors = 8
executor_memory = "4g"
packages = ["a:b:1", "c:d:2"]

[conf]
spark.locality.wait = "0s"
spark.speculation = false
"""


@pytest.fixture(autouse=True)
def clean(monkeypatch, tmp_path):
    """No file and no variable of this machine's."""
    for name in list(os.environ):
        if name.startswith(("PROBAV_SPARK", "SPARK_", "PYSPARK_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setattr(environment, "_folder", None)
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


def written(tmp_path, text=FILE) -> Path:
    path = tmp_path / "config" / "probav" / "spark.toml"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return path


def properties() -> dict[str, str]:
    option, name, *_ = shlex.split(os.environ["PYSPARK_SUBMIT_ARGS"])
    assert option == "--properties-file"
    path = Path(name)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    return dict(line.split(" ", 1) for line in path.read_text().splitlines())


def test_without_file_and_variables_spark_is_local():
    assert load({}).master == LOCAL


def test_the_file_is_read_and_variables_come_before_it(tmp_path):
    written(tmp_path)
    settings = load({"PROBAV_SPARK_EXECUTORS": "2", "PROBAV_SPARK_ARCHIVES": "x.tar.gz#x, y.zip"})
    assert settings.master == "spark://cluster:7077"
    assert settings.executors == 2
    assert settings.executor_memory == "4g"
    assert settings.packages == ("a:b:1", "c:d:2")
    assert settings.archives == ("x.tar.gz#x", "y.zip")
    assert settings.conf == {"spark.locality.wait": "0s", "spark.speculation": "false"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"PROBAV_SPARK_EXECUTORS": "many"},
            "PROBAV_SPARK_EXECUTORS is 'many'; expected a whole number from 1",
        ),
        ({"PROBAV_SPARK_SHIP": "maybe"}, "expected auto, always or never"),
        (
            {"PROBAV_SPARK_CONF": "locality=0"},
            "'locality=0' is no setting of Spark; expected spark.name=value",
        ),
        ({"PROBAV_SPARK_CONFIG": "/nowhere/spark.toml"}, "names /nowhere/spark.toml, which is no file"),
    ],
)
def test_a_value_that_makes_no_sense_says_where_it_stands(given, message):
    with pytest.raises(ConfigurationError, match=message):
        load(given)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mastr = 'local'", r"mastr in .*spark\.toml is no setting\. Did you mean 'master'\?"),
        ("master = [", "can't be read"),
        ("executors = 1.5", "expected a whole number"),
        ("packages = 3", "expected a list of texts"),
    ],
)
def test_a_file_that_makes_no_sense_says_what(tmp_path, text, message):
    written(tmp_path, text)
    with pytest.raises(ConfigurationError, match=message):
        load({})


def test_settings_become_properties_nobody_else_can_read(tmp_path):
    written(tmp_path)
    environment.configure()
    found = properties()
    assert found["spark.master"] == "spark://cluster:7077"
    assert found["spark.dynamicAllocation.maxExecutors"] == "8"
    assert found["spark.executor.memory"] == "4g"
    assert found["spark.jars.packages"] == "a:b:1,c:d:2"
    assert found["spark.locality.wait"] == "0s"
    assert found["spark.speculation"] == "false"  # the last word is the user's
    assert found["spark.executorEnv.PYTHONSAFEPATH"] == "1"
    assert environment.target() == "spark://cluster:7077"


def test_an_institutes_own_folder_is_kept_beneath_ours(tmp_path, monkeypatch):
    own = tmp_path / "conf"
    own.mkdir()
    (own / "spark-defaults.conf").write_text("# ours\nspark.eventLog.enabled = true\nspark.ui.port\t4141\n")
    monkeypatch.setenv("SPARK_CONF_DIR", str(own))
    environment.configure()
    found = properties()
    assert found["spark.eventLog.enabled"] == "true"
    assert found["spark.ui.port"] == "4141"
    assert os.environ["SPARK_CONF_DIR"] == str(own)
    assert "SharedArchiveFile" not in found["spark.driver.extraJavaOptions"]  # of another class path


def test_a_kernel_started_by_a_kernel_has_settings_of_its_own(monkeypatch):
    environment.configure()
    first = os.environ["PYSPARK_SUBMIT_ARGS"]
    environment.configure()
    assert os.environ["PYSPARK_SUBMIT_ARGS"] == first
    monkeypatch.setattr(environment, "_folder", None)  # as a process that inherits the environment has it
    environment.configure()
    assert os.environ["PYSPARK_SUBMIT_ARGS"] != first
    assert os.environ["PYSPARK_SUBMIT_ARGS"].split()[2:] == ["pyspark-shell"]


def test_arguments_of_the_users_stay(monkeypatch):
    monkeypatch.setenv("PYSPARK_SUBMIT_ARGS", "--name mine pyspark-shell")
    environment.configure()
    properties()
    assert os.environ["PYSPARK_SUBMIT_ARGS"].endswith(" --name mine pyspark-shell")


def test_what_a_killed_kernel_left_is_removed(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    left = tmp_path / f"{environment.NAME}left"
    left.mkdir()
    (left / "owner").write_text("4194305")  # no process has such a number
    environment.configure()
    assert not left.exists()
    assert environment._folder.parent == tmp_path


def test_a_java_without_class_data_starts_as_ever(tmp_path, monkeypatch):
    assert class_data.options({}) == ""
    java = tmp_path / "java"
    java.touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    made = {"PROBAV_JAVA": str(java)}
    assert class_data.options(made) == ""
    path = class_data.archives(made)[-1]
    path.parent.mkdir(parents=True)
    path.touch()
    assert f"-XX:SharedArchiveFile={path}" in class_data.options(made)
