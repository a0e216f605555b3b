"""Use is counted, shown to whom it concerns, and held to budgets: a real hub, a server, a kernel."""

from __future__ import annotations

import re
import sys
import time
from contextlib import suppress
from datetime import datetime
from html import unescape
from pathlib import Path

import psutil
import pytest
import requests
import yaml
from waiting import wait_for

from probav_hub.accounting.database import open_database
from probav_hub.accounting.recording import Recorder, Running, boot
from probav_hub.prepare import free_ports
from probav_hub.processes import local_requests
from probav_hub.remote_kernel import RemoteKernel

pytestmark = pytest.mark.e2e
PROBAV_HUB = Path(sys.executable).with_name("probav-hub")
PASSWORD = "a-password-of-ones-own"
TOKEN = "0123456789abcdef" * 2


@pytest.fixture
def hub(start_hub, tmp_path, demo_archive):
    """Start a hub with a budget that all share, and one of bytes for each."""
    (tmp_path / "metrics-token").write_text(TOKEN)
    (tmp_path / "metrics-token").chmod(0o600)
    content = {
        "port": free_ports(1)[0],
        "archive": str(demo_archive),
        "authentication": {"method": "first-use", "admins": ["boss"], "allowed_users": ["ann", "bob"]},
        "accounting": {"every_seconds": 1, "grace_minutes": 0.05, "metrics_token_file": "metrics-token"},
        "profiles": [
            {"name": "small", "title": "Small", "cpu": 1, "memory": "1G"},
            {"name": "large", "title": "Large", "cpu": 2, "memory": "1G"},
        ],
        "budgets": [
            {"name": "pot", "shared": True, "core_hours": 4},
            {"name": "reads", "days": 1, "bytes_read": "1K"},
        ],
    }
    file = tmp_path / "probav-hub.yaml"
    file.write_text(yaml.safe_dump(content))
    return start_hub(command=[PROBAV_HUB, "up", "--config", str(file)])


class Visitor:
    """A user's browser, as far as forms and cookies go."""

    def __init__(self, url: str, name: str) -> None:
        self.url, self.name, self.http = url, name, local_requests()
        self.http.get(f"{url}/hub/login", timeout=30).raise_for_status()
        form = {"username": name, "password": PASSWORD, "_xsrf": self.http.cookies["_xsrf"]}
        self.http.post(f"{url}/hub/login?next=%2Fhub%2Ftoken", data=form, timeout=60).raise_for_status()

    @property
    def xsrf(self) -> str:
        return next(each.value for each in self.http.cookies if each.name == "_xsrf" and each.path == "/hub/")

    def page(self, path: str = "") -> requests.Response:
        return self.http.get(f"{self.url}/services/accounting/{path}", timeout=30)

    def words(self, path: str = "") -> str:
        return words(self.page(path))

    def start(self, profile: str) -> requests.Response:
        form = {"profile": profile, "_xsrf": self.xsrf}
        return self.http.post(f"{self.url}/hub/spawn", data=form, timeout=120)

    def token(self) -> str:
        answer = self.http.post(
            f"{self.url}/hub/api/users/{self.name}/tokens", headers={"X-XSRFToken": self.xsrf}, timeout=30
        )
        answer.raise_for_status()
        return str(answer.json()["token"])


def words(page: requests.Response) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<script.*?</script>|<[^>]+>", " ", page.text, flags=re.S)))


