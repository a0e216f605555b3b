"""An executor has the driver's package, or says what is wrong; tried in processes of their own."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

import probav
from probav.execution import executor

PACKAGE = Path(probav.__file__).parent
RUN = """
import importlib.machinery, importlib.util, pickle, sys
folder = sys.argv[1]
sys.path[:] = [item for item in sys.path if not importlib.machinery.PathFinder.find_spec("probav", [item])]
sys.meta_path[:] = [item for item in sys.meta_path if "editable" not in repr(item)]
if folder:
    sys.path.insert(0, folder)
spec = importlib.util.spec_from_file_location("executor", {source!r})
executor = importlib.util.module_from_spec(spec)
spec.loader.exec_module(executor)
expected, versions, code, always = pickle.load(sys.stdin.buffer)
executor.provide(expected, versions, code, always)
import probav
print(probav.__file__, probav.provided)
"""


@pytest.fixture
def provide(tmp_path):
    """Return what a new process says that has a folder on its path and is given the driver's word."""

    def call(folder="", *, versions=None, ship=True, always=False):
        given = (
            executor.digest(str(PACKAGE)),
            versions or executor.versions(),
            executor.archive(str(PACKAGE)) if ship else None,
            always,
        )
        code = RUN.format(source=executor.__file__)
        command = [sys.executable, "-c", code, str(folder)]
        environment = {**os.environ, "TMPDIR": str(tmp_path / "tmp"), "PYTHONSAFEPATH": "1"}
        (tmp_path / "tmp").mkdir(exist_ok=True)
        done = subprocess.run(
            command,
            input=pickle.dumps(given),
            capture_output=True,
            env=environment,
            cwd=tmp_path,
            timeout=120,
        )
        return (done.stdout.strip() or done.stderr.strip().splitlines()[-1]).decode()

    return call


@pytest.fixture
def other(tmp_path):
    """A folder with a probav of other code."""
    folder = tmp_path / "other"
    for path, content in executor.sources(str(PACKAGE)).items():
        target = folder / "probav" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content + (b"\n# changed\n" if path == "errors.py" else b""))
    return folder


def test_the_same_package_is_used_as_it_is(provide):
    assert provide(PACKAGE.parent).startswith(str(PACKAGE))
    assert "tmp/probav-" in provide(PACKAGE.parent, always=True)


def test_where_there_is_none_the_drivers_travels(provide, tmp_path):
    shown = provide()
    assert shown.startswith(str(tmp_path / "tmp" / "probav-"))
    assert shown.endswith(executor.digest(str(PACKAGE)))
    (unpacked,) = (tmp_path / "tmp").iterdir()
    assert unpacked.stat().st_mode & 0o077 == 0
    (unpacked / "probav" / "errors.py").write_text("raise SystemExit('touched')")
    assert provide() == shown  # unpacked again
    assert len(list((tmp_path / "tmp").iterdir())) == 1


def test_another_one_gives_way(provide, other, tmp_path):
    assert str(tmp_path / "tmp") in provide(other)


def test_never_says_both_digests(provide, other):
    shown = provide(other, ship=False)
    assert f"has a probav with the digest {executor.digest(str(other / 'probav'))}" in shown
    assert f"the notebook's has {executor.digest(str(PACKAGE))}" in shown
    assert "PROBAV_SPARK_SHIP=auto" in shown
    assert "has no probav" in provide(ship=False)


def test_libraries_of_another_major_version_are_named(provide):
    shown = provide(versions={**executor.versions(), "icechunk": "99.1"})
    assert "has icechunk" in shown
    assert "the notebook 99.1" in shown


def test_the_archive_of_the_code_is_small_and_always_the_same():
    first = executor.archive(str(PACKAGE))
    assert first == executor.archive(str(PACKAGE))
    assert len(first) < 1 << 20
