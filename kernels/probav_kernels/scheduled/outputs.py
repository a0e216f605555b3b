"""Outputs of a run: as nbclient puts them into the notebook, within a limit, without the server's secrets."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbformat.notebooknode import from_dict
from traitlets import Integer

_COUNTED = {"stream", "display_data", "execute_result"}
_SECRET = re.compile(r"(TOKEN|SECRET|PASSWORD|_KEY)$|SECRET_ACCESS", re.IGNORECASE)
_TRACEBACKS = 2**20  # bytes
_LEAST_LETTERS = 8  # shorter ones are in too many words


class BoundedClient(NotebookClient):
    """nbclient, which leaves out what is beyond a limit."""

    limit = Integer(help="Bytes of all outputs.")

    def reset_execution_trackers(self) -> None:
        """Begin to count."""
        super().reset_execution_trackers()
        self.taken = 0

    def process_message(self, msg: dict[str, Any], cell: nbformat.NotebookNode, cell_index: int) -> Any:
        """Take a message of the kernel, unless there is no room for it."""
        kind = msg["msg_type"]
        if kind == "clear_output":
            self.taken = max(0, self.taken - size(cell.outputs))
        elif kind in _COUNTED or kind == "update_display_data":
            more = size(msg["content"])
            if (room := self.limit - self.taken) < more:
                if kind == "stream" and room > 0:  # as much of a text as there is room for
                    msg = {**msg, "content": {**msg["content"], "text": msg["content"]["text"][:room]}}
                    super().process_message(msg, cell, cell_index)
                    self.taken = self.limit
                _say(cell, self.limit)
                return None
            self.taken += more if kind in _COUNTED else 0  # else it takes the place of another
        return super().process_message(msg, cell, cell_index)


def size(content: Any) -> int:
    """Return the letters of some content as JSON."""
    return len(json.dumps(content, default=str))


def fit(notebook: nbformat.NotebookNode, limit: int) -> None:
    """Take out widgets, then the largest outputs, until the rest is within a limit, and a bit for tracebacks.

    What nbclient gathers beside outputs (widgets), or changes later (displays), is not counted as it comes.
    """
    limit += _TRACEBACKS
    cells = sorted(
        (cell for cell in notebook.cells if cell.get("outputs")), key=lambda cell: size(cell.outputs)
    )
    total = sum(size(cell.outputs) for cell in cells)
    if total + size(notebook.metadata.get("widgets", {})) > limit:
        notebook.metadata.pop("widgets", None)
    while total > limit and cells:
        cell = cells.pop()
        total -= size(cell.outputs)
        cell.outputs = []
        _say(cell, limit - _TRACEBACKS)


def _say(cell: nbformat.NotebookNode, limit: int) -> None:
    text = f"[Outputs beyond {limit / 1e6:g} MB in all are left out]\n"
    if not any(output.get("text") == text for output in cell.outputs):
        output = {"output_type": "stream", "name": "stderr", "text": text}
        cell.outputs.append(from_dict(output))  # type: ignore[no-untyped-call]


def secrets(environment: Mapping[str, str] = os.environ) -> list[str]:
    """Return the secrets of an environment, by the names of its variables; the longest first."""
    found = {
        value for name, value in environment.items() if _SECRET.search(name) and len(value) >= _LEAST_LETTERS
    }
    return sorted(found, key=len, reverse=True)


def redact(content: Any, hidden: Iterable[str]) -> Any:
    """Return some content of a notebook with stars in place of secrets."""
    if isinstance(content, str):
        for secret in hidden:
            content = content.replace(secret, "*****")
        return content
    if isinstance(content, list):
        return [redact(item, hidden) for item in content]
    if isinstance(content, dict):
        cleaned = {name: redact(item, hidden) for name, item in content.items()}
        return from_dict(cleaned)  # type: ignore[no-untyped-call]
    return content
