"""A scheduled run: the notebook in a kernel of this server, and the executed notebook beside it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any, Literal

import nbformat
from jupyter_client.kernelspec import NoSuchKernel
from jupyter_server.serverapp import ServerApp
from jupyter_server.utils import ensure_async
from nbclient.exceptions import CellExecutionError, DeadKernelError
from tornado.ioloop import PeriodicCallback
from tornado.web import HTTPError

from probav_kernels.scheduled import outputs, parameters
from probav_kernels.scheduled.work import Work

_SAVE_SECONDS = 30.0  # between two copies of a notebook that is not at its end
_WAIT_HOURS = 24.0  # for the hub to ask how it ended
_ERROR_LETTERS = 300
_DIED = "the kernel died; if it needed too much memory, take a larger profile."
_SETTING = "probav_scheduled_last_activity"  # Jupyter's server takes the latest with such an end


@dataclass
class Status:
    """How a run goes."""

    state: Literal["running", "done", "failed"] = "running"
    cell: int = 0
    cells: int = 0
    error: str = ""
    output: str = ""


class FailedError(Exception):
    """The run can't go on; says why."""


class Run:
    """One run in this server.

    Attributes
    ----------
    status : Status
    is_known : bool
        Whether the hub has been told how it ended.
    """

    def __init__(self, server: ServerApp, work: Work) -> None:
        self.work, self.status, self.is_known = work, Status(), False
        self._server, self._log = server, server.log
        self._contents: Any = server.contents_manager
        self._kernels: Any = server.kernel_manager
        self._saved = 0.0
        self._since = time.monotonic()

    async def to_its_end(self) -> None:
        """Run the notebook; how it ended is in the status, whatever happens."""
        self._stay_in_use()
        try:
            await self._run()
            self.status.state = "done"
        except FailedError as error:
            self.status.error, self.status.state = str(error), "failed"
        except Exception as error:  # a defect of ours: the hub must hear of it
            self._log.exception("The scheduled run of %s failed", self.work.notebook)
            self.status.error, self.status.state = _line(f"{type(error).__name__}: {error}"), "failed"

    def _stay_in_use(self) -> None:
        """Keep the server from being taken for idle until the hub knows how the run ended."""
        application: Any = self._server.web_app

        def note() -> None:
            if self.is_known or time.monotonic() - self._since > self.work.seconds + _WAIT_HOURS * 3600:
                repeated.stop()
            else:
                application.settings[_SETTING] = datetime.now(UTC)

        repeated = PeriodicCallback(note, 60e3)
        repeated.start()

    async def _run(self) -> None:
        notebook = await self._open()
        kernel = await self._start_kernel(notebook)
        manager = self._kernels.get_kernel(kernel)
        manager.stop_restarter()  # nobody would answer the cell if one that died was started anew
        client = outputs.BoundedClient(
            notebook, km=manager, timeout=None, startup_timeout=180,
            limit=int(self.work.megabytes * 1e6), coalesce_streams=True,
        )  # fmt: skip
        failure = ""
        try:
            await self._in_time(client)
        except FailedError as error:
            failure = str(error)
        finally:
            if client.kc is not None:
                client.kc.stop_channels()
            if kernel in self._kernels:
                await ensure_async(self._kernels.shutdown_kernel(kernel, now=True))
        client.set_widgets_metadata()
        try:
            await self._save(notebook)
        except FailedError as error:
            raise FailedError(f"{failure} {error}".strip()) from None
        if failure:
            raise FailedError(failure)

    async def _in_time(self, client: outputs.BoundedClient) -> None:
        """Run the cells, until the time is over."""
        work = asyncio.ensure_future(self._cells(client))
        await asyncio.wait({work}, timeout=self.work.seconds)
        if not work.done():
            work.cancel()
            await asyncio.wait({work})  # nbclient makes another error of it
            raise FailedError(
                f"{self._where()}it was ended at its time limit of {self.work.seconds / 60:g} min."
            )
        try:
            work.result()
        except CellExecutionError as error:
            raise FailedError(_line(f"{self._where()}{error.ename}: {error.evalue}")) from None
        except DeadKernelError:
            raise FailedError(f"{self._where()}{_DIED}") from None
        except RuntimeError as error:  # nbclient's of a kernel that does not start
            raise FailedError(_line(f"The kernel does not start: {error}")) from None

    def _where(self) -> str:
        return f"Cell {self.status.cell} of {self.status.cells}: " if self.status.cell else ""

    async def _open(self) -> nbformat.NotebookNode:
        path = self.work.notebook
        try:
            found = await ensure_async(self._contents.get(path, type="notebook"))
            notebook: nbformat.NotebookNode = found["content"]
            parameters.insert(notebook, self.work.parameters)
        except HTTPError as error:
            raise FailedError(_line(f"{path} can't be opened: {error.log_message or error.reason}")) from None
        except parameters.NoParametersError as error:
            raise FailedError(str(error)) from None
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
        notebook.metadata.pop("widgets", None)
        self.status.cells = sum(map(_has_code, notebook.cells))
        return notebook

    async def _start_kernel(self, notebook: nbformat.NotebookNode) -> str:
        name = notebook.metadata.get("kernelspec", {}).get("name") or None
        try:
            path = str(PurePosixPath(self.work.notebook).parent)
            return str(
                await ensure_async(
                    self._kernels.start_kernel(kernel_name=name, path="" if path == "." else path)
                )
            )
        except NoSuchKernel:
            specs: Any = self._server.kernel_spec_manager
            known = ", ".join(sorted(specs.find_kernel_specs()))
            raise FailedError(f"There is no kernel {name!r} on this server. Known: {known}.") from None

    async def _cells(self, client: outputs.BoundedClient) -> None:
        """Run cell by cell; nbclient's own loop would take over the server's signals."""
        await client.async_start_new_kernel_client()
        for number, cell in enumerate(client.nb.cells):
            self.status.cell += _has_code(cell)
            await client.async_execute_cell(cell, number, execution_count=client.code_cells_executed + 1)
            if time.monotonic() - self._saved > _SAVE_SECONDS:
                await self._save(client.nb)

    async def _save(self, notebook: nbformat.NotebookNode) -> None:
        """Write the notebook as it is now."""
        folder = PurePosixPath(self.work.output).parent
        hidden = outputs.secrets()
        outputs.fit(notebook, int(self.work.megabytes * 1e6))
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.outputs = outputs.redact(cell.outputs, hidden)
        if "widgets" in notebook.metadata:
            notebook.metadata.widgets = outputs.redact(notebook.metadata.widgets, hidden)
        notebook.metadata["probav_schedule"] = {"name": self.work.schedule, "moment": self.work.moment}
        self._contents.notary.mark_cells(notebook, True)  # its user's own code made the outputs
        try:
            for path in reversed([folder, *folder.parents][:-1]):
                if not await ensure_async(self._contents.dir_exists(str(path))):
                    await ensure_async(self._contents.save({"type": "directory"}, str(path)))
            model = {"type": "notebook", "format": "json", "content": notebook}
            await ensure_async(self._contents.save(model, self.work.output))
        except HTTPError as error:
            raise FailedError(
                _line(f"{self.work.output} can't be written: {error.log_message or error.reason}")
            ) from None
        self.status.output, self._saved = self.work.output, time.monotonic()


def _has_code(cell: nbformat.NotebookNode) -> bool:
    return cell.cell_type == "code" and bool(cell.source.strip())


def _line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _ERROR_LETTERS else f"{line[: _ERROR_LETTERS - 1]}…"
