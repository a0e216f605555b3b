# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: PROBA-V (Python)
#     language: python
#     name: probav-python

# %% [markdown]
# # Large jobs
#
# What a query costs before it runs, where it runs, and what becomes of a result that does not fit on a
# screen.

# %%
import geopandas as gpd
import numpy as np
import shapely

import probav

# %load_ext probav_magics

archive = probav.open_archive()
product = archive["PROBAV_L3_S10_TOC_333M"]
west, south, east, north = product.footprint().total_bounds

# %% [markdown]
# ## Many zones
#
# A grid of parcels over all that the archive holds. A thousand of them cost little more than one.

# %%
columns = np.linspace(west, east, 21)
rows = np.linspace(south, north, 21)
parcels = gpd.GeoDataFrame(
    geometry=[
        shapely.box(columns[i], rows[j], columns[i + 1], rows[j + 1]) for j in range(20) for i in range(20)
    ],
    crs=4326,
)
parcels = probav.aoi(parcels)
parcels

# %% [markdown]
# ## The price first

# %% tags=["estimate"]
estimate = product.estimate(parcels, time="2016", mask="clear & land")
print(estimate)

# %% [markdown]
# ## In threads
#
# The bar says how far it is, how fast, and how long it will take. Interrupting the cell stops the work.

# %%
# %probav stats {product.id} --aoi parcels --time 2016 --mask "clear & land" --engine local --no-plot -o local

# %% [markdown]
# ## On Spark
#
# The same tasks as a Spark job: of this machine, or of a cluster that the kernel is configured for
# (`%probav spark`). `--engine auto`, which is the default, takes it where it pays. The numbers are the
# same, to the last bit.

# %% tags=["spark"]
# %probav stats {product.id} --aoi parcels --time 2016 --mask "clear & land" --engine spark --no-plot -o other

# %% tags=["result"]
same = all(local[name].to_numpy().tobytes() == other[name].to_numpy().tobytes() for name in ("mean", "valid"))
print(
    f"{local.sizes['zone']} zones, {local.sizes['time']} dates; the same bytes from threads and Spark: {same}"
)
enough = local["mean"].where(local["valid_fraction"] > 0.5)
print(f"mean where more than half of a parcel is valid: {float(enough.mean()):.9f}")

# %% [markdown]
# ## Into a file
#
# GeoParquet for GIS and databases, netCDF for xarray, CSV for everything else. A file says where its
# numbers come from.

# %% tags=["file"]
probav.export(local, "parcels.parquet", overwrite=True)
back = gpd.read_parquet("parcels.parquet")
print(len(back), "rows,", ", ".join(back.columns))

# %% [markdown]
# ## Whole months at once
#
# `by_time` leaves fewer numbers: all the pixels of a month counted as one image.

# %%
months = product.statistics(parcels, "2016", mask="clear & land", by_time="month", reducers=("mean", "p90"))
months.sizes

# %% [markdown]
# ## Done with Spark

# %%
# %probav spark stop
