"""Homes in a folder, folders of groups, and hours of a profile, with real containers."""

from __future__ import annotations

import stat

import pytest
from waiting import wait_for

from probav_hub.configuration import Profile

SMALL = Profile(name="small", title="Small", cpu=1, memory="1G")
BRIEF = Profile(name="brief", title="Brief", cpu=1, memory="1G", hours=0.03)  # 108 s

pytestmark = pytest.mark.parametrize("engine_socket", ["podman", "docker"], indirect=True, scope="session")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    made = tmp_path_factory.mktemp("folders")
    for name in ("homes", "shared"):
        (made / name).mkdir(mode=0o755)
    return made


@pytest.fixture(scope="module")
def site(tmp_path_factory, start_site, folders):
    groups = {"forest": {"users": ["ann", "ben"]}, "water": {"users": ["ben"]}}
    with start_site(
        tmp_path_factory.mktemp("hub"),
        shared=folders / "shared",
        docker={"homes": folders / "homes"},
        profiles=(SMALL, BRIEF),
        jupyterhub={"JupyterHub": {"load_groups": groups}},
    ) as site:
        yield site


def test_groups_share_folders_that_others_do_not_see(site, folders, run):
    for user in ("ann", "ben"):
        assert isinstance(started := site.spawn(user), float), started
    with site.kernel("ann") as ann, site.kernel("ben") as ben:
        listed = "import os; print(sorted(os.listdir('/shared')))"
        assert run(ann, listed) == "['forest']\n"
        assert run(ben, listed) == "['forest', 'water']\n"
        run(ann, "open('/shared/forest/plan.txt', 'w').write('of ann')")
        assert run(ben, "print(open('/shared/forest/plan.txt').read())") == "of ann\n"
        run(
            ben,
            "open('/shared/forest/plan.txt', 'a').write(' and ben'); open('/shared/water/x', 'w').close()",
        )
        assert run(ann, "print(open('/shared/forest/plan.txt').read())") == "of ann and ben\n"
        assert "No such file" in run(
            ann, "try: open('/shared/water/x')\nexcept OSError as error: print(error)"
        )
    assert not site.engine.volumes.list(filters={"name": site.name}), "homes are no volumes"
    for user in ("ann", "ben"):
        site.stop(user)


def test_a_home_in_a_folder_is_its_users_and_stays(site, folders, run):
    assert isinstance(started := site.spawn("cleo"), float), started
    with site.kernel("cleo") as kernel:
        run(kernel, "open('mine.txt', 'w').write('kept')")
        hidden = "import os; print(os.path.exists('/home/probav/../ann'), os.listdir('/home'))"
        assert run(kernel, hidden) == "False ['probav']\n"
    home = (folders / "homes" / "cleo").stat()
    assert (home.st_uid, stat.S_IMODE(home.st_mode)) == (1000, 0o700)
    site.stop("cleo")
    assert (folders / "homes" / "cleo" / "mine.txt").read_text() == "kept"
    assert isinstance(site.spawn("cleo"), float)
    with site.kernel("cleo") as kernel:
        assert run(kernel, "print(open('mine.txt').read())") == "kept\n"
    site.stop("cleo")


def test_a_server_ends_with_its_hours_and_the_log_says_so(site):
    assert isinstance(started := site.spawn("dora", "brief"), float), started
    wait_for(lambda: not site.user("dora")["servers"], 300, lambda: site.settings.log.read_text()[-3000:])
    assert "dora ended: Its 0.03 hours are over." in site.settings.log.read_text()
    assert not site.engine.containers.list(all=True, filters={"name": f"{site.name}-dora"})
