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
# # Several products
#
# Vegetation and rainfall in one chart, pixels of two grids in one table, and two sensors in one series.

# %%
import numpy as np

import probav

# %load_ext probav_magics

archive = probav.open_archive()
west, south, east, north = archive["PROBAV_L3_S10_TOC_333M"].footprint().total_bounds
width, height = (east - west) / 5, (north - south) / 5
area = probav.aoi((west + width, south + height, east - width, north - height), name="field")

# %% [markdown]
# ## Vegetation and rain
#
# Two queries, one chart: the second series has an axis of its own. In a notebook it can be zoomed, and lines
# hidden; `chart.figure().savefig("paper.pdf")` writes its twin for paper.

# %% tags=["figure"]
from probav_extensions import timeseries_chart

ndvi = archive["PROBAV_L3_S10_TOC_333M"].statistics(
    area, "2016", mask="clear & land", reducers=("mean", "p10", "p90")
)
rain = archive["CHIRPS_V2_DEKAD"].statistics(area, "2016", reducers="mean")
chart = timeseries_chart(ndvi, secondary=rain)
chart

# %% [markdown]
# ## The same dates side by side
#
# Composites of ten days begin on the same days in both, so that a table of them needs no interpolation.

# %% tags=["result"]
table = ndvi["mean"].isel(zone=0).to_dataframe(name="ndvi")[["ndvi"]]
table["rain"] = rain["mean"].isel(zone=0).to_series()
table["fapar"] = (
    archive["CGLS_FAPAR_V2"].statistics(area, "2016", reducers="mean")["mean"].isel(zone=0).to_series()
)
print(table.to_string(float_format="%.5f", na_rep="–"))

# %% [markdown]
# ## Pixels of one grid on another
#
# `like` brings fine pixels to coarse ones: means of those that are clear, weighted by the area that is
# covered.

# %% tags=["pixels"]
coarse = archive["PROBAV_L3_S10_TOC_333M"].load(
    area, "2016-07", mask="clear & land", like="CGLS_FAPAR_V2", resampling="mean"
)
both = coarse[["NDVI"]].assign(FAPAR=archive["CGLS_FAPAR_V2"].load(area, "2016-07")["FAPAR"]).load()
seen = np.isfinite(both["NDVI"]) & np.isfinite(both["FAPAR"])
r = np.corrcoef(both["NDVI"].to_numpy()[seen], both["FAPAR"].to_numpy()[seen])[0, 1]
print(f"{int(seen.sum())} pixels of 1 km, correlation of NDVI and FAPAR: {r:.4f}")

# %% [markdown]
# ## Two sensors, one series
#
# `combine` joins products of one grid and cadence in physical units, and says which date comes from which.

# %%
series = archive.combine("CGLS_NDVI300_V1", "PROBAV_L3_S10_TOC_333M")
joined = series.statistics(area, "2016-05/2016-08")
joined.isel(zone=0)[["mean", "valid_fraction", "sensor"]].to_dataframe()[["mean", "valid_fraction", "sensor"]]
