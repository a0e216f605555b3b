"""Run tests that other packages bring, with our classes in the place of theirs."""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as tree
from pathlib import Path

from probav_hub import proxy
from probav_hub.settings import data_folder

PLUGINS = Path(__file__).parents[1] / "hub" / "suites"
LOOPS = [f"asyncio_default_{kind}_loop_scope=module" for kind in ("fixture", "test")]


def run(folder: Path, plugin: str, *modules: str, **variables: str) -> tuple[set[str], set[str], str]:
    """Run suites with a plugin of ours; return their cases that passed, those that failed, what was said."""
    found = proxy.command(data_folder())
    program = folder / "bin" / "configurable-http-proxy"
    program.parent.mkdir()
    program.symlink_to(found[1])
    report = folder / "report.xml"
    folders = [program.parent, Path(found[0]).parent, Path(sys.executable).parent]
    path = os.pathsep.join([*map(str, folders), os.environ["PATH"]])
    options = [word for value in ("asyncio_mode=auto", *LOOPS) for word in ("-o", value)]
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(PLUGINS), **variables}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-c", os.devnull, "--rootdir", str(folder),
         "-p", "no:cacheprovider", "-p", plugin, f"--junitxml={report}", *options, "--pyargs", *modules],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=500,
    )  # fmt: skip
    assert report.exists(), done.stdout + done.stderr
    cases = list(tree.parse(report).iter("testcase"))
    bad = named(cases, "failure", "error")
    return named(cases) - named(cases, "skipped") - bad, bad, done.stdout


def named(cases: list[tree.Element], *ends: str) -> set[str]:
    """Return the names of cases, of those with one of some ends if any are given."""
    return {
        case.get("name", "") for case in cases if not ends or any(case.find(end) is not None for end in ends)
    }
