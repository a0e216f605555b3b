"""Spark's classes as Java has them after loading: an archive that a driver maps instead of loading them.

`python -m probav_kernels.class_data` makes it, once for a Java and a Spark, in the Python environment where
that may be written to, so that all its users have it, else in the user's cache folder. Where there is none, a
session starts as it always did.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from platformdirs import user_cache_path

MAKING = "PROBAV_MAKING_CLASS_DATA"  # where the Java of this process is to write its archive
_TRAIN = """
from probav_kernels.environment import configure
configure()
from pyspark.sql import SparkSession
spark = SparkSession.builder.master("local[1]").getOrCreate()
frame = spark.createDataFrame([(1, b"a"), (2, b"b")], "number long, data binary").repartition(2)
frame.mapInArrow(lambda batches: batches, "number long, data binary").toArrow()
spark.sql("select id % 3 as k, count(*) as n from range(100) group by 1 order by 1").toPandas()
spark.sparkContext.parallelize(range(4), 2).map(str).collect()
spark.stop()
"""


def options(environment: Mapping[str, str]) -> str:
    """Return the options of Java, beginning with a space, that use the archive of an environment's Java."""
    making = environment.get(MAKING)
    if making:
        return f" -XX:ArchiveClassesAtExit={making} -Xlog:cds=off -Xlog:cds+dynamic=off"
    path = next((path for path in archives(environment) if path.is_file()), None)
    if path is None:
        return ""
    return f" -XX:SharedArchiveFile={path} -Xshare:auto -Xlog:cds=off -Xlog:cds+dynamic=off"


def archives(environment: Mapping[str, str]) -> list[Path]:
    """Return where the archive of an environment's Java and Spark may be."""
    java, spark = environment.get("PROBAV_JAVA"), find_spec("pyspark")
    if not java or spark is None or spark.origin is None:
        return []
    program, jars = Path(java).resolve(), Path(spark.origin).parent / "jars"
    try:
        parts = [str(program), str(program.stat().st_mtime_ns), str(jars), str(jars.stat().st_mtime_ns)]
    except OSError:
        return []
    name = hashlib.blake2b("\n".join(parts).encode(), digest_size=8).hexdigest()
    folders = (Path(sys.prefix) / "share" / "probav", user_cache_path("probav"))
    return [folder / f"spark-{name}.jsa" for folder in folders if " " not in str(folder)]


def make() -> Path | None:
    """Make the archive if there is none; return its path, or None where Java can't or there is none."""
    from probav_kernels.java import JavaNotFoundError, use

    environment = dict(os.environ)
    try:
        use(environment)
    except JavaNotFoundError:
        return None
    paths = archives(environment)
    made = next((path for path in paths if path.is_file()), None)
    path = next((path for path in paths if _writable(path.parent)), None)
    if made is not None or path is None:
        return made
    new = path.with_name(f"{path.name}.{os.getpid()}")
    environment = {name: value for name, value in environment.items() if not name.startswith("PROBAV_SPARK_")}
    for name in ("SPARK_REMOTE", "SPARK_CONF_DIR", "PYSPARK_SUBMIT_ARGS"):
        environment.pop(name, None)
    environment[MAKING] = str(new)
    try:
        subprocess.run(
            [sys.executable, "-c", _TRAIN], env=environment, timeout=300, check=True, capture_output=True
        )
        new.replace(path)  # at once: a session that starts meanwhile sees none or all of it
    except (OSError, subprocess.SubprocessError):
        return None
    finally:
        new.unlink(missing_ok=True)
    return path


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)


if __name__ == "__main__":
    made = make()
    sys.stdout.write(
        f"{made}\n" if made else "This Java keeps no class data; Spark starts as it always did.\n"
    )
