"""A real Livy server on the loopback interface, with Spark 3.5 and this Python. It is gone at the end."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from waiting import wait_for

HERE = Path(__file__).parent
LIVY = """
livy.server.host = 127.0.0.1
livy.server.port = {port}
livy.spark.master = local[2,4]
livy.impersonation.enabled = true
livy.server.session.state-retain.sec = 60s
"""
CLIENT = """
livy.rsc.rpc.server.address = 127.0.0.1
livy.rsc.server.idle-timeout = 600s
"""
SPARK = f"""
spark.driver.host 127.0.0.1
spark.driver.bindAddress 127.0.0.1
spark.driver.memory 800m
spark.driver.extraJavaOptions -XX:+UseSerialGC -XX:TieredStopAtLevel=1
spark.ui.enabled false
spark.pyspark.python {sys.executable}
spark.sql.shuffle.partitions 2
"""
LOG4J = """
log4j.rootCategory=INFO, console
log4j.appender.console=org.apache.log4j.ConsoleAppender
log4j.appender.console.target=System.err
log4j.appender.console.layout=org.apache.log4j.PatternLayout
log4j.appender.console.layout.ConversionPattern=%d{HH:mm:ss} %p %c{1}: %m%n
"""


def pytest_configure(config) -> None:
    config.addinivalue_line("markers", "cluster: starts clusters of processes (make test-clusters)")


def _load(name: str, path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass
class Livy:
    """A running server; `ask` is a client that shares no code with what is tested."""

    url: str
    process: subprocess.Popen[bytes]
    folder: Path

    def ask(self, path: str, method: str = "GET", body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", "X-Requested-By": "test"}
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def sessions(self) -> list[dict[str, Any]]:
        return self.ask("/sessions")["sessions"]

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()[-3000:]

    @classmethod
    def start(cls, folder: Path) -> Livy:
        assembly = _load("probav_livy_assembly", HERE / "assembly" / "assemble.py")
        try:
            parts = assembly.assemble()
        except assembly.NotHereError as reason:
            pytest.skip(str(reason))
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        files = {"livy.conf": LIVY.format(port=port), "livy-client.conf": CLIENT,
                 "spark-defaults.conf": SPARK, "log4j.properties": LOG4J}  # fmt: skip
        for name, text in files.items():
            (folder / name).write_text(text)
        own = ("SPARK_", "PYSPARK_", "PROBAV_", "PYTHONPATH", "HADOOP_", "LIVY_", "JUPYTER")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(own)}
        environment |= {
            "JAVA_HOME": str(parts.java), "SPARK_HOME": str(parts.spark), "LIVY_CONF_DIR": str(folder),
            "SPARK_CONF_DIR": str(folder), "SPARK_LOCAL_IP": "127.0.0.1", "LIVY_LOG_DIR": str(folder),
            "LIVY_SERVER_JAVA_OPTS": "-Xmx400m -XX:+UseSerialGC -XX:TieredStopAtLevel=1",
        }  # fmt: skip
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [parts.livy / "bin" / "livy-server"], env=environment, stdout=log, stderr=log,
                stdin=subprocess.DEVNULL, cwd=folder, start_new_session=True,
            )  # fmt: skip
        livy = cls(f"http://127.0.0.1:{port}", process, folder)

        def answers() -> bool:
            assert process.poll() is None, f"Livy ended: {livy.log}"
            with suppress(OSError):
                livy.ask("/sessions")
                return True
            return False

        wait_for(answers, 90, lambda: f"Livy to answer: {livy.log}")
        return livy

    def stop(self) -> None:
        """End the server and its sessions, which are its children."""
        with suppress(psutil.Error):
            family = psutil.Process(self.process.pid).children(recursive=True)
            for session in self.sessions():
                with suppress(OSError):
                    self.ask(f"/sessions/{session['id']}", "DELETE")
            self.process.send_signal(signal.SIGTERM)
            _, left = psutil.wait_procs(family, timeout=20)
            for process in left:
                with suppress(psutil.Error):
                    process.kill()
        self.process.wait(timeout=30)


@pytest.fixture(scope="session")
def livy(tmp_path_factory) -> Iterator[Livy]:
    """The server of all tests that do it no harm."""
    running = Livy.start(tmp_path_factory.mktemp("livy"))
    yield running
    running.stop()


@pytest.fixture
def start_livy() -> Callable[[Path], Livy]:
    """A function that starts a server of a test's own, which it has to end."""
    return Livy.start
