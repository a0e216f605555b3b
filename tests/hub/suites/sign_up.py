"""A pytest plugin: JupyterHub's tests of authenticators, with SignUpAuthenticator in the place of theirs."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import jupyterhub.auth
from jupyterhub import orm
from jupyterhub.tests import mocking
from traitlets import default

from probav_hub.sign_up import SignUpAuthenticator


class Ours(SignUpAuthenticator):
    """Makes itself a database where a test, unlike a hub, gives none."""

    def __init__(self, **traits: Any) -> None:
        traits.setdefault("_deprecated_db_session", orm.new_session_factory("sqlite:///:memory:")())
        super().__init__(**traits)


class OursByName(Ours):
    """A double of passwords only, as JupyterHub's MockPAMAuthenticator is: a name is its own password."""

    auth_state = None

    @default("admin_users")
    def _default_admins(self):
        return {"admin"}

    async def authenticate(self, handler, data):
        name = data["username"]
        if data["password"] != name:
            return None
        return {"name": name, "auth_state": self.auth_state} if self.auth_state else name


class Hub(mocking.MockHub):
    """With the pages of sign-up."""

    def init_tornado_settings(self):
        self.template_paths = [str(files("nativeauthenticator") / "templates"), *self.template_paths]
        super().init_tornado_settings()


theirs = jupyterhub.auth.Authenticator
mocking.MockPAMAuthenticator, mocking.MockHub, jupyterhub.auth.Authenticator = OursByName, Hub, Ours
import jupyterhub.tests.test_auth  # noqa: E402  # makes its classes of ours

jupyterhub.auth.Authenticator = theirs
