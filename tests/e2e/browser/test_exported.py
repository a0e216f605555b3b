"""An executed notebook as HTML and PDF by nbconvert: pictures of map and chart, and the tables."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbconvert import HTMLExporter, PDFExporter
from pypdf import PdfReader

pytestmark = pytest.mark.e2e

CELLS = (
    "import probav; field = probav.aoi((4.05, 51.3, 4.15, 51.4))",
    "%probav aoi field",
    "%probav stats PROBAV_L3_S10_TOC_333M --aoi field -o ts",
)


@pytest.fixture(scope="module")
def executed(tmp_path_factory, environment, demo_archive) -> nbformat.NotebookNode:
    """A notebook run by `jupyter nbconvert --execute`, as a user runs it: widgets' state is saved in it."""
    folder = tmp_path_factory.mktemp("exported")
    made = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(code) for code in CELLS],
        metadata={"kernelspec": {"name": "probav-python", "display_name": "PROBA-V (Python)"}},
    )
    nbformat.write(made, folder / "made.ipynb")
    command = [Path(sys.executable).with_name("jupyter"), "nbconvert", "--execute", "--to", "notebook"]
    variables = {**environment(folder), "PROBAV_ARCHIVE": str(demo_archive)}
    subprocess.run([*command, "--inplace", folder / "made.ipynb"], env=variables, check=True)
    assert os.path.getsize(folder / "made.ipynb") < 4_000_000
    return nbformat.read(folder / "made.ipynb", as_version=4)


def check_pdf(file: Path) -> None:
    pages = PdfReader(file).pages
    text = " ".join(page.extract_text() for page in pages)
    for word in ("Area", "km²", "2016", "mean", "10 of 36 rows"):
        assert word in text
    sizes = [image.image.size for page in pages for image in page.images]
    assert len([size for size in sizes if min(size) > 300]) >= 2  # the map, the chart


@pytest.mark.parametrize("template", ["lab", "webpdf"])
def test_html_and_its_pdf(executed, lab, tmp_path, template):
    html, _ = HTMLExporter(template_name=template).from_notebook_node(executed)
    page = tmp_path / "made.html"
    page.write_text(html)
    lab.context.set_offline(True)  # nbconvert's own page asks others for scripts
    lab.page.goto(page.as_uri())
    pictures = lab.page.locator('img[src^="data:image/png"]')
    assert pictures.count() == 2
    assert all(picture.is_visible() for picture in pictures.all())
    tables = lab.page.locator("table")
    assert "km²" in tables.first.inner_text()
    assert "2016-01-01" in tables.last.inner_text()
    lab.page.pdf(path=tmp_path / "made.pdf")
    check_pdf(tmp_path / "made.pdf")


@pytest.mark.skipif(not shutil.which("xelatex"), reason="NO LATEX: xelatex is not installed")
def test_pdf_by_latex(executed, tmp_path):
    content, _ = PDFExporter().from_notebook_node(executed)
    (tmp_path / "made.pdf").write_bytes(content)
    check_pdf(tmp_path / "made.pdf")
