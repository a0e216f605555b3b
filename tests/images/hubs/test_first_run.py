"""The whole first-run path with real containers: a hub, a server of the image, the quickstart with Spark."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import requests

from probav_hub.configuration import Profile
from probav_hub.demo import result
from probav_hub.homes import read

ROOT = Path(__file__).parents[3]
SMALL = Profile(name="small", title="Small", cpu=2, memory="3G", processes=700)
TINY = Profile(name="tiny", title="Tiny", cpu=1, memory="96M", processes=64)

pytestmark = pytest.mark.parametrize("engine_socket", ["podman", "docker"], indirect=True, scope="session")


@pytest.fixture(scope="module")
def site(tmp_path_factory, start_site):
    published, shared = (tmp_path_factory.mktemp(name) for name in ("published", "shared"))
    published.chmod(0o755)
    (published / "map.txt").write_text("for all")
    with start_site(
        tmp_path_factory.mktemp("hub"), published=published, shared=shared, profiles=(SMALL, TINY)
    ) as site:
        yield site


@pytest.fixture(scope="module")
def ann(site):
    seconds = site.spawn("ann")
    assert isinstance(seconds, float), seconds
    print(f"\nspawned in {seconds:.1f} s")
    yield "ann"
    site.stop("ann")


def test_the_quickstart_runs_with_spark_in_a_server_of_the_image(site, ann, run):
    notebook = read(ROOT / "sample_notebooks" / "quickstart.py")
    with site.kernel(ann) as kernel:
        kernel.run(notebook, lambda number, count: None)
        assert "mean" in result(notebook)
        assert any("image/png" in output.get("data", {}) for cell in notebook.cells
                   for output in cell.get("outputs", []))  # fmt: skip
        said = run(kernel, "%probav stats {product} --aoi aoi --engine spark -o again --no-plot\n"
                           "print('SPARK', spark.version, float(again['mean'].max()))")  # fmt: skip
        assert "SPARK 4." in said


def test_the_container_has_the_profiles_limits_and_no_more_rights(site, ann, run):
    found = site.engine.api.inspect_container(site.container(ann).id)
    host = found["HostConfig"]
    assert (host["Memory"], host["PidsLimit"], host["ReadonlyRootfs"]) == (3 << 30, 700, True)
    assert host["NanoCpus"] == 2e9 or host["CpuQuota"] / host["CpuPeriod"] == 2
    assert not host["Privileged"]
    with site.kernel(ann) as kernel:
        said = run(kernel, "print(open('/proc/self/status').read())")
        assert "CapBnd:\t0000000000000000" in said
        assert "NoNewPrivs:\t1" in said
        limits = run(kernel, "import os; print(os.environ['MEM_LIMIT'], os.environ['CPU_LIMIT'])")
        assert limits.split() == [str(3 << 30), "2.0"]
        for path in ("/opt/probav/x", "/etc/x", "/usr/x", "/archive/x", "/published/x"):
            said = run(kernel, f"try: open({path!r}, 'w')\nexcept OSError as error: print(error)")
            assert "Read-only file system" in said, path
        assert "for all" in run(kernel, "print(open('published/map.txt').read())")


def test_nothing_listens_on_this_machine_but_loopback_and_the_networks_own_address(site, ann):
    import psutil

    gateway = site.engine.networks.get(site.name).attrs["IPAM"]["Config"][0]["Gateway"]
    mine = {process.pid for process in psutil.Process(site.process.pid).children(recursive=True)}
    listening = {each.laddr.ip for each in psutil.net_connections("tcp")
                 if each.status == psutil.CONN_LISTEN and each.pid in mine}  # fmt: skip
    assert listening <= {"127.0.0.1", "::1", gateway}
    assert gateway in listening


def test_what_the_user_made_is_there_after_a_stop_and_samples_stay_edited(site, ann, run):
    with site.kernel(ann) as kernel:
        run(kernel, "open('mine.txt', 'w').write('kept'); open('quickstart.ipynb', 'w').write('edited')")
    site.stop(ann)
    assert not site.engine.containers.list(all=True, filters={"name": f"{site.name}-ann"})
    assert isinstance(site.spawn(ann), float)
    with site.kernel(ann) as kernel:
        assert "kept edited" in run(
            kernel, "print(open('mine.txt').read(), open('quickstart.ipynb').read(), flush=True)"
        )


def test_too_little_memory_is_said_in_words(site):
    said = site.spawn("tim", "tiny")
    assert re.search("killed.* for (its|their) memory. The limit is 96 MiB", str(said))
    assert not site.engine.containers.list(all=True, filters={"name": f"{site.name}-tim"})


def test_a_memory_hog_costs_its_own_kernel_alone(site, ann, run):
    from probav_hub.errors import HubError

    with pytest.raises((HubError, requests.ConnectionError)), site.kernel(ann) as kernel:
        run(kernel, "hog = bytearray(6 << 30)")
    with site.kernel(ann) as kernel:
        assert "alive" in run(kernel, "print('alive')")


def test_forks_stop_at_the_limit(site, ann, run):
    bomb = (
        "import os, time, signal\nchildren = []\n"
        "try:\n    for _ in range(5000):\n        child = os.fork()\n"
        "        if child == 0:\n            time.sleep(60); os._exit(0)\n        children.append(child)\n"
        "except OSError as error:\n    print('STOPPED', len(children), error)\n"
        "for child in children: os.kill(child, signal.SIGKILL)\n"
        "for child in children: os.waitpid(child, 0)\n"
    )
    with site.kernel(ann) as kernel:
        said = run(kernel, bomb)
    assert "STOPPED" in said
    assert int(said.split()[1]) < 700


NEIGHBOUR = """
import json, os, socket, urllib.request, urllib.error
from concurrent.futures import ThreadPoolExecutor
found = {"open": {}, "files": {}, "hub": None}
def ask(where):
    try:
        url = f"http://{WHERE['address']}:{where.replace('/', '/user/ann/', 1)}"
        with urllib.request.urlopen(url, timeout=3) as answer:
            return where, [answer.status, answer.url]
    except urllib.error.HTTPError as error:
        return where, [error.code, error.url]
    except OSError:
        return where, None
