"""The home of a user of a local hub, with the sample notebooks in it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import jupytext
from nbformat import NotebookNode

RECORD = ".probav-samples.json"  # digests of the samples as they were copied


def prepare(home: Path, notebooks: str | None) -> None:
    """Make the home and bring the sample notebooks (py:percent) into it as .ipynb.

    A sample is renewed when it has changed, unless the user has edited, renamed or deleted the copy.
    """
    home.mkdir(parents=True, exist_ok=True)
    home.chmod(0o700)
    record = home / RECORD
    copied: dict[str, str] = json.loads(record.read_text()) if record.exists() else {}
    for source in sorted(Path(notebooks).glob("*.py")) if notebooks else []:
        copy = home / f"{source.stem}.ipynb"
        untouched = copied.get(copy.name) == _digest(copy) if copy.name in copied else not copy.exists()
        if untouched:
            copy.write_text(jupytext.writes(read(source), fmt="ipynb"))
            copied[copy.name] = _digest(copy)
    record.write_text(json.dumps(copied, indent=1))


def read(source: Path) -> NotebookNode:
    """Return a py:percent notebook, for the PROBA-V kernel."""
    notebook: NotebookNode = jupytext.read(source, fmt="py:percent")
    notebook.metadata["kernelspec"] = {
        "name": "probav-python",
        "display_name": "PROBA-V (Python)",
        "language": "python",
    }
    for number, cell in enumerate(notebook.cells):  # the same text for the same source
        cell["id"] = f"cell-{number}"
    return notebook


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.exists() else ""
