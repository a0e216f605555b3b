"""Servers in containers, as far as no engine is needed; tests/images tries them with one."""

from __future__ import annotations

import asyncio
import socket
import stat
from pathlib import Path
from types import SimpleNamespace

import pytest

from probav_hub.configuration import Configuration, Docker, Profile
from probav_hub.containers import check, configured, door, engine, folders, network
from probav_hub.containers.spawner import ContainerSpawner, why
from probav_hub.errors import HubError


def engine_that_knows(networks):
    """An engine's answers about networks, in docker's own shape."""
    from docker.errors import NotFound

    def inspect(name):
        if name not in networks:
            raise NotFound("no such network")
        return networks[name]

    def create(name, **options):
        networks[name] = {"IPAM": {"Config": [{"Subnet": "10.9.0.0/24", "Gateway": "10.9.0.1"}]}, **options}

    return SimpleNamespace(
        inspect_network=inspect, create_network=create, version=lambda: {"Components": [{"Name": "Engine"}]}
    )


def test_a_network_is_made_where_there_is_none_and_keeps_containers_apart():
    networks = {}
    assert network.gateway(engine_that_knows(networks), "probav") == "10.9.0.1"
    assert networks["probav"]["options"] == {"com.docker.network.bridge.enable_icc": "false"}


def test_a_network_without_an_address_of_the_machine_says_what_to_do():
    networks = {"none": {"IPAM": {"Config": []}}, "six": {"IPAM": {"Config": [{"Gateway": "fd00::1"}]}}}
    for name in networks:
        with pytest.raises(HubError, match=rf"The network {name} gives .* name another in docker\.network"):
            network.gateway(engine_that_knows(networks), name)


