"""The whole first-run path with real containers: a hub, a server of the image, the quickstart with Spark."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import nbformat
import pytest
import requests

from probav_hub import prepare
from probav_hub.configuration import Configuration, Docker, Profile
from probav_hub.demo import result, spawn
from probav_hub.homes import read
from probav_hub.processes import local_requests
from probav_hub.remote_kernel import RemoteKernel

ROOT = Path(__file__).parents[2]
NAME = f"probav-test-run-{os.getpid()}"
SMALL = Profile(name="small", title="Small", cpu=2, memory="3G", processes=700)
TINY = Profile(name="tiny", title="Tiny", cpu=1, memory="96M", processes=64)


SUPERVISOR = """
import sys
from pathlib import Path
from probav_hub.processes import Hub
from probav_hub.settings import Settings
with Hub(Settings.load(Path(sys.argv[1]))) as hub:
    hub.wait_until_ready()
    print("READY", hub._process.pid, flush=True)
    hub.wait()
"""


def supervise(settings):
    """Start a hub in a process of its own, which adopts what it starts; return it and the hub's number."""
    process = subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, settings.file],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    line = process.stdout.readline()
    assert line.startswith("READY"), settings.log.read_text()[-3000:]
    return process, int(line.split()[1])


def run(kernel, code):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    kernel.run(notebook, lambda number, count: None)
    return "".join(
        output.get("text") or output.get("data", {}).get("text/plain", "")
        for output in notebook.cells[0].outputs
    )


class Site:
    """A hub on this machine whose servers are containers."""

    def __init__(self, settings, http, engine, process):
        self.settings, self.http, self.engine, self.process = settings, http, engine, process

    def spawn(self, user, profile="small"):
        api = f"{self.settings.url}/hub/api/users/{user}"
        if self.http.get(api, timeout=30).status_code == 404:
            self.http.post(api, timeout=30).raise_for_status()
        began = time.monotonic()
        answer = self.http.post(f"{api}/server", json={"profile": profile}, timeout=300)
        if answer.status_code not in (201, 202):
            return answer.json()["message"]
        while time.monotonic() - began < 300:
            model = self.http.get(api, timeout=30).json()["servers"].get("", {})
            if model.get("ready"):
                return time.monotonic() - began
            if not model.get("pending"):
                break
            time.sleep(0.2)
        return self.settings.log.read_text()[-3000:]

    def stop(self, user):
        api = f"{self.settings.url}/hub/api/users/{user}"
        self.http.delete(f"{api}/server", timeout=60)
        deadline = time.monotonic() + 60
        while self.http.get(api, timeout=30).json()["servers"] and time.monotonic() < deadline:
            time.sleep(0.2)

    def container(self, user):
        return self.engine.containers.get(f"{NAME}-{user}")

    def kernel(self, user):
        return RemoteKernel(self.http, f"{self.settings.url}/user/{user}", "probav-python")


def settings_of(state, engine_socket, archive, **changes):
    given = Configuration(
        spawner="docker",
        docker=Docker(
            socket=engine_socket, name=NAME, network=NAME, pull="never", **changes.pop("docker", {})
        ),
        profiles=(SMALL, TINY),
        culling=None,
        **changes,
    )
    return prepare.settings(
        state=state, port=None, archive=str(archive), notebooks=None, token="t" * 32, configuration=given
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory, engine_socket, engine, image, archive_to_read):
    image("user")
    state = tmp_path_factory.mktemp("hub")
    published, shared = (tmp_path_factory.mktemp(name) for name in ("published", "shared"))
    published.chmod(0o755)
    (published / "map.txt").write_text("for all")
    settings = settings_of(
        state, engine_socket, archive_to_read, published=published, shared=shared, accounting=None
    )
    try:
        settings.save()
        process, _ = supervise(settings)
        with local_requests() as http:
            http.headers["Authorization"] = f"token {settings.token}"
            yield Site(settings, http, engine, process)
    finally:
        process.terminate()
        process.wait(90)
        remove_all(engine)


def remove_all(engine):
    for container in engine.containers.list(all=True, filters={"name": NAME}):
        container.remove(force=True, v=True)
    for volume in engine.volumes.list():
        if volume.name.startswith(NAME):
            volume.remove(force=True)
    with suppress(Exception):
        engine.networks.get(NAME).remove()


@pytest.fixture(scope="module")
def ann(site):
    seconds = site.spawn("ann")
    assert isinstance(seconds, float), seconds
    print(f"\nspawned in {seconds:.1f} s")
    yield "ann"
    site.stop("ann")


def test_the_quickstart_runs_with_spark_in_a_server_of_the_image(site, ann):
    notebook = read(ROOT / "sample_notebooks" / "quickstart.py")
    with site.kernel(ann) as kernel:
        kernel.run(notebook, lambda number, count: None)
        assert "mean" in result(notebook)
        assert any("image/png" in output.get("data", {}) for cell in notebook.cells
                   for output in cell.get("outputs", []))  # fmt: skip
        said = run(kernel, "%probav stats {product} --aoi aoi --engine spark -o again --no-plot\n"
                           "print('SPARK', spark.version, float(again['mean'].max()))")  # fmt: skip
        assert "SPARK 4." in said


