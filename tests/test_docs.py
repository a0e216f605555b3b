"""Every command and snippet of the README and of docs/ is run as it stands there."""

import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
KINDS = {"python", "console", "yaml", ""}


def blocks(page, kind):
    return [body for found, body in BLOCK.findall(page.read_text(encoding="utf-8")) if found == kind]


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """A demo archive of one year and one degree, which holds the areas the pages name."""
    from probav.demo import create_demo

    path = tmp_path_factory.mktemp("docs") / "archive"
    create_demo(path, progress=False, years=(2016,), size_degrees=1.0)
    return path


@pytest.fixture
def here(archive, tmp_path, monkeypatch):
    monkeypatch.setenv("PROBAV_ARCHIVE", str(archive))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_hold_no_block_that_nothing_runs(page):
    assert {kind for kind, _ in BLOCK.findall(page.read_text(encoding="utf-8"))} <= KINDS


@pytest.mark.parametrize(
    "page", [page for page in PAGES if blocks(page, "python")], ids=lambda page: page.name
)
def test_python_snippets_run_in_their_order(page, here):
    names = {}
    for body in blocks(page, "python"):
        exec(compile(body, str(page), "exec"), names)


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "")], ids=lambda page: page.name)
def test_cells_run_in_a_notebook_shell(page, here, capsys):
    from IPython.core.interactiveshell import InteractiveShell

    InteractiveShell.clear_instance()
    shell = InteractiveShell.instance()
    try:
        shell.run_line_magic("load_ext", "probav_magics")
        shell.run_cell(
            "import probav; field = probav.aoi((4.6, 50.6, 4.9, 50.8))"
        )  # what is drawn on the map
        for body in blocks(page, ""):
            result = shell.run_cell(body)
            assert result.success, capsys.readouterr().err
    finally:
        InteractiveShell.clear_instance()


@pytest.mark.parametrize(
    "page", [page for page in PAGES if blocks(page, "console")], ids=lambda page: page.name
)
def test_commands_run(page, here, archive, sources, capfd):
    from probav import cli

    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    bin_ = Path(sys.executable).parent
    for line in "".join(blocks(page, "console")).splitlines():
        if not line.startswith("$ "):
            continue
        command = shlex.split(line.removeprefix("$ "), comments=True)
        if command[0] == "make":  # tests/e2e and CI run these
            assert command[1] in targets, line
            continue
        command = [str(sources) if word == "SOURCE" else word for word in command]
        if "watch" in command:
            watch_until_interrupted([str(bin_ / command[0]), *command[1:]], here)
            continue
        if command[0] == "probav":  # in this process: each start takes seconds; test_cli.py tries the program
            code, (out, errors) = cli.main(command[1:]), capfd.readouterr()
            assert code == 0, f"{line}\n{out}\n{errors}"
            assert out.strip(), line
            continue
        done = subprocess.run(
            [str(bin_ / command[0]), *command[1:]],
            capture_output=True,
            text=True,
            cwd=here,
            env=os.environ,
            timeout=120,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        assert done.stdout.strip(), line


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "yaml")], ids=lambda page: page.name)
def test_configurations_of_the_hub_are_right(page, tmp_path):
    from probav_hub.configuration import load

    for body in blocks(page, "yaml"):
        (tmp_path / "probav-hub.yaml").write_text(body)
        load(tmp_path / "probav-hub.yaml")


def watch_until_interrupted(command, here):
    (here / "incoming").mkdir()
    with subprocess.Popen(command, cwd=here, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline().startswith("Watching incoming")
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    from probav.demo import write_sources

    folder = tmp_path_factory.mktemp("sources")
    write_sources(folder, years=(2016,), size_degrees=0.25)
    return folder
