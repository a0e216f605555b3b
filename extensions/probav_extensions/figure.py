"""Figures as they stand in a notebook and in a paper: legible, without pyplot's hidden state."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

_STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "lines.linewidth": 1.5,
}
_SCREEN_DPI = 100
_NOTE_LETTERS = 18  # of a note, per inch


class NotebookFigure(Figure):
    """A matplotlib figure that shows itself as PNG in a notebook, with words for who can't see it.

    Parameters
    ----------
    alt : str
        What the figure shows, in one sentence; the text/plain of the display.
    kwargs
        Of `matplotlib.figure.Figure`.
    """

    def __init__(self, alt: str, **kwargs: Any) -> None:
        super().__init__(dpi=_SCREEN_DPI, layout="constrained", **kwargs)
        FigureCanvasAgg(self)
        self.alt = alt

    def png(self, scale: float = 2.0) -> bytes:
        """Return the figure as PNG, `scale` pixels to a screen pixel."""
        buffer = io.BytesIO()
        # the creation date would make two equal figures differ
        self.savefig(buffer, format="png", dpi=_SCREEN_DPI * scale, metadata={"Software": None})
        return buffer.getvalue()

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        width, height = (round(inches * _SCREEN_DPI) for inches in self.get_size_inches())
        size = {"image/png": {"width": width, "height": height, "alt": self.alt}}
        return {"image/png": self.png(), "text/plain": self.alt}, size

    def _repr_html_(self) -> None:
        """No HTML: matplotlib's own is for its interactive notebook backend."""

    def provenance(self, *lines: str) -> None:
        """Write where the numbers come from beneath the figure, small."""
        width = int(self.get_size_inches()[0] * _NOTE_LETTERS)
        text = "\n".join(textwrap.fill(line, width) for line in lines)
        self.supxlabel(text, fontsize=6.5, color="#606060", x=0.01, ha="left")


@contextmanager
def styled() -> Iterator[None]:
    """Draw with probav's defaults, whatever the user's matplotlibrc says; theirs stays as it was."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        yield
