"""What charts and figures draw in tests."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr


def series(zones: int = 1, classes: int = 0, dates: int = 36, **attrs: str) -> xr.Dataset:
    """Return statistics with a gap at the third date and few valid pixels at the fifth."""
    rng = np.random.default_rng(3)
    dims = ("zone", "class", "time") if classes else ("zone", "time")
    shape = (zones, classes, dates) if classes else (zones, dates)
    share = rng.uniform(0.6, 1, shape)
    share[..., 2:3], share[..., 4:5] = 0, 0.2
    mean = np.where(share > 0, rng.uniform(0.2, 0.8, shape), np.nan)
    data = {
        "mean": mean, "p10": mean - 0.1, "p90": mean + 0.1, "valid": share * 100,
        "masked": 100 - share * 100, "nodata": share * 0, "outside": share * 0,
        "count": share * 0 + 100, "valid_fraction": share,
    }  # fmt: skip
    coords = {
        "zone": [str(n) for n in range(1, zones + 1)],
        "name": ("zone", [f"district {n}" for n in range(1, zones + 1)]),
        "time": pd.date_range("2016-01-01", periods=dates, freq="10D"),
    }
    if classes:
        coords |= {
            "class": list(range(classes)),
            "class_name": ("class", [f"class {n}" for n in range(classes)]),
        }
    attrs = {
        "product": "CGLS_NDVI300_V1", "variable": "NDVI", "units": "1", "snapshot": "SNAP", "mask": "clear",
        "long_name": "Normalized Difference Vegetation Index",
    } | attrs  # fmt: skip
    return xr.Dataset({name: (dims, values) for name, values in data.items()}, coords, attrs)
