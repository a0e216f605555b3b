"""What a hub, its services and its users' servers take in memory: a real hub, users one after the other.

python benchmarks/hub_sizing.py [--users 8] [--spawner simple]

Memory is what processes take for themselves (PSS: shared pages divided by their users), after a step has
settled. Prints the table of docs/operator.md, and what it says a machine has room for.
"""

from __future__ import annotations

import argparse
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import nbformat
import psutil
import requests

from probav_hub import prepare
from probav_hub.configuration import Configuration
from probav_hub.demo import spawn
from probav_hub.processes import Hub, local_requests
from probav_hub.remote_kernel import RemoteKernel

STEPS = {  # cells of one kernel, one after the other
    "first `%probav`": "%probav",
    "statistics of a district over a year": "%probav stats PROBAV_L3_S10_TOC_333M --aoi zone --time 2016",
    "the map": "%probav aoi zone",
    "Spark's driver and first job": "spark.range(1000).selectExpr('sum(id)').collect()",
}
AREA = "import probav; zone = probav.aoi((4.6, 50.6, 4.9, 50.8))"
MAKE = (
    "import sys; from pathlib import Path; from probav.demo import create_demo; "
    "create_demo(Path(sys.argv[1]), progress=False, years=(2016,), size_degrees=1.0)"
)
PARTS = {  # a word of the command line, in the order in which they are looked for
    "keeper of a sandbox": "sandbox.keeper",
    "user's server": "jupyterhub-singleuser",
    "kernel": "ipykernel_launcher",
    "Java (Spark)": "java",
    "proxy": "configurable-http-proxy",
    "culler": "jupyterhub_idle_culler",
    "accounting": "probav_hub.accounting",
    "schedules": "probav_hub.schedules",
    "JupyterHub": "-m jupyterhub",
}
SETTLED = 2**20  # bytes; two looks that differ by less
SECONDS = 60


def memory() -> dict[str, float]:
    """MiB of each part, when it no longer changes."""
    before, deadline = _look(), time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        time.sleep(2)
        now = _look()
        if all(abs(now[part] - before[part]) < SETTLED for part in now.keys() | before.keys()):
            break
        before = now
    return {part: size / 2**20 for part, size in now.items()}


def _look() -> dict[str, int]:
    found: dict[str, int] = defaultdict(int)
    own = psutil.Process()
    for process in own.children(recursive=True):
        try:
            line = " ".join(process.cmdline())
            part = next((name for name, word in PARTS.items() if word in line), "other")
            found[part] += process.memory_full_info().pss
        except psutil.Error:
            continue
    return found


def supervisor() -> float:
    """MiB of a program that has done what `probav-hub up` does before it starts JupyterHub."""
    code = "import probav_hub.cli, probav_hub.check as check; check._classes(); print(1, flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout
        process.stdout.readline()
        found = psutil.Process(process.pid).memory_full_info().pss / 2**20
        process.communicate(b"\n")
    return found


def run(kernel: RemoteKernel, code: str) -> None:
    kernel.run(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)]), lambda number, count: None)


def measure(
    http: requests.Session, settings: object, users: int
) -> tuple[dict[str, float], dict[str, float]]:
    """Return MiB of the hub's parts, and of what one user adds with each step."""
    parts = {"supervisor (`probav-hub up`)": supervisor(), **memory()}
    of_user: dict[str, float] = {}
    servers = [spawn(http, settings, "user0")]
    first = memory()
    of_user["a server, nothing open"] = _of_users(first)
    before = _of_users(first)
    with RemoteKernel(http, servers[0], "python3") as kernel:
        run(kernel, "1")
        of_user["a bare kernel (ipykernel)"] = _of_users(memory()) - before
    with RemoteKernel(http, servers[0], "probav-python") as kernel:
        run(kernel, AREA.split(";")[0].replace("import probav", "1"))
        now = _of_users(memory())
        of_user["a kernel, PROBA-V (Python)"] = now - before
        run(kernel, AREA)
        for step, code in STEPS.items():
            run(kernel, code)
            before, now = now, _of_users(memory())
            of_user[f"+ {step}"] = now - before
    alone = memory()
    servers += [spawn(http, settings, f"user{number}") for number in range(1, users)]
    all_of_them = memory()
    more = users - 1
    of_user[f"an idle server more, of {users}"] = (_of_users(all_of_them) - _of_users(alone)) / more
    of_user["the hub and its services, a server more"] = (
        sum(all_of_them[part] - alone[part] for part in parts if part in alone) / more
    )
    return parts, of_user


def _of_users(found: dict[str, float]) -> float:
    names = ("keeper of a sandbox", "user's server", "kernel", "Java (Spark)", "other")
    return sum(found.get(name, 0) for name in names)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--users", type=int, default=8)
    parser.add_argument("--spawner", choices=("simple", "sandbox"), default="simple")
    parser.add_argument("--times", type=int, default=1)
    given = parser.parse_args()
    rounds = []
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder, "archive")
        # in a process of its own, whose helpers are none of the hub's
        subprocess.run([sys.executable, "-c", MAKE, archive], check=True)
        for number in range(given.times):
            configuration = Configuration.model_validate(
                {"spawner": given.spawner, "state": str(Path(folder, f"state{number}"))}
            )
            settings = prepare.settings(
                state=Path(folder, f"state{number}"), port=None, archive=str(archive), notebooks=None,
                token=secrets.token_urlsafe(24), configuration=configuration,
            )  # fmt: skip
            with Hub(settings) as hub, local_requests() as http:
                hub.wait_until_ready()
                http.headers["Authorization"] = f"token {settings.token}"
                rounds.append(measure(http, settings, given.users))
    print(f"Median of {given.times}; {given.users} users, spawner {given.spawner}, MiB (PSS).\n")
    for title, which in (("the hub", 0), ("a user", 1)):
        print(f"| {title} | MiB |\n|---|---:|")
        for name in rounds[0][which]:
            print(f"| {name} | {statistics.median(each[which][name] for each in rounds):.0f} |")
        print()


if __name__ == "__main__":
    main()
