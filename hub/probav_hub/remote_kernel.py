"""Run a notebook in a kernel of a Jupyter server, over its REST API and WebSocket."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Any

import nbformat
import requests
import websocket
from jupyter_client.jsonutil import json_default
from jupyter_client.session import Session
from jupyter_server.services.kernels.connection.base import deserialize_binary_message
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from probav_hub.errors import HubError

SILENCE = 600.0  # seconds without a message from a running cell; Spark and progress bars say something


class RemoteKernel:
    """A kernel of a Jupyter server; leaving the context ends it."""

    def __init__(self, http: requests.Session, server: str, name: str) -> None:
        self._http, self._server, self._name = http, server.rstrip("/"), name
        self._session = Session()

    def __enter__(self) -> RemoteKernel:
        made = self._http.post(f"{self._server}/api/kernels", json={"name": self._name}, timeout=60)
        if not made.ok:
            raise HubError(
                f"The server could not start a kernel {self._name!r}: {made.status_code} {made.text}"
            )
        self._address = f"{self._server}/api/kernels/{made.json()['id']}"
        self.connect()
        return self

    def connect(self) -> None:
        """Connect to the running kernel: again, when the proxy or the hub was started anew."""
        self._socket = websocket.create_connection(
            f"ws{self._address.removeprefix('http')}/channels?session_id={self._session.session}",
            header={"Authorization": str(self._http.headers["Authorization"])},
            timeout=SILENCE,
        )

    def disconnect(self) -> None:
        """Leave the kernel to itself, as a closed browser does; a cell that runs goes on."""
        self._socket.shutdown()  # type: ignore[no-untyped-call]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()
        with suppress(requests.ConnectionError):  # the server has gone, and the kernel with it
            self._http.delete(self._address, timeout=60)

    def run(self, notebook: nbformat.NotebookNode, progress: Callable[[int, int], None]) -> None:
        """Run the code cells in order; outputs, widgets and execution counts end up in the notebook.

        `progress` is called before each cell with its number and their count.

        Raises
        ------
        CellExecutionError
            At the first cell that raises; its outputs are in the notebook.
        HubError
            If the kernel dies or falls silent.
        """
        outputs = NotebookClient(notebook)  # knows what becomes of each kind of message
        outputs.reset_execution_trackers()
        code = [
            index for index, cell in enumerate(notebook.cells) if cell.cell_type == "code" and cell.source
        ]
        for number, index in enumerate(code, start=1):
            progress(number, len(code))
            cell = notebook.cells[index]
            cell.outputs, cell.metadata["execution"] = [], {}
            outputs.clear_before_next_output = False  # as its own loop over cells does
            reply = self._execute(cell.source, partial(outputs.process_message, cell=cell, cell_index=index))
            cell.execution_count = reply.get("execution_count")
            if reply["status"] != "ok":
                raise CellExecutionError.from_cell_and_msg(cell, reply)
        outputs.set_widgets_metadata()

    def _execute(self, source: str, take: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
        request = self._session.msg("execute_request", {
            "code": source, "silent": False, "store_history": True, "user_expressions": {},
            "allow_stdin": False, "stop_on_error": True,
        })  # fmt: skip
        self._socket.send(json.dumps({**request, "channel": "shell"}, default=json_default))
        reply: dict[str, Any] | None = None
        idle = False
        while reply is None or not idle:
            message = self._receive()
            if message["msg_type"] == "status" and message["content"]["execution_state"] in (
                "restarting",
                "dead",
            ):
                raise HubError("The kernel died while it ran a cell; the hub's log may say why.")
            if message["parent_header"].get("msg_id") != request["header"]["msg_id"]:
                continue
            if message["msg_type"] == "execute_reply":
                reply = message["content"]
            elif message["channel"] == "iopub":
                idle = message["msg_type"] == "status" and message["content"]["execution_state"] == "idle"
                if not idle:
                    take(message)
        return reply

    def _receive(self) -> dict[str, Any]:
        try:
            frame = self._socket.recv()
        except (websocket.WebSocketException, OSError) as error:
            raise HubError(f"The connection to the kernel broke: {error or type(error).__name__}.") from None
        decode: Callable[[Any], dict[str, Any]] = (
            deserialize_binary_message if isinstance(frame, bytes) else json.loads
        )
        return decode(frame)
