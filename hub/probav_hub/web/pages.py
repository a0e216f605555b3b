"""What all answers of a service have in common: who asks, what browsers may do with them, and errors."""

from __future__ import annotations

import json
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader
from jupyterhub.services.auth import HubOAuthenticated
from tornado import web

TEMPLATES = Path(__file__).with_name("templates")
POLICY = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
_SAFE = ("GET", "HEAD", "OPTIONS")


def templates(folder: Path, prefix: str, hub: str, title: str) -> Environment:
    """Return what makes pages of a service's templates, which extend `base.html` of ours.

    Parameters
    ----------
    folder : Path
        Of the service's own templates.
    prefix, hub : str
        Paths of the service and of the hub, with a slash at the end.
    title : str
        What the link to a user's own page is called.
    """
    loader = FileSystemLoader([folder, TEMPLATES])
    made = Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    made.globals.update(prefix=prefix, hub=hub, own_page=title)
    return made


class Page(HubOAuthenticated, web.RequestHandler):  # type: ignore[misc]  # JupyterHub has no types
    """An answer to who has logged in to the hub; the application's setting `templates` makes its pages."""

    def set_default_headers(self) -> None:
        """Let a page load nothing but our own style, be in no frame and be kept by nobody."""
        self.set_header("Content-Security-Policy", POLICY)
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Referrer-Policy", "same-origin")
        self.set_header("Cache-Control", "no-store")
        self.clear_header("Server")

    async def prepare(self) -> None:
        """Ask the hub who it is, without holding up the others, and for changes whether they mean it."""
        await self.hub_auth.get_user(self, sync=False)  # kept for what asks below
        if self.request.method not in _SAFE and not self.is_by_token:
            self.check_xsrf_cookie()

    @property
    def is_by_token(self) -> bool:
        """Whether who asks shows a token, as programs do, and no cookie."""
        return bool(getattr(self, "_token_authenticated", False))

    @property
    def user(self) -> str:
        """Name of the user who asks.

        Raises
        ------
        HTTPError
            If it is no user: a service has no home, and no use of its own.
        """
        if self.current_user["kind"] != "user":
            raise web.HTTPError(403, "This page is for users: a service has none of its own.")
        return str(self.current_user["name"])

    @property
    def groups(self) -> list[str]:
        """The groups of who asks."""
        return list(self.current_user.get("groups", ()))

    @property
    def sees_all(self) -> bool:
        """Whether it is an admin of the hub; a token of one must be allowed to read users."""
        allowed = not self.is_by_token or self.holds("list:users")
        return bool(self.current_user.get("admin")) and allowed

    def holds(self, scope: str) -> bool:
        """Return whether who asks has a scope without a filter, as the hub tells it."""
        return scope in self.current_user.get("scopes", ())

    def show(self, name: str, **values: Any) -> Awaitable[None]:
        """Answer with a page."""
        asks = self.current_user or {}
        page = self.settings["templates"].get_template(name)
        return self.finish(page.render(
            name=asks.get("name"), is_admin=bool(asks.get("admin")), xsrf=self.xsrf_form_html, **values
        ))  # fmt: skip

    def write_error(self, status_code: int, **about: Any) -> None:
        """Say what is wrong, and nothing of how the service is made; to programs in JSON."""
        error = about.get("exc_info", (None, None))[1]
        what = error.log_message if isinstance(error, web.HTTPError) and error.log_message else self._reason
        made: Environment = self.settings["templates"]
        if self.request.path.startswith(f"{made.globals['prefix']}api/"):
            self.set_header("Content-Type", "application/json")
            self.finish(json.dumps({"status": status_code, "message": str(what)}))
        else:
            self.finish(made.get_template("error.html").render(what=what, code=status_code))


class Nothing(Page):
    """What isn't there."""

    async def prepare(self) -> None:
        """Say so."""
        raise web.HTTPError(404, "There is no such page.")


class Style(web.RequestHandler):
    """How the pages look."""

    def get(self) -> None:
        """Answer with the style sheet."""
        self.set_header("Content-Type", "text/css; charset=utf-8")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Cache-Control", "max-age=300")
        self.finish((TEMPLATES / "style.css").read_bytes())