def test_the_container_has_the_profiles_limits_and_no_more_rights(site, ann):
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

    gateway = site.engine.networks.get(NAME).attrs["IPAM"]["Config"][0]["Gateway"]
    mine = {process.pid for process in psutil.Process(site.process.pid).children(recursive=True)}
    listening = {each.laddr.ip for each in psutil.net_connections("tcp")
                 if each.status == psutil.CONN_LISTEN and each.pid in mine}  # fmt: skip
    assert listening <= {"127.0.0.1", "::1", gateway}
    assert gateway in listening


def test_what_the_user_made_is_there_after_a_stop_and_samples_stay_edited(site, ann):
    with site.kernel(ann) as kernel:
        run(kernel, "open('mine.txt', 'w').write('kept'); open('quickstart.ipynb', 'w').write('edited')")
    site.stop(ann)
    assert not site.engine.containers.list(all=True, filters={"name": f"{NAME}-ann"})
    assert isinstance(site.spawn(ann), float)
    with site.kernel(ann) as kernel:
        assert "kept edited" in run(
            kernel, "print(open('mine.txt').read(), open('quickstart.ipynb').read(), flush=True)"
        )


def test_too_little_memory_is_said_in_words(site):
    said = site.spawn("tim", "tiny")
    assert re.search("killed.* for (its|their) memory. The limit is 96 MiB", str(said))
    assert not site.engine.containers.list(all=True, filters={"name": f"{NAME}-tim"})


def test_a_memory_hog_costs_its_own_kernel_alone(site, ann):
    from probav_hub.errors import HubError

    with pytest.raises((HubError, requests.ConnectionError)), site.kernel(ann) as kernel:
        run(kernel, "hog = bytearray(6 << 30)")
    with site.kernel(ann) as kernel:
        assert "alive" in run(kernel, "print('alive')")


def test_forks_stop_at_the_limit(site, ann):
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
found = {"open": {}, "files": {}, "hub": None}
for port in WHERE["ports"]:
    for page in ("", "api/contents", "api/kernels", "api/sessions"):
        try:
            url = f"http://{WHERE['address']}:{port}/user/ann/{page}"
            with urllib.request.urlopen(url, timeout=3) as answer:
                found["open"][f"{port}/{page}"] = [answer.status, answer.url]
        except urllib.error.HTTPError as error:
            found["open"][f"{port}/{page}"] = [error.code, error.url]
        except OSError as error:
            found["open"][f"{port}/{page}"] = None
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


def test_a_neighbour_reads_nothing(site, ann):
    assert isinstance(site.spawn("ben"), float)
    address = site.container(ann).attrs["NetworkSettings"]["Networks"][NAME]["IPAddress"]
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
        if port != 8888:  # kernels' and Spark's ports
            assert answer is None or answer[0] in (401, 403), where
        elif answer is not None:
            assert answer[0] in (403, 404) or "/hub/" in answer[1] or "login" in answer[1], (where, answer)


def test_a_container_that_another_hub_started_is_left_alone(site):
    other = site.engine.containers.run(
        "localhost/probav-user:latest", ["sleep", "infinity"], name=f"{NAME}-zoe", detach=True
    )
    try:
        assert "that this hub did not start" in str(site.spawn("zoe"))
        other.reload()
        assert other.status == "running"
    finally:
        other.remove(force=True)


def test_a_killed_hub_finds_its_containers_again(tmp_path, engine_socket, engine, image, archive_to_read):
    image("user")
    settings = settings_of(
        prepare.writable(tmp_path / "state"),
        engine_socket,
        archive_to_read,
        keep_servers=True,
        accounting=None,
    )
    settings.save()

    process, hub = supervise(settings)
    try:
        with local_requests() as http:
            http.headers["Authorization"] = f"token {settings.token}"
            server = spawn(http, settings, "eve")
            before = engine.containers.get(f"{NAME}-eve").id
            with RemoteKernel(http, server, "probav-python") as kernel:
                run(kernel, "here = 42")
                os.kill(process.pid, signal.SIGKILL)
                os.kill(hub, signal.SIGKILL)
                process.wait(30)
                process, hub = supervise(settings)
                model = http.get(f"{settings.url}/hub/api/users/eve", timeout=30).json()
                assert model["servers"][""]["ready"]
                assert engine.containers.get(f"{NAME}-eve").id == before
                kernel.connect()
                assert run(kernel, "print(here)") == "42\n"
            http.delete(f"{settings.url}/hub/api/users/eve/server", timeout=60).raise_for_status()
    finally:
        process.terminate()
        process.wait(90)
        remove_all(engine)
