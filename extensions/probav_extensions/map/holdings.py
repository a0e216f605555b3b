"""What the archive holds of a product, on the map: its tiles, coloured by their number of dates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ipyleaflet
import ipywidgets
import matplotlib as mpl
import numpy as np
import shapely
from matplotlib.colors import to_hex

if TYPE_CHECKING:
    from probav import Product

_STEPS = 6
_DIGITS = 5


class Holdings:
    """The layer and its key; both empty until shown."""

    def __init__(self) -> None:
        self.layer = ipyleaflet.GeoJSON(data=_collection([]), name="what the archive holds")
        self.key = ipywidgets.HTML()

    def show(self, product: Product | None) -> None:
        """Show what is held of a product; nothing for None."""
        if product is None:
            self.layer.data, self.key.value = _collection([]), ""
            return
        tiles = product.footprint()
        counts = tiles["dates"].to_numpy()
        edges = np.unique(np.linspace(counts.min(), counts.max() + 1, _STEPS + 1).astype(int))
        steps = np.searchsorted(edges, counts, side="right") - 1
        last = max(len(edges) - 2, 1)
        colours = [to_hex(mpl.colormaps["viridis"](step / last)) for step in range(last + 1)]
        self.layer.data = _collection([
            {
                "type": "Feature",
                "properties": {"style": _style(colours[step])},
                "geometry": shapely.geometry.mapping(shapely.transform(shape, lambda xy: xy.round(_DIGITS))),
            }
            for step, shape in zip(steps, tiles.geometry, strict=True)
        ])  # fmt: skip
        present = [(step, int((steps == step).sum())) for step in np.unique(steps)]
        self.key.value = "<br>".join(
            f'<span style="color:{colours[step]}" aria-hidden="true">■</span> '
            f"{_range(edges, step)} in {count:,} tile{'' if count == 1 else 's'}"
            for step, count in present
        )


def _range(edges: Any, step: int) -> str:
    low, high = int(edges[step]), int(edges[step + 1]) - 1
    return f"{low:,} dates" if low >= high else f"{low:,} to {high:,} dates"


def _style(colour: str) -> dict[str, Any]:
    return {
        "color": colour, "weight": 1.5, "fillColor": colour, "fillOpacity": 0.35, "interactive": False,
        "snapIgnore": True,
    }  # fmt: skip


def _collection(features: list[dict[str, Any]]) -> dict[str, Any]:
    return {"type": "FeatureCollection", "features": features}
