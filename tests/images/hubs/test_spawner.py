"""What a spawner of containers does for one user; JupyterHub's own tests of spawners are in test_suites.py.

Those of them that look at a process are written here for a container. What a hub and a server do together is
in the other tests here.
"""

from __future__ import annotations

import asyncio
import os

import pytest
import requests

from probav_hub.configuration import Profile
from probav_hub.containers import network

NAME = f"probav-test-spawner-{os.getpid()}"
SERVER = """
import http.server, os, sys, signal
from urllib.parse import urlparse
print("STARTED", flush=True)
where = urlparse(os.environ["JUPYTERHUB_SERVICE_URL"])
http.server.HTTPServer((where.hostname, where.port), http.server.SimpleHTTPRequestHandler).serve_forever()
"""
STUBBORN = SERVER.replace("where = ", "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhere = ")

pytestmark = [
    pytest.mark.parametrize("engine_socket", ["podman", "docker"], indirect=True, scope="session"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@pytest.fixture
def new_spawner(engine_socket, engine, image, monkeypatch):
    """Make a spawner of the one user of an empty hub's database, as JupyterHub's tests do."""
    from jupyterhub import orm
    from jupyterhub.objects import Hub
    from jupyterhub.roles import assign_default_roles, create_role, get_default_roles
    from jupyterhub.user import User

    from probav_hub.containers.spawner import ContainerSpawner

    monkeypatch.setattr(ContainerSpawner, "_client", None)  # one for all spawners of a hub
    tag = image("user")
    address = network.gateway(engine.api, NAME)
    db = orm.new_session_factory("sqlite:///:memory:")()
    for role in get_default_roles():
        create_role(db, role)
    db.add(orm.User(name="ann"))
    db.commit()
    assign_default_roles(db, db.query(orm.User).one())
    db.commit()

    def make(code=SERVER, name="", **changes):
        user = changes.pop("user", None) or User(db.query(orm.User).one(), {})
        if name not in user.orm_spawners:
            db.add(orm.Spawner(user=user.orm_user, name=name))
            db.commit()
        return user._new_spawner(
            name, spawner_class=ContainerSpawner, cmd=["python", "-c", code], hub=Hub(),
            oauth_client_id="mock-client-id", client_kwargs={"base_url": engine_socket}, owner=NAME,
            **{"image": tag, "pull_policy": "never", "prefix": NAME, "network_name": NAME, "port": 8888,
               "ip": "0.0.0.0", "use_internal_ip": True, "remove": True, "mem_limit": "256M", "cpu_limit": 1,
               "hub_connect_url": f"http://{address}:1", "http_timeout": 120, **changes},
        )  # fmt: skip

    yield make
    for container in engine.containers.list(all=True, filters={"name": NAME}):
        container.remove(force=True, v=True)
    for volume in engine.volumes.list(filters={"name": NAME}):
        volume.remove(force=True)
    engine.networks.get(NAME).remove()


def containers(engine):
    return engine.containers.list(all=True, filters={"name": NAME})


def test_starts_answers_and_stops(new_spawner, engine):
    async def run():
        spawner = new_spawner()
        ip, port = await spawner.start()
        with requests.Session() as http:
            http.trust_env = False
            assert http.get(f"http://{ip}:{port}/", timeout=10).ok
        assert await spawner.poll() is None
        await spawner.stop()
        assert await spawner.poll() == 0
        assert not containers(engine)
        await spawner.start()  # and again
        await spawner.stop(now=True)
        assert not containers(engine)

    asyncio.run(run())


def test_is_killed_if_it_ignores_the_request_to_stop(new_spawner, engine):
    async def run():
        spawner = new_spawner(STUBBORN)
        await spawner.start()
        await spawner.stop()
        assert await spawner.poll() == 0
        assert not containers(engine)

    asyncio.run(run())


def test_named_servers_of_a_user_share_the_home_and_nothing_else(new_spawner, engine):
    async def run():
        first = new_spawner("open('mine', 'w').write('of ann'); open('/tmp/mine', 'w')\n" + SERVER)
        await first.start()
        seen = "import os; print(open('mine').read(), os.path.exists('/tmp/mine'), flush=True)\n"
        second = new_spawner(seen + SERVER, name="second", user=first.user)
        await second.start()
        assert len(containers(engine)) == 2
        assert b"of ann False" in await second.docker("logs", second.object_id)
        await first.stop()
        assert await second.poll() is None
        await second.stop()

    asyncio.run(run())


def test_a_hub_started_anew_finds_and_stops_its_server(new_spawner, engine):
    async def run():
        first = new_spawner()
        await first.start()
        second = new_spawner(user=first.user)
        second.load_state(first.get_state())
        assert await second.poll() is None
        await second.stop()
        assert await first.poll() == 0
        assert not containers(engine)

    asyncio.run(run())


def test_a_hub_started_anew_learns_that_its_server_has_ended(new_spawner, engine):
    async def run():
        first = new_spawner()
        await first.start()
        saved = first.get_state()
        engine.containers.get(first.object_id).kill()
        second = new_spawner(user=first.user)
        second.load_state(saved)
        code = await second.poll()
        assert code not in (None, 0)
        assert not containers(engine)
        assert "was killed" in second.last_end

    asyncio.run(run())


def test_a_server_that_fails_shows_its_last_line(new_spawner, engine):
    async def run():
        spawner = new_spawner("raise SystemExit('no such module')")
        with pytest.raises(Exception, match="ended with exit code 1; its last line was: no such module"):
            await spawner.start()
        assert not containers(engine)

    asyncio.run(run())


def test_an_image_that_is_not_there_says_so(new_spawner):
    async def run():
        spawner = new_spawner(image="localhost/probav-none:1")
        with pytest.raises(
            Exception, match=r"The server's image localhost/probav-none:1: .*(?i:no such image)"
        ):
            await spawner.start()

    asyncio.run(run())


def test_its_environment_is_its_own_and_knows_its_limits(new_spawner):
    async def run():
        code = "import os; print(dict(os.environ), flush=True)\n" + SERVER
        spawner = new_spawner(code, environment={"PROBAV_ARCHIVE": "/archive"})
        await spawner.start()
        log = (await spawner.docker("logs", spawner.object_id)).decode()
        expected = (
            "'HOME': '/home/probav'", "'CPU_LIMIT': '1.0'", f"'MEM_LIMIT': '{256 << 20}'",
            "'PROBAV_ARCHIVE': '/archive'", "'JUPYTERHUB_USER': 'ann'", "JUPYTERHUB_API_TOKEN",
        )  # fmt: skip
        for text in expected:
            assert text in log
        found = await spawner.docker("inspect_container", spawner.object_id)
        assert "TOKEN" not in str(found["Config"]["Cmd"])
        await spawner.stop()

    asyncio.run(run())


def test_keeps_to_a_profile(new_spawner, image):
    profile = Profile(name="small", title="Small", cpu=0.5, memory="200M", processes=99, hours=3)

    async def run():
        spawner = new_spawner()
        spawner.take(profile, image("user"))
        await spawner.start()
        found = (await spawner.docker("inspect_container", spawner.object_id))["HostConfig"]
        assert (found["Memory"], found["PidsLimit"]) == (200 << 20, 99)
        assert found["CapDrop"] == ["ALL"] or len(found["CapDrop"]) > 10  # podman names them
        await spawner.stop()

    asyncio.run(run())