def test_an_engine_of_another_machine_is_refused(monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", "tcp://elsewhere:2375")
    with pytest.raises(HubError, match="expected an engine of this machine"):
        engine.socket(None)
    assert engine.socket("unix:///run/mine.sock") == "unix:///run/mine.sock"


def test_an_engine_that_does_not_run_says_so(tmp_path):
    with pytest.raises(HubError, match="can't be reached: No such file or directory"):
        engine.client(f"unix://{tmp_path}/none.sock")


def found(**changes):
    return list(check.problems(Configuration(spawner="docker", **changes)))


def test_check_names_what_containers_can_not_keep_to(tmp_path):
    closed = tmp_path / "archive"
    closed.mkdir(mode=0o700)
    problems = found(
        archive=str(closed),
        docker=Docker(socket=f"unix://{tmp_path}/none.sock"),
        profiles=(Profile(name="small", title="Small", disk="5G"),),
        jupyterhub={"JupyterHub": {"internal_ssl": True}},
    )
    assert [setting for setting, _, _ in problems] == [
        "profiles.small.disk", "jupyterhub.JupyterHub.internal_ssl", "archive", "docker.socket",
    ]  # fmt: skip
    assert "can't read" in problems[2][1]
    assert stat.filemode(closed.stat().st_mode) in problems[2][1]


@pytest.mark.parametrize("user", ["", "root", "0", "0:0", "probav"])
def test_an_image_that_runs_as_root_or_as_a_name_is_refused(user):
    with pytest.raises(HubError, match="take one whose USER is the number of another user"):
        folders.identity("theirs", {"Config": {"User": user}})


def test_an_images_user_is_known_by_its_numbers():
    assert folders.identity("ours", {"Config": {"User": "1000:100"}}) == (1000, 100)
    assert folders.identity("ours", {"Config": {"User": "1000"}}) == (1000, 1000)


def server(**changes):
    given = {"prefix": "probav", "homes": "", "shared": "", "published": "", "archive": "", "notebooks": ""}
    return SimpleNamespace(**{**given, **changes})


def test_a_server_sees_its_home_and_nothing_else():
    assert folders.binds(server(), "ann", ["forest"], (1000, 1000)) == (
        {"probav-home-{username}": folders.HOME}, {},
    )  # fmt: skip


def test_archive_and_published_are_to_be_read_and_a_url_is_no_folder():
    written, read = folders.binds(server(archive="/data", published="/maps"), "ann", [], (1000, 1000))
    assert read == {"/data": "/archive", "/maps": "/published"}
    assert "/data" not in written
    assert folders.binds(server(archive="s3://bucket/a"), "ann", [], (1000, 1000))[1] == {}


def test_folders_are_made_for_the_servers_user_and_of_own_groups_alone(tmp_path):
    own = (tmp_path.stat().st_uid, tmp_path.stat().st_gid)
    homes, shared = tmp_path / "homes", tmp_path / "shared"
    written, _ = folders.binds(server(homes=str(homes), shared=str(shared)), "ann", ["forest"], own)
    assert written == {str(homes / "ann"): "/home/probav", str(shared / "forest"): "/shared/forest"}
    assert stat.S_IMODE((homes / "ann").stat().st_mode) == 0o700
    assert stat.S_IMODE((shared / "forest").stat().st_mode) == 0o2770


@pytest.mark.parametrize("name", ["..", "a/b", "a:/etc", ""])
def test_a_name_that_leads_elsewhere_is_no_folder(tmp_path, name):
    with pytest.raises(HubError, match="can be no folder's"):
        folders.binds(server(shared=str(tmp_path)), "ann", [name], (1000, 1000))


def test_paths_of_the_machine_stay_on_it():
    before = {"PATH": "/x", "JAVA_HOME": "/java", "PROBAV_SPARK_MASTER": "spark://a:1", "TZ": "UTC"}
    settings = SimpleNamespace(archive="/data/archive")
    assert configured.environment(before, settings) == {
        "PROBAV_SPARK_MASTER": "spark://a:1", "TZ": "UTC", "PROBAV_ARCHIVE": "/archive",
    }  # fmt: skip


def test_a_profile_sets_limits_and_image():
    spawner = ContainerSpawner(user=SimpleNamespace(name="ann"))
    profile = Profile(name="big", title="Big", cpu=1.5, memory="2G", processes=99, hours=3, image="other:1")
    spawner.take(profile, "usual")
    limits = spawner._limits()
    assert (spawner.image, spawner.cpu_limit, spawner.mem_limit) == ("other:1", 1.5, 2**31)
    assert (limits["pids_limit"], limits["memswap_limit"], limits["read_only"]) == (99, 2**31, True)
    assert limits["cap_drop"] == ["ALL"]
    assert limits["security_opt"] == ["no-new-privileges"]
    spawner.take(profile.model_copy(update={"image": None}), "usual")
    assert spawner.image == "usual"


@pytest.mark.parametrize(
    ("state", "last", "words"),
    [
        ({"ExitCode": 137, "OOMKilled": True}, "", "killed for their memory. The limit is 512 MiB."),
        ({"ExitCode": 1}, "no such module\n", "ended with exit code 1; its last line was: no such module"),
        ({"ExitCode": 137}, "", "was killed, most likely for its memory. The limit is 512 MiB."),
        ({"ExitCode": 126, "Error": "no such program"}, "", "The engine says: no such program."),
    ],
)
def test_why_a_container_ended_is_said_in_words(state, last, words):
    assert words in why(state, last, 512 << 20)


def test_the_door_passes_on_and_bounds_the_connections_of_one_container(monkeypatch):
    async def run():
        async def hub(reader, writer):
            writer.write(b"heard " + await reader.read(5))
            writer.close()

        with socket.create_server(("127.0.0.2", 0)) as probe:
            port = probe.getsockname()[1]
        async with await asyncio.start_server(hub, "127.0.0.1", port):
            passing = asyncio.create_task(door.serve("127.0.0.2", port))
            while not await _listens("127.0.0.2", port):
                assert not passing.done(), passing.exception()
                await asyncio.sleep(0.01)
            monkeypatch.setattr(door, "CONNECTIONS", 1)
            one = ("127.0.0.3", 0)  # a container's address
            reader, writer = await asyncio.open_connection("127.0.0.2", port, local_addr=one)
            second, other = await asyncio.open_connection("127.0.0.2", port, local_addr=one)
            assert await asyncio.wait_for(second.read(), 10) == b""
            other.close()
            writer.write(b"hello")
            assert await asyncio.wait_for(reader.read(), 10) == b"heard hello"
            writer.close()
            passing.cancel()

    asyncio.run(run())


async def _listens(host, port):
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    writer.close()
    return True


def test_the_door_may_stand_at_an_address_that_comes_later():
    async def run():
        passing = asyncio.create_task(door.serve("10.255.254.253", 45671))  # no address of this machine
        await asyncio.sleep(0)
        done, _ = await asyncio.wait([passing], timeout=0.5)
        assert not done, [task.exception() for task in done]
        passing.cancel()

    asyncio.run(run())


def test_the_images_starting_files_are_plain_programs():
    """The user image holds no hub: what it starts with may import nothing of it."""
    images = Path(__file__).parents[2] / "images"
    for file in (images / "user" / "start.py", images / "user" / "healthy.py"):
        assert "probav_hub" not in file.read_text()


def test_containers_reach_the_accounting_by_a_door_of_its_own():
    from traitlets.config import Config

    c = Config()
    c.JupyterHub.services = []
    c.Spawner.environment = {"PROBAV_ACCOUNTING_URL": "http://127.0.0.1:20123/hub/services/accounting/"}
    configured.doors(c, "10.89.0.1", 8081)
    ends = {service["name"]: service["command"][-2:] for service in c.JupyterHub.services}
    assert ends == {"door": ["10.89.0.1", "8081"], "door-accounting": ["10.89.0.1", "20123"]}
    url = c.Spawner.environment["PROBAV_ACCOUNTING_URL"]
    assert url == "http://10.89.0.1:20123/hub/services/accounting/"
    c.Spawner.environment, c.JupyterHub.services = {}, []
    configured.doors(c, "10.89.0.1", 8081)
    assert [service["name"] for service in c.JupyterHub.services] == ["door"]


def test_a_hub_in_a_container_opens_a_door_to_the_accounting_alone():
    from traitlets.config import Config

    c = Config()
    c.JupyterHub.services = []
    c.Spawner.environment = {"PROBAV_ACCOUNTING_URL": "http://127.0.0.1:20123/services/accounting/"}
    configured.doors(c, "hub")
    assert [service["command"][-2:] for service in c.JupyterHub.services] == [["hub", "20123"]]
    assert c.Spawner.environment["PROBAV_ACCOUNTING_URL"] == "http://hub:20123/services/accounting/"
