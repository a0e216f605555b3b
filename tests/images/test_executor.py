"""Inside the executor image, and a session of the user image that sends work to it."""

from __future__ import annotations

import json
import re

from waiting import wait_for

INSTALLED = (
    "import json, importlib.metadata as found; "
    "print(json.dumps({each.metadata['Name']: each.version for each in found.distributions()}))"
)


def test_it_holds_the_engine_and_spark_as_locked_and_no_jupyter(start, locked):
    inside, known = start("executor"), locked("executor")
    installed = json.loads(inside.python(INSTALLED))
    wrong = {
        name: version
        for name, version in installed.items()
        if name != "probav" and version not in known.get(re.sub(r"[-_.]+", "-", name).lower(), ())
    }
    assert not wrong
    assert {"probav", "pyspark", "pyarrow"} <= set(installed)
    assert not [name for name in installed if "jupyter" in name or name.startswith("probav-")]
    assert inside.run("id", "-u").strip() == "1000"


def test_as_a_pod_it_needs_its_driver_and_says_so(engine, image):
    made = engine.containers.run(image("executor"), detach=True)
    try:
        assert made.wait(timeout=30)["StatusCode"] != 0
        assert "SPARK_DRIVER_URL: is set by the driver" in made.logs().decode()
    finally:
        made.remove(force=True)


def test_as_a_pod_it_calls_the_driver_it_was_given(engine, image):
    """What Kubernetes' driver would give it; nothing listens there, and Spark's own class says so."""
    given = {
        "SPARK_DRIVER_URL": "spark://CoarseGrainedScheduler@127.0.0.1:1", "SPARK_EXECUTOR_ID": "1",
        "SPARK_EXECUTOR_CORES": "1", "SPARK_EXECUTOR_MEMORY": "512m", "SPARK_APPLICATION_ID": "app",
        "SPARK_EXECUTOR_POD_IP": "127.0.0.1", "SPARK_EXECUTOR_POD_NAME": "pod",
        "SPARK_RESOURCE_PROFILE_ID": "0",
        "SPARK_JAVA_OPT_0": "-Dprobav.first=1", "SPARK_JAVA_OPT_1": "-Dprobav.second=a b",
    }  # fmt: skip
    made = engine.containers.run(image("executor"), ["executor"], environment=given, detach=True)
    try:
        wait_for(lambda: made.logs(), 60)
        assert made.wait(timeout=120)["StatusCode"] != 0
        log = made.logs().decode()
        assert "KubernetesExecutorBackend" in log or "CoarseGrainedExecutorBackend" in log
        assert "Could not find or load main class" not in log
    finally:
        made.remove(force=True)


def test_a_session_of_the_user_image_computes_on_workers_of_this_one(engine, start, archive_to_read):
    """Driver and executors are containers of two images; the numbers are the local engine's."""
    read = {str(archive_to_read): {"bind": "/archive", "mode": "ro"}}
    network = engine.networks.create("probav-test-workers")
    try:
        common = {"network": network.name, "volumes": read}
        master = start(
            "executor",
            ["java", "-cp", "/opt/spark/jars/*", "org.apache.spark.deploy.master.Master", "--port", "7077",
             "--webui-port", "0"],
            **common,
        )  # fmt: skip
        wait_for(lambda: b"I have been elected leader" in master.container.logs(), 240,
             lambda: master.container.logs().decode())  # fmt: skip
        master.container.reload()
        address = master.container.attrs["NetworkSettings"]["Networks"][network.name]["IPAddress"]
        worker = start(
            "executor", ["worker", "--cores", "1", "--memory", "1g", "--webui-port", "0",
                         f"spark://{address}:7077"], **common,
        )  # fmt: skip
        wait_for(lambda: b"Successfully registered with master" in worker.container.logs(), 240,
             lambda: worker.container.logs().decode())  # fmt: skip
        driver = start(
            "user",
            environment={"PROBAV_ARCHIVE": "/archive", "PROBAV_SPARK_MASTER": f"spark://{address}:7077"},
            **common,
        )
        code = """
import os, socket
os.environ["SPARK_LOCAL_HOSTNAME"] = socket.gethostbyname(socket.gethostname())  # workers know no names here
from probav_kernels.environment import configure
configure()
import probav
product = next(each for each in probav.open_archive() if "NDVI" in each.variables)
west, south, east, north = product.footprint().total_bounds
box = (west, south, (west + east) / 2, (south + north) / 2)
numbers = [product.statistics(box, engine=engine).to_dataframe().to_csv() for engine in ("local", "spark")]
from pyspark.sql import SparkSession
print(SparkSession.getActiveSession().sparkContext.master.split(":")[0], numbers[0] == numbers[1])
"""
        assert driver.python(code).splitlines()[-1] == "spark True"
        assert "Launched" in worker.container.logs().decode() or "Asked to launch executor" in (
            worker.container.logs().decode()
        )
    finally:
        for each in network.containers:
            each.remove(force=True, v=True)
        network.remove()
