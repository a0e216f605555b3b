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
# # Masks and strata
#
# Which pixels count, why the others don't, and numbers apart for each class of land cover.

# %%
import probav

# %load_ext probav_magics

archive = probav.open_archive()
product = "PROBAV_L3_S10_TOC_333M"
west, south, east, north = archive[product].footprint().total_bounds
area = probav.aoi((west, south, east, north), name="all there is")

# %% [markdown]
# ## A mask is a line of text
#
# Names of the product's own quality layer, joined by `&`, `|` and `~`, and comparisons of physical
# values. Tab completes them; a misspelt one is answered with the near ones.

# %%
# %probav stats {product} --aoi area --time 2016-07 --mask "clear & land & ndvi > 0.2" -o green

# %% [markdown]
# ## What does it leave out, and why?

# %% tags=["figure"]
# %probav mask {product} --aoi area --time 2016 --mask "clear & land" -o why

# %% tags=["reasons"]
why.sum("time")[["pixels", "alone"]].isel(zone=0).to_dataframe()[["pixels", "alone"]]

# %% [markdown]
# ## With and without
#
# Clouds are bright in red and dark in NDVI: without a mask the mean is too low.

# %% tags=["result"]
plain = archive[product].statistics(area, "2016", reducers="mean")
clear = archive[product].statistics(area, "2016", mask="clear & land", reducers="mean")
for name, series in {"no mask": plain, "clear & land": clear}.items():
    means = series["mean"].isel(zone=0)
    print(f"{name:12} mean of {int(means.count())} dates: {float(means.mean()):.6f}")

# %% [markdown]
# ## Strata
#
# `by` takes the land cover map of the archive, the status map, or any layer of classes, on whatever grid.

# %%
# %probav stats {product} --aoi area --time 2016-05/2016-08 --mask "clear & land" --by landcover -o by_class

# %% tags=["strata"]
summer = by_class.mean("time").isel(zone=0)
print(summer[["class_name", "mean", "valid"]].to_dataframe()[["class_name", "mean", "valid"]].to_string())

# %% [markdown]
# ## Seasons
#
# `by_time` counts all pixels of all dates of a season together, as if they were one image: not a mean of
# means.

# %%
seasons = archive[product].statistics(
    area, "2016", mask="clear & land", by_time="season", reducers=("mean", "p10", "p90")
)
seasons.isel(zone=0)[["mean", "p10", "p90", "valid"]].to_dataframe()[["mean", "p10", "p90", "valid"]]

# %% [markdown]
# ## How values are spread

# %% tags=["histogram"]
from probav_extensions import histogram_figure

histogram_figure(archive[product].statistics(area, "2016-07", mask="clear & land", reducers="histogram"))
