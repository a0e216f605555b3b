"""A real hub with two users' JupyterLab servers, kernels and Spark, each trying to reach the other's."""

from __future__ import annotations

import json
import os
import time
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from probav_hub import prepare
from probav_hub.configuration import Configuration, Profile
from probav_hub.demo import spawn
from probav_hub.errors import HubError
from probav_hub.processes import Hub, local_requests
from probav_hub.remote_kernel import RemoteKernel
from probav_hub.sandbox import machine, runs
from probav_hub.sandbox.accounts import Accounts

pytestmark = [pytest.mark.e2e, pytest.mark.spark]

PROFILE = Profile(name="small", title="Small", cpu=2, memory="3G", disk="200M", processes=600)

NEIGHBOUR = """
import json, os, urllib.request, urllib.error, zmq
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
found = {"uid": os.getuid(), "files": {}, "http": {}, "zmq": {}}
for path in WHERE["files"]:
    try:
        found["files"][path] = Path(path).read_bytes().decode(errors="replace")[:50]
    except OSError as error:
        found["files"][path] = None
def look(port):
    speaks_http = False
    for page in ("/", "/jobs/", "/environment/", "/user/ben/api/contents", "/user/ben/api/kernels"):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{page}", timeout=2) as answer:
                found["http"][f"{port}{page}"] = [answer.status, answer.url]
                speaks_http = True
        except urllib.error.HTTPError as error:
            found["http"][f"{port}{page}"] = [error.code, error.url]
            speaks_http = True
        except Exception:
            break
    if speaks_http:
        return
    with zmq.Context() as context:
        for kind in (zmq.REQ, zmq.DEALER, zmq.SUB):  # heartbeat; shell, control, input; output
            with context.socket(kind) as client:
                client.linger = 0
                client.rcvtimeo = 700
                if kind == zmq.SUB:
                    client.subscribe(b"")
                client.connect(f"tcp://127.0.0.1:{port}")
                try:
                    if kind != zmq.SUB:
                        client.send(b"ping", zmq.DONTWAIT)
                    found["zmq"][f"{port}/{int(kind)}"] = client.recv().decode(errors="replace")
                except zmq.ZMQError:
                    pass

with ThreadPoolExecutor(8) as pool:
    list(pool.map(look, WHERE["ports"]))
print("RESULT", json.dumps(found))
"""


class TwoUsers:
    """The hub, its state, and a kernel of each user."""

    def __init__(self, state: Path, ann: RemoteKernel, ben: RemoteKernel, http, settings) -> None:
        self.state, self.ann, self.ben, self.http, self.settings = state, ann, ben, http, settings


@pytest.fixture(scope="module")
def users(tmp_path_factory, demo_archive):
    if found := machine.problems():
        pytest.skip(f"no sandboxes here: {' '.join(found)}")
    state = tmp_path_factory.mktemp("hub")
    notebooks = Path(__file__).parents[3] / "sample_notebooks"
    with ExitStack() as stack:
        settings = prepare.settings(
            state=state, port=None, archive=str(demo_archive), notebooks=notebooks, token="t" * 32,
            configuration=Configuration(spawner="sandbox", profiles=(PROFILE,), culling=None),
        )  # fmt: skip
        hub = stack.enter_context(Hub(settings))
        hub.wait_until_ready()
        http = stack.enter_context(local_requests())
        http.headers["Authorization"] = f"token {settings.token}"
        kernels = []
        for user in ("ben", "ann"):
            try:
                server = spawn(http, settings, user)
            except Exception:
                print(settings.log.read_text()[-5000:])
                raise
            kernels.append(stack.enter_context(RemoteKernel(http, server, "probav-python")))
        ben, ann = kernels
        yield TwoUsers(state, ann, ben, http, settings)
    left = {name for name in os.listdir(state / "sandboxes")}
    assert not left, f"the hub's end left sandboxes: {left}"


def test_a_notebook_runs_with_the_archive_and_spark(users, run):
    assert "PROBA-V" in run(users.ben, "%probav") or "probav" in run(users.ben, "%probav")
    assert run(users.ben, "print(spark.range(5).count())").strip().endswith("5")


