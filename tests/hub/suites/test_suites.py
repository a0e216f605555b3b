"""The tests that JupyterHub and NativeAuthenticator bring, with our classes in the place of theirs."""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as tree
from pathlib import Path

import pytest

from probav_hub import proxy
from probav_hub.sandbox import machine
from probav_hub.settings import data_folder

pytestmark = pytest.mark.e2e
OF_PAM = {
    "test_pam_auth": "a class that refuses one name",
    "test_pam_auth_admin_groups": "groups of the machine",
    "test_pam_auth_allowed_groups": "groups of the machine",
    "test_deprecated_signatures": "a method of LocalAuthenticator",
    "test_delete_user": "awaits what JupyterHub itself awaits only where it can be",
}
OF_THIS_MACHINE = {  # they fail with NativeAuthenticator, too, where Python's dbm makes files of other names
    "test_import_from_firstuse_delete_db_after": "removes one name",
    "test_import_from_firstuse_dont_delete_db_after": "looks for one name",
}
OF_SANDBOXES = {
    "test_popen_kwargs": "a setting that sandboxes refuse",
    "test_shell_cmd": "a setting that sandboxes refuse",
    **{
        f"test_spawner_routing[{name}]": "a name that none of our ways to log in gives"
        for name in ("has~x", "has%x", "has%40x")
    },
}


def named(cases, *ends):
    """Return the names of cases, of those with one of some ends if any are given."""
    return {case.get("name") for case in cases if not ends or any(case.find(end) is not None for end in ends)}


@pytest.fixture
def outcome(tmp_path):
    """Run a suite with a plugin of this folder; return the names of its cases: passed, and failed."""
    found = proxy.command(data_folder())

    def run(plugin, *modules, **variables):
        program = tmp_path / "bin" / "configurable-http-proxy"
        program.parent.mkdir()
        program.symlink_to(found[1])
        report = tmp_path / "report.xml"
        folders = [program.parent, Path(found[0]).parent, Path(sys.executable).parent]
        path = os.pathsep.join([*map(str, folders), os.environ["PATH"]])
        loop = [f"asyncio_default_{kind}_loop_scope=module" for kind in ("fixture", "test")]
        options = [word for value in ("asyncio_mode=auto", *loop) for word in ("-o", value)]
        environment = {**os.environ, "PATH": path, "PYTHONPATH": str(Path(__file__).parent), **variables}
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-c", os.devnull, "--rootdir", str(tmp_path),
             "-p", "no:cacheprovider", "-p", plugin, f"--junitxml={report}", *options, "--pyargs", *modules],
            cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=500,
        )  # fmt: skip
        assert report.exists(), done.stdout + done.stderr
        cases = list(tree.parse(report).iter("testcase"))
        bad = named(cases, "failure", "error")
        return named(cases) - named(cases, "skipped") - bad, bad, done.stdout

    return run


def test_jupyterhubs_tests_of_authenticators(outcome):
    passed, failed, said = outcome(
        "sign_up", "jupyterhub.tests.test_auth", "jupyterhub.tests.test_auth_expiry"
    )
    assert failed == set(OF_PAM), said
    assert len(passed) >= 113


def test_nativeauthenticators_own_tests(outcome):
    passed, failed, said = outcome("native", "nativeauthenticator.tests.test_authenticator")
    assert failed <= set(OF_THIS_MACHINE), said
    assert len(passed) >= 31


@pytest.mark.parametrize(
    ("name", "exceptions", "least"),
    [("simple", {}, 39), ("sandbox", OF_SANDBOXES, 34)],
    ids=["simple", "sandbox"],
)
def test_jupyterhubs_tests_of_spawners(outcome, tmp_path, name, exceptions, least):
    if name == "sandbox" and (problems := machine.problems()):
        pytest.skip(f"no sandboxes here: {' '.join(problems)}")
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    variables = {"PROBAV_SUITE": name, "PROBAV_SUITE_STATE": str(state)}
    passed, failed, said = outcome("spawners", "jupyterhub.tests.test_spawner", **variables)
    assert failed == set(exceptions), said
    assert len(passed) >= least
