"""Statistics as CSV, which every table program reads; lines that begin with # say where it comes from."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TextIO

import pandas as pd
import xarray as xr

from probav.exporting.attributes import descriptions, texts
from probav.exporting.table import tidy


def parts(dataset: xr.Dataset, target: Path) -> dict[Path, xr.Dataset]:
    """Return the files to write and what each holds."""
    return {target: dataset}


def write(dataset: xr.Dataset, path: Path) -> None:
    """Write one file: lines "# key: value", a line of names, a line a row; UTF-8, numbers without loss."""
    said = texts(dataset)
    for name, words in descriptions(dataset).items():
        said[f"column {name}"] = ", ".join(filter(None, [words.get("long_name"), words.get("units")]))
    with path.open("w", encoding="utf-8", newline="") as file:
        file.writelines(f"# {key}: {value}\n" for key, value in said.items())
        write_table(tidy(dataset), file)


def write_table(table: pd.DataFrame, file: TextIO) -> None:
    """Write a table as CSV to an open file; a # in a name or text is quoted, so that it begins no comment."""
    words = [str(name) for name in table.columns]
    for name in table.select_dtypes("object").columns:
        words += map(str, table[name].unique())
    hash_in_it = any("#" in word for word in words)
    dates = {
        name: values.dt.strftime("%Y-%m-%d")
        for name, values in ((name, table[name]) for name in table.select_dtypes("datetime").columns)
        if (values == values.dt.normalize()).all()
    }
    table.assign(**{str(name): values for name, values in dates.items()}).to_csv(
        file,
        index=False,
        quoting=csv.QUOTE_NONNUMERIC if hash_in_it else csv.QUOTE_MINIMAL,
        lineterminator="\n",
    )
