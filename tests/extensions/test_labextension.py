"""The panel's files are whole as they are: nothing builds them, nothing outside is asked for."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import probav
import probav_extensions

FOLDER = Path(probav_extensions.__file__).parent / "labextension"
SCRIPTS = sorted(FOLDER.rglob("*.js"))


def test_jupyterlab_finds_its_entry():
    package = json.loads((FOLDER / "package.json").read_text())
    assert package["version"] == probav.__version__
    build = package["jupyterlab"]["_build"]
    entry = (FOLDER / build["load"]).read_text()
    assert f"_JUPYTERLAB['{package['name']}']" in entry
    assert f"'{build['extension']}'" in entry
    assert f"'{build['style']}'" in entry


def test_browsers_ask_for_changed_files_again():
    """Jupyter lets browsers keep what lies in a folder of an extension called "static" for a year."""
    assert [path for path in FOLDER.rglob("static")] == []


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_names_files_that_are_there_and_no_host(script):
    text = script.read_text()
    named = re.findall(r"from '\./([^']+)'|load\('([^']+)'\)", text)
    for names in named:
        assert (script.parent / (names[0] or names[1])).is_file(), names
    hosts = set(re.findall(r"https?://[^\s'\"`)]+", text)) - {"http://www.w3.org/2000/svg"}
    assert hosts == set()
    assert len(text.splitlines()) <= 400
    assert "innerHTML" not in text


def test_the_scripts_are_javascript(tmp_path):
    node = shutil.which("node")
    if node is None:
        pytest.skip("NO NODE: the browser tests show too whether the scripts can be read")
    for script in SCRIPTS:
        copy = tmp_path / f"{script.stem}.mjs"
        copy.write_text(script.read_text())
        checked = subprocess.run([node, "--check", copy], capture_output=True, text=True)
        assert checked.returncode == 0, checked.stderr
