"""The figure of docs/performance.md: contenders side by side, and growth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

_OURS, _PEER = "#246a2f", "#9aa7b1"


def draw(raw: dict[str, Any], path: Path) -> None:
    """Draw CPU seconds of queries b and d, and time against area, dates and length of the archive."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure = plt.figure(figsize=(10, 10), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=(2.4, 1))
    for axes, query in zip(above.subplots(2, 1), ("b", "d"), strict=True):
        _bars(axes, raw, query)
    titles = (
        ("area", "polygon, square degrees", True),
        ("dates", "dates asked for (2 x 2 degrees)", False),
        ("length", "dates in the archive (36 asked for)", False),
    )
    for axes, (name, label, logarithmic) in zip(below.subplots(1, 3), titles, strict=True):
        x, y = zip(*raw["growth"][name], strict=True)
        axes.plot(x, [1000 * seconds for seconds in y], "o-", color=_OURS)
        if logarithmic:
            axes.set(xscale="log", yscale="log")
        else:
            axes.set_ylim(0)
            axes.set_xlim(0)
        axes.set_xlabel(label)
        axes.set_ylabel("ms, wall, warm")
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=80)
    plt.close(figure)


def _bars(axes: Any, raw: dict[str, Any], query: str) -> None:
    """Draw one query's contenders."""
    rows = [
        (f"probav, {rule}", raw["ours"][query][rule]["other"]["cpu"], _OURS, "")
        for rule in ("fraction", "centre")
    ]
    rows += [
        (f"{name} ({peer['rule']})", peer["cpu"], _PEER, "*" if peer["scaled"] else "")
        for name, peer in raw["peers"].get(query, {}).items()
        if "cpu" in peer
    ]
    rows.sort(key=lambda row: -row[1])
    names, seconds, colours, marks = zip(*rows, strict=True)
    axes.barh(names, seconds, color=colours)
    axes.set_xscale("log")
    for place, (value, mark) in enumerate(zip(seconds, marks, strict=True)):
        axes.annotate(
            f"{value:.3g}{mark}", (value, place), (3, 0), textcoords="offset points", va="center", size=7
        )
    axes.set_title(raw["titles"][query], size=9)
    axes.tick_params(axis="y", labelsize=7)
    axes.set_xlabel("CPU s (*: scaled)")
    axes.margins(x=0.15)
