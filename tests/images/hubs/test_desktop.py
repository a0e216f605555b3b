"""The desktop of the image `user-desktop` in a real browser, by the hub's log-in: QGIS opens."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from waiting import wait_for

from probav_hub.configuration import Profile

PICTURES = Path(__file__).parents[3] / "test-artefacts" / "images"
PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync")  # fmt: skip
DESKTOP = Profile(
    name="maps", title="With QGIS", cpu=2, memory="3G", processes=700,
    image="localhost/probav-user-desktop:latest",
)  # fmt: skip
# titles of the desktop's windows, asked of its X server
WINDOWS = """
import ctypes, glob, os
number = glob.glob("/tmp/.X11-unix/X*")[0].rpartition("X")[2]
os.environ.setdefault("XAUTHORITY", os.path.expanduser("~/.Xauthority"))
x, long = ctypes.CDLL("libX11.so.6"), ctypes.c_ulong
x.XOpenDisplay.restype = ctypes.c_void_p
x.XDefaultRootWindow.restype = x.XInternAtom.restype = long
display = ctypes.c_void_p(x.XOpenDisplay(f":{number}".encode()))
title = x.XInternAtom(display, b"_NET_WM_NAME", 0)
def show(window):
    kind, size, count, rest, text = long(), ctypes.c_int(), long(), long(), ctypes.c_char_p()
    x.XGetWindowProperty(display, long(window), long(title), 0, 1024, 0, 0, ctypes.byref(kind),
                         ctypes.byref(size), ctypes.byref(count), ctypes.byref(rest), ctypes.byref(text))
    if text.value:
        print(text.value.decode())
def below(window):
    root, parent, count = long(), long(), ctypes.c_uint()
    children = ctypes.POINTER(long)()
    x.XQueryTree(display, long(window), ctypes.byref(root), ctypes.byref(parent),
                 ctypes.byref(children), ctypes.byref(count))
    for index in range(count.value):
        show(children[index])
        below(children[index])
below(x.XDefaultRootWindow(display))
"""
COLOURS = """
canvas => {
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  const found = new Set();
  for (let at = 0; at < pixels.length; at += 4)
    found.add(pixels[at] << 16 | pixels[at + 1] << 8 | pixels[at + 2]);
  return found.size;
}
"""


@pytest.fixture
def site(tmp_path, image, start_site):
    image("user-desktop")
    with start_site(tmp_path, profiles=(DESKTOP,)) as site:
        yield site


@pytest.fixture
def page(tmp_path):
    from playwright.sync_api import sync_playwright

    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        pytest.skip("NO BROWSER: the desktop is not tried without a Chromium")
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            tmp_path / "browser", executable_path=program, headless=True, args=ARGUMENTS,
            viewport={"width": 1680, "height": 1050},
        )  # fmt: skip
        try:
            yield context.pages[0]
        finally:
            context.close()


def test_qgis_opens_on_the_desktop_in_the_browser(site, page):
    assert isinstance(started := site.spawn("ann", "maps"), float), started
    page.goto(f"{site.settings.url}/hub/login?next=/user/ann/desktop/", timeout=60_000)
    page.fill("#username_input", "ann")
    page.fill("#password_input", site.settings.password)
    page.click("#login_submit")
    page.wait_for_url(re.compile("/user/ann/desktop/"), timeout=60_000)
    canvas = page.locator("canvas").first
    canvas.wait_for(timeout=60_000)
    inside = site.container("ann")

    def windows() -> list[str]:
        page.wait_for_timeout(500)  # lets what is drawn in
        code, said = inside.exec_run(["python3", "-X", "utf8", "-c", WINDOWS])
        return [] if code else said.decode().splitlines()

    PICTURES.mkdir(parents=True, exist_ok=True)
    try:
        wait_for(
            lambda: "Untitled Project — QGIS" in windows(),
            180,
            lambda: f"no window of QGIS: {windows()} {inside.exec_run(['ps', 'ax'])[1].decode()}",
        )
        wait_for(lambda: canvas.evaluate(COLOURS) > 1000, 60, lambda: f"{canvas.evaluate(COLOURS)} colours")
    finally:
        page.screenshot(path=PICTURES / "desktop.png")
    site.stop("ann")
