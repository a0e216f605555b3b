"""A notebook that was saved, and whose kernel has ended, still shows its maps, charts and tables."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.e2e

PRODUCT = "PROBAV_L3_S10_TOC_333M"


def test_a_saved_notebook_shows_pictures_when_its_kernel_is_gone(hub, lab):
    lab.log_in(hub)
    home = Path(hub.data, "probav", "hub", "homes", hub.user)
    # the samples stay as they are for other tests
    (home / "kept.ipynb").write_text((home / "quickstart.ipynb").read_text())
    lab.open_notebook(hub, "kept.ipynb")
    lab.run("%load_ext probav_magics")
    lab.run(f"import probav; box = tuple(probav.open_archive()['{PRODUCT}'].footprint().total_bounds)")
    lab.run("field = probav.aoi(box)")
    map_cell = lab.run("%probav aoi field")
    expect(map_cell.locator(".leaflet-container")).to_be_visible()
    lab.run(f"%probav stats {PRODUCT} --aoi field -o ts")
    lab.page.get_by_role("menuitem", name="File", exact=True).click()
    lab.page.get_by_role("menuitem", name=re.compile("^Save Notebook")).first.click()
    expect(lab.page.locator(".jp-mod-dirty")).to_have_count(0)
    lab.page.get_by_role("menuitem", name="Kernel", exact=True).click()
    lab.page.get_by_role("menuitem", name=re.compile("^Shut Down Kernel")).first.click()
    expect(lab.page.get_by_text("No Kernel").first).to_be_visible(timeout=60_000)
    lab.page.reload()
    expect(lab.page.locator(".jp-Notebook .jp-Cell").first).to_be_visible(timeout=120_000)
    pictures = lab.page.locator('.jp-OutputArea-output img[src^="data:image/png"]')
    expect(lab.page.get_by_text("model not found")).to_have_count(0)
    expect(pictures.nth(1)).to_be_visible(timeout=60_000)
    expect(lab.page.locator(".jp-OutputArea-output table").first).to_be_visible()
    pictures.nth(1).scroll_into_view_if_needed()
    lab.keep_picture("saved")
