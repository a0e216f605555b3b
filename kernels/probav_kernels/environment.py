"""The process environment that makes every Spark session of a kernel the same one.

PySpark reads it when the first session starts, whoever starts it: `spark`, the engine, or the user's own
`SparkSession.builder.getOrCreate()`. What is already set stays as it is.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from probav_kernels.java import JavaNotFoundError, use

CONFIGURATION = Path(__file__).parent / "conf"
LOCAL = "local[*]"


def configure() -> None:
    """Set Java, Spark's configuration folder and the Python of its workers in `os.environ`.

    Without a Java nothing is raised: most notebooks never touch Spark; the session says it when it is used.
    """
    environment = os.environ
    environment.setdefault("PYSPARK_PYTHON", sys.executable)
    environment.setdefault("PYSPARK_DRIVER_PYTHON", sys.executable)
    if environment.get("SPARK_REMOTE"):  # Spark Connect: no Java here
        return
    environment.setdefault("SPARK_CONF_DIR", str(CONFIGURATION))
    environment.setdefault("SPARK_LAUNCHER_OPTS", "-XX:+UseSerialGC -XX:TieredStopAtLevel=1")
    master = environment.get("PROBAV_SPARK_MASTER")
    if master:
        environment.setdefault("PYSPARK_SUBMIT_ARGS", f"--master {master} pyspark-shell")
    if target().startswith("local"):  # driver, block manager and UI listen here
        environment.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
        environment.setdefault("SPARK_PUBLIC_DNS", "127.0.0.1")
    try:
        use(environment)
    except JavaNotFoundError:
        environment.pop("PROBAV_JAVA", None)


def target() -> str:
    """Return where a session of this process runs: a Spark master, or Spark Connect (without its token)."""
    remote = os.environ.get("SPARK_REMOTE", "").split(";")[0].rstrip("/")
    return remote or os.environ.get("PROBAV_SPARK_MASTER") or LOCAL
