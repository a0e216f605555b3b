"""Pixels by %probav load; what loading the extension costs."""

from __future__ import annotations

import subprocess
import sys

import xarray as xr

PRODUCT = "PROBAV_L3_S10_TOC_333M"


def test_loading_the_extension_does_not_import_the_engine():
    code = (
        "import sys; from IPython.core.interactiveshell import InteractiveShell as S; "
        "S.instance().run_line_magic('load_ext', 'probav_magics'); "
        "heavy = ('probav', 'numba', 'geopandas', 'matplotlib.figure', 'ipyleaflet'); "
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_pixels_come_on_the_grid_of_another_product(run, shell, box):
    import probav

    run(f"%probav aoi field --bbox {box} --quiet")
    query = f"load {PRODUCT} --aoi field --time 2016-05 --mask clear"
    line = f"{query} --like CHIRPS_V2_DEKAD --resampling mean -o ds"
    cell = run(f"%probav {line}")
    assert cell.error is None, cell.stderr
    assert len(cell.pngs()) == 1
    expected = probav.open_archive()[PRODUCT].load(
        shell.user_ns["field"], "2016-05", "clear", like="CHIRPS_V2_DEKAD", resampling="mean"
    )
    xr.testing.assert_identical(shell.user_ns["ds"].compute(), expected.compute())
    run(run(f"%probav {line} --code").stdout)
    xr.testing.assert_identical(shell.user_ns["ds"].compute(), expected.compute())


def test_stored_numbers_of_a_list_of_variables(run, shell, box):
    run(f"%probav aoi field --bbox {box} --quiet")
    run(f"%probav load {PRODUCT} --aoi field --time 2016-05 --variable 'NDVI, SM' --keep-dn -o ds --quiet")
    assert {name: layer.dtype.name for name, layer in shell.user_ns["ds"].items()} == {
        "NDVI": "uint8", "SM": "uint8",
    }  # fmt: skip


def test_resampling_without_a_grid_to_come_to_is_told(run):
    assert "needs like=" in str(run(f"%probav load {PRODUCT} --resampling mean").text())
