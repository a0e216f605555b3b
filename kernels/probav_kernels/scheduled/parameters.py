"""Parameters of a notebook, put in as a cell behind the one tagged `parameters`, as papermill does."""

from __future__ import annotations

import json
from typing import Any

import nbformat
from nbformat.v4 import new_code_cell

_DEFAULTS, _INJECTED = "parameters", "injected-parameters"  # papermill's tags


class NoParametersError(ValueError):
    """Parameters that can't be given to a notebook; says why."""


def insert(notebook: nbformat.NotebookNode, parameters: dict[str, Any]) -> None:
    """Put a cell that sets the parameters into a notebook, in place of an earlier one.

    Raises
    ------
    NoParametersError
        If its language is neither Python nor R.
    """
    notebook.cells = [cell for cell in notebook.cells if _INJECTED not in _tags(cell)]
    if not parameters:
        return
    source = assignments(_language(notebook), parameters)
    cell = new_code_cell(source, metadata={"tags": [_INJECTED]})  # type: ignore[no-untyped-call]
    places = [number for number, each in enumerate(notebook.cells, 1) if _DEFAULTS in _tags(each)]
    notebook.cells.insert(places[0] if places else 0, cell)


def assignments(language: str, parameters: dict[str, Any]) -> str:
    """Return lines of a language that give names their values, which are those of JSON.

    Raises
    ------
    NoParametersError
        If the language is neither Python nor R.
    """
    if language == "python":
        return "\n".join(f"{name} = {value!r}" for name, value in parameters.items())
    if language == "r":
        return "\n".join(f"`{name}` <- {_in_r(value)}" for name, value in parameters.items())
    raise NoParametersError(
        f"Parameters are for notebooks of Python and R; this one's language is {language}."
    )


def _in_r(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, int):
        return f"{value}L" if abs(value) < 2**31 else f"{value}"
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)  # the escapes are R's, too
    if isinstance(value, list):
        return f"list({', '.join(map(_in_r, value))})"
    return f"list({', '.join(f'{_in_r(name)} = {_in_r(item)}' for name, item in value.items())})"


def _language(notebook: nbformat.NotebookNode) -> str:
    known = notebook.metadata
    found = known.get("kernelspec", {}).get("language") or known.get("language_info", {}).get("name")
    return str(found or "python").lower()


def _tags(cell: nbformat.NotebookNode) -> list[str]:
    return list(cell.metadata.get("tags", []))
