"""Executors whose Python lacks probav, or has another one."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import probav

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """Return an environment with all that probav needs and without probav, and its site folder."""
    folder = tmp_path_factory.mktemp("bare")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / "bin" / "python"
    purelib = [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    site = Path(subprocess.check_output(purelib, text=True).strip())
    # the path files of that folder, which lead to the checkout, aren't read: it is no site folder here
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    found = subprocess.run([python, "-c", "import probav"], capture_output=True, text=True, cwd=folder)
    assert "No module named 'probav'" in found.stderr
    return python, site


def ask(driver, processes, cluster, python, ship):
    own = {"PYSPARK_PYTHON": str(python), "PYSPARK_DRIVER_PYTHON": sys.executable}
    return driver(["polygon"], processes, {}, master=cluster.url, ship=ship, environment=own).finish()


def test_code_travels_to_executors_that_have_none(driver, processes, standalone, same, bare):
    cluster = standalone()
    same(ask(driver, processes, cluster, bare[0], "auto"), "polygon")
    error = ask(driver, processes, cluster, bare[0], "never").error("polygon")
    assert re.search(
        r"The executor on \S+ \(.*python\S*\) has no probav, the notebook's has [0-9a-f]{16}", error
    )
    assert "PROBAV_SPARK_SHIP=auto" in error
    assert "\n" not in error


def test_other_code_on_executors_is_replaced_or_told(driver, processes, standalone, same, bare):
    python, site = bare
    other = Path(shutil.copytree(Path(probav.__file__).parent, site / "probav"))
    try:
        with (other / "histogram.py").open("a") as file:
            file.write("\nraise RuntimeError('this is the other probav')\n")
        cluster = standalone()
        same(ask(driver, processes, cluster, python, "auto"), "polygon")
        error = ask(driver, processes, cluster, python, "never").error("polygon")
    finally:
        shutil.rmtree(other)
    assert re.search(r"has a probav with the digest [0-9a-f]{16}, the notebook's has [0-9a-f]{16}", error)
    assert "\n" not in error
