"""A time series as it stands in a notebook: interactive where a kernel runs, a picture where none does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import xarray as xr

from probav_extensions.chart import timeseries_figure
from probav_extensions.figure import NotebookFigure
from probav_extensions.series import Shown, series_table

if TYPE_CHECKING:
    from ipywidgets import DOMWidget


def timeseries_chart(series: xr.Dataset, secondary: xr.Dataset | None = None) -> Chart:
    """Draw statistics over time, to hover over, to zoom into and to hide lines of.

    Parameters
    ----------
    series : xarray.Dataset
        As `Product.statistics` returns it for one variable: (zone, [class, [class2,]] time).
    secondary : xarray.Dataset, optional
        Statistics of another variable, rainfall for instance: bars of its first zone, with an axis at the
        right.

    Returns
    -------
    Chart
    """
    return Chart(series, secondary)


class Chart:
    """A chart of statistics over time; in a notebook it shows itself.

    Where widgets can't be shown, in a saved notebook, a printed one or a terminal, a picture of the same data
    is shown instead, or its words.
    """

    def __init__(self, series: xr.Dataset, secondary: xr.Dataset | None = None) -> None:
        self._series, self._secondary = series, secondary
        self._widget: DOMWidget | None = None

    def figure(self) -> NotebookFigure:
        """Return the twin for paper: a matplotlib figure, whose `savefig` writes PNG, SVG or PDF."""
        return timeseries_figure(self._series, self._secondary)

    def table(self) -> pd.DataFrame:
        """Return the numbers, a row a zone, class and date; `to_csv` writes them."""
        return series_table(self._series)

    def interactive(self) -> Any:
        """Return the chart as Bokeh's model, to be changed or embedded."""
        from probav_extensions.interactive import interactive

        other = Shown.of(self._secondary) if self._secondary is not None else None
        return interactive(Shown.of(self._series), other)

    @property
    def widget(self) -> DOMWidget:
        """The chart as a widget; Bokeh's scripts are the notebook server's, none is in the output."""
        if self._widget is None:
            from jupyter_bokeh import BokehModel

            self._widget = BokehModel(self.interactive(), combine_events=True)
        return self._widget

    def __repr__(self) -> str:
        return f"<{self.figure().alt}>"

    def _repr_mimebundle_(self, **options: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        data, metadata = self.figure()._repr_mimebundle_()
        live = self.widget._repr_mimebundle_(**options) or {}
        return {**live, **data}, metadata
