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
# ---

# %% [markdown]
# # Quickstart
#
# From an archive of satellite images to a time series of an area, in a few lines. The notebook takes
# whatever archive it finds: `$PROBAV_ARCHIVE`, else the demo archive. Run it cell by cell with
# Shift+Enter, in the kernel "PROBA-V (Python)"; in another one begin with `%load_ext probav_magics`.

# %%
# %probav

# %% [markdown]
# ## What is there
#
# An archive holds *products*: one variable or several, on one grid, over many dates.

# %%
# %probav products

# %%
import probav

archive = probav.open_archive()
ids = [product.id for product in archive if "NDVI" in product.variables]
ids = ids or [product.id for product in archive if product.definition.role != "landcover"]
product = "PROBAV_L3_S10_TOC_333M" if "PROBAV_L3_S10_TOC_333M" in ids else ids[0]
product

# %%
# %probav extent {product}

# %% [markdown]
# ## An area of interest
#
# Here a box around the middle of what the archive holds. `%probav aoi` alone shows a map to draw on instead;
# `--place Belgium` or `--file fields.geojson` work too. The area is in the variable `aoi`.

# %%
west, south, east, north = archive[product].footprint().total_bounds
width, height = (east - west) / 4, (north - south) / 4
west, south, east, north = west + width, south + height, east - width, north - height

# %%
# %probav aoi --bbox {west} {south} {east} {north}

# %% [markdown]
# ## Statistics over time
#
# The mask decides which pixels count: those that were clear and are land, where the product can tell. What
# was masked or missing stays visible beside the numbers.

# %%
layers, names = archive[product].variables, archive[product].definition.masks
mask = " & ".join(name for name in ("clear", "land") if name in names and names[name].variable in layers)
option = f'--mask "{mask}"' if mask else ""

# %% tags=["figure"]
# %probav stats {product} --aoi aoi {option} -o ts

# %% [markdown]
# `ts` is an `xarray.Dataset`; `ts.to_dataframe()` makes a table of it.
#
# ## Pixels
#
# The date with the most valid pixels, in physical units.

# %%
date = str(ts["valid_fraction"].isel(zone=0).idxmax("time").to_numpy())[:10]

# %%
# %probav load {product} --aoi aoi --time {date} {option} -o pixels

# %% [markdown]
# ## The same in Python, by land cover
#
# A magic is one call of the engine; `%probav stats ... --code` prints it. Where the archive holds a land
# cover map, each class gets a line of its own.

# %%
from probav_extensions import series_table, timeseries_figure

if archive.by_role("landcover") is not None:
    by_class = archive[product].statistics(aoi, mask=mask or None, by="landcover")
    display(timeseries_figure(by_class))

# %% [markdown]
# ## The result
#
# Every date with its mean; `–` where no pixel was valid.

# %% tags=["result"]
table = series_table(ts)[["date", "mean", "valid", "valid_fraction"]]
digits = {"mean": "{:.4f}", "valid": "{:.1f}", "valid_fraction": "{:.4f}"}
print(
    table.to_string(index=False, na_rep="–", formatters={name: form.format for name, form in digits.items()})
)
