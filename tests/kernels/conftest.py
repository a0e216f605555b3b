from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from jupyter_client import BlockingKernelClient, KernelManager


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
def wait_for() -> Callable[..., None]:
    """Wait until a condition holds; fail when it does not in time."""

    def wait(condition: Callable[[], bool], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "it did not happen in time"
            time.sleep(0.1)

    return wait


@pytest.fixture
def start_kernel(tmp_path, monkeypatch) -> Iterator[Callable[..., Kernel]]:
    """Start PROBA-V kernels with an empty IPython profile and changed environment variables."""
    started: list[Kernel] = []
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))

    def start(**environment: str | None) -> Kernel:
        for name, value in environment.items():
            if value is None:
                monkeypatch.delenv(name, raising=False)
            else:
                monkeypatch.setenv(name, value)
        manager = KernelManager(kernel_name="probav-python", transport_encryption="auto")
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
