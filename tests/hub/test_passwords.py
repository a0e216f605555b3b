"""A lost password of one's own."""

from __future__ import annotations

import dbm

import pytest

from probav_hub.configuration import Configuration
from probav_hub.errors import HubError
from probav_hub.service.passwords import forget

FIRST_USE = {"method": "first-use", "allowed_users": ["ada", "ben"]}


def configuration(**login) -> Configuration:
    return Configuration.model_validate({"authentication": login})


@pytest.fixture
def state(tmp_path):
    with dbm.open(str(tmp_path / "passwords.dbm"), "c") as known:
        known[b"ada"] = known[b"ben"] = b"a hash"
    return tmp_path


def test_it_is_forgotten_and_others_are_not(state):
    forget(configuration(**FIRST_USE), state, "ben")
    with dbm.open(str(state / "passwords.dbm"), "r") as known:
        assert known.keys() == [b"ada"]


def test_the_authenticator_lets_the_user_choose_another(state):
    firstuse = pytest.importorskip("firstuseauthenticator")
    hub = firstuse.FirstUseAuthenticator(dbm_path=str(state / "passwords.dbm"), create_users=False)
    forget(configuration(**FIRST_USE), state, "ben")
    with dbm.open(hub.dbm_path, "c", 0o600) as known:
        assert known.get("ben") is None


def test_who_has_none(state):
    with pytest.raises(HubError, match="eve has chosen no password yet"):
        forget(configuration(**FIRST_USE), state, "eve")


@pytest.mark.parametrize("method", ["shared-password", "sign-up"])
def test_where_it_is_not_the_hubs_to_forget(state, method):
    with pytest.raises(HubError, match=f"`method: {method}` the hub keeps no password of ben"):
        forget(configuration(method=method), state, "ben")
