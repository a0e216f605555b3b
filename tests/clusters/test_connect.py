"""The same bytes through Spark Connect: a server with a token, on a standalone cluster."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from waiting import wait_for

pytestmark = pytest.mark.cluster

QUERIES = ["polygon", "districts", "point", "parcels", "months", "floats", "decade"]
TOKEN = "a-token-of-this-test"


@pytest.fixture
def server(standalone, processes, spark_environment, tmp_path):
    """Return the address of a Connect server whose executors are those of a standalone cluster."""
    if not all(map(find_spec, ("grpc", "grpc_status"))):
        pytest.skip("Spark Connect's client is not installed: pyspark[connect]")
    cluster = standalone()
    conf = tmp_path / "conf"
    conf.mkdir()
    (conf / "spark-defaults.conf").write_text(
        f"spark.master {cluster.url}\n"
        "spark.executor.memory 512m\nspark.driver.memory 600m\n"
        "spark.connect.grpc.binding.address 127.0.0.1\nspark.connect.grpc.binding.port 0\n"
        "spark.executorEnv.PYTHONSAFEPATH 1\n"
    )
    (conf / "log4j2.properties").write_text((cluster.folder / "conf" / "log4j2.properties").read_text())
    own = spark_environment(
        **processes.environment, SPARK_CONF_DIR=str(conf), SPARK_CONNECT_AUTHENTICATE_TOKEN=TOKEN,
        SPARK_LOG_DIR=str(tmp_path), SPARK_PID_DIR=str(tmp_path),
    )  # fmt: skip
    own["PYSPARK_PYTHON"] = sys.executable
    log = tmp_path / "connect.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [Path(own["SPARK_HOME"], "sbin", "start-connect-server.sh"), "--wait"],
            env=own, stdout=output, stderr=output, stdin=subprocess.DEVNULL, cwd=tmp_path,
        )  # fmt: skip

    def port():
        assert process.poll() is None, log.read_text()[-3000:]
        found = re.search(r"Spark Connect server started at: [^\n]*?:(\d+)", log.read_text())
        return found and found[1]

    yield f"sc://localhost:{wait_for(port, 90, lambda: log.read_text()[-3000:])}", cluster
    process.terminate()
    process.wait(timeout=30)


def test_the_same_bytes_behind_connect(server, driver, processes, same):
    address, cluster = server
    asked = driver(QUERIES, processes, {}, master=f"{address}/;user_id=a;token={TOKEN}").finish()
    same(asked, *QUERIES)
    assert cluster.state()["activeapps"][0]["cores"] > 0
    assert TOKEN not in asked.output


def test_nobody_gets_in_without_the_token(server, driver, processes):
    address, _ = server
    asked = driver(["point"], processes, {}, master=f"{address}/;user_id=a;token=another")
    asked.process.wait(timeout=120)
    error = asked.folder / "point.error"
    assert "UNAUTHENTICATED" in (error.read_text() if error.exists() else asked.output)
    assert not (asked.folder / "point.npz").exists()