def test_kernels_know_their_limits(users, run):
    shown = run(users.ann, "import os; print(os.environ['CPU_LIMIT'], os.environ['MEM_LIMIT'], os.getuid())")
    assert shown.split() == ["2.0", str(3 * 2**30), str(Accounts(users.state).user("ann"))]


def test_the_samples_are_there_and_the_users_own(users, run):
    assert (
        run(users.ann, "from pathlib import Path; print(Path('quickstart.ipynb').owner())").strip() == "ann"
    )


def test_a_neighbour_gets_nothing(users, run):
    run(users.ben, "print(spark.range(5).count())")  # so that Spark's ports are open
    ports = _ports(users.state, "ben")
    assert len(ports) > 6, "ben's server, kernel and Spark listen"
    runtime = run(
        users.ben, "from jupyter_core.paths import jupyter_runtime_dir; print(jupyter_runtime_dir())"
    )
    names = run(users.ben, f"import os; print('\\n'.join(os.listdir({runtime.strip()!r})))").split()
    kernel_file = next(name for name in names if name.startswith("kernel-") and name.endswith(".json"))
    files = [
        f"/home/ben/{Path(runtime.strip()).relative_to('/home/ben')}/{kernel_file}",
        *map(str, (users.state / name for name in ("cookie_secret", "jupyterhub.sqlite", "settings.json"))),
        str(users.state / "homes" / "ben"),
    ]
    where = {"files": files, "ports": ports}
    shown = run(users.ann, f"WHERE = {where!r}\n{NEIGHBOUR}")
    got = json.loads(shown.partition("RESULT ")[2])
    assert not any(got["files"].values()), got["files"]
    to_log_in = "/hub/"  # where the server sends who has not logged in
    statuses = {page: status for page, (status, url) in got["http"].items() if to_log_in not in url}
    assert {page for page, status in statuses.items() if status == 200} == set()
    assert 403 in statuses.values(), "ben's server and Spark's pages refuse"
    assert got["zmq"] == {}, "a kernel's socket answered somebody without its key"


def test_a_full_home_is_the_users_own_trouble(users, run):
    shown = run(users.ann, "try:\n  open('hog', 'wb').write(bytes(300 << 20))\nexcept OSError as e: print(e)")
    assert "No space left on device" in shown
    assert run(users.ben, "open('small', 'w').write('x'); print('fine')").strip().endswith("fine")
    run(users.ann, "import os; os.unlink('hog')")


def test_a_kernel_that_takes_too_much_is_killed_and_the_server_lives(users, run):
    server = f"{users.settings.url}/user/ann"
    with RemoteKernel(users.http, server, "probav-python") as kernel, pytest.raises(HubError, match="died"):
        run(kernel, "hog = bytearray(4 << 30)")
    assert users.http.get(f"{server}/api/kernels", timeout=30).ok
    said = "Processes of the server ann were killed for their memory: 1 by now; at most 3 GiB were in use"
    deadline = time.monotonic() + 30
    while said not in users.settings.log.read_text():
        assert time.monotonic() < deadline, users.settings.log.read_text()[-2000:]
        time.sleep(0.2)


def test_why_a_server_died_is_in_the_hubs_log(users, run):
    server = spawn(users.http, users.settings, "cal")
    with RemoteKernel(users.http, server, "probav-python") as kernel:
        pid = int(run(kernel, "import os; print(os.getppid())"))
        code = f"import os, signal; os.kill({pid}, signal.SIGKILL)"
        with pytest.raises(Exception, match=r"."):
            run(kernel, code)
    deadline = time.monotonic() + 30
    while "The server cal ended: The server was ended by signal 9" not in users.settings.log.read_text():
        assert time.monotonic() < deadline, users.settings.log.read_text()[-2000:]
        time.sleep(0.2)


def _ports(state: Path, user: str) -> list[int]:
    """Return the ports on which a user's processes listen."""
    run = next(run for run in runs.all_of(state) if run.of == (user, ""))
    return sorted(
        connection.laddr.port
        for process in psutil.Process(run.pid).children(recursive=True)
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    )
