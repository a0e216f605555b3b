"""The cells that JupyterLab's panel puts into notebooks run as they are."""

from __future__ import annotations

import pytest

import probav
from probav_extensions import holdings


@pytest.mark.parametrize("kind", ["load", "stats", "map"])
def test_a_cell_of_each_product_runs(run, demo_archive, kind):
    archive = probav.open_archive(demo_archive)
    for name in archive.ids:
        product = holdings.product_of(archive.url, archive.snapshot, name)
        if kind not in product["cells"]:
            assert not holdings.has_values(archive[name])
            continue
        text = product["cells"][kind].replace(holdings.AREA, product["area"])
        # figures are drawn by other tests, and take most of the time
        cell = run(text if kind == "map" else f"{text} --no-plot")
        assert cell.error is None, f"{text}: {cell.error}"
        assert cell.displays or cell.stdout, text
