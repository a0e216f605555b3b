"""What a saved notebook shows of the map without a kernel: a picture, and a table of the areas."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

from probav.area_repair import area_km2
from probav_extensions import outlines
from probav_extensions.map.background import WORLD
from probav_extensions.picture import map_figure

if TYPE_CHECKING:
    from probav import Aoi
    from probav_extensions.figure import NotebookFigure
    from probav_extensions.overlay import Overlay

ROWS = 10
# beside the live map they would say the same twice; where nothing understands `:has` they show
_HIDE = (
    "<style>.jp-OutputArea:has(.leaflet-container) > .jp-OutputArea-child:has(.probav-twin), "
    ".jp-OutputArea:has(.leaflet-container) > .jp-OutputArea-child:has(+ .jp-OutputArea-child .probav-twin) "
    "{ display: none; }</style>"
)


def extent(aoi: Aoi | None, view: outlines.Bounds | None) -> outlines.Bounds:
    """Return what the picture shows: the areas and their neighbourhood."""
    bounds = aoi.bounds if aoi is not None else view
    return outlines.neighbourhood(bounds, margin=0.3) if bounds is not None else WORLD


def picture(aoi: Aoi | None, view: outlines.Bounds | None, overlay: Overlay | None) -> NotebookFigure:
    """Return the map as a figure."""
    return map_figure(extent(aoi, view), aoi, overlay)


def table(aoi: Aoi | None) -> dict[str, str]:
    """Return the areas as a table: text/html, hidden beside a live map, and text/plain."""
    if aoi is None:
        return {
            "text/html": f'{_HIDE}<p class="probav-twin">No areas on the map.</p>',
            "text/plain": "No areas on the map.",
        }
    rows = _rows(aoi)
    heads = "".join(f'<th scope="col">{head}</th>' for head in _HEADS)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    caption = _caption(aoi)
    widths = [max(map(len, column)) for column in zip(_HEADS, *rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (_HEADS, *rows)
    ]
    return {
        "text/html": f'{_HIDE}<table class="probav-twin"><caption>{html.escape(caption)}</caption>'
        f"<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>",
        "text/plain": "\n".join([caption, *lines]),
    }


_HEADS = ("Area", "km²", "West", "South", "East", "North")


def _rows(aoi: Aoi) -> list[tuple[str, ...]]:
    head = aoi.frame.iloc[:ROWS]
    return [
        (str(name), f"{km2:,.4g}" if km2 < 1000 else f"{km2:,.0f}", *(f"{edge:.4f}" for edge in bounds))
        for name, km2, bounds in zip(
            head["name"], area_km2(head.geometry), head.geometry.bounds.to_numpy(), strict=True
        )
    ]


def _caption(aoi: Aoi) -> str:
    count = f"{len(aoi):,} area" + ("s" if len(aoi) > 1 else "")
    more = f"; the first {ROWS} of them" if len(aoi) > ROWS else ""
    return f"{count}, {aoi.area_km2:,.1f} km² together{more}"


def bundle(figure: NotebookFigure, words: dict[str, str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return picture and table as one MIME bundle."""
    data, metadata = figure._repr_mimebundle_()
    return {**words, **data, "text/plain": words["text/plain"]}, metadata
