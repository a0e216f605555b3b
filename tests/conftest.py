"""What tests of several packages share."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests

if TYPE_CHECKING:
    from probav_hub.remote_kernel import RemoteKernel


@pytest.fixture(scope="session")
def demo_archive(tmp_path_factory) -> Path:
    """Path of a small demo archive: a quarter of a degree, one year, all products; not to be written to."""
    from probav.demo import create_demo

    path = tmp_path_factory.mktemp("demo") / "archive"
    create_demo(path, progress=False, years=(2016,), size_degrees=0.25)
    return path


@pytest.fixture(scope="session")
def spark():
    """The Spark session of this process, configured as a kernel configures it."""
    from probav_kernels.environment import configure
    from probav_kernels.java import JavaNotFoundError, find_java

    try:
        find_java()
    except JavaNotFoundError as error:
        pytest.skip(f"Spark needs Java: {error}")
    configure()
    from probav.execution.spark import session

    running = session()
    yield running
    running.stop()


@dataclass
class Jupyter:
    """A running notebook server without a hub.

    Attributes
    ----------
    url : str
        Its base URL, without the slash at the end.
    token : str
    folder : Path
        Of its files.
    """

    url: str
    token: str
    folder: Path


@pytest.fixture(scope="session")
def run_jupyter() -> Callable[..., AbstractContextManager[Jupyter]]:
    """Return a function that runs a notebook server within a `with`."""
    return _jupyter


@contextmanager
def _jupyter(
    folder: Path, module: str, *options: str, base: str = "/", environment: Mapping[str, str] = os.environ
) -> Iterator[Jupyter]:
    token, home, output = secrets.token_hex(16), folder / "home", folder / f"{module}.log"
    home.mkdir(exist_ok=True)
    variables = {
        **environment, "JUPYTER_RUNTIME_DIR": str(folder / "runtime"), "JUPYTER_TOKEN": token,
        "JUPYTER_CONFIG_DIR": str(folder / "config"), "IPYTHONDIR": str(folder / "ipython"),
    }  # fmt: skip
    command = [
        sys.executable, "-m", module, f"--ServerApp.base_url={base}", "--ServerApp.port=0", "--no-browser",
        "--allow-root", f"--ServerApp.root_dir={home}", *options,
    ]  # fmt: skip
    with output.open("wb") as log:
        process = subprocess.Popen(command, env=variables, stdout=log, stderr=log)
    file = folder / "runtime" / f"jpserver-{process.pid}.json"
    deadline = time.monotonic() + 120
    try:
        while True:
            assert process.poll() is None, output.read_text()
            assert time.monotonic() < deadline, f"{module} does not start: {output.read_text()}"
            if file.exists() and (told := file.read_text()):
                url = f"http://127.0.0.1:{json.loads(told)['port']}{base.rstrip('/')}"
                try:
                    if requests.get(f"{url}/api", timeout=30).ok:
                        break
                except requests.ConnectionError:
                    pass
            time.sleep(0.1)
        yield Jupyter(url, token, folder)
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:  # a request under way: its thread of anyio then waits for ever
            process.kill()
            process.wait(timeout=20)


@pytest.fixture(scope="session")
def run() -> Callable[[RemoteKernel, str], str]:
    """Run code in a kernel of a hub's server, and return what it prints or is."""
    import nbformat

    def ask(kernel: RemoteKernel, code: str) -> str:
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
        kernel.run(notebook, lambda number, count: None)
        return "".join(
            output.get("text") or output.get("data", {}).get("text/plain", "")
            for output in notebook.cells[0].outputs
        )

    return ask
