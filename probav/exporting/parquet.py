"""Statistics as GeoParquet 1.1: a row a zone, class and date, each with its zone's geometry."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import xarray as xr

from probav.areas import CRS
from probav.exporting.attributes import descriptions, texts
from probav.exporting.table import tidy
from probav.extras import need

_WHOLE = 2**30  # bytes a dictionary of geometries may have: all zones of a file


def parts(dataset: xr.Dataset, target: Path) -> dict[Path, xr.Dataset]:
    """Return the files to write and what each holds."""
    need("pyarrow.parquet", "export", "GeoParquet")
    return {target: dataset}


def write(dataset: xr.Dataset, path: Path) -> None:
    """Write one file, compressed with zstd; the key-value metadata says where it comes from.

    A geometry is stored once and referred to by its rows, which no reader notices: countries over many dates
    and classes would be gigabytes otherwise.
    """
    arrow, parquet = need("pyarrow", "export", "GeoParquet"), need("pyarrow.parquet", "export", "GeoParquet")
    table = tidy(dataset)
    rows = arrow.Table.from_pandas(table, preserve_index=False)
    zones = _zones(dataset, parquet)
    places = pd.Index(dataset["zone"].values).get_indexer(pd.Index(table["zone"])).astype(np.int32)
    shapes = zones.column("geometry").combine_chunks()
    rows = rows.append_column("geometry", arrow.DictionaryArray.from_arrays(arrow.array(places), shapes))
    said = {**texts(dataset), "columns": json.dumps(descriptions(dataset))}
    kept = {name: words for name, words in rows.schema.metadata.items() if name == b"pandas"}
    # without Arrow's own schema, readers see a column of WKB, not how it was handed over
    with parquet.ParquetWriter(
        path, rows.schema, compression="zstd", dictionary_pagesize_limit=_WHOLE, store_schema=False
    ) as file:
        file.write_table(rows)
        file.add_key_value_metadata({**said, **kept, b"geo": zones.schema.metadata[b"geo"]})


def _zones(dataset: xr.Dataset, parquet: Any) -> Any:
    """Return the zones as an Arrow table with the metadata of GeoParquet, as geopandas makes them."""
    buffer = io.BytesIO()
    frame = gpd.GeoDataFrame(geometry=dataset["geometry"].values, crs=CRS)
    frame.to_parquet(buffer, index=False, schema_version="1.1.0")
    buffer.seek(0)
    return parquet.read_table(buffer)
