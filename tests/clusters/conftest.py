"""Clusters of processes on the loopback interface, and drivers that ask them. All are gone at the end."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from waiting import wait_for

HERE = Path(__file__).parent
MARK = "PROBAV_TEST_PROCESSES"  # in the environment of all that a test starts, and so of what these start
SMALL = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Djava.net.preferIPv4Stack=true"
LOG4J = """
rootLogger.level = info
rootLogger.appenderRef.stderr.ref = console
appender.console.type = Console
appender.console.name = console
appender.console.target = SYSTEM_ERR
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{HH:mm:ss} %p %c{1}: %m%n%ex
"""


def environment_of_spark(**more: str) -> dict[str, str]:
    """Return the environment of Spark's own programs: nothing of the tests' Spark, a Java, loopback only."""
    from probav_kernels.java import JavaNotFoundError, use

    own = ("SPARK_", "PYSPARK_", "PROBAV_", "HADOOP_", "YARN_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    spec = find_spec("pyspark")
    if spec is None or spec.origin is None:
        pytest.skip("PySpark is not installed")
    try:
        use(environment)
    except JavaNotFoundError as error:
        pytest.skip(f"Spark needs Java: {error}")
    environment |= {
        "SPARK_HOME": str(Path(spec.origin).parent), "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_PUBLIC_DNS": "127.0.0.1", "SPARK_LAUNCHER_OPTS": SMALL,
    }  # fmt: skip
    return environment | more


class Processes:
    """All processes of a test, known by a mark in their environment, even when their parents have died."""

    def __init__(self) -> None:
        self.environment = {MARK: uuid.uuid4().hex}

    def all(self, *words: str) -> list[psutil.Process]:
        """Return the processes whose command line has all the words."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                marked = process.environ().get(MARK) == self.environment[MARK]
                if marked and process.status() != psutil.STATUS_ZOMBIE:
                    command = " ".join(process.cmdline())
                    if all(word in command for word in words):
                        found.append(process)
        return found

    def executors(self) -> list[psutil.Process]:
        return self.all("CoarseGrainedExecutorBackend")

    def python_workers(self, executor: psutil.Process) -> list[psutil.Process]:
        """Return the forked workers of an executor, which run tasks."""
        with suppress(psutil.Error):
            daemons = [
                child for child in executor.children() if "pyspark.daemon" in " ".join(child.cmdline())
            ]
            return [worker for daemon in daemons for worker in daemon.children()]
        return []

    def end(self) -> None:
        """Kill what is left; a stopped process, too."""
        for process in self.all():
            with suppress(psutil.Error):
                process.kill()
        wait_for(lambda: not self.all(), 20, lambda: f"these to die: {self.all()}")


@dataclass
class Standalone:
    """A master and its workers; `processes` are these, their executors and the drivers that use them."""

    folder: Path
    processes: Processes
    master: subprocess.Popen[bytes]
    url: str
    ui: str
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @classmethod
    def start(
        cls, folder: Path, processes: Processes, *workers: dict[str, str], **options: str
    ) -> Standalone:
        """Start a master and a worker for each `workers`: what its environment has beside its own."""
        conf = folder / "conf"
        conf.mkdir()
        (conf / "log4j2.properties").write_text(LOG4J)
        (conf / "spark-defaults.conf").write_text(
            "\n".join(f"{key} {value}" for key, value in options.items())
        )
        environment = environment_of_spark(
            **processes.environment, SPARK_CONF_DIR=str(conf), SPARK_DAEMON_MEMORY="256m",
            SPARK_DAEMON_JAVA_OPTS=SMALL,
        )  # fmt: skip

        def daemon(name: str, *arguments: str, **more: str) -> subprocess.Popen[bytes]:
            program = Path(environment["SPARK_HOME"], "bin", "spark-class")
            kind = f"org.apache.spark.deploy.{name.split('-')[0]}.{name.split('-')[0].capitalize()}"
            with (folder / f"{name}.log").open("wb") as log:
                return subprocess.Popen(
                    [program, kind, "--host", "127.0.0.1", "--port", "0", "--webui-port", "0", *arguments],
                    env=environment | more, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=folder,
                )  # fmt: skip

        master = daemon("master")
        log = folder / "master.log"

        def addresses() -> tuple[str, str] | None:
            assert master.poll() is None, f"the master ended: {log.read_text()[-2000:]}"
            text = log.read_text()
            own, web = re.search(r"spark://[\d.]+:\d+", text), re.search(r"started at (http\S+)", text)
            return (own[0], web[1]) if own and web else None

        url, web = wait_for(addresses, 60, lambda: f"the master to start: {log.read_text()[-2000:]}")
        made = cls(folder, processes, master, url, web)
        for number, own in enumerate(workers):
            own = dict(own)
            cores, memory = own.pop("cores", "1"), own.pop("memory", "1g")
            local = {
                "SPARK_WORKER_DIR": f"{folder}/work-{number}",
                "SPARK_LOCAL_DIRS": f"{folder}/local-{number}",
            }
            for directory in local.values():
                Path(directory).mkdir(exist_ok=True)
            made.workers.append(
                daemon(f"worker-{number}", "--cores", cores, "--memory", memory, url, **(local | own))
            )
        wait_for(
            lambda: sum(worker["state"] == "ALIVE" for worker in made.state()["workers"]) == len(workers),
            60, lambda: f"{len(workers)} workers to register: {made.state()['workers']}",
        )  # fmt: skip
        return made

    def state(self) -> dict[str, Any]:
        """Return what the master's API tells."""
        with urllib.request.urlopen(f"{self.ui}/json/", timeout=10) as answer:
            return json.load(answer)

    def stop(self) -> None:
        for daemon in (*self.workers, self.master):
            with suppress(ProcessLookupError):
                daemon.send_signal(signal.SIGCONT)
                daemon.terminate()
        for daemon in (*self.workers, self.master):
            daemon.wait(timeout=30)