pages = ("", "api/contents", "api/kernels", "api/sessions")
with ThreadPoolExecutor(16) as threads:  # what a wall drops is waited for
    found["open"] = dict(threads.map(ask, [f"{port}/{page}" for port in WHERE["ports"] for page in pages]))
for path in ("/home/ann", "/home/probav/ann-secret.txt", "/shared/forest", "/var/lib/containers",
             "/run/docker.sock"):
    found["files"][path] = os.path.exists(path)
found["processes"] = sum(name.isdigit() for name in os.listdir("/proc"))
found["others"] = [open(f"/proc/{pid}/environ", "rb").read().count(b"JUPYTERHUB_USER=ann")
                   for pid in os.listdir("/proc")
                   if pid.isdigit() and os.access(f"/proc/{pid}/environ", os.R_OK)]
request = urllib.request.Request(os.environ["JUPYTERHUB_API_URL"] + "/users/ann",
                                 headers={"Authorization": "token " + os.environ["JUPYTERHUB_API_TOKEN"]})
try:
    found["hub"] = urllib.request.urlopen(request, timeout=5).status
except urllib.error.HTTPError as error:
    found["hub"] = error.code
print("RESULT", json.dumps(found))
"""


def test_a_neighbour_reads_nothing(site, ann, is_docker, run):
    assert isinstance(site.spawn("ben"), float)
    address = site.container(ann).attrs["NetworkSettings"]["Networks"][site.name]["IPAddress"]
    with site.kernel(ann) as own, site.kernel("ben") as other:
        run(own, "open('ann-secret.txt', 'w').write('secret of ann')\nspark")
        ports = json.loads(
            run(own, "import psutil, json; print(json.dumps(sorted({each.laddr.port for each in "
                     "psutil.net_connections('tcp') if each.status == 'LISTEN'})))")
        )  # fmt: skip
        assert len(ports) > 5  # server, kernel and Spark
        found = json.loads(run(other, f"WHERE = {{'address': {address!r}, 'ports': {ports!r}}}\n{NEIGHBOUR}")
                           .partition("RESULT ")[2])  # fmt: skip
    site.stop("ben")
    assert not any(found["files"].values()), found["files"]
    assert sum(found["others"]) == 0
    assert found["hub"] in (403, 404)
    for where, answer in found["open"].items():
        port = int(where.partition("/")[0])
        if is_docker:  # containers of its network don't talk to each other at all
            assert answer is None, (where, answer)
        elif port != 8888:  # kernels' and Spark's ports
            assert answer is None or answer[0] in (401, 403), where
        elif answer is not None:
            assert answer[0] in (403, 404) or "/hub/" in answer[1] or "login" in answer[1], (where, answer)


def test_a_container_that_another_hub_started_is_left_alone(site, run):
    other = site.engine.containers.run(
        "localhost/probav-user:latest", ["sleep", "infinity"], name=f"{site.name}-zoe", detach=True
    )
    try:
        assert "that this hub did not start" in str(site.spawn("zoe"))
        other.reload()
        assert other.status == "running"
    finally:
        other.remove(force=True)


def test_a_killed_hub_finds_its_containers_again(tmp_path, start_site, run):
    with start_site(tmp_path, keep_servers=True) as site:
        assert isinstance(site.spawn("eve"), float)
        before = site.container("eve").id
        with site.kernel("eve") as kernel:
            run(kernel, "here = 42")
            site.kill_and_start_anew()
            assert site.user("eve")["servers"][""]["ready"]
            assert site.container("eve").id == before
            kernel.connect()
            assert run(kernel, "print(here)") == "42\n"
        site.stop("eve")
