from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
import requests
from jupyter_client import BlockingKernelClient, KernelManager
from waiting import wait_for


@dataclass
class Kernel:
    """A running PROBA-V kernel and what its cells print, show and raise."""

    manager: KernelManager
    client: BlockingKernelClient

    def run(self, code: str, timeout: float = 120) -> Cell:
        cell = Cell([])
        self.client.execute_interactive(code, timeout=timeout, output_hook=cell.messages.append)
        return cell


@dataclass
class Cell:
    messages: list[dict[str, Any]]

    def _contents(self, *kinds: str) -> list[dict[str, Any]]:
        return [message["content"] for message in self.messages if message["msg_type"] in kinds]

    @property
    def text(self) -> str:
        return "".join(content["text"] for content in self._contents("stream"))

    @property
    def data(self) -> list[dict[str, Any]]:
        return [content["data"] for content in self._contents("display_data", "execute_result")]

    @property
    def traceback(self) -> str:
        return "\n".join("\n".join(content["traceback"]) for content in self._contents("error"))

    @property
    def shown(self) -> str:
        return self.text + self.traceback


@pytest.fixture
def start_kernel(tmp_path, monkeypatch) -> Iterator[Callable[..., Kernel]]:
    """Start PROBA-V kernels with an empty IPython profile and changed environment variables."""
    started: list[Kernel] = []
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))

    def start(transport_encryption: str = "auto", **environment: str | None) -> Kernel:
        for name, value in environment.items():
            if value is None:
                monkeypatch.delenv(name, raising=False)
            else:
                monkeypatch.setenv(name, value)
        manager = KernelManager(kernel_name="probav-python", transport_encryption=transport_encryption)
        manager.start_kernel(cwd=str(tmp_path))
        client = manager.blocking_client()
        client.start_channels()
        started.append(Kernel(manager, client))
        client.wait_for_ready(timeout=120)
        return started[-1]

    yield start
    for kernel in started:
        kernel.client.stop_channels()
        kernel.manager.shutdown_kernel(now=True)


@dataclass
class Server:
    """A running notebook server under a prefix, and its kernels."""

    process: subprocess.Popen[bytes]
    url: str
    base: str
    runtime: Path
    session: requests.Session = field(default_factory=requests.Session)
    clients: list[BlockingKernelClient] = field(default_factory=list)

    def get(self, path: str, token: str | None = "") -> requests.Response:
        """GET a path of the server as its user, or with another token, or none."""
        headers = {"Authorization": f"token {token}"} if token else {}
        ask = requests.get if token != "" else self.session.get
        return ask(urljoin(self.url, path), headers=headers, timeout=60, allow_redirects=False)

    def start_kernel(self, name: str = "probav-python") -> BlockingKernelClient:
        answer = self.session.post(f"{self.url}api/kernels", json={"name": name}, timeout=60)
        answer.raise_for_status()
        file = self.runtime / f"kernel-{answer.json()['id']}.json"
        self.clients.append(BlockingKernelClient(connection_file=str(file)))
        self.clients[-1].load_connection_file()
        self.clients[-1].start_channels()
        deadline = time.monotonic() + 120
        while True:
            try:
                self.clients[-1].wait_for_ready(timeout=10)
                return self.clients[-1]
            except RuntimeError:  # a kernel that does not listen yet counts as dead
                if time.monotonic() > deadline:
                    raise

    def run(self, code: str, timeout: float = 120) -> Cell:
        """Run a cell in the last kernel, which is started if there is none."""
        client = self.clients[-1] if self.clients else self.start_kernel()
        cell = Cell([])
        client.execute_interactive(code, timeout=timeout, output_hook=cell.messages.append)
        return cell


@pytest.fixture
def start_server(tmp_path) -> Iterator[Callable[..., Server]]:
    """Start Jupyter servers under a prefix, with this environment's configuration and no user's."""
    started: list[Server] = []

    def start(**environment: str) -> Server:
        runtime, base, token = tmp_path / "runtime", "/a/prefix/", secrets.token_hex(16)
        variables = {
            **os.environ,
            "JUPYTER_RUNTIME_DIR": str(runtime),
            "JUPYTER_CONFIG_DIR": str(tmp_path / "config"),
            "IPYTHONDIR": str(tmp_path / "ipython"),
            "JUPYTER_TOKEN": token,
            **environment,
        }
        options = [f"--ServerApp.base_url={base}", "--ServerApp.port=0", "--no-browser", "--allow-root"]
        command = [sys.executable, "-m", "jupyter_server", *options, f"--ServerApp.root_dir={tmp_path}"]
        with (tmp_path / "server.log").open("wb") as log:
            process = subprocess.Popen(command, env=variables, stdout=log, stderr=log)
        server = Server(process, "", base, runtime)
        server.session.headers["Authorization"] = f"token {token}"
        started.append(server)
        file = runtime / f"jpserver-{process.pid}.json"

        def answers() -> bool:
            assert process.poll() is None, (tmp_path / "server.log").read_text()
            if not file.exists() or not file.read_text():
                return False
            server.url = json.loads(file.read_text())["url"]
            try:
                return server.get("api/status").ok
            except requests.ConnectionError:
                return False

        wait_for(answers, seconds=60)
        return server

    yield start
    for server in started:
        for client in server.clients:
            client.stop_channels()
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(timeout=60)
