"""The same bytes on YARN: Hadoop's own resource and node managers, from Maven Central, one process each."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import urllib.request
from pathlib import Path

import pytest
from platformdirs import user_cache_path
from waiting import wait_for

pytestmark = pytest.mark.cluster

QUERIES = ["polygon", "districts", "point", "parcels", "months", "floats", "decade"]
COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy"
BOUNCY = ("bcprov-jdk18on", "bcpkix-jdk18on", "bcutil-jdk18on")  # the resource manager's certificates
SCHEDULER = {
    "yarn.scheduler.capacity.root.queues": "default",
    "yarn.scheduler.capacity.root.default.capacity": "100",
    "yarn.scheduler.capacity.maximum-am-resource-percent": "0.8",
}


@pytest.fixture(scope="module")
def hadoop(spark_environment):
    """Return the folder with Hadoop's daemons, of the version whose client Spark has; kept between runs."""
    jars = Path(spark_environment()["SPARK_HOME"], "jars")
    version = re.search(r"hadoop-client-api-([\d.]+)\.jar", " ".join(os.listdir(jars)))[1]
    wanted = [f"org.apache.hadoop:hadoop-client-minicluster:{version}"]
    wanted += [f"org.bouncycastle:{name}:1.78.1" for name in BOUNCY]
    folder = user_cache_path("probav") / f"hadoop-{version}"
    if not shutil.which("mvn"):
        pytest.skip("YARN comes from Maven Central, and there is no Maven (mvn) to get it with")
    for coordinates in wanted:
        _, name, number = coordinates.split(":")
        if not (folder / f"{name}-{number}.jar").exists():
            command = ["mvn", "-q", "-B", COPY, f"-Dartifact={coordinates}", f"-DoutputDirectory={folder}"]
            try:
                done = subprocess.run(command, capture_output=True, text=True, timeout=240)
            except subprocess.TimeoutExpired:
                pytest.skip(f"{coordinates} did not come from Maven Central within 4 minutes")
            if done.returncode:
                pytest.skip(f"{coordinates} can't be had from Maven Central: {done.stdout[-300:]}")
    return folder


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def write(path: Path, properties: dict[str, str]) -> None:
    items = (
        f"<property><name>{name}</name><value>{value}</value></property>"
        for name, value in properties.items()
    )
    path.write_text(f"<configuration>{''.join(items)}</configuration>")


@pytest.fixture
def yarn(hadoop, processes, spark_environment, tmp_path):
    """Start a resource manager and two node managers; return its address and the configuration folder."""
    own = spark_environment(**processes.environment)
    ports = {f"yarn.resourcemanager.{name}address": f"127.0.0.1:{free_port()}"
             for name in ("", "scheduler.", "resource-tracker.", "admin.", "webapp.")}  # fmt: skip
    web = f"http://{ports['yarn.resourcemanager.webapp.address']}/ws/v1/cluster"
    started, folders = [], []

    def daemon(name: str, kind: str, site: dict[str, str]) -> None:
        conf = tmp_path / f"{name}-conf"
        conf.mkdir()
        write(conf / "yarn-site.xml", ports | site)
        write(
            conf / "core-site.xml", {"fs.defaultFS": "file:///", "hadoop.tmp.dir": f"{tmp_path}/{name}-tmp"}
        )
        write(conf / "capacity-scheduler.xml", SCHEDULER)
        command = [
            Path(own["JAVA_HOME"], "bin", "java"), "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx384m",
            "-cp", f"{conf}:{hadoop}/*:{own['SPARK_HOME']}/jars/*", f"org.apache.hadoop.yarn.server.{kind}",
        ]  # fmt: skip
        with (tmp_path / f"{name}.log").open("wb") as log:
            started.append(subprocess.Popen(command, env=own, stdout=log, stderr=log, cwd=tmp_path))
        folders.append(conf)

    daemon("manager", "resourcemanager.ResourceManager", {})
    for number in range(2):
        daemon(f"node-{number}", "nodemanager.NodeManager", {
            "yarn.nodemanager.hostname": "127.0.0.1", "yarn.nodemanager.bind-host": "127.0.0.1",
            "yarn.nodemanager.address": "127.0.0.1:0", "yarn.nodemanager.webapp.address": "127.0.0.1:0",
            "yarn.nodemanager.localizer.address": f"127.0.0.1:{free_port()}",
            "yarn.nodemanager.local-dirs": f"{tmp_path}/node-{number}/local",
            "yarn.nodemanager.log-dirs": f"{tmp_path}/node-{number}/logs",
            "yarn.nodemanager.resource.memory-mb": "2048", "yarn.nodemanager.resource.cpu-vcores": "2",
            "yarn.nodemanager.vmem-check-enabled": "false", "yarn.scheduler.minimum-allocation-mb": "256",
            "yarn.nodemanager.disk-health-checker.max-disk-utilization-per-disk-percentage": "100",
        })  # fmt: skip

    def ready() -> bool:
        for process in started:
            assert process.poll() is None, (tmp_path / "manager.log").read_text()[-2000:]
        try:
            with urllib.request.urlopen(f"{web}/metrics", timeout=5) as answer:
                return json.load(answer)["clusterMetrics"]["activeNodes"] == 2
        except OSError:
            return False

    wait_for(ready, 90, lambda: (tmp_path / "node-0.log").read_text()[-2000:])
    yield web, folders[0]
    for process in started:
        process.terminate()
    for process in started:
        process.wait(timeout=30)


def test_the_same_bytes_on_yarn(yarn, driver, processes, spark_environment, same, tmp_path):
    web, conf = yarn
    own = spark_environment()
    java = {name: own[name] for name in ("JAVA_HOME", "PROBAV_JAVA", "PROBAV_JAVA_WITHOUT")}
    settings = {
        "spark.yarn.jars": f"local:{own['SPARK_HOME']}/jars/*",  # here on each node; else sent each time
        "spark.yarn.am.memory": "384m", "spark.executor.memoryOverhead": "384m",
        "spark.yarn.stagingDir": f"file://{tmp_path}/staging",
        "spark.dynamicAllocation.minExecutors": "2",
        **{f"spark.yarn.appMasterEnv.{name}": value for name, value in java.items()},
        **{f"spark.executorEnv.{name}": value for name, value in java.items()},
    }  # fmt: skip
    asked = driver(
        QUERIES, processes, settings, master="yarn", executors=2, environment={"HADOOP_CONF_DIR": str(conf)}
    )
    same(asked.finish(), *QUERIES)
    with urllib.request.urlopen(f"{web}/apps", timeout=10) as answer:
        apps = json.load(answer)["apps"]["app"]
    assert [(app["name"], app["finalStatus"]) for app in apps] == [("probav", "SUCCEEDED")]
    wait_for(lambda: not processes.executors(), 30, "the executors to end")