@dataclass
class Driver:
    """A process with a Spark session of its own that asks an archive; see child.py."""

    process: subprocess.Popen[bytes]
    folder: Path

    @property
    def status(self) -> dict[str, Any]:
        """What Spark does for it now; empty before it has started."""
        file = self.folder / "status.json"
        return json.loads(file.read_text()) if file.exists() else {}

    @property
    def output(self) -> str:
        return (self.folder / "output").read_text()[-4000:]

    def wait_until(self, condition: Callable[[dict[str, Any]], Any], seconds: float = 90) -> dict[str, Any]:
        """Wait until its status is such; it must not have ended before."""

        def holds() -> dict[str, Any]:
            assert self.process.poll() is None, f"it ended before it should: {self.output}"
            status = self.status
            return status if status and condition(status) else {}

        return wait_for(holds, seconds, lambda: f"{self.status} to be otherwise; {self.output}")

    def finish(self, seconds: float = 300) -> Driver:
        """Wait for its end; an error that is not probav's own is a failure."""
        try:
            code = self.process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            pytest.fail(f"no answer within {seconds:.0f} s: {self.status}, {self.output}")
        assert code == 0, self.output
        return self

    def answer(self, name: str) -> dict[str, np.ndarray]:
        error = self.folder / f"{name}.error"
        assert not error.exists(), error.read_text()
        with np.load(self.folder / f"{name}.npz", allow_pickle=False) as arrays:
            return {key: arrays[key] for key in arrays.files}

    def error(self, name: str) -> str:
        """Return the error that the query ended with; it must have ended with one."""
        assert not (self.folder / f"{name}.npz").exists(), f"there is an answer: {self.output}"
        return (self.folder / f"{name}.error").read_text()


@pytest.fixture(scope="session")
def many(tmp_path_factory) -> Path:
    """The archive: ten years in four tiles."""
    folder = tmp_path_factory.mktemp("archive") / "archive"
    subprocess.run([sys.executable, HERE / "make_archive.py", folder], check=True, timeout=300)
    return folder


@pytest.fixture
def processes() -> Iterator[Processes]:
    made = Processes()
    yield made
    made.end()


@pytest.fixture(scope="session")
def driver(tmp_path_factory, many) -> Callable[..., Driver]:
    """Start a driver: its queries, and how its Spark is configured (None: without Spark).

    `spark` are settings of Spark, other names are those of the configuration file.
    """

    def start(
        queries: list[str], processes: Processes, spark: dict[str, str] | None = None, *,
        archive: Path = many, environment: dict[str, str] | None = None, hold: Path | None = None,
        **configuration: str,
    ) -> Driver:  # fmt: skip
        folder = tmp_path_factory.mktemp("driver")
        job = {
            "archive": str(archive), "folder": str(folder), "queries": queries,
            "engine": "local" if spark is None else "spark", **({"hold": str(hold)} if hold else {}),
        }  # fmt: skip
        (folder / "job.json").write_text(json.dumps(job))
        small = {"executor_memory": "512m", "driver_memory": "600m"}
        lines = [f"{key} = {json.dumps(value)}" for key, value in (small | configuration).items()]
        lines += [
            "[conf]",
            *(f"{json.dumps(key)} = {json.dumps(value)}" for key, value in (spark or {}).items()),
        ]
        (folder / "spark.toml").write_text("\n".join(lines))
        own = environment_of_spark(**processes.environment, PROBAV_SPARK_CONFIG=str(folder / "spark.toml"))
        own.pop("SPARK_HOME")
        with (folder / "output").open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, HERE / "child.py", folder / "job.json"], env=own | (environment or {}),
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=folder,
            )  # fmt: skip
        return Driver(process, folder)

    return start


@pytest.fixture(scope="session")
def same(driver) -> Callable[..., None]:
    """Compare a driver's answers with those of the local engine, to the last bit."""
    known: dict[str, dict[str, np.ndarray]] = {}

    def compare(asked: Driver, *names: str) -> None:
        new = [name for name in names if name not in known]
        if new:
            local = driver(new, Processes()).finish()
            known.update({name: local.answer(name) for name in new})
        for name in names:
            found, expected = asked.answer(name), known[name]
            assert list(found) == list(expected), name
            for part, values in expected.items():
                assert (found[part].dtype, found[part].shape) == (values.dtype, values.shape), (name, part)
                if found[part].tobytes() != values.tobytes():
                    other = np.flatnonzero(found[part].ravel() != values.ravel())
                    pytest.fail(f"{name}: {part} differs in {len(other)} of {values.size}, first {other[:1]}")

    return compare


@pytest.fixture
def standalone(tmp_path, processes) -> Iterator[Callable[..., Standalone]]:
    """Start a standalone cluster; see `Standalone.start`."""
    started: list[Standalone] = []

    def start(*workers: dict[str, str], **options: str) -> Standalone:
        folder = tmp_path / f"standalone-{len(started)}"
        folder.mkdir()
        started.append(Standalone.start(folder, processes, *(workers or ({}, {})), **options))
        return started[-1]

    yield start
    for cluster in started:
        cluster.stop()


@pytest.fixture(scope="session")
def spark_environment() -> Callable[..., dict[str, str]]:
    return environment_of_spark
