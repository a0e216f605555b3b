"""Tables and figures beneath a cell, each also as text."""

from __future__ import annotations

from typing import Any

import pandas as pd
from IPython.display import display

publish: Any = display  # IPython gives it no types

ROWS = 10


def show_table(table: pd.DataFrame, note: str = "", *, rows: int = ROWS, index: bool = False) -> None:
    """Display the head of a table as HTML and text, with a note beneath it."""
    head = table.head(rows)
    numbers: Any = {"float_format": _number, "na_rep": "–", "index": index}
    more = f"{rows} of {len(table)} rows. " if len(table) > rows else ""
    caption = (more + note).strip()
    html = f'<div style="white-space: nowrap">{head.to_html(border=0, **numbers)}</div>' + (
        f"<p><small>{_escaped(caption)}</small></p>" if caption else ""
    )
    text = head.to_string(**numbers) + (f"\n{caption}" if caption else "")
    publish({"text/html": html, "text/plain": text}, raw=True)


def show_figure(figure: Any) -> None:
    """Display a figure, whatever backend the notebook has chosen for matplotlib."""
    data, metadata = figure._repr_mimebundle_()
    publish(data, metadata=metadata, raw=True)


def size(count: float) -> str:
    """Return bytes in words."""
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if count < 1000 or unit == "TB":
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError


def _number(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")
