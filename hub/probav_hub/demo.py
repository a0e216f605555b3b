"""`probav-hub demo`: a sample notebook through the whole chain, without a browser."""

from __future__ import annotations

import base64
import re
import secrets
import shutil
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import nbformat
import requests
from nbclient.exceptions import CellExecutionError

from probav_hub import prepare
from probav_hub.errors import HubError
from probav_hub.homes import read
from probav_hub.processes import Hub, last_line, local_requests
from probav_hub.remote_kernel import RemoteKernel
from probav_hub.settings import Settings, data_folder, writable

KERNEL = "probav-python"
SPAWN_SECONDS = 180


def run(
    name: str, notebooks: Path | None, source: Path | None, *, user: str, say: Callable[[str], None]
) -> tuple[str, list[Path]]:
    """Run a sample in a user's server of a throwaway hub.

    Parameters
    ----------
    name : str
        Of the sample.
    notebooks : Path or None
        Folder of samples.
    source : Path or None
        Folder of product files for a new archive; without it, PROBAV_ARCHIVE or the demo archive is used.
    say : callable
        Takes a line about what happens now.

    Returns
    -------
    The text of the notebook's cell tagged `result`; the files of the executed notebook and its figures.

    Raises
    ------
    HubError
        If anything fails, a cell included.
    """
    sample = (notebooks or Path("sample_notebooks")) / f"{name}.py"
    if not sample.is_file():
        raise HubError(f"There is no sample notebook {sample}: name its folder with --notebooks.")
    results = writable(data_folder() / "demo" / f"{datetime.now():%Y-%m-%dT%H-%M-%S}")
    state, token, failure = results / "hub", secrets.token_urlsafe(24), ""
    try:
        archive = get_archive(source, results)
        settings = prepare.settings(state=state, port=None, archive=archive, notebooks=None, token=token)
        notebook = read(sample)
        say("Starting JupyterHub and a server")
        with Hub(settings) as hub, local_requests() as http:
            hub.wait_until_ready()
            http.headers["Authorization"] = f"token {token}"
            server = spawn(http, settings, user)
            try:
                with RemoteKernel(http, server, KERNEL) as kernel:
                    kernel.run(notebook, lambda number, count: say(f"cell {number} of {count}"))
            except CellExecutionError as error:
                failure = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
            finally:
                written = save(notebook, results, name)
        shutil.rmtree(state)  # when the hub itself fails its log stays
    finally:
        if not any(results.iterdir()):
            results.rmdir()
    if failure:
        raise HubError(f"A cell of {name} failed; see {written[0]}\n{failure}")
    return result(notebook), written


def get_archive(source: Path | None, results: Path) -> str:
    """Return the archive to use: a new one of the product files in `source`, the one named, or the demo's."""
    if source:
        archive = results / "archive"
        prepare.run_engine("ingest", source, "--archive", archive)
        return str(archive)
    named = prepare.chosen_archive()
    if named:
        return named
    prepare.run_engine("create-demo", prepare.demo_archive())
    return prepare.demo_archive()


def spawn(http: requests.Session, settings: Settings, user: str) -> str:
    """Create a user, start their server and return its address."""
    api = f"{settings.url}/hub/api/users/{user}"
    http.post(api, timeout=30).raise_for_status()
    http.post(f"{api}/server", timeout=SPAWN_SECONDS).raise_for_status()
    deadline = time.monotonic() + SPAWN_SECONDS
    while time.monotonic() < deadline:
        model = http.get(api, timeout=30).json()
        if model["servers"].get("", {}).get("ready"):
            return f"{settings.url}/user/{user}"
        if not model["pending"]:
            break
        time.sleep(0.3)
    raise HubError(f"The server of {user} did not start: {last_line(settings.log)} (see {settings.log})")


def save(notebook: nbformat.NotebookNode, results: Path, name: str) -> list[Path]:
    """Write the executed notebook and its figures (PNG); return their paths."""
    written = [results / f"{name}.ipynb"]
    written[0].write_text(nbformat.writes(notebook))  # type: ignore[no-untyped-call]
    data = [output.get("data", {}) for cell in notebook.cells for output in cell.get("outputs", [])]
    for number, figure in enumerate((each["image/png"] for each in data if "image/png" in each), start=1):
        written.append(results / f"{name}-{number}.png")
        written[-1].write_bytes(base64.b64decode(figure))
    return written


def result(notebook: nbformat.NotebookNode) -> str:
    """Return the text of the cell tagged `result`."""
    outputs = [
        output
        for cell in notebook.cells
        if "result" in cell.metadata.get("tags", [])
        for output in cell.get("outputs", [])
        if "image/png" not in output.get("data", {})
    ]
    texts = [output.get("text") or output.get("data", {}).get("text/plain", "") for output in outputs]
    return "\n".join(text.strip("\n") for text in texts if text) or "(no cell is tagged `result`)"
