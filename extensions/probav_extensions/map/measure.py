"""Size of areas in words: square kilometres, and pixels of each product."""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from probav.pixel_counts import pixel_counts

if TYPE_CHECKING:
    import pandas as pd

    from probav import Aoi, Product

_METRES_A_DEGREE = 111_320
_WHOLE = 0.9999


def words(aoi: Aoi | None, products: Iterable[Product] = ()) -> str:
    """Return the number of features, their area and pixels as HTML; nothing for no area."""
    if aoi is None:
        return ""
    count = f"{len(aoi):,} feature" + ("s" if len(aoi) > 1 else "")
    km2 = f"{aoi.area_km2:,.0f} km²" if aoi.area_km2 >= 100 else f"{aoi.area_km2:,.3g} km²"
    counts = pixel_counts(products, aoi)
    parts = _pixels(counts) if len(counts) else []
    return f"<b>{count}, {km2}</b>" + (f"; {'; '.join(parts)}" if parts else "")


def _pixels(counts: pd.DataFrame) -> list[str]:
    """One part a pixel size and what is held of it: products often share them."""
    parts = []
    rounded = counts.assign(pixels=counts["pixels"].round(1), held=counts["held"].round(1))
    groups: Any = rounded.groupby(["resolution", "pixels", "held"], sort=True)
    for (resolution, pixels, held), group in groups:
        if not held:
            continue
        ids = [html.escape(str(one)) for one in group.index]
        named = ids[0] if len(ids) == 1 else f"{len(ids)} products"
        share = "" if held >= pixels * _WHOLE else f", {held / pixels:.0%} of them in the archive"
        parts.append(
            f'<span title="{", ".join(ids)}">{pixels:,.1f} pixels of {_size(resolution)} '
            f"({named}{share})</span>"
        )
    if not parts:
        parts.append("outside of what the archive holds")
    return parts


def _size(resolution: float) -> str:
    metres = resolution * _METRES_A_DEGREE if resolution < 1 else resolution
    return f"{metres:,.0f} m" if metres < 950 else f"{metres / 1000:.1f} km"
