"""JupyterLab in a real Chromium: what it requests and complains about is recorded, and pictures are kept."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Error, Locator, Page, WebSocket, expect, sync_playwright

PICTURES = Path(__file__).parents[3] / "test-artefacts" / "e2e"
PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
LOOPBACK = {"127.0.0.1"}
CELL_MILLISECONDS = 120_000


@dataclass
class Lab:
    """A page with JupyterLab, driven as a user drives it.

    Attributes
    ----------
    requests : list of str
        URL of every request and WebSocket.
    complaints : list of str
        Errors of the console and uncaught exceptions.
    ended : set of str
        Kernels that `end_kernels` ended: a page that is about to go may still ask after their memory.
    """

    context: BrowserContext
    page: Page = field(init=False)
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    ended: set[str] = field(default_factory=set)
    kernel_answers: int = 0

    def __post_init__(self) -> None:
        self.context.on("request", lambda request: self.requests.append(request.url))
        self.context.on("console", self._hear)
        self.page = self.context.new_page()
        self.page.on("websocket", self._connected)
        self.page.on("pageerror", lambda error: self.complaints.append(f"uncaught: {error} {error.stack}"))
        self.page.set_default_timeout(60_000)

    def _connected(self, socket: WebSocket) -> None:
        self.requests.append(socket.url)
        socket.on("framereceived", self._received)

    def _received(self, frame: str | bytes) -> None:
        if b"kernel_info_reply" in (frame.encode() if isinstance(frame, str) else frame):
            self.kernel_answers += 1

    def _hear(self, message: object) -> None:
        url = message.location["url"]
        of_ended = "/kernel_usage/" in url and any(kernel in url for kernel in self.ended)
        if message.type == "error" and not of_ended:
            self.complaints.append(f"{message.text} ({message.location})")

    @property
    def outside(self) -> list[str]:
        """Return the requests that left the machine."""
        web = [url for url in self.requests if urlsplit(url).scheme in ("http", "https", "ws", "wss")]
        return [url for url in web if urlsplit(url).hostname not in LOOPBACK]

    def log_in(self, hub: object) -> None:
        self.page.goto(hub.url)
        self.page.fill("#username_input", hub.user)
        self.page.fill("#password_input", hub.password)
        self.page.click("#login_submit")
        self.page.wait_for_url(re.compile(r"/user/[^/]+/lab"), timeout=180_000)

    def open_notebook(self, hub: object, name: str) -> None:
        """Open a notebook of the home with a new kernel and wait until that answers (it looks idle before).

        Kernels of other tests end first: they hold memory, and names that a test defines.
        """
        self.end_kernels(hub)
        home = Path(hub.data, "probav", "hub", "homes", hub.user)
        count = len(json.loads((home / name).read_text())["cells"])
        self.go_to(f"{hub.url}/user/{hub.user}/lab/tree/{name}?reset", count)

    def go_to(self, notebook: str, count: int) -> None:
        """Open the URL of a notebook of so many cells and wait until its kernel answers."""
        before = self.kernel_answers
        self.page.goto(notebook)
        expect(self.cells).to_have_count(count, timeout=120_000)
        deadline = time.monotonic() + 120
        while self.kernel_answers == before:
            assert time.monotonic() < deadline, "the kernel does not answer"
            self.page.wait_for_timeout(100)  # lets events in
        idle = self.page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]")
        expect(idle).to_be_visible(timeout=120_000)

    def end_kernels(self, hub: object) -> None:
        server = f"{hub.url}/user/{hub.user}"
        (token,) = {
            cookie["value"]
            for cookie in self.context.cookies(f"{server}/")
            if cookie["name"] == "_xsrf" and cookie["path"] == f"/user/{hub.user}/"
        }
        web = self.context.request
        for session in web.get(f"{server}/api/sessions").json():
            self.ended.add(session["kernel"]["id"])
            ended = web.delete(f"{server}/api/sessions/{session['id']}", headers={"X-XSRFToken": token})
            assert ended.ok, ended.text()

    @property
    def cells(self) -> Locator:
        return self.page.locator(".jp-Notebook .jp-Cell")

    @property
    def code_cells(self) -> Locator:
        return self.page.locator(".jp-Notebook .jp-CodeCell")

    def run_all(self) -> None:
        """Run > Run All Cells, until every cell that has code shows its number."""
        self.page.get_by_role("menuitem", name="Run", exact=True).click()
        self.page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        for index in range(self.code_cells.count()):
            cell = self.code_cells.nth(index)
            if cell.locator(".cm-content").inner_text().strip():
                self.finished(cell)

    def run(self, code: str) -> Locator:
        """Type code into a new cell at the end, run it and return the cell when it has finished."""
        cell = self.start(code)
        self.finished(cell)
        return cell

    def start(self, code: str) -> Locator:
        """Type code into a new cell at the end and run it."""
        self.cells.last.click(position={"x": 5, "y": 5})
        self.page.keyboard.press("Escape")
        count = self.cells.count()
        self.page.keyboard.press("b")
        expect(self.cells).to_have_count(count + 1)
        cell = self.cells.nth(count)
        cell.locator(".cm-content").click()
        self.page.keyboard.insert_text(code)
        self.page.keyboard.press("Control+Enter")
        return cell

    @staticmethod
    def finished(cell: Locator) -> None:
        expect(cell.locator(".jp-InputPrompt")).to_have_text(
            re.compile(r"^\[\d+\]:"), timeout=CELL_MILLISECONDS
        )

    @property
    def errors(self) -> list[str]:
        """Return the text of every traceback and of all standard error on the page."""
        kinds = ("error", "stderr")
        found = ",".join(f'[data-mime-type="application/vnd.jupyter.{kind}"]' for kind in kinds)
        return self.page.locator(found).all_inner_texts()

    def check_accessible(self, selector: str) -> None:
        """Hold a part of the page to axe-core's rules; what is of less than serious impact is printed."""
        found = Axe().run(self.page, context=selector).response["violations"]
        told = [(rule["impact"], rule["id"], [node["target"] for node in rule["nodes"]]) for rule in found]
        print(f"axe, {selector}:", told)
        assert [rule for rule in told if rule[0] in ("serious", "critical")] == []

    def keep_picture(self, name: str) -> None:
        """Save what the page shows below test-artefacts/e2e."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=PICTURES / f"{name}.png")


@pytest.fixture
def lab(tmp_path) -> Iterator[Lab]:
    """Return JupyterLab's page to be, in the machine's Chromium or Playwright's own."""
    program = next((found for found in map(shutil.which, PROGRAMS) if found), None)
    with sync_playwright() as playwright:
        try:
            context = playwright.chromium.launch_persistent_context(
                tmp_path / "browser",
                executable_path=program,
                args=ARGUMENTS,
                viewport={"width": 1400, "height": 1000},
            )
        except Error as error:
            if program:
                raise
            pytest.skip(f"NO BROWSER: install chromium to run this test ({error.message.splitlines()[0]})")
        lab = Lab(context)
        yield lab
        lab.keep_picture("last")
        context.close()


@pytest.fixture
def start_jupyter(tmp_path, environment, run_jupyter) -> Iterator[Callable[..., str]]:
    """Return a function that starts "lab" or "notebook" without a hub, and returns its first URL."""
    variables = environment(tmp_path / "data")
    with ExitStack() as stack:

        def start(application: str, archive: Path, *options: str) -> str:
            module = {"lab": "jupyterlab", "notebook": "notebook"}[application]
            server = stack.enter_context(
                run_jupyter(
                    tmp_path, module, *options, base="/a/prefix/",
                    environment={**variables, "PROBAV_ARCHIVE": str(archive)},
                )
            )  # fmt: skip
            return f"{server.url}/{'lab' if application == 'lab' else 'tree'}?token={server.token}&reset"

        yield start
