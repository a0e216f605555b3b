"""What schedules make of JupyterHub's configuration."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace

import pytest
from jupyterhub.handlers.pages import HomeHandler
from jupyterhub.spawner import SpawnException
from tornado.web import HTTPError
from traitlets.config import Config

from probav_hub.check import problems
from probav_hub.config import configure
from probav_hub.configuration import Configuration
from probav_hub.prepare import free_ports
from probav_hub.schedules import notice
from probav_hub.schedules.configured import SCOPES, WORK, limit, with_work
from probav_hub.schedules.servers import HEADER, ROUTE
from probav_hub.settings import Settings


@pytest.fixture
def configured(tmp_path):
    """Return JupyterHub's configuration for a file."""

    def configured(**changes) -> Config:
        given = Configuration.model_validate({"schedules": {}, **changes})
        settings = Settings(
            state=str(tmp_path), port=8000, hub_port=8001, proxy_port=8002, password="a-password",
            archive="/data", notebooks=None, proxy=["node"], configured=given.model_dump(mode="json"),
        )  # fmt: skip
        c = Config()
        configure(c, settings)
        return c

    return configured


def test_the_server_reads_what_the_hub_writes():
    from probav_kernels import scheduled
    from probav_kernels.scheduled import status, work

    assert (WORK, HEADER, ROUTE) == (work.VARIABLE, status.HEADER, scheduled.ROUTE)


def test_without_schedules_nothing_is_added(configured):
    c = configured(schedules=None)
    assert "schedules" not in [service["name"] for service in c.JupyterHub.services]
    assert c.JupyterHub.allow_named_servers is False


def test_the_service_may_start_and_stop_servers_and_not_open_them(configured):
    c = configured()
    roles = {role["name"]: role["scopes"] for role in c.JupyterHub.load_roles}
    assert roles["schedules"] == SCOPES
    assert not any(scope.startswith(("access:", "admin", "tokens", "users")) for scope in SCOPES)
    assert "self" in roles["user"]
    assert "access:services!service=schedules" in roles["user"]
    assert len([role for role in c.JupyterHub.load_roles if role["name"] == "user"]) == 1
    (service,) = [each for each in c.JupyterHub.services if each["name"] == "schedules"]
    assert service["url"].startswith("http://127.0.0.1:")
    assert "a-password" not in json.dumps(service)


def test_a_runs_server_is_told_its_work_and_no_other_server_is():
    seen = []
    apply = with_work(lambda spawner, options: seen.append(options))

    def spawner(name: str) -> SimpleNamespace:
        return SimpleNamespace(name=name, environment={"A": "b"})

    made, options = spawner("scheduled-3-1"), {"profile": "small", "run": {"key": "k"}}
    asyncio.run(apply(made, options))
    assert seen == [options]
    assert json.loads(made.environment[WORK]) == {"key": "k"}
    other = spawner("mine")
    asyncio.run(apply(other, options))
    assert WORK not in other.environment
    with pytest.raises(SpawnException, match="are of scheduled runs"):
        asyncio.run(apply(spawner("scheduled-3-1"), {}))


@pytest.mark.parametrize("own", [0, 2])
def test_named_servers_are_the_services_and_as_many_of_users_as_before(own):
    of = limit(own)

    def ask(name: str, kind: str = "user", who: str = "ada") -> int:
        user = SimpleNamespace(orm_spawners=["", "scheduled-1-1", "scheduled-2-1", "mine"])
        return of(
            SimpleNamespace(
                current_user=SimpleNamespace(kind=kind, name=who), path_args=["ada", name], path_kwargs={},
                find_user=lambda name: user,
            )
        )  # fmt: skip

    assert ask("scheduled-9-1", "service", "schedules") == 0
    for kind, who in (("user", "ada"), ("user", "schedules"), ("service", "other")):
        with pytest.raises(HTTPError, match="403"):
            ask("scheduled-9-1", kind, who)
    if own:
        assert ask("another") == own + 2
    else:
        with pytest.raises(HTTPError, match="not enabled"):
            ask("another")
    home = HomeHandler.__new__(HomeHandler)
    home._jupyterhub_user = SimpleNamespace(kind="user", name="ada")
    assert of(home) == own


def test_what_is_wrong_is_found_before(tmp_path):
    mail = {"host": "127.0.0.1", "port": free_ports(1)[0], "sender": "a@b", "user": "hub"}
    given = {
        "state": tmp_path / "state", "port": free_ports(1)[0],
        "schedules": {"timezone": "Mars", "mail": mail},
        "profiles": [{"name": "short", "title": "Short", "hours": 1}],
        "jupyterhub": {"JupyterHub": {"allow_named_servers": False}},
    }  # fmt: skip
    found = {each.setting: str(each) for each in problems(Configuration.model_validate(given))}
    assert set(found) == {
        "schedules.timezone", "schedules.mail.user", "schedules.mail.host", "profiles.short.hours",
        "jupyterhub.JupyterHub.allow_named_servers",
    }  # fmt: skip
    given["schedules"] = {"mail": {**mail, "host": "mail.invalid", "security": "none"}}
    again = {each.setting for each in problems(Configuration.model_validate(given))}
    assert {"schedules.mail.security", "schedules.mail.host"} <= again


def test_the_line_on_the_hubs_pages(tmp_path):
    assert notice.words([]) == ""
    assert notice.words([("daily", "x")]) == "A scheduled run of daily failed."
    many = [(name, "x") for name in "aabcd"]
    assert notice.words(many) == "5 scheduled runs failed (a, b, c and others)."
    file = tmp_path / "schedules.sqlite"
    line = notice.failed_runs(file)
    assert line(SimpleNamespace(name="ada")) == line(None) == ""
    file.write_bytes(b"damaged" * 1000)
    assert line(SimpleNamespace(name="ada")) == ""
