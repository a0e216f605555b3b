"""Executors of a cluster write the files that threads write, also after one of them was killed at work."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import pytest
from waiting import wait_for

pytestmark = pytest.mark.cluster

EXPORT = """
import sys
import probav
from probav_kernels.environment import configure

archive, folder, engine = sys.argv[1:]
if engine == "spark":
    configure()
pixels = probav.open_archive(archive)["SERIES"].load(time="2015", mask="QUALITY == 'clear'")
files = probav.export(pixels, f"{folder}/x.tif", by_date=True, engine=engine)
print(len(files))
"""


def digests(folder):
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(folder.iterdir())}


def test_a_killed_executor_costs_no_file(many, standalone, processes, spark_environment, tmp_path):
    cluster = standalone()
    runs = {}
    for engine in ("local", "spark"):
        folder = tmp_path / engine
        folder.mkdir()
        own = spark_environment(
            **processes.environment, PROBAV_SPARK_MASTER=cluster.url, PROBAV_SPARK_CORES="12",
            PROBAV_SPARK_EXECUTOR_MEMORY="512m", PROBAV_SPARK_DRIVER_MEMORY="600m",
        )  # fmt: skip
        own.pop("SPARK_HOME")
        log = (tmp_path / f"{engine}.log").open("wb")
        command = [sys.executable, "-c", EXPORT, str(many), str(folder), engine]
        runs[engine] = process = subprocess.Popen(command, env=own, stdout=log, stderr=log, cwd=tmp_path)
        if engine == "spark":

            def some_are_done(folder=folder, process=process):
                assert process.poll() is None, (tmp_path / "spark.log").read_text()[-2000:]
                return list(folder.glob(".x-*/x_*.tif")) and len(processes.executors()) == 2

            wait_for(some_are_done, 120, lambda: (tmp_path / "spark.log").read_text()[-2000:])
            processes.executors()[0].kill()
        assert process.wait(timeout=240) == 0, (tmp_path / f"{engine}.log").read_text()[-2000:]
    assert digests(tmp_path / "local") == digests(tmp_path / "spark")
    assert len(digests(tmp_path / "local")) == 36
