"""Start and stop servers hundreds of times, and look at what is left: nothing should be.

python -m benchmarks.hub_cycles [--cycles 500] [--spawner simple|sandbox] [--json FILE]

The servers are as small as servers can be: what leaks is the hub's, the proxy's and the spawner's. All that
could leak is counted after some first cycles, and again at the end.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import requests

from probav_hub import prepare
from probav_hub.configuration import Configuration, Profile
from probav_hub.processes import Hub, local_requests

SERVER = """
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit
class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *given): pass
at = urlsplit(os.environ["JUPYTERHUB_SERVICE_URL"])
ThreadingHTTPServer((at.hostname, at.port), Answer).serve_forever()
"""
USERS, FIRST = 4, 20  # who start and stop at the same time; cycles before the first count
PREFIX = f"cycle-{os.getpid()}-"  # of the users' names, and so of their control groups
TABLES = ("users", "servers", "spawners", "api_tokens", "oauth_clients", "oauth_codes", "groups", "services")


def count(supervisor: Hub, settings: Any, routes: requests.Session) -> dict[str, float]:
    """Return how much there is of what could leak."""
    supervisor.reap()
    state, below = Path(settings.state), psutil.Process().children(recursive=True)
    hub = next(each for each in below if "jupyterhub" in each.cmdline())
    proxy = next(each for each in below if "configurable-http-proxy" in " ".join(each.cmdline()))
    found: dict[str, float] = {
        "processes": len(below),
        "threads of the hub": hub.num_threads(),
        "open files of the hub": hub.num_fds(),
        "sockets of the hub": len(hub.net_connections()),
        "open files of the proxy": proxy.num_fds(),
        "routes": len(routes.get(f"http://127.0.0.1:{settings.proxy_port}/api/routes", timeout=30).json()),
        "files of the state": sum(1 for each in state.rglob("*") if "homes" not in each.parts),
        "temporary files": sum(1 for each in Path(os.environ["TMPDIR"]).rglob("*")),
        "mounts": sum(
            settings.state in line for line in Path("/proc/self/mountinfo").read_text().splitlines()
        ),
        "control groups": sum(
            1 for each in Path("/sys/fs/cgroup").rglob(f"probav-{PREFIX}*") if each.is_dir()
        ),
        "loop devices": sum(
            settings.state in (each / "loop/backing_file").read_text()
            for each in Path("/sys/block").glob("loop*")
            if (each / "loop/backing_file").exists()
        ),
        "memory of the hub, MiB": round(hub.memory_info().rss / 2**20),
        "memory of the proxy, MiB": round(proxy.memory_info().rss / 2**20),
    }
    with closing(sqlite3.connect(f"file:{state / 'jupyterhub.sqlite'}?mode=ro", uri=True)) as database:
        for table in TABLES:
            found[f"rows of {table}"] = database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
    found["size of the database, KiB"] = (state / "jupyterhub.sqlite").stat().st_size / 1024
    return found


def settled(supervisor: Hub, settings: Any, routes: requests.Session) -> dict[str, float]:
    """Return what there is when it no longer becomes less."""
    last, deadline = count(supervisor, settings, routes), time.monotonic() + 60
    while time.monotonic() < deadline:
        time.sleep(5)
        now = count(supervisor, settings, routes)
        if all(now[name] >= last[name] for name in now):
            return now
        last = now
    return last


def cycle(http: requests.Session, settings: Any, user: str, times: int) -> None:
    """Start and stop a user's server."""
    api = f"{settings.url}/hub/api/users/{user}"

    def until(what: Callable[[dict[str, Any]], bool]) -> None:
        deadline = time.monotonic() + 300
        while not what(http.get(api, timeout=60).json()["servers"]):
            assert time.monotonic() < deadline, f"the server of {user} does not start or stop"
            time.sleep(0.05)

    for _ in range(times):
        answer = http.post(f"{api}/server", timeout=300)
        if not answer.ok:
            raise RuntimeError(f"{user}: {answer.text}")
        until(lambda servers: bool(servers) and servers[""]["ready"])
        http.delete(f"{api}/server", timeout=300).raise_for_status()
        until(lambda servers: not servers)


def run(cycles: int, spawner: str) -> dict[str, Any]:
    """Return the counts before and after, and the seconds that a cycle took."""
    with tempfile.TemporaryDirectory(prefix="hub-cycles-") as folder:
        disk = "64M" if spawner == "sandbox" else None  # an image that is mounted for each server
        profile = Profile(name="small", title="Small", memory="1G", disk=disk)
        os.environ["TMPDIR"] = str(Path(folder, "tmp"))  # of all that is started
        Path(folder, "tmp").mkdir()
        settings = prepare.settings(
            state=Path(folder, "state"), port=None, archive=folder, notebooks=None, token="t" * 32,
            configuration=Configuration(
                spawner=spawner, culling=None, profiles=(profile,),
                jupyterhub={"Spawner": {"cmd": [sys.executable, "-I", "-c", SERVER]}},
            ),
        )  # fmt: skip
        with Hub(settings) as hub, local_requests() as http, local_requests() as routes, \
                ThreadPoolExecutor(USERS) as pool:  # fmt: skip
            hub.wait_until_ready()
            http.headers["Authorization"] = f"token {settings.token}"
            proxy = next(each for each in psutil.Process().children(recursive=True)
                         if "configurable-http-proxy" in " ".join(each.cmdline()))  # fmt: skip
            routes.headers["Authorization"] = f"token {proxy.environ()['CONFIGPROXY_AUTH_TOKEN']}"

            def all_cycle(times: int) -> None:
                names = [f"{PREFIX}{number}" for number in range(USERS)]
                list(pool.map(lambda name: cycle(http, settings, name, times), names))
                http.close()  # its connections are none of the hub's

            for number in range(USERS):
                http.post(f"{settings.url}/hub/api/users/{PREFIX}{number}", timeout=60).raise_for_status()
            all_cycle(FIRST // USERS)
            before = settled(hub, settings, routes)
            began = time.monotonic()
            all_cycle(cycles // USERS)
            seconds = time.monotonic() - began
            gc.collect()
            return {"cycles": cycles // USERS * USERS, "spawner": spawner, "seconds": seconds / cycles,
                    "before": before, "after": settled(hub, settings, routes)}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cycles", type=int, default=500)
    parser.add_argument("--spawner", choices=("simple", "sandbox"), default="simple")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    found = run(given.cycles, given.spawner)
    print(f"{found['cycles']} cycles, {found['spawner']}: {found['seconds']:.2f} s each, {USERS} at once\n")
    print("| what | before | after |\n|---|---|---|")
    for name, value in found["before"].items():
        print(f"| {name} | {value:g} | {found['after'][name]:g} |")
    if given.json:
        given.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
