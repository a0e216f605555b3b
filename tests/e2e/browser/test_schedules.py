"""A notebook that its hub runs, while the service that schedules it is killed, and its pages."""

from __future__ import annotations

import re
import sys
from contextlib import suppress
from pathlib import Path

import nbformat
import psutil
import pytest
import requests
import yaml
from waiting import wait_for

from probav_hub.prepare import free_ports
from probav_hub.processes import local_requests

pytestmark = pytest.mark.e2e

WAITS = """
import pathlib, time
deadline = time.monotonic() + 300
while not pathlib.Path("go").exists() and time.monotonic() < deadline:
    time.sleep(0.1)
print(region, pathlib.Path("go").exists())
"""


@pytest.fixture(scope="module")
def scheduling_hub(start_hubs, tmp_path_factory, demo_archive):
    """Return a hub with schedules."""
    data = tmp_path_factory.mktemp("schedules")
    file = data / "probav-hub.yaml"
    given = {"port": free_ports(1)[0], "archive": str(demo_archive), "schedules": {}, "accounting": None,
             "culling": None}  # fmt: skip
    file.write_text(yaml.safe_dump(given))
    program = Path(sys.executable).with_name("probav-hub")
    hub = start_hubs(data, command=[program, "up", "--config", file])
    yield hub
    hub.stop()


@pytest.fixture
def service(scheduling_hub):
    """Ask the service with a token."""
    url = f"{scheduling_hub.url}/services/schedules"

    def ask(http: requests.Session, method: str, path: str, **options) -> requests.Response:
        return http.request(method, f"{url}/api/{path}", timeout=30, **options)

    return ask


@pytest.fixture
def wait_for_state(scheduling_hub, service):
    """Return the latest run of the first schedule, once it is as a condition says."""

    def wait(http: requests.Session, condition, seconds: float = 240) -> dict:
        def latest() -> dict:
            answer = service(http, "GET", "schedules/1/runs")  # 503 while there is no service
            return answer.json()[0] if answer.ok and condition(answer.json()[0]) else {}

        log = scheduling_hub.data / "probav" / "hub" / "hub.log"
        return wait_for(latest, seconds, lambda: log.read_text()[-5000:])

    return wait


def scheduler(hub) -> psutil.Process:
    (found,) = [
        each for each in hub.processes() if "probav_hub.schedules.service" in " ".join(each.cmdline())
    ]
    return found


def test_a_run_survives_its_service_and_ends_in_the_home(scheduling_hub, service, wait_for_state, lab):
    hub = scheduling_hub
    home = hub.data / "probav" / "hub" / "homes" / hub.user
    home.mkdir(parents=True)
    cells = [nbformat.v4.new_code_cell(WAITS)]
    kernel = {"kernelspec": {"name": "python3", "language": "python", "display_name": "Python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), home / "mine.ipynb")
    http = hub.log_in()
    wished = {"name": "daily", "notebook": "mine.ipynb", "cron": "0 6 * * *", "parameters": {"region": "Mol"}}
    made = service(http, "POST", "schedules", json={**wished, "timezone": "Europe/Brussels"})
    assert made.status_code == 201, made.text
    assert service(http, "POST", "schedules/1/runs").status_code == 201
    assert service(http, "POST", "schedules/1/runs").status_code == 409  # never two at a time

    wait_for_state(http, lambda run: run["cell"] == 2)
    scheduler(hub).kill()
    (home / "go").touch()
    run = wait_for_state(http, lambda run: run["ended"])
    assert (run["state"], run["attempt"], run["error"]) == ("done", 1, "")
    executed = nbformat.read(home / run["output"], 4)
    assert executed.cells[-1].outputs[0].text == "Mol True\n"
    assert re.fullmatch(r"scheduled/daily/\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.ipynb", run["output"])

    users = f"{hub.url}/hub/api/users/{hub.user}/servers"
    assert http.post(f"{users}/mine", timeout=30).status_code == 400
    assert http.post(f"{users}/scheduled-9-1", timeout=30).status_code == 403
    others_see_nothing_of_it(hub, service)
    pages(hub, lab)


def others_see_nothing_of_it(hub, service):
    stranger = local_requests()
    assert service(stranger, "GET", "schedules").status_code == 403
    mine, hub.user = hub.user, "ben"
    try:
        other = hub.log_in()
    finally:
        hub.user = mine
    assert service(other, "GET", "schedules").json() == []
    assert service(other, "GET", "schedules?all=1").status_code == 403
    asked = {"schedules/1": ("GET", "PATCH", "DELETE"), "schedules/1/runs": ("GET", "POST"),
             "runs/1": ("GET", "DELETE")}  # fmt: skip
    for path, methods in asked.items():
        for method in methods:
            assert service(other, method, path).status_code == 404, path
    bad = service(other, "POST", "schedules", json={"name": "x", "notebook": "../a.ipynb", "cron": "0 6 * *"})
    assert set(bad.json()["fields"]) == {"notebook"}
    with suppress(requests.ConnectionError):  # the service may hang up at once, or the proxy say so
        assert service(other, "POST", "schedules", data=b"[" * 70_000).status_code >= 400
    assert service(other, "GET", "schedules").json() == []
    for data in (b"{", b"[]"):
        answer = service(other, "POST", "schedules", data=data)
        assert answer.status_code == 400
        assert "Traceback" not in answer.text


def pages(hub, lab):
    """A user makes a schedule in the browser and looks at the runs."""
    page, prefix = lab.page, f"{hub.url}/services/schedules/"
    page.goto(f"{hub.url}/hub/login?next=/hub/home")
    page.fill("#username_input", hub.user)
    page.fill("#password_input", hub.password)
    page.click("#login_submit")
    page.wait_for_url(re.compile("/hub/home"))
    assert page.get_by_text("Named Servers").count() == 0
    page.goto(prefix)
    answer = page.request.get(prefix)
    assert answer.headers["content-security-policy"].startswith("default-src 'none';")
    lab.check_accessible("body")
    page.get_by_role("link", name="New schedule").click()
    lab.check_accessible("body")
    page.get_by_label("Name").fill("weekly")
    page.get_by_label("Notebook").fill("mine.ipynb")
    page.get_by_label("When").fill("0 6 * * MOON")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("bad day-of-week").wait_for()
    lab.check_accessible("body")
    page.get_by_label("When").fill("0 6 * * MON")
    page.get_by_role("button", name="Show the next times").click()
    page.get_by_text("At 06:00 on Monday").wait_for()
    page.get_by_role("button", name="Save").click()
    page.get_by_role("heading", name="weekly").wait_for()
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="Resume").wait_for()
    page.goto(f"{prefix}1")
    page.locator("a[href*='/user-redirect/lab/tree/scheduled/daily/']").wait_for()
    lab.check_accessible("body")
    lab.keep_picture("schedule")
    forged = page.request.post(f"{prefix}1/delete", headers={"Referer": "https://elsewhere.example/"})
    assert forged.status == 403
    assert page.request.get(f"{prefix}all").status == 403
    assert lab.outside == []
    assert [text for text in lab.complaints if "400" not in text] == []
