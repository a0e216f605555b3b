from __future__ import annotations

import json
import stat

import nbformat
import pytest

from probav_hub.homes import prepare


@pytest.fixture
def samples(tmp_path):
    folder = tmp_path / "samples"
    folder.mkdir()
    (folder / "first.py").write_text('# %% [markdown]\n# # Title\n# %% tags=["result"]\n1 + 1\n')
    return folder


@pytest.fixture
def home(tmp_path, samples):
    prepare(tmp_path / "home", str(samples))
    return tmp_path / "home"


def test_samples_become_notebooks_of_our_kernel(home):
    notebook = nbformat.read(home / "first.ipynb", as_version=4)
    assert notebook.metadata.kernelspec.name == "probav-python"
    assert [(cell.cell_type, cell.source) for cell in notebook.cells] == [
        ("markdown", "# Title"),
        ("code", "1 + 1"),
    ]
    assert notebook.cells[1].metadata.tags == ["result"]
    assert stat.S_IMODE(home.stat().st_mode) == 0o700


def test_the_same_sample_gives_the_same_file(home, samples, tmp_path):
    prepare(tmp_path / "other", str(samples))
    assert (tmp_path / "other" / "first.ipynb").read_bytes() == (home / "first.ipynb").read_bytes()


def test_a_changed_sample_renews_an_untouched_copy(home, samples):
    (samples / "first.py").write_text("# %%\n2 + 2\n")
    prepare(home, str(samples))
    assert "2 + 2" in (home / "first.ipynb").read_text()


@pytest.mark.parametrize("edit", ["change", "delete"])
def test_what_the_user_did_stays(home, samples, edit):
    copy = home / "first.ipynb"
    if edit == "change":
        notebook = json.loads(copy.read_text())
        notebook["cells"][1]["source"] = ["mine"]
        copy.write_text(json.dumps(notebook))
    else:
        copy.unlink()
    (samples / "first.py").write_text("# %%\n2 + 2\n")
    prepare(home, str(samples))
    assert "mine" in copy.read_text() if edit == "change" else not copy.exists()


def test_a_file_of_the_user_under_a_samples_name_stays(tmp_path, samples):
    home = tmp_path / "home"
    home.mkdir()
    (home / "first.ipynb").write_text("mine")
    prepare(home, str(samples))
    assert (home / "first.ipynb").read_text() == "mine"


def test_no_samples(tmp_path):
    prepare(tmp_path / "home", None)
    assert not list((tmp_path / "home").glob("*.ipynb"))


@pytest.mark.parametrize("listed", [True, False])
def test_samples_in_r_come_where_its_kernel_is_listed(tmp_path, samples, monkeypatch, listed):
    (samples / "second.R").write_text("# %%\n1:3\n")
    kernels = tmp_path / "jupyter" / "kernels" / "probav-r"
    if listed:
        kernels.mkdir(parents=True)
        (kernels / "kernel.json").write_text('{"argv": ["R"], "display_name": "R", "language": "R"}')
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    monkeypatch.setattr("jupyter_core.paths.SYSTEM_JUPYTER_PATH", [])
    monkeypatch.setattr("jupyter_core.paths.ENV_JUPYTER_PATH", [])
    prepare(tmp_path / "home", str(samples))
    copy = tmp_path / "home" / "second.ipynb"
    assert copy.exists() is listed
    if listed:
        notebook = nbformat.read(copy, as_version=4)
        assert notebook.metadata.kernelspec.name == "probav-r"
        assert [cell.source for cell in notebook.cells] == ["1:3"]
