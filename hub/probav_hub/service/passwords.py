"""A password that its user has lost: forgotten by the hub, so that the user chooses another."""

from __future__ import annotations

import dbm
from contextlib import suppress
from pathlib import Path

from probav_hub.configuration import Configuration
from probav_hub.errors import HubError

_ELSEWHERE = {
    "shared-password": "there is one for all, in authentication.password_file or printed at each start.",
    "sign-up": "an admin sets a new one at /hub/change-password/NAME.",
    "oidc": "it is the provider's: ask there.",
}


def forget(given: Configuration, state: Path, user: str) -> None:
    """Make the hub take the next password of a user for the new one; it may be running.

    Raises
    ------
    HubError
        If users have no password of the hub's, or this one has not chosen any.
    """
    method = given.authentication.method
    if method != "first-use":
        raise HubError(f"With `method: {method}` the hub keeps no password of {user}: {_ELSEWHERE[method]}")
    with suppress(KeyError, dbm.error[0]), dbm.open(str(state / "passwords.dbm"), "w") as known:
        del known[user.encode()]
        return
    raise HubError(f"{user} has chosen no password yet, or {state / 'passwords.dbm'} can't be written.")
