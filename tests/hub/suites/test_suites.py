"""The tests that JupyterHub and NativeAuthenticator bring, with our classes in the place of theirs."""

from __future__ import annotations

import pytest
import suites

from probav_hub.sandbox import machine

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


def test_jupyterhubs_tests_of_authenticators(tmp_path):
    passed, failed, said = suites.run(
        tmp_path, "sign_up", "jupyterhub.tests.test_auth", "jupyterhub.tests.test_auth_expiry"
    )
    assert failed == set(OF_PAM), said
    assert len(passed) >= 113


def test_nativeauthenticators_own_tests(tmp_path):
    passed, failed, said = suites.run(tmp_path, "native", "nativeauthenticator.tests.test_authenticator")
    assert failed <= set(OF_THIS_MACHINE), said
    assert len(passed) >= 31


@pytest.mark.parametrize(
    ("name", "exceptions", "least"),
    [("simple", {}, 39), ("sandbox", OF_SANDBOXES, 34)],
    ids=["simple", "sandbox"],
)
def test_jupyterhubs_tests_of_spawners(tmp_path, name, exceptions, least):
    if name == "sandbox" and (problems := machine.problems()):
        pytest.skip(f"no sandboxes here: {' '.join(problems)}")
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    variables = {"PROBAV_SUITE": name, "PROBAV_SUITE_STATE": str(state)}
    passed, failed, said = suites.run(tmp_path, "spawners", "jupyterhub.tests.test_spawner", **variables)
    assert failed == set(exceptions), said
    assert len(passed) >= least
