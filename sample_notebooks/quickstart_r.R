# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .R
#       format_name: percent
#   kernelspec:
#     display_name: PROBA-V (R)
#     language: R
#     name: probav-r
# ---

# %% [markdown]
# # The archive in R
#
# The same archive and the same numbers as in the Python notebooks, in two ways: through `reticulate`, which
# calls the engine in this R, and through files that `probav` writes and R reads. Run it in the kernel
# "PROBA-V (R)". It takes `$PROBAV_ARCHIVE`, else the demo archive.

# %%
library(reticulate)
probav <- import("probav", convert = FALSE) # py_to_r makes lists of R; arrays need tolist()
archive <- probav$open_archive()
products <- as.character(py_to_r(archive$ids))
id <- if ("PROBAV_L3_S10_TOC_333M" %in% products) "PROBAV_L3_S10_TOC_333M" else products[1]
product <- py_get_item(archive, id)
id

# %% [markdown]
# ## Through reticulate
#
# Masked statistics of a box in the middle, as a data frame of R's.

# %%
bounds <- as.numeric(py_to_r(product$footprint()$total_bounds$tolist()))
quarter <- (bounds[3:4] - bounds[1:2]) / 4
box <- c(bounds[1:2] + quarter, bounds[3:4] - quarter)
masks <- as.character(import_builtins()$list(product$definition$masks))
mask <- if (all(c("clear", "land") %in% masks)) "clear & land" else NULL
zone <- product$statistics(as.list(box), mask = mask)$isel(zone = 0L)

# %% tags=["reticulate"]
series <- data.frame(
  date = as.Date(as.character(py_to_r(py_get_item(zone, "time")$dt$strftime("%Y-%m-%d")$values$tolist()))),
  mean = as.numeric(py_to_r(py_get_item(zone, "mean")$values$tolist()))
)
print(series, digits = 6)

# %% tags=["figure"]
plot(series$date, series$mean, type = "b", xlab = "", ylab = "mean", main = id)

# %% [markdown]
# ## Through files
#
# `probav stats` writes a table and `probav load` a GeoTIFF (for `terra::rast`): no Python in R is needed.

# %% tags=["files"]
table <- tempfile(fileext = ".csv")
aoi <- paste(formatC(box, digits = 15, format = "g"), collapse = ",")
arguments <- c("stats", id, paste0("--aoi=", aoi), "--output", table)
if (!is.null(mask)) arguments <- c(arguments, "--mask", shQuote(mask))
stopifnot(system2("probav", arguments) == 0)
written <- read.csv(table, comment.char = "#") # the first lines say how it was made
print(head(written[, 1:5]))
print(isTRUE(all.equal(written$mean, series$mean, tolerance = 1e-9)))
