"""The hub's own pages, for everybody: axe-core's rules, the keyboard, no request to elsewhere."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
import yaml
from playwright.sync_api import expect

from probav_hub.prepare import free_ports

pytestmark = pytest.mark.e2e
PROBAV_HUB = Path(sys.executable).with_name("probav-hub")


def test_log_in_home_token_and_error_pages(hub, lab):
    page = lab.page
    page.goto(f"{hub.url}/hub/login?next=%2Fhub%2Fhome")
    lab.check_accessible("body")
    lab.keep_picture("hub-login")
    page.keyboard.type("pat")  # the first field has the focus
    page.keyboard.press("Tab")
    page.keyboard.type(hub.password)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{hub.url}/hub/home")
    for path in ("home", "token", "none-such"):
        page.goto(f"{hub.url}/hub/{path}")
        lab.check_accessible("body")
        lab.keep_picture(f"hub-{path}")
    assert lab.outside == []


@pytest.mark.load
def test_sign_up_approval_and_the_choice_of_a_size(start_hub, tmp_path, demo_archive, lab):
    file = tmp_path / "probav-hub.yaml"
    content = {
        "port": free_ports(1)[0], "archive": str(demo_archive),
        "authentication": {"method": "sign-up", "admins": ["boss"]},
        "profiles": [
            {"name": "small", "title": "Small", "description": "Enough for a district"},
            {"name": "large", "title": "Large", "cpu": 2, "memory": "3G", "hours": 12},
        ],
    }  # fmt: skip
    file.write_text(yaml.safe_dump(content))
    hub = start_hub(command=[PROBAV_HUB, "up", "--config", str(file)])
    page = lab.page

    def sign_up(name: str) -> None:
        page.goto(f"{hub.url}/hub/signup")
        lab.check_accessible("body")
        page.get_by_label("Username").fill(name)
        for field in page.locator("input[type=password]").all():
            field.fill("a-long-password-of-mine")
        page.locator("input[type=submit], button[type=submit]").first.click()
        page.wait_for_load_state()

    def log_in(name: str) -> None:
        page.goto(f"{hub.url}/hub/login?next=%2Fhub%2Fspawn")
        lab.check_accessible("body")
        page.fill("#username_input", name)
        page.fill("#password_input", "a-long-password-of-mine")
        page.click("#login_submit")

    sign_up("ada")
    lab.keep_picture("hub-signup")
    sign_up("boss")
    log_in("boss")
    page.wait_for_url(re.compile("/hub/spawn"))
    for path in ("authorize", "change-password", "admin"):
        page.goto(f"{hub.url}/hub/{path}")
        page.wait_for_load_state("networkidle")
        lab.keep_picture(f"hub-{path}")
        if path != "admin":  # an application of JupyterHub's own, with a button that has no name
            lab.check_accessible("body")
    page.goto(f"{hub.url}/hub/logout")
    log_in("ada")
    expect(page.get_by_text("has not approved your sign-up yet")).to_be_visible()
    log_in("boss")
    page.wait_for_url(re.compile("/hub/spawn"))
    typed = page.goto(f"{hub.url}/hub/authorize/ada")  # as a link elsewhere would lead an admin to it
    assert typed is not None
    assert typed.status == 403
    page.goto(f"{hub.url}/hub/authorize")
    page.locator("a[href$='/authorize/ada']").first.click()
    page.wait_for_load_state()
    page.goto(f"{hub.url}/hub/logout")
    log_in("ada")
    page.wait_for_url(re.compile("/hub/spawn"))
    lab.check_accessible("body")
    lab.keep_picture("hub-spawn")
    page.get_by_label("Large").check()
    page.get_by_role("button", name=re.compile("Start")).click()
    page.wait_for_url(re.compile("spawn-pending|/user/ada"))
    lab.keep_picture("hub-pending")
    page.wait_for_url(re.compile("/user/ada"), timeout=180_000)
    assert lab.outside == []
