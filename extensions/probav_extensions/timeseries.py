"""A time series as it stands in a notebook: interactive where a kernel runs, a picture where none does."""

from __future__ import annotations

import html
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import xarray as xr

from probav.errors import ProbavError
from probav_extensions.chart import PAGE, draw
from probav_extensions.figure import NotebookFigure
from probav_extensions.series import Shown, series_table

if TYPE_CHECKING:
    from ipywidgets import DOMWidget

_ROWS = 10  # of the table beneath
_FORMATS = (".png", ".svg", ".pdf", ".csv")
# where the live chart is on the page, the picture after it would say the same again; on paper and without a
# kernel there is no live chart, hence no such rule
_LIVE = "probav-live"
_OUTPUT = f".jp-OutputArea-child:has(.{_LIVE} .bk-Column)"
_HIDE = (
    f"<style>@media screen {{ {_OUTPUT} + .jp-OutputArea-child {{ display: none }} }} "
    f"@media print {{ {_OUTPUT} {{ display: none }} }}</style>"
)
_UNSEEN = "position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%)"


def timeseries_chart(series: xr.Dataset, secondary: xr.Dataset | None = None) -> Chart:
    """Draw statistics over time, to hover over, to zoom into and to hide lines of.

    Parameters
    ----------
    series : xarray.Dataset
        As `Product.statistics` returns it for one variable: (zone, [class, [class2,]] time).
    secondary : xarray.Dataset, optional
        Another variable without classes, such as rainfall, on an axis of its own at the right: bars where it
        is amounts of one zone, else dashed lines in the colours of the zones.

    Returns
    -------
    Chart

    Raises
    ------
    ProbavError
        If the secondary series is split into classes, or its time is of another kind.
    """
    return Chart(series, secondary)


class Chart:
    """A chart of statistics over time; in a notebook it shows itself.

    Where widgets can't be shown, in a saved notebook, a printed one or a terminal, a picture of the same data
    is shown instead, or its words.
    """

    def __init__(self, series: xr.Dataset, secondary: xr.Dataset | None = None) -> None:
        self._series = series
        self._shown = Shown.of(series, secondary)
        self._widget: DOMWidget | None = None

    def figure(self, width: float = PAGE) -> NotebookFigure:
        """Return the twin for paper: a matplotlib figure, whose `savefig` writes PNG, SVG or PDF.

        Parameters
        ----------
        width : float
            Inches; `probav_extensions.chart.COLUMN` for one column of a journal.
        """
        return draw(self._shown, width)

    def table(self) -> pd.DataFrame:
        """Return the numbers, a row a zone, class and date; `to_csv` writes them."""
        return series_table(self._series)

    def save(self, path: str | Path, width: float = PAGE) -> Path:
        """Write the picture for paper, or the numbers, as the name's ending says.

        Parameters
        ----------
        path : str or Path
            Ending in .png, .svg, .pdf or .csv.
        width : float
            Inches.

        Raises
        ------
        ProbavError
            If it ends otherwise.
        """
        path = Path(path)
        ending = path.suffix.lower()
        if ending not in _FORMATS:
            raise ProbavError(
                f"A chart can't be saved as {path.name}: its name ends in {ending or 'nothing'}, "
                f"not in {', '.join(_FORMATS[:-1])} or {_FORMATS[-1]}."
            )
        if ending == ".csv":
            self.table().to_csv(path, index=False)
        else:
            self.figure(width).savefig(path)
        return path

    def interactive(self) -> Any:
        """Return the chart as Bokeh's model, to be changed or embedded."""
        from probav_extensions.interactive import interactive

        return interactive(self._shown)

    @property
    def widget(self) -> DOMWidget:
        """The chart as a widget; Bokeh's scripts are the notebook server's, none is in the output."""
        if self._widget is None:
            from ipywidgets import Layout
            from jupyter_bokeh import BokehModel

            self._widget = BokehModel(self.interactive(), combine_events=True, layout=Layout(width="100%"))
        return self._widget

    def __repr__(self) -> str:
        return f"<{self._shown.alt}>"

    def _repr_mimebundle_(self, **options: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        data, metadata = self.figure()._repr_mimebundle_()
        live = self.widget._repr_mimebundle_(**options) or {}
        return {**live, **data}, metadata

    def _ipython_display_(self) -> None:
        """Show chart, picture and the head of the table."""
        self.show()
        table = self.table()
        head = table.head(_ROWS)
        words = f"{len(head)} of {len(table)} rows" if len(table) > _ROWS else "All rows"
        numbers: Any = {"index": False, "na_rep": "–", "float_format": "{:.4g}".format}
        markup = f"<details><summary>{words}</summary>{head.to_html(border=0, **numbers)}</details>"
        _publish({"text/html": markup, "text/plain": f"{head.to_string(**numbers)}\n{words}"})

    def show(self) -> None:
        """Show the live chart, and the picture that takes its place where no kernel runs."""
        if _is_notebook():
            self._show_live()
        data, metadata = self.figure()._repr_mimebundle_()
        _publish(data, metadata)

    def _show_live(self) -> None:
        from ipywidgets import HTML, VBox

        words = HTML(f'{_HIDE}<p class="probav-alt" style="{_UNSEEN}">{html.escape(self._shown.alt)}</p>')
        box = VBox([self.widget, words])
        box.add_class(_LIVE)
        live = box._repr_mimebundle_() or {}
        _publish({**live, "text/plain": "Interactive chart; without a kernel, the picture of it follows."})


def _is_notebook() -> bool:
    """Return whether there is somewhere that widgets could be shown: a terminal has no kernel."""
    from IPython import get_ipython

    shell: Any = get_ipython()
    return getattr(shell, "kernel", None) is not None


def _publish(data: dict[str, Any], metadata: dict[str, Any] | None = None) -> None:
    from IPython.display import publish_display_data

    publish: Any = publish_display_data  # IPython gives it no types
    publish(data, metadata or {})
