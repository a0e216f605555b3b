"""Browsers without a browser: several users of the tests' hub with their cookies, and what its parts know."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
import requests

from probav_hub.processes import local_requests


@dataclass
class Visitor:
    """Somebody with a browser: cookies, no token.

    Attributes
    ----------
    answers : list of requests.Response
        All that the hub and servers have answered, redirects included.
    """

    url: str
    name: str
    answers: list[requests.Response] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.http = local_requests()
        self.http.hooks["response"].append(lambda answer, *args, **kwargs: self.answers.append(answer))

    def get(self, path: str, **options: object) -> requests.Response:
        return self.http.get(self.url + path, timeout=60, **options)

    def post(self, path: str, **options: object) -> requests.Response:
        return self.http.post(self.url + path, timeout=180, **options)

    def cookie(self, name: str, path: str) -> str:
        (found,) = [each.value for each in self.http.cookies if each.name == name and each.path == path]
        return found

    def log_in(self, password: str, where: str = "/hub/home", **options: object) -> requests.Response:
        self.get("/hub/login").raise_for_status()
        form = {"username": self.name, "password": password, "_xsrf": self.cookie("_xsrf", "/hub/")}
        return self.post("/hub/login", params={"next": where}, data=form, **options)

    @property
    def xsrf(self) -> dict[str, str]:
        return {"X-XSRFToken": self.cookie("_xsrf", "/hub/")}


@pytest.fixture(scope="session")
def visitor(hub) -> Callable[..., Visitor]:
    """Return a visitor of the session's hub, logged in unless told otherwise."""

    def make(name: str, is_known: bool = True) -> Visitor:
        made = Visitor(hub.url, name)
        if is_known:
            made.log_in(hub.password).raise_for_status()
        return made

    return make


@pytest.fixture(scope="session")
def ada(visitor) -> Visitor:
    return visitor("ada")


@pytest.fixture(scope="session")
def at_server(hub, ada) -> Iterator[Visitor]:
    """Return ada with a running server, which knows her by its own cookie."""
    started = ada.post("/hub/api/users/ada/server", headers=ada.xsrf)
    assert started.ok, started.text
    ada.get("/hub/api/users/ada/server/progress").raise_for_status()  # ends when it is ready
    ada.get("/user/ada/lab").raise_for_status()  # where the server gets to know her
    page = ada.get("/user/ada/api/status")
    assert page.ok, page.text
    yield ada
    ada.http.delete(f"{hub.url}/hub/api/users/ada/server", headers=ada.xsrf, timeout=60)


@pytest.fixture
def known_by(hub) -> Callable[..., str]:
    """Return what the environment of a part of the hub says, found by its command line and its user."""

    def look(words: str, name: str, user: str | None = None) -> str:
        named = [each.environ() for each in hub.processes() if words in " ".join(each.cmdline())]
        (found,) = [each for each in named if each.get("JUPYTERHUB_USER") == user]
        return found[name]

    return look


@pytest.fixture
def with_token(hub) -> Iterator[Callable[..., requests.Response]]:
    """Ask the hub with a token."""
    with local_requests() as http:

        def ask(method: str, path: str, token: str, **options: object) -> requests.Response:
            headers = {"Authorization": f"token {token}"}
            return http.request(method, hub.url + path, headers=headers, timeout=30, **options)

        yield ask
