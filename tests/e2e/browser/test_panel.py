"""The Archive panel in a browser: in a plain JupyterLab without an archive first, then behind the hub."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin

import pytest
from playwright.sync_api import Locator, expect

import probav

pytestmark = pytest.mark.e2e

S10, NDVI, RAIN, COVER = "PROBAV_L3_S10_TOC_333M", "CGLS_NDVI300_V1", "CHIRPS_V2_DEKAD", "CGLS_LC100_V3"


@pytest.fixture(autouse=True)
def patience() -> Iterator[None]:
    """Let the page take its time: kernels start, and other tests run beside."""
    expect.set_options(timeout=60_000)
    yield
    expect.set_options(timeout=5_000)


@pytest.fixture
def plain_lab(tmp_path, start_jupyter) -> tuple[str, Path]:
    """JupyterLab alone under a prefix, whose memory is nearly used up and whose archive is not there yet."""
    archive = tmp_path / "archive"
    return start_jupyter("lab", archive, "--ResourceUseDisplay.mem_limit=100000000"), archive


def open_panel(lab) -> Locator:
    tab = lab.page.locator('.jp-SideBar [data-id="probav-archive"]')
    expect(tab).to_be_visible(timeout=120_000)
    expect(lab.page.locator("#jupyterlab-splash")).to_have_count(0)
    panel = lab.page.locator("#probav-archive")
    if not panel.is_visible():
        tab.click()
    expect(panel).to_be_visible()
    return panel


def products(panel: Locator) -> Locator:
    return panel.locator(".jp-probav-products > li:visible")


def button(panel: Locator, label: str, product: str) -> Locator:
    return panel.get_by_role("button", name=re.compile(rf"^{label}: .* {product}$", re.IGNORECASE))


def source(lab, index: int) -> Locator:
    return lab.cells.nth(index).locator(".cm-content")


def test_alone_without_an_archive_the_panel_says_what_to_do(plain_lab, lab, demo_archive):
    url, archive = plain_lab
    lab.page.goto(url)
    panel = open_panel(lab)
    expect(panel.get_by_text("No archive yet")).to_be_visible()
    expect(panel.get_by_text("probav archive create-demo")).to_be_visible()
    expect(panel.get_by_role("alert")).to_contain_text("Memory is nearly used up")
    lab.check_accessible("#probav-archive")
    lab.keep_picture("panel-without-archive")

    archive.symlink_to(demo_archive)
    panel.get_by_role("button", name="Reload").click()
    expect(products(panel)).to_have_count(len(probav.open_archive(demo_archive)))

    # no notebook is open: one is made, with the kernel that knows %probav
    button(panel, "Load", RAIN).click()
    expect(panel.get_by_role("status").get_by_text("a new notebook")).to_be_visible()
    expect(lab.cells).to_have_count(1)
    expect(source(lab, 0)).to_contain_text(f"%probav load {RAIN} --aoi ")
    expect(lab.page.locator(".jp-KernelName")).to_contain_text("PROBA-V (Python)")
    assert lab.complaints == []
    assert lab.outside == []


def test_the_panel_behind_the_hub(hub, lab, demo_archive):
    archive = probav.open_archive(demo_archive)
    lab.log_in(hub)
    lab.open_notebook(hub, "quickstart.ipynb")
    panel = open_panel(lab)
    expect(products(panel)).to_have_count(len(archive))
    expect(panel.locator(".jp-probav-archive")).to_contain_text(archive.snapshot)
    rows = products(panel).locator(".jp-probav-id").all_inner_texts()
    assert rows == list(archive.products.index)
    check_search(lab, panel, len(archive))
    check_details(lab, panel, archive)
    check_cells(lab, panel)
    check_spark(lab, panel)
    lab.check_accessible("#probav-archive")

    lab.page.get_by_role("menuitem", name="Settings", exact=True).click()
    lab.page.locator(".lm-Menu-itemLabel", has_text=re.compile("^Theme$")).hover()
    lab.page.locator(".lm-Menu-itemLabel", has_text=re.compile("^JupyterLab Dark$")).click()
    expect(lab.page.locator("body")).to_have_attribute("data-jp-theme-light", "false")
    lab.check_accessible("#probav-archive")
    lab.keep_picture("panel-dark")
    assert lab.errors == []
    assert lab.complaints == []
    assert lab.outside == []


def check_search(lab, panel: Locator, count: int) -> None:
    search = panel.get_by_role("searchbox", name="Search products")
    search.fill("rain")
    expect(products(panel)).to_have_count(1)
    expect(products(panel)).to_contain_text(RAIN)
    expect(panel.get_by_role("status").get_by_text(f"1 of {count} products")).to_be_visible()
    search.fill("nothing like it")
    expect(products(panel)).to_have_count(0)
    search.fill("")
    expect(products(panel)).to_have_count(count)


def check_details(lab, panel: Locator, archive) -> None:
    """Open a product by keyboard: from the search by Tab, with Enter."""
    panel.get_by_role("searchbox", name="Search products").fill(S10)
    panel.get_by_role("searchbox", name="Search products").press("Tab")
    row = panel.get_by_role("button", name=re.compile(rf"^{S10}"))
    expect(row).to_be_focused()
    lab.page.keyboard.press("Enter")
    expect(row).to_have_attribute("aria-expanded", "true")
    expect(panel.get_by_role("img", name=re.compile(f"Footprint of {S10}"))).to_be_visible()
    names = panel.locator("tbody th code").all_inner_texts()
    assert names == list(archive[S10].variables)
    lab.keep_picture("panel-details")
    lab.page.keyboard.press("Enter")
    expect(row).to_have_attribute("aria-expanded", "false")
    panel.get_by_role("searchbox", name="Search products").fill("")


def check_cells(lab, panel: Locator) -> None:
    """Insert a cell of each kind and run it."""
    count = lab.cells.count()
    expect(button(panel, "Statistics", COVER)).to_be_disabled()
    lab.cells.last.click(position={"x": 5, "y": 5})
    button(panel, "Load", NDVI).click()
    expect(lab.cells).to_have_count(count + 1)
    run_active(lab, count)
    panel.get_by_label("Area of new cells").fill("Bel gium")
    button(panel, "Statistics", S10).click()
    expect(lab.cells).to_have_count(count + 2)
    expect(source(lab, count + 1)).to_contain_text('--aoi "Bel gium"')
    expect(source(lab, count + 1)).to_be_focused()
    lab.page.keyboard.press("Control+a")
    lab.page.keyboard.press("Delete")  # an empty cell is filled
    panel.get_by_label("Area of new cells").fill("")
    button(panel, "Statistics", S10).click()
    expect(source(lab, count + 1)).to_contain_text(f"%probav stats {S10} --aoi 4")
    expect(lab.cells).to_have_count(count + 2)
    run_active(lab, count + 1)
    expect(source(lab, count + 1)).to_contain_text('--mask "clear & land"')
    button(panel, "Map", S10).click()
    expect(lab.cells).to_have_count(count + 3)
    lab.finished(lab.cells.nth(count + 2))
    expect(lab.cells.nth(count + 2).locator(".leaflet-container").first).to_be_visible()
    lab.keep_picture("panel-cells")
    shown = lab.run("print(sorted(ds.data_vars), dict(ts.sizes)['zone'])")
    expect(shown.locator(".jp-OutputArea-output")).to_have_text("['NDVI'] 1\n")


def run_active(lab, index: int) -> None:
    source(lab, index).press("Control+Enter")
    lab.finished(lab.cells.nth(index))
    assert lab.errors == []


def check_spark(lab, panel: Locator) -> None:
    spark = panel.get_by_role("region", name="Spark")
    expect(spark).to_contain_text("Not started.")
    lab.run("spark.range(3).count()")
    expect(spark).to_contain_text("quickstart.ipynb (this notebook)")
    expect(spark).to_contain_text(re.compile(r"Running on this machine, \d+ cores?"))
    expect(spark).to_contain_text(re.compile(r"Tasks: 0 active, [1-9]\d* done"))
    link = spark.get_by_role("link").get_attribute("href")
    assert "Spark Jobs" in lab.page.request.get(urljoin(lab.page.url, link)).text()
    expect(panel.get_by_role("meter", name="Memory used")).to_be_visible()
    lab.keep_picture("panel-spark")
