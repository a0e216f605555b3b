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
# # Areas of interest
#
# A map to draw on, and every other way to say *where*: boxes, points, places, files, geometries. The variable
# always equals the map, and each feature is one row of every result.

# %%
import geopandas as gpd
import pandas as pd
import shapely

import probav
from probav.pixel_counts import pixel_counts

# %load_ext probav_magics

archive = probav.open_archive()
ids = [product.id for product in archive if "NDVI" in product.variables]
product = "PROBAV_L3_S10_TOC_333M" if "PROBAV_L3_S10_TOC_333M" in ids else ids[0]
west, south, east, north = archive[product].footprint().total_bounds
width, height = east - west, north - south

# %% [markdown]
# ## Drawing
#
# `%probav aoi NAME` shows a map. Draw with the buttons at its left; move, edit, undo, name and colour what is
# drawn; or choose a file, look for a place, or type coordinates beneath it. Whatever is on the map is in the
# variable, and an area that you put into the variable appears on the map.

# %%
middle = (west + width / 4, south + height / 4, east - width / 4, north - height / 4)
field = probav.aoi(middle, name="middle")

# %%
# %probav aoi field --product {product}

# %% [markdown]
# ## Areas without a mouse

# %%
box = probav.aoi((west, south, west + width / 2, south + height / 2), name="south-west")
point = probav.aoi((west + width / 2, south + height / 2), buffer_km=2, name="round the middle")
country = probav.aoi("Belgium")
triangle = shapely.Polygon([(west, south), (east, south), (west, north)])
print(box, point, country, probav.aoi(triangle), sep="\n")

# %% [markdown]
# ## Several features, attributes kept
#
# A GeoDataFrame (or a file of any vector format) is as many zones as it has rows, under its ids.

# %%
parts = gpd.GeoDataFrame(
    {
        "id": ["sw", "ne", "both"],
        "name": ["south-west", "north-east", "all of it"],
        "crop": ["maize", "wheat", "mixed"],
    },
    geometry=[
        shapely.box(west, south, west + width / 2, south + height / 2),
        shapely.box(west + width / 2, south + height / 2, east, north),
        shapely.box(west, south, east, north),
    ],
    crs=4326,
)
parts.to_file("parts.geojson")
zones = probav.aoi("parts.geojson")
zones.frame[["name", "crop"]]

# %% [markdown]
# ## How many pixels is that?
#
# Of each product, before anything is read. A pixel that is covered to 30 % counts as 0.3.

# %% tags=["pixels"]
counted = pixel_counts(archive, zones)
print(counted.to_string())

# %% [markdown]
# ## One row a feature
#
# The zones overlap: `both` holds the other two. Each is counted for itself.

# %%
# %probav stats {product} --aoi zones --time 2016-07 -o july

# %% tags=["result"]
shown = july.sel(time=july["time"][0])
table = pd.DataFrame({name: shown[name].to_numpy() for name in ("zone", "name", "count", "mean")})
print(table.to_string(index=False, formatters={"count": "{:.2f}".format, "mean": "{:.6f}".format}))

# %% [markdown]
# ## Results on a map

# %% tags=["figure"]
from probav_extensions import zones_figure

zones_figure(july.sel(zone=["sw", "ne"]))
