"""What a parameter is in a notebook's language."""

from __future__ import annotations

import keyword
import shutil
import subprocess

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probav_kernels.scheduled.parameters import NoParametersError, assignments, insert

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True).filter(
    lambda name: not keyword.iskeyword(name)
)


@given(st.dictionaries(NAMES, VALUES, max_size=4))
def test_python_reads_what_was_given(parameters):
    found: dict = {}
    exec(assignments("python", parameters), {}, found)
    assert found == parameters


@pytest.mark.skipif(not shutil.which("Rscript"), reason="NO R: install r-base-core to run this test")
def test_r_reads_what_was_given():
    given = {
        "text": 'a "quoted" \\ name\nand é 𝄞', "flag": True, "none": None, "count": 3, "share": 0.25,
        "large": 2**40, "many": [1, "two"], "_named": {"a b": False},
    }  # fmt: skip
    checks = (
        "stopifnot(identical(text, 'a \"quoted\" \\\\ name\\nand é 𝄞'), flag, is.null(none), count == 3L,"
        " share == .25, large == 2^40, many[[2]] == 'two', !`_named`[['a b']])"
    )
    code = f"{assignments('r', given)}\n{checks}"
    done = subprocess.run(
        ["Rscript", "--encoding=UTF-8", "-"], input=code, capture_output=True, text=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr


def test_the_cell_comes_behind_the_one_tagged_and_once():
    cells = [nbformat.v4.new_code_cell(text) for text in ("import probav", "year = 2015", "print(year)")]
    cells[1].metadata["tags"] = ["parameters"]
    notebook = nbformat.v4.new_notebook(cells=cells)
    insert(notebook, {"year": 2016})
    insert(notebook, {"year": 2017})
    assert [cell.source for cell in notebook.cells] == [
        "import probav", "year = 2015", "year = 2017", "print(year)",
    ]  # fmt: skip


def test_a_language_without_a_translation_is_refused_by_its_name():
    notebook = nbformat.v4.new_notebook(
        metadata={"kernelspec": {"name": "probav-scala", "language": "scala", "display_name": "Scala"}}
    )
    insert(notebook, {})
    with pytest.raises(NoParametersError, match="this one's language is scala"):
        insert(notebook, {"year": 2016})
