"""Many users at once: each logs in by the form, starts server and kernel, asks the archive, stays and stops.

python -m benchmarks.hub_load [--users 50] [--every 5] [--stay 60] [--spawner simple] [--json FILE]

Meanwhile another visitor opens the hub's pages all the time. Prints the table of docs/operations.md. Memory
is what the processes take for themselves (PSS), looked at every few seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import nbformat
import psutil
import requests

from probav.demo import create_demo
from probav_hub import prepare
from probav_hub.configuration import Configuration, Profile
from probav_hub.processes import Hub, local_requests
from probav_hub.remote_kernel import RemoteKernel

PAGES = ("/hub/login", "/hub/home", "/hub/token", "/hub/spawn", "/hub/api/user")
QUERY = """
import probav
aoi = probav.aoi((4.05, 51.3, 4.2, 51.45))
found = probav.open_archive()["PROBAV_L3_S10_TOC_333M"].statistics(aoi, time="2016", variable="NDVI")
print(int(found.sizes["time"]))
"""
WAIT = 600  # seconds a request of a user may take


class User:
    """One user with a browser's cookies."""

    def __init__(self, url: str, name: str, password: str) -> None:
        self.url, self.name, self.password = url, name, password
        self.http = local_requests()

    def _xsrf(self) -> str:
        return next(each.value for each in self.http.cookies if each.name == "_xsrf" and each.path == "/hub/")

    def log_in(self) -> None:
        self.http.get(f"{self.url}/hub/login", timeout=WAIT).raise_for_status()
        form = {"username": self.name, "password": self.password, "_xsrf": self._xsrf()}
        self.http.post(f"{self.url}/hub/login?next=/hub/token", data=form, timeout=WAIT).raise_for_status()

    def spawn(self) -> None:
        api, headers = f"{self.url}/hub/api/users/{self.name}", {"X-XSRFToken": self._xsrf()}
        self.http.post(f"{api}/server", headers=headers, timeout=WAIT).raise_for_status()
        with self.http.get(f"{api}/server/progress", stream=True, timeout=WAIT) as told:
            for line in told.iter_lines():
                if line.startswith(b"data:"):
                    event = json.loads(line[5:])
                    if event.get("failed"):
                        raise RuntimeError(event.get("message"))
                    if event.get("ready"):
                        return
        raise RuntimeError("the server is not ready")

    def query(self) -> None:
        token = self.http.post(
            f"{self.url}/hub/api/users/{self.name}/tokens",
            headers={"X-XSRFToken": self._xsrf()},
            timeout=WAIT,
        ).json()["token"]
        with local_requests() as http:
            http.headers["Authorization"] = f"token {token}"
            notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(QUERY)])
            self.kernel = RemoteKernel(http, f"{self.url}/user/{self.name}", "python3").__enter__()
            self.kernel.run(notebook, lambda number, count: None)
            (output,) = notebook.cells[0].outputs
            assert int(output["text"]) > 0, output

    def stop(self) -> None:
        api, headers = f"{self.url}/hub/api/users/{self.name}", {"X-XSRFToken": self._xsrf()}
        self.http.delete(f"{api}/server", headers=headers, timeout=WAIT).raise_for_status()
        deadline = time.monotonic() + WAIT
        while self.http.get(api, timeout=WAIT).json()["servers"]:
            assert time.monotonic() < deadline, "the server does not stop"
            time.sleep(0.5)


def measured(times: dict[str, list[float]], name: str, what: Callable[[], None]) -> None:
    began = time.monotonic()
    what()
    times.setdefault(name, []).append(time.monotonic() - began)


def pss(pid: int) -> int:
    """Return the bytes that a process takes for itself."""
    with suppress(OSError, StopIteration):
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("Pss:")).split()[1]) * 1024
    return 0


def watch(done: threading.Event, url: str, password: str, peaks: dict[str, float]) -> None:
    """Note the most memory that was in use, of all processes and of the hub's own."""
    while not done.wait(5):
        below = psutil.Process().children(recursive=True)
        taken = {process.pid: pss(process.pid) for process in below}
        peaks["memory"] = max(peaks.get("memory", 0), sum(taken.values()))
        peaks["processes"] = max(peaks.get("processes", 0), len(taken))
        with suppress(psutil.Error, StopIteration):
            own = next(each.pid for each in below if "jupyterhub" in each.cmdline())
            peaks["hub"] = max(peaks.get("hub", 0), taken[own])


