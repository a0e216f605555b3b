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
from PIL import Image

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
_PRINT: dict[Any, Any] = {
    "pdf.fonttype": 42,  # text stays text, which journals ask for and readers can search
    "ps.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "probav",  # equal figures are equal files
}
_PRINT_DPI = 300
_MOST_BYTES = 220_000  # of a picture in a notebook, which holds it in base64
_COLOURS = 64  # when there are too many bytes
_NARROW = 4.5  # inches
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

    def savefig(self, fname: Any, **kwargs: Any) -> None:
        """Write the figure as its name's ending says; PDF and SVG keep text as text, PNG has 300 dpi.

        Parameters
        ----------
        fname : str, Path or file
        kwargs
            Of `matplotlib.figure.Figure.savefig`.
        """
        with mpl.rc_context():
            mpl.rcParams.update(_PRINT)
            super().savefig(fname, **{"dpi": _PRINT_DPI} | kwargs)

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        width, height = (round(inches * _SCREEN_DPI) for inches in self.get_size_inches())
        size = {"image/png": {"width": width, "height": height, "alt": self.alt}}
        return {"image/png": _bounded(self.png()), "text/plain": self.alt}, size

    def _repr_html_(self) -> None:
        """No HTML: matplotlib's own is for its interactive notebook backend."""

    def title(self, words: str) -> None:
        """Write what the figure shows above it, in as many lines as its width asks for."""
        width = self.get_size_inches()[0]
        size = 11 if width > _NARROW else 9
        letters = int(width * 121 / size)
        text = textwrap.fill(textwrap.shorten(words, 3 * letters, placeholder=" ..."), letters)
        self.suptitle(text, x=0.01, ha="left", fontsize=size, fontweight="bold")

    def provenance(self, *lines: str) -> None:
        """Write where the numbers come from beneath the figure, small."""
        width = int(self.get_size_inches()[0] * _NOTE_LETTERS)
        text = "\n".join(textwrap.fill(line, width) for line in lines)
        self.supxlabel(text, fontsize=6.5, color="#606060", x=0.01, ha="left")


def _bounded(png: bytes) -> bytes:
    """Return a picture in as many colours and pixels as a notebook has room for."""
    if len(png) <= _MOST_BYTES:
        return png
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    for share in (1.0, 0.75, 0.5):
        size = round(picture.width * share), round(picture.height * share)
        few = picture.resize(size, Image.Resampling.LANCZOS).quantize(_COLOURS, dither=Image.Dither.NONE)
        buffer = io.BytesIO()
        few.save(buffer, format="png", optimize=True)
        if buffer.tell() <= _MOST_BYTES:
            break
    return buffer.getvalue()


@contextmanager
def styled() -> Iterator[None]:
    """Draw with probav's defaults, whatever the user's matplotlibrc says; theirs stays as it was."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        yield