def core_hours(boss: Visitor, user: str) -> float:
    found = re.search(rf"^user,{user},30,([0-9.]+)", boss.page("use.csv").text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def variables(hub, user: str) -> dict[str, str]:
    """Return the environment of a user's server."""
    for process in hub.processes():
        with suppress(psutil.Error):
            environment = process.environ()
            if environment.get("JUPYTERHUB_USER") == user and "singleuser" in " ".join(process.cmdline()):
                return environment
    return pytest.fail(f"no server of {user} runs")


def test_use_is_counted_shown_and_held_to_budgets(hub, lab):
    (service,) = [each for each in hub.processes() if "probav_hub.accounting.service" in each.cmdline()]
    service.kill()  # the hub looks after its services each half minute
    ann, bob, boss = (Visitor(hub.url, name) for name in ("ann", "bob", "boss"))
    form = words(ann.http.get(f"{hub.url}/hub/spawn", timeout=30))
    assert "pot: 4.00 of 4.00 core-hours left (in any 30 days), for all of its users together" in form

    # it is counted from the start, though the service is dead then: nothing twice, nothing missed
    ann.start("small").raise_for_status()
    http = local_requests()
    http.headers["Authorization"] = f"token {ann.token()}"
    api = f"{hub.url}/hub/api/users/ann"
    wait_for(lambda: http.get(api, timeout=30).json()["servers"].get("", {}).get("ready"), 120)
    wait_for(lambda: ann.page().ok, 90, "the service did not come back")
    wait_for(lambda: "profile small with 1 core," in ann.words(), 60)
    (server,) = http.get(api, timeout=30).json()["servers"].values()
    started = datetime.fromisoformat(server["started"]).timestamp()
    assert core_hours(boss, "ann") == pytest.approx((time.time() - started) / 3600, abs=8 / 3600)

    # everybody sees their own use only, but for admins
    assert "0.00" in bob.words()
    assert "ann" not in bob.words()
    assert bob.page("all").status_code == bob.page("use.csv").status_code == 403
    assert "ann" in boss.words("all")
    assert "default-src 'none'" in boss.page("all").headers["Content-Security-Policy"]

    # a server's token tells what its own user read, and can do nothing else here
    environment = variables(hub, "ann")
    told = {"session": "0123-4567", "total": 400}
    own = {"Authorization": f"token {environment['JUPYTERHUB_API_TOKEN']}"}
    reads = f"{environment['PROBAV_ACCOUNTING_URL']}api/reads"
    answer = requests.post(reads, json=told, headers=own, timeout=30)
    assert answer.json().get("left") == 624, answer.text
    for wrong in ({**told, "total": -1}, {**told, "total": 10**16}, {**told, "user": "bob"}, [], 7):
        assert requests.post(reads, json=wrong, headers=own, timeout=30).status_code == 400
    assert requests.post(reads, data="x" * 5000, headers=own, timeout=30).status_code in (400, 413)
    assert (
        requests.post(reads, json=told, headers={"Authorization": "token no"}, timeout=30).status_code == 403
    )
    assert ann.http.post(f"{hub.url}/services/accounting/api/reads", json=told, timeout=30).status_code == 403
    for path in ("all", "use.csv", "metrics"):
        page = requests.get(f"{hub.url}/services/accounting/{path}", headers=own, timeout=30)
        assert page.status_code == 403
    assert requests.get(f"{hub.url}/hub/api/users/bob", headers=own, timeout=30).status_code == 404
    assert "read by queries" not in bob.words() or "400 B" not in bob.words()

    # Prometheus' token reads figures, and nothing else
    metrics = {"Authorization": f"Bearer {TOKEN}"}
    figures = requests.get(f"{hub.url}/services/accounting/metrics", headers=metrics, timeout=30)
    assert 'probav_accounting_user_read_bytes_total{user="ann"} 400.0' in figures.text
    page = requests.get(f"{hub.url}/services/accounting/all", headers=metrics, timeout=30)
    assert page.status_code == 403
    assert requests.get(f"{hub.url}/hub/api/users", headers=metrics, timeout=30).status_code == 403

    # a query that is larger than what is left is refused in one line
    with RemoteKernel(http, f"{hub.url}/user/ann", "probav-python") as kernel:
        refused = run(kernel, "%probav stats PROBAV_L3_S10_TOC_333M --aoi 4.1,51.3,4.2,51.4 --no-plot")
    assert refused.startswith("UsageError: The query would read about ")
    assert "624 B are left: of the budget reads, you used 400 B of 1.0 KiB" in refused
    assert len(refused.strip().splitlines()) == 1

    state = hub.data / "probav" / "hub"
    # what another uses of the pot spends it: the server is warned of, stopped, and not started again
    engine, now = open_database(state), time.time()
    Recorder(engine, boot()).see(
        [Running("bob", "", now - 4 * 3600, "large", (), 1, 1, 0)], now, time.monotonic()
    )
    engine.dispose()
    wait_for(lambda: "Save your work" in ann.words(), 30, "no warning")
    wait_for(lambda: not http.get(api, timeout=30).json()["servers"], 60, "the server was not stopped")
    assert "Your server was stopped on" in wait_for(lambda: "was stopped" in ann.words() and ann.words(), 60)
    again = ann.start("small")
    assert again.status_code == 400
    assert "Small can't start: of the budget pot, all of its users together used 4.0" in words(again)
    assert "There is room from" in words(again)
    assert "SpawnException" not in again.text
    by_program = http.post(f"{api}/server", json={"profile": "small"}, timeout=60)
    assert by_program.status_code == 400
    assert "budget pot" in by_program.json()["message"]
    check_pages(hub, lab)
    log = (state / "hub.log").read_text()
    assert TOKEN not in log
    assert environment["JUPYTERHUB_API_TOKEN"] not in log


def check_pages(hub, lab) -> None:
    """Look at the pages, light and dark, as an admin and as a user who can't start a server."""
    page = lab.page
    for user, paths in {"boss": ("services/accounting/all", "services/accounting/"),
                        "ann": ("services/accounting/", "hub/spawn")}.items():  # fmt: skip
        lab.context.clear_cookies()
        page.goto(f"{hub.url}/hub/login?next=%2Fhub%2Ftoken")
        page.fill("#username_input", user)
        page.fill("#password_input", PASSWORD)
        page.click("#login_submit")
        page.wait_for_url("**/hub/token")
        for path in paths:
            page.goto(f"{hub.url}/{path}")
            page.get_by_text("pot").first.wait_for()
            for scheme in ("dark", "light"):
                page.emulate_media(color_scheme=scheme)
                lab.check_accessible("form" if path == "hub/spawn" else "html")
                lab.keep_picture(f"accounting-{user}-{path.strip('/').rpartition('/')[2]}-{scheme}")
    assert lab.outside == []
    assert [text for text in lab.complaints if "services/accounting" in text] == []  # the hub has its own


def run(kernel: RemoteKernel, source: str) -> str:
    """Run a line in a kernel; return what it wrote to standard error."""
    from nbclient.exceptions import CellExecutionError
    from nbformat.v4 import new_code_cell, new_notebook

    notebook = new_notebook(cells=[new_code_cell(source)])
    with suppress(CellExecutionError):
        kernel.run(notebook, lambda *_: None)
    (cell,) = notebook.cells
    return "".join(output.get("text", "") for output in cell.outputs if output.get("name") == "stderr")
