"""How long a Spark session and its first answer take: Spark as it comes, and as a kernel starts it.

Each start is a process of its own, one after the other, in turns. Printed are medians of wall seconds from
the start of Python, the CPU seconds of Java, its memory, and ratios.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LOG4J = "rootLogger.level = error\n"
WAYS = ("as it comes", "quick flags", "and class data")
STEPS = ("session", "answer", "cpu", "memory")


def start(way: str) -> dict[str, float]:
    """Start Spark in this process; return when each step was done."""
    began = time.perf_counter()
    from probav_kernels import class_data, environment
    from probav_kernels.configuration import Settings

    if way == "as it comes":
        from probav_kernels.java import use

        use(os.environ)
        folder = tempfile.mkdtemp()
        Path(folder, "log4j2.properties").write_text(LOG4J)
        os.environ |= {
            "SPARK_CONF_DIR": folder,
            "SPARK_LOCAL_IP": "127.0.0.1",
            "PYSPARK_PYTHON": sys.executable,
        }
    else:
        if way == "quick flags":
            class_data.options = lambda _: ""
        environment.configure(Settings())
    import psutil
    import pyarrow as pa
    from pyspark.sql import SparkSession

    spark = SparkSession.builder.getOrCreate()
    session = time.perf_counter() - began
    frame = spark.createDataFrame(pa.table({"number": [1, 2]})).repartition(2)
    frame.mapInArrow(lambda batches: batches, "number long").toArrow()
    answer = time.perf_counter() - began
    java = next(child for child in psutil.Process().children(recursive=True) if "java" in child.name())
    cpu = sum(java.cpu_times()[:2])
    return {"session": session, "answer": answer, "cpu": cpu, "memory": java.memory_info().rss / 1e6}


def main(times: int) -> None:
    from probav_kernels import class_data

    class_data.make()
    found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    for _ in range(times):
        for way in WAYS:
            command = [sys.executable, "-m", "benchmarks.spark.session_start", "--way", way]
            shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            found[way].append(json.loads(shown.splitlines()[-1]))
    print(
        "| Spark | session s | first answer s | Java's CPU s | Java's memory MB | answer, ratio "
        "| CPU, ratio |\n|---|---|---|---|---|---|---|"
    )
    medians = {
        way: {step: statistics.median(one[step] for one in runs) for step in STEPS}
        for way, runs in found.items()
    }
    first = medians[WAYS[0]]
    for way, own in medians.items():
        print(
            f"| {way} | {own['session']:.1f} | {own['answer']:.1f} | {own['cpu']:.1f} | {own['memory']:.0f} "
            f"| {own['answer'] / first['answer']:.2f} | {own['cpu'] / first['cpu']:.2f} |"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--way", choices=WAYS)
    parser.add_argument("--times", type=int, default=3)
    given = parser.parse_args()
    if given.way:
        print(json.dumps(start(given.way)))
    else:
        main(given.times)
