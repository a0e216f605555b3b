"""What an archive holds of a product: its tiles on a map, its dates on a line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib.dates as mdates
import numpy as np
import pandas as pd
from matplotlib.colors import BoundaryNorm, Normalize

from probav_extensions import outlines
from probav_extensions.colours import LINES
from probav_extensions.figure import NotebookFigure, styled
from probav_extensions.picture import background, frame, size

if TYPE_CHECKING:
    from probav import Product

_MAX_LABELS = 40  # tile names beyond this are a blot
_STRIP = 0.55  # inches


def footprint_figure(product: Product) -> NotebookFigure:
    """Draw a map of the tiles held, coloured by number of dates, and a line of all dates beneath it.

    On the line a bar is as high as the share of the tiles that have that date; a gap is a missing date.

    Parameters
    ----------
    product : Product
    """
    tiles = product.footprint()
    extent = product.extent
    area = outlines.neighbourhood(tuple(tiles.total_bounds), margin=0.35)
    width, height = size(area)
    alt = f"Map and dates of {extent}; {len(tiles)} tile" + ("" if len(tiles) == 1 else "s")
    with styled():
        figure = NotebookFigure(alt, figsize=(width, height + _STRIP + 1.0))
        upper, lower = figure.subplots(2, 1, height_ratios=[height, _STRIP])
        _map(figure, upper, tiles, area)
        _timeline(lower, product.times, tiles)
        figure.title(product.title)
        figure.provenance(str(extent))
    return figure


def _map(figure: Any, axes: Any, tiles: Any, area: outlines.Bounds) -> None:
    background(axes, area)
    fewest, most = int(tiles["dates"].min()), int(tiles["dates"].max())
    if fewest == most:
        tiles.plot(ax=axes, facecolor=LINES[0], edgecolor=LINES[0], alpha=0.35, zorder=2)
        axes.set_title(f"{most} dates" if len(tiles) == 1 else f"{most} dates in each of {len(tiles)} tiles")
    else:
        steps = np.unique(np.linspace(fewest, most + 1, 8).round())
        norm: Normalize = BoundaryNorm(steps, 256) if len(steps) > 2 else Normalize(fewest, most)
        tiles.plot(ax=axes, column="dates", cmap="viridis", norm=norm, edgecolor="white", linewidth=0.6,
                   alpha=0.75, zorder=2)  # fmt: skip
        figure.colorbar(axes.collections[-1], ax=axes, label="dates", shrink=0.8)
        axes.set_title(f"{fewest} to {most} dates in {len(tiles)} tiles")
    if len(tiles) <= _MAX_LABELS:
        for tile in tiles.itertuples():
            middle = tile.geometry.centroid
            axes.annotate(tile.tile, (middle.x, middle.y), ha="center", va="center", fontsize=7, zorder=5)
    frame(axes, area)


def _timeline(axes: Any, times: Any, tiles: Any) -> None:
    """Draw a bar a date; tiles tell only their first and last date, so shares between are upper bounds."""
    dates = pd.DatetimeIndex(times)
    inside = (dates.to_numpy()[:, None] >= tiles["first"].to_numpy()) & (
        dates.to_numpy()[:, None] <= tiles["last"].to_numpy()
    )
    axes.vlines(dates, 0, inside.mean(axis=1), color=LINES[0], linewidth=0.8)
    axes.set_ylim(0, 1.05)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.grid(visible=False)
    if len(dates) == 1:
        axes.set_xlim(dates[0] - pd.Timedelta(days=30), dates[0] + pd.Timedelta(days=30))
    locator = mdates.AutoDateLocator(minticks=2, maxticks=9)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(mdates.ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