def visit(done: threading.Event, url: str, password: str, seconds: list[float], failures: list[str]) -> None:
    """Open pages of the hub, one after the other."""
    visitor = User(url, "visitor", password)
    visitor.log_in()
    while not done.wait(0.1):
        for page in PAGES:
            began = time.monotonic()
            try:
                visitor.http.get(url + page, timeout=WAIT, allow_redirects=False).raise_for_status()
            except requests.RequestException as error:
                failures.append(f"{page}: {error}")
            seconds.append(time.monotonic() - began)


def run(users: int, every: float, stay: float, spawner: str) -> dict[str, Any]:
    """Return what was measured."""
    with tempfile.TemporaryDirectory(prefix="hub-load-") as folder:
        archive = Path(folder, "archive")
        create_demo(archive, progress=False, years=(2016,), size_degrees=0.25)
        settings = prepare.settings(
            state=Path(folder, "state"), port=None, archive=str(archive), notebooks=None,
            configuration=Configuration(
                spawner=spawner, culling=None, profiles=(Profile(name="small", title="Small", memory="1G"),)
            ),
        )  # fmt: skip
        times: dict[str, list[float]] = {}
        peaks: dict[str, float] = {}
        pages: list[float] = []
        failures: list[str] = []
        done = threading.Event()
        with Hub(settings) as hub:
            hub.wait_until_ready()
            around = (settings.url, settings.password)
            threads = [
                threading.Thread(target=watch, args=(done, *around, peaks)),
                threading.Thread(target=visit, args=(done, *around, pages, failures)),
            ]
            for thread in threads:
                thread.start()

            def one(number: int) -> None:
                user = User(settings.url, f"user{number}", settings.password)
                try:
                    measured(times, "log in", user.log_in)
                    measured(times, "start of the server", user.spawn)
                    measured(times, "kernel and first query", user.query)
                    time.sleep(stay)
                    measured(times, "stop", user.stop)
                except Exception as error:
                    failures.append(f"{user.name}: {type(error).__name__}: {str(error)[-300:]}")

            began = time.monotonic()
            with ThreadPoolExecutor(users) as pool:
                for number in range(users):
                    pool.submit(one, number)
                    time.sleep(every)
            whole = time.monotonic() - began
            done.set()
            for thread in threads:
                thread.join()
    pages.sort()
    return {
        "users": users, "spawner": spawner, "seconds": whole, "failures": failures, **peaks,
        "load of the machine": os.getloadavg()[1],
        "pages": {"count": len(pages), "p50": statistics.median(pages), "p95": pages[int(len(pages) * 0.95)],
                  "max": pages[-1]},
        "steps": {name: {"count": len(all_), "median": statistics.median(all_), "max": max(all_)}
                  for name, all_ in times.items()},
    }  # fmt: skip


def table(found: dict[str, Any]) -> str:
    lines = [f"{found['users']} users, {found['spawner']}: {found['seconds']:.0f} s; "
             f"{found['processes']} processes and {found['memory'] / 2**30:.1f} GiB at most, "
             f"JupyterHub itself {found['hub'] / 2**20:.0f} MiB; "
             f"load of the machine {found['load of the machine']:.0f}; failures: {len(found['failures'])}",
             "", "| step | users | median, s | longest, s |", "|---|---|---|---|"]  # fmt: skip
    for name, step in found["steps"].items():
        lines.append(f"| {name} | {step['count']} | {step['median']:.1f} | {step['max']:.1f} |")
    pages = found["pages"]
    lines.append(f"\nPages of the hub meanwhile: {pages['count']}, p50 {pages['p50']:.3f} s, "
                 f"p95 {pages['p95']:.3f} s, longest {pages['max']:.2f} s")  # fmt: skip
    return "\n".join([*lines, *found["failures"][:5]])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=50)
    parser.add_argument("--every", type=float, default=5, help="seconds between two users' arrivals")
    parser.add_argument("--stay", type=float, default=60, help="seconds of each after the query")
    parser.add_argument("--spawner", choices=("simple", "sandbox"), default="simple")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    found = run(given.users, given.every, given.stay, given.spawner)
    print(table(found))
    if given.json:
        given.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
