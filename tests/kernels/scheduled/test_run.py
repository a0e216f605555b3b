"""A scheduled run in a real Jupyter server, or with a server's real managers of kernels and contents."""

from __future__ import annotations

import asyncio
import json
import logging
from types import SimpleNamespace

import nbformat
import pytest
import requests
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from waiting import wait_for

from probav_kernels.scheduled import ROUTE
from probav_kernels.scheduled.run import Run
from probav_kernels.scheduled.status import HEADER
from probav_kernels.scheduled.work import VARIABLE, Work

SECRET = "a-token-of-this-test"


def work(**changes) -> dict:
    return {
        "key": "the-key", "schedule": "daily", "moment": "2026-03-01T06:00:00+01:00",
        "notebook": "sub/mine.ipynb", "output": "scheduled/daily/2026-03-01T06-00.ipynb",
        "parameters": {}, "seconds": 120, "megabytes": 0.01, **changes,
    }  # fmt: skip


@pytest.fixture
def write(tmp_path):
    """Write the notebook that is run."""

    def write(*sources: str, **metadata) -> None:
        cells = [nbformat.v4.new_code_cell(source) for source in sources]
        kernel = {"kernelspec": {"name": "python3", "language": "python", "display_name": "Python"}}
        (tmp_path / "sub").mkdir(exist_ok=True)
        nbformat.write(
            nbformat.v4.new_notebook(cells=cells, metadata={**kernel, **metadata}),
            tmp_path / "sub/mine.ipynb",
        )

    return write


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run the notebook and return the status, and the executed notebook if there is one."""
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "share"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", SECRET)

    def run(**changes):
        async def do():
            specs = KernelSpecManager()
            kernels = AsyncMappingKernelManager(
                connection_dir=str(tmp_path), root_dir=str(tmp_path), kernel_spec_manager=specs
            )
            server = SimpleNamespace(
                log=logging.getLogger("test"), kernel_manager=kernels, web_app=SimpleNamespace(settings={}),
                contents_manager=AsyncLargeFileManager(root_dir=str(tmp_path)), kernel_spec_manager=specs,
            )  # fmt: skip
            made = Run(server, Work(**work(**changes)))
            await made.to_its_end()
            assert kernels.list_kernel_ids() == []
            return made.status

        status = asyncio.run(asyncio.wait_for(do(), 200))
        output = tmp_path / status.output
        return status, nbformat.read(output, 4) if status.output else None

    return run


def test_a_server_runs_what_its_environment_says_and_tells_who_has_the_key(start_server, write, tmp_path):
    write(
        "import os, time\nyear = 1",
        "print(year, os.path.basename(os.getcwd()), 'PROBAV_SCHEDULED_RUN' in os.environ)",
    )
    server = start_server(**{VARIABLE: json.dumps(work(parameters={"month": "May"}))})

    def ask(key: str) -> requests.Response:
        return requests.get(f"{server.url}{ROUTE}", headers={HEADER: key}, timeout=30)

    assert ask("").status_code == ask("another").status_code == 403
    wait_for(lambda: ask("the-key").json()["state"] != "running", seconds=120)
    output = "scheduled/daily/2026-03-01T06-00.ipynb"
    assert ask("the-key").json() == {"state": "done", "cell": 3, "cells": 3, "error": "", "output": output}
    done = nbformat.read(tmp_path / output, 4)
    assert done.cells[0].source == "month = 'May'"
    assert done.cells[-1].outputs[0].text == "1 sub False\n"
    assert done.metadata.probav_schedule == {"name": "daily", "moment": "2026-03-01T06:00:00+01:00"}
    assert nbformat.read(tmp_path / "sub/mine.ipynb", 4).cells[1].outputs == []


def test_a_cell_that_raises_ends_it_and_outputs_are_bounded_and_without_secrets(write, run):
    write(
        "import os\nprint(os.environ['JUPYTERHUB_API_TOKEN'])",
        "print('x' * 9000)\nprint('y' * 9000)",
        "1 / 0",
        "2",
    )
    status, notebook = run()
    assert (status.state, status.error) == ("failed", "Cell 3 of 4: ZeroDivisionError: division by zero")
    assert notebook.cells[0].outputs[0].text == "*****\n"
    shown = {output.name: output.text for output in notebook.cells[1].outputs}
    assert shown["stdout"].startswith("x" * 9000 + "\ny")
    assert len(shown["stdout"]) < 10_000
    assert shown["stderr"] == "[Outputs beyond 0.01 MB in all are left out]\n"
    assert notebook.cells[2].outputs[0].ename == "ZeroDivisionError"
    assert notebook.cells[3].outputs == []


def test_one_that_takes_too_long_is_ended_and_what_it_had_is_kept(write, run):
    write("print('so far')", "import time; time.sleep(600)")
    status, notebook = run(seconds=6)
    assert (status.state, status.error) == (
        "failed",
        "Cell 2 of 2: it was ended at its time limit of 0.1 min.",
    )
    assert notebook.cells[0].outputs[0].text == "so far\n"


def test_a_kernel_that_dies_ends_it(write, run):
    write("import os; os.kill(os.getpid(), 9)", "1")
    status, _ = run()
    assert status.state == "failed"
    assert status.error.startswith("Cell 1 of 2: the kernel died;")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"notebook": "sub/none.ipynb"}, "sub/none.ipynb can't be opened: "),
        ({"notebook": "../out.ipynb"}, "../out.ipynb can't be opened: "),
        ({"output": "scheduled/\0/x.ipynb"}, "can't be written"),
    ],
)
def test_paths_that_lead_nowhere(write, run, changes, said):
    write("1")
    status, _ = run(**changes)
    assert status.state == "failed"
    assert said in status.error


def test_a_kernel_that_is_not_there(write, run):
    write("1", kernelspec={"name": "fortran", "language": "fortran", "display_name": "Fortran"})
    status, _ = run()
    assert status.error.startswith("There is no kernel 'fortran' on this server. Known: ")
