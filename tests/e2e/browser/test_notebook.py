"""Jupyter Notebook 7, without a hub: map, chart and Tab in it, and the pictures of a saved notebook."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import nbformat
import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.e2e

PRODUCT = "PROBAV_L3_S10_TOC_333M"


def test_map_and_chart_in_notebook_7(start_jupyter, lab, demo_archive, tmp_path):
    url = start_jupyter("notebook", demo_archive)
    code = nbformat.v4.new_code_cell
    made = nbformat.v4.new_notebook(
        cells=[
            code("import probav; field = probav.aoi((4.05, 51.3, 4.15, 51.4))"),
            code("%probav aoi field"),
            code(f"%probav stats {PRODUCT} --aoi field -o ts"),
        ],
        metadata={"kernelspec": {"name": "probav-python", "display_name": "PROBA-V (Python)"}},
    )
    nbformat.write(made, tmp_path / "home" / "made.ipynb")
    root = url.split("/tree")[0]
    lab.go_to(f"{root}/notebooks/made.ipynb?{urlsplit(url).query}", len(made.cells))
    lab.run_all()
    expect(lab.page.locator(".leaflet-container")).to_be_visible(timeout=60_000)
    expect(lab.page.get_by_text("1 feature,").first).to_be_visible(timeout=60_000)
    figure = lab.page.locator(".bk-Figure").first
    expect(figure).to_be_visible(timeout=60_000)
    figure.scroll_into_view_if_needed()
    lab.keep_picture("notebook-7")
    assert lab.errors == []
    # Notebook 7.6 itself fails to read the settings of an extension of JupyterLab's that it lacks
    assert [said for said in lab.complaints if "static/notebook/notebook_core" not in said] == []
    assert lab.outside == []

    lab.page.get_by_role("menuitem", name="File", exact=True).click()
    lab.page.get_by_role("menuitem", name=re.compile("^Save Notebook")).first.click()
    lab.page.get_by_role("menuitem", name="Kernel", exact=True).click()
    lab.page.get_by_role("menuitem", name=re.compile("^Shut Down Kernel")).first.click()
    expect(lab.page.get_by_text("No Kernel").first).to_be_visible(timeout=60_000)
    lab.page.reload()
    pictures = lab.page.locator('.jp-OutputArea-output img[src^="data:image/png"]')
    expect(pictures.nth(1)).to_be_visible(timeout=60_000)
    expect(lab.page.locator(".jp-OutputArea-output table").first).to_be_visible()
    lab.keep_picture("notebook-7-saved")
