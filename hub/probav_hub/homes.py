"""The home of a user of a local hub, with the sample notebooks in it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import jupytext
from jupyter_client.kernelspec import find_kernel_specs
from nbformat import NotebookNode

RECORD = ".probav-samples.json"  # digests of the samples as they were copied
KERNELS = {
    ".py": {"name": "probav-python", "display_name": "PROBA-V (Python)", "language": "python"},
    ".R": {"name": "probav-r", "display_name": "PROBA-V (R)", "language": "R"},
}


def prepare(home: Path, notebooks: str | None) -> None:
    """Make the home and bring the sample notebooks (percent format) into it as .ipynb; R's where R is listed.

    A sample is renewed when it has changed, unless the user has edited, renamed or deleted the copy.
    """
    home.mkdir(parents=True, exist_ok=True)
    home.chmod(0o700)
    record = home / RECORD
    copied: dict[str, str] = json.loads(record.read_text()) if record.exists() else {}
    for source in samples(Path(notebooks)) if notebooks else []:
        copy = home / f"{source.stem}.ipynb"
        untouched = copied.get(copy.name) == _digest(copy) if copy.name in copied else not copy.exists()
        if untouched:
            copy.write_text(jupytext.writes(read(source), fmt="ipynb"))
            copied[copy.name] = _digest(copy)
    record.write_text(json.dumps(copied, indent=1))


def samples(folder: Path) -> list[Path]:
    """Return the sample notebooks of a folder whose kernel is listed."""
    listed = find_kernel_specs()
    return sorted(
        file
        for suffix, kernel in KERNELS.items()
        if suffix == ".py" or kernel["name"] in listed
        for file in folder.glob(f"*{suffix}")
    )


def read(source: Path) -> NotebookNode:
    """Return a notebook in the percent format, for the PROBA-V kernel of its language."""
    notebook: NotebookNode = jupytext.read(source, fmt=f"{source.suffix[1:]}:percent")
    notebook.metadata["kernelspec"] = dict(KERNELS[source.suffix])
    for number, cell in enumerate(notebook.cells):  # the same text for the same source
        cell["id"] = f"cell-{number}"
    return notebook


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.exists() else ""
