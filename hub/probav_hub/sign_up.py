"""Sign-up that an admin approves: NativeAuthenticator, with what is wrong with it put right.

Its log-in fails on JupyterHub 6; and its links that approve or discard a user are a mere GET: any page that
an admin looks at could follow them.
"""

from __future__ import annotations

from typing import Any

from nativeauthenticator import NativeAuthenticator
from nativeauthenticator import handlers as native
from tornado import web


class LoginHandler(native.LoginHandler):  # type: ignore[misc]  # NativeAuthenticator has no types
    """The log-in page."""

    def _render(self, login_error: str | None = None, username: str | None = None, **more: Any) -> Any:
        """Render the page; JupyterHub gives more than NativeAuthenticator's own takes."""
        return super()._render(login_error=login_error, username=username)

    async def post(self) -> None:
        """Log in, or say why not."""
        fields = self.request.body_arguments
        form = {name: self.get_argument(name, strip=name == "username") for name in fields}
        user = await self.login_user(form)
        if user:
            self._jupyterhub_user = user  # of the log's line about this request
            self.redirect(self.get_next_url(user))
            return
        self.set_status(403)
        name = form.get("username", "")
        self.finish(await self._render(login_error=self._why_not(form), username=name[:64]))

    def _why_not(self, form: dict[str, str]) -> str:
        known = self.authenticator.get_user(form.get("username", ""))
        if known and not known.is_authorized and known.is_valid_password(form.get("password", "")):
            return "An administrator has not approved your sign-up yet."
        return "Invalid username or password."


class OwnLinks:
    """Links that change something: followed from the hub's own pages only."""

    request: Any

    def prepare(self) -> Any:
        """Refuse a request that another site, or nobody's page, led to."""
        told = self.request.headers.get("Sec-Fetch-Site")  # what browsers say, and pages can't
        if told != "same-origin":
            raise web.HTTPError(403, "Follow this link from the hub's page of users to authorize.")
        return super().prepare()  # type: ignore[misc]  # of JupyterHub's handlers


class ToggleAuthorizationHandler(OwnLinks, native.ToggleAuthorizationHandler):  # type: ignore[misc]
    """Approves a user, or takes that back."""


class DiscardHandler(OwnLinks, native.DiscardHandler):  # type: ignore[misc]
    """Discards somebody who has signed up."""


class SignUpAuthenticator(NativeAuthenticator):  # type: ignore[misc]
    """NativeAuthenticator on the JupyterHub of today."""

    def get_handlers(self, app: Any) -> list[Any]:
        """Return the pages, ours in place of those that fail."""
        ours = {
            native.LoginHandler: LoginHandler,
            native.ToggleAuthorizationHandler: ToggleAuthorizationHandler,
            native.DiscardHandler: DiscardHandler,
        }
        return [(path, ours.get(kind, kind), *more) for path, kind, *more in super().get_handlers(app)]
