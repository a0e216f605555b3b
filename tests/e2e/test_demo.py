"""`probav-hub demo`: exit codes and messages, with small notebooks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e


@pytest.fixture
def demo(run_hub_command, tmp_path):
    def run(*cells: str, source: Path | None = None):
        samples = tmp_path / "samples"
        samples.mkdir()
        (samples / "quickstart.py").write_text("".join(f"# %%{cell}\n" for cell in cells))
        extra = ["--source", source] if source else []
        return run_hub_command("demo", "--notebooks", samples, *extra)

    return run


@pytest.fixture
def results(tmp_path):
    return lambda: next((tmp_path / "data" / "probav" / "demo").iterdir())


def left(tmp_path) -> list[str]:
    import psutil

    found = []
    for process in psutil.process_iter():
        try:
            if str(tmp_path) in " ".join(process.environ().values()):
                found.append(" ".join(process.cmdline()))
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def test_the_result_and_the_files_are_shown(demo, results, tmp_path):
    done = demo(
        "\nimport sys, pandas as pd, matplotlib.pyplot as plt\nprint(sys.argv[0])",
        "\nplt.plot([1, 3, 2]);",
        ' tags=["result"]\npd.DataFrame({"mean": [0.5, 0.25]})',
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "   mean\n0  0.50\n1  0.25\n" in done.stdout
    notebook, figure = results() / "quickstart.ipynb", results() / "quickstart-1.png"
    assert f"{notebook}\n{figure}\n" in done.stdout
    assert figure.read_bytes().startswith(b"\x89PNG")
    executed = json.loads(notebook.read_text())
    assert [cell["execution_count"] for cell in executed["cells"]] == [1, 2, 3]
    assert "ipykernel_launcher" in executed["cells"][0]["outputs"][0]["text"][0]
    assert executed["metadata"]["kernelspec"]["name"] == "probav-python"
    assert not (results() / "hub").exists()
    assert left(tmp_path) == []


def test_a_failing_cell_fails_the_demo(demo, results, tmp_path):
    done = demo("\nbefore = 1", "\n1 / 0", "\nprint('never')")
    assert done.returncode == 1
    assert "1 / 0" in done.stderr
    assert "ZeroDivisionError: division by zero" in done.stderr
    assert "\x1b" not in done.stderr
    executed = json.loads((results() / "quickstart.ipynb").read_text())
    assert executed["cells"][1]["outputs"][0]["ename"] == "ZeroDivisionError"
    assert executed["cells"][2]["outputs"] == []
    assert left(tmp_path) == []


def test_a_dying_kernel_fails_the_demo(demo, tmp_path):
    done = demo("\nimport os; os._exit(1)")
    assert done.returncode == 1
    assert "The kernel died while it ran a cell" in done.stderr
    assert "Traceback" not in done.stderr
    assert left(tmp_path) == []


def test_no_such_sample(run_hub_command, tmp_path):
    done = run_hub_command("demo", "--notebooks", tmp_path)
    assert done.returncode == 1
    assert "There is no sample notebook" in done.stderr


@pytest.mark.parametrize("kind", ["empty", "missing", "useless"])
def test_a_source_with_nothing_to_take_is_one_clear_message(demo, tmp_path, kind):
    source = tmp_path / "products"
    if kind != "missing":
        source.mkdir()
    if kind == "useless":
        (source / "letter.txt").write_text("no product")
    done = demo("\n1", source=source)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr + done.stdout
    assert len(done.stderr.splitlines()) == 1
    assert str(source) in done.stderr
    assert "Starting JupyterHub" not in done.stdout
    assert not list((tmp_path / "data" / "probav" / "demo").iterdir())
