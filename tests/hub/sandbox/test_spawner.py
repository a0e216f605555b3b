"""The cases of JupyterHub's own tests of spawners that a sandbox must pass in a way of its own, and ours.

Those tests themselves run with SandboxSpawner in tests/hub/suites.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys

import psutil
import pytest
from jupyterhub.utils import random_port

from probav_hub.configuration import Profile
from probav_hub.sandbox import listeners, machine
from probav_hub.sandbox.accounts import Accounts
from probav_hub.sandbox.logs import last_line
from probav_hub.sandbox.plan import Plan

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

SERVER = """
import http.server, os, sys
from urllib.parse import urlparse
print("STARTED", sys.argv, flush=True)
where = urlparse(os.environ["JUPYTERHUB_SERVICE_URL"])
http.server.HTTPServer((where.hostname, where.port), http.server.SimpleHTTPRequestHandler).serve_forever()
"""
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + SERVER


@pytest.fixture
def new_spawner(state):
    """Make a spawner of the one user of an empty hub's database, as JupyterHub's tests do."""
    if found := machine.problems():
        pytest.skip(f"no sandboxes here: {' '.join(found)}")
    from jupyterhub import orm
    from jupyterhub.objects import Hub
    from jupyterhub.roles import assign_default_roles, create_role, get_default_roles
    from jupyterhub.user import User

    from probav_hub.sandbox.spawner import SandboxSpawner

    db = orm.new_session_factory("sqlite:///:memory:")()
    for role in get_default_roles():
        create_role(db, role)
    db.add(orm.User(name="ann"))
    db.commit()
    assign_default_roles(db, db.query(orm.User).one())
    db.commit()
    made = []

    def make(code=SERVER, **changes):
        user = changes.pop("user", None) or User(db.query(orm.User).one(), {})
        spawner = user._new_spawner(
            "", spawner_class=SandboxSpawner, cmd=[sys.executable, "-c", code], hub=Hub(),
            oauth_client_id="mock-client-id", state_folder=str(state),
            **{"mem_limit": "256M", "cpu_limit": 1, "interrupt_timeout": 1, "term_timeout": 1,
               "kill_timeout": 1, "poll_interval": 1, **changes},
        )  # fmt: skip
        made.append(spawner)
        return spawner

    yield make
    for spawner in made:
        if spawner.run is not None:
            spawner.run.end(5)


def test_starts_answers_and_stops(new_spawner):
    async def run():
        spawner = new_spawner()
        ip, port = await spawner.start()
        assert ip == "127.0.0.1"
        assert listeners.owners(port) == {Plan.load(spawner.run.folder).uid}
        assert await spawner.poll() is None
        await spawner.stop()
        status = await spawner.poll()
        assert isinstance(status, int)
        assert not listeners.owners(port)
        assert spawner.run is None

    asyncio.run(run())


def test_is_killed_if_it_ignores_the_request_to_stop(new_spawner, state):
    async def run():
        spawner = new_spawner(STUBBORN)
        await spawner.start()
        keeper = psutil.Process(spawner.pid)
        inside = keeper.children(recursive=True)
        await spawner.stop()
        assert await spawner.poll() is not None
        assert psutil.wait_procs([keeper, *inside], timeout=10)[1] == []
        assert not list((state / "sandboxes").iterdir())

    asyncio.run(run())


def test_stops_now(new_spawner):
    async def run():
        spawner = new_spawner()
        await spawner.start()
        await spawner.stop(now=True)
        assert await spawner.poll() == -signal.SIGTERM

    asyncio.run(run())


def test_a_hub_started_anew_finds_and_stops_its_server(new_spawner):
    async def run():
        first = new_spawner()
        _, port = await first.start()
        first.orm_spawner.state = first.get_state()
        assert {"pid", "run"} <= set(first.orm_spawner.state)
        second = new_spawner(user=first.user)
        second.load_state(first.orm_spawner.state)
        second.proc = None
        assert await second.poll() is None
        second.interrupt_timeout = 20
        stop = asyncio.create_task(second.stop())
        while not stop.done():  # the first hub is this process's, too, and has to take note of the end
            first.proc.poll()
            await asyncio.sleep(0.05)
        await stop
        assert await second.poll() is not None
        assert not listeners.owners(port)

    asyncio.run(run())


def test_a_hub_started_anew_learns_that_its_server_has_ended(new_spawner):
    async def run():
        first = new_spawner()
        await first.start()
        saved = first.get_state()
        psutil.Process(saved["pid"]).children(recursive=True)[-1].kill()
        first.proc.wait(20)
        second = new_spawner(user=first.user)
        second.load_state(saved)
        second.proc = None
        assert await second.poll() == -signal.SIGKILL
        assert second.run is None

    asyncio.run(run())


def test_another_process_with_the_keepers_number_is_not_signalled(new_spawner):
    async def run():
        spawner = new_spawner()
        await spawner.start()
        state = spawner.get_state()
        other = new_spawner(user=spawner.user)
        other.load_state({**state, "pid": os.getpid()})
        other.proc = None
        assert await other._signal(signal.SIGKILL) is False
        await spawner.stop()

    asyncio.run(run())


def test_a_server_whose_memory_is_gone_says_so(new_spawner):
    async def run():
        spawner = new_spawner("hog = bytearray(600 << 20)", mem_limit="128M")
        with pytest.raises(Exception, match=r"killed for their memory: 1\. The limit is 128 MiB"):
            await spawner.start()

    asyncio.run(run())


def test_a_server_that_fails_shows_its_last_line(new_spawner):
    async def run():
        spawner = new_spawner("raise SystemExit('no such module')")
        with pytest.raises(Exception, match="failed with exit code 1; its last line was: no such module"):
            await spawner.start()

    asyncio.run(run())


def test_why_a_running_server_ended_is_said_at_the_next_start(new_spawner):
    async def run():
        spawner = new_spawner(SERVER.replace("http.server.HTTPServer", "serve").replace(
            "import http", "import threading, http\n"
            "def serve(*at):\n"
            "  threading.Timer(1, lambda: bytearray(600 << 20)).start()\n"
            "  return http.server.HTTPServer(*at)\nimport http"))  # fmt: skip
        await spawner.start()
        for _ in range(200):
            if await spawner.poll() is not None:
                break
            await asyncio.sleep(0.1)
        assert "killed for their memory" in spawner.last_end
        events = [event async for event in _first(spawner.progress())]
        assert "Your last server ended: " in events[0]["message"]

    asyncio.run(run())


async def _first(events):
    async for event in events:
        yield event
        return


@pytest.mark.parametrize("thefts", [1, 2])
def test_who_took_the_port_gets_no_visitors(new_spawner, monkeypatch, thefts):
    thieves = []

    def choose():
        port = random_port()
        if len(thieves) < thefts:  # between the choice and the server's start
            thieves.append(socket.create_server(("127.0.0.1", port)))
        return port

    async def run():
        monkeypatch.setattr("probav_hub.ports.random_port", choose)
        spawner = new_spawner()
        if thefts == 2:
            with pytest.raises(Exception, match="took its port 2 times in a row: please start it again"):
                await spawner.start()
            assert await spawner.poll() is not None
            return
        _, port = await spawner.start()
        assert port != thieves[0].getsockname()[1]
        assert listeners.owners(port) == {Plan.load(spawner.run.folder).uid}
        await spawner.stop()

    try:
        asyncio.run(run())
    finally:
        for thief in thieves:
            thief.close()


def test_its_environment_is_the_sandboxs_and_knows_its_limits(new_spawner):
    async def run():
        code = "import os; print(dict(os.environ), flush=True)\n" + SERVER
        spawner = new_spawner(code, environment={"PROBAV_ARCHIVE": "/data", "TMPDIR": "/elsewhere"})
        await spawner.start()
        log = spawner._log_file.read_text()
        for text in ("'HOME': '/home/ann'", "'USER': 'ann'", "'TMPDIR': '/tmp'", "'CPU_LIMIT': '1.0'",
                     f"'MEM_LIMIT': '{256 << 20}'", "'PROBAV_ARCHIVE': '/data'"):  # fmt: skip
            assert text in log
        assert "JUPYTERHUB_API_TOKEN" in log
        with open(f"/proc/{spawner.pid}/cmdline") as command:
            assert spawner.api_token not in command.read() or not spawner.api_token
        await spawner.stop()

    asyncio.run(run())


def test_keeps_to_a_profile(new_spawner):
    profile = Profile(name="small", title="Small", cpu=1.5, memory="1G", disk="20M", processes=99, hours=3)

    async def run():
        spawner = new_spawner()
        spawner.take(profile)
        await spawner.start()
        plan = Plan.load(spawner.run.folder)
        assert (plan.cpu, plan.memory, plan.disk, plan.processes, plan.hours) == (
            1.5, 2**30, 20 * 2**20, 99, 3
        )  # fmt: skip
        await spawner.stop()

    asyncio.run(run())


def test_groups_share_a_folder(new_spawner, state, tmp_path):
    from jupyterhub import orm

    shared, published = tmp_path / "shared", tmp_path / "published"
    shared.mkdir()
    published.mkdir()
    (published / "map").write_text("for all")

    async def run():
        code = (
            "import os, sys; open('/shared/forest/mine', 'w').write('for us'); "
            "print(os.listdir('/shared'), open('/published/map').read(), flush=True)\n"
            "try: open('/published/map', 'w')\nexcept OSError as error: print(error, flush=True)\n"
        )
        spawner = new_spawner(code + SERVER, shared=str(shared), published=str(published))
        forest = orm.Group(name="forest")
        spawner.user.orm_user.groups.append(forest)
        await spawner.start()
        log = spawner._log_file.read_text()
        assert "['forest'] for all" in log
        assert "Read-only file system" in log
        written = (shared / "forest" / "mine").stat()
        assert written.st_gid == Accounts(state).group("forest")
        assert written.st_mode & 0o777 == 0o660
        await spawner.stop()

    asyncio.run(run())


def test_samples_come_as_the_user_and_through_no_link(new_spawner, state, tmp_path):
    samples = tmp_path / "samples"
    samples.mkdir()
    (samples / "first.py").write_text("# %%\nprint(1)\n")
    victim = tmp_path / "victim"
    victim.write_text("the host's")
    home = state / "homes" / "ann"
    home.mkdir(parents=True)
    (home / ".probav-samples.json").symlink_to(victim)

    async def run():
        spawner = new_spawner(notebooks=str(samples))
        await spawner.start()
        await spawner.stop()
        assert "STARTED" in spawner._log_file.read_text(), last_line(spawner._log_file)
        assert (home / "first.ipynb").stat().st_uid == Accounts(state).user("ann")
        assert victim.read_text() == "the host's"

    asyncio.run(run())


@pytest.mark.parametrize("setting", [{"shell_cmd": ["bash", "-c"]}, {"popen_kwargs": {"shell": True}}])
def test_what_would_have_no_effect_is_refused(new_spawner, setting):
    async def run():
        with pytest.raises(Exception, match="would be without effect in a sandbox"):
            await new_spawner(**setting).start()

    asyncio.run(run())
