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
# # Time series in Scala
#
# NDVI of 300 m and FAPAR of 1 km of one area: rasters read and averaged by Scala on Spark, plotted in Python,
# and compared with the engine. Cells that begin with `%%scala` run in the Java of this notebook's own Spark
# session. It takes `$PROBAV_ARCHIVE`, else the demo archive; both must hold the two products.

# %%
import tempfile
from pathlib import Path

import probav

archive = probav.open_archive()
masks = {"CGLS_NDVI300_V1": "clear", "CGLS_FAPAR_V2": None}
west, south, east, north = archive["CGLS_FAPAR_V2"].footprint().total_bounds
width, height = (east - west) / 4, (north - south) / 4
box = (west + width, south + height, east - width, north - height)

# %% [markdown]
# ## Rasters
#
# One GeoTIFF a date, as `%probav load ... --keep-dn` writes them: stored numbers, 255 where a pixel is masked
# or missing. On a cluster the folder must be one that all executors see.

# %%
folder = tempfile.mkdtemp(prefix="rasters-")
scales = {}
for name, mask in masks.items():
    pixels = archive[name].load(box, mask=mask, keep_dn=True)
    values = pixels[next(iter(archive[name].variables))].attrs
    scales[name] = [float(values["scale_factor"]), float(values["add_offset"])]
    for index, day in enumerate(pixels["time"].dt.strftime("%Y-%m-%d").to_numpy()):
        probav.export(pixels.isel(time=[index]), Path(folder) / f"{name}@{day}.tif")
len(list(Path(folder).glob("*.tif")))

# %% [markdown]
# ## The masked mean in Scala
#
# `-i` brings Python's variables to Scala, `-o` a value of Scala's back: a Spark data frame is one on both
# sides. A class that a cell defines reaches the executors. Java itself reads TIFF, so nothing has to be
# installed.

# %% tags=["scala"] magic_args="-i folder -i scales -o means" language="scala"
# import java.io.ByteArrayInputStream
# import javax.imageio.ImageIO
#
# case class Mean(product: String, date: String, mean: Option[Double], count: Int)
#
# def stored(file: Array[Byte]): Array[Int] = {
#   val raster = ImageIO.read(new ByteArrayInputStream(file)).getRaster
#   raster.getSamples(0, 0, raster.getWidth, raster.getHeight, 0, null: Array[Int])
# }
#
# val scaleOf = scales.map { case (name, List(scale: Double, offset: Double)) => (name, (scale, offset)) }
#
# def meanOf(path: String, numbers: Array[Int]): Mean = {
#   val Array(product, date) = path.split('/').last.stripSuffix(".tif").split('@')
#   val valid = numbers.filter(_ != 255)
#   val (scale, offset) = scaleOf(product)
#   val sum = valid.map(_.toLong).sum
#   val mean = if (valid.isEmpty) None else Some(sum.toDouble / valid.length * scale + offset)
#   Mean(product, date, mean, valid.length)
# }
#
# val files = sc.binaryFiles(folder, sc.defaultParallelism)
# val means = files.map { case (path, file) => meanOf(path, stored(file.toArray)) }
#   .toDF().orderBy("product", "date")
# means

# %% [markdown]
# ## The plot
#
# Collected values are Python's to plot.

# %% tags=["figure"]
import matplotlib.pyplot as plt
import pandas as pd

table = means.toPandas()
figure, axes = plt.subplots(figsize=(8, 3.5))
for name, rows in table.groupby("product"):
    axes.plot(pd.to_datetime(rows["date"]), rows["mean"], marker=".", label=archive[name].definition.title)
axes.legend()
figure.autofmt_xdate()

# %% [markdown]
# ## The same by GeoTrellis
#
# A library is added to the running session by its Maven coordinates; they name the Scala it was compiled for.
# Where it can't be had, or Spark's own libraries hide parts of it, this says so and what to do.

# %% tags=["geotrellis"]
CODE = """
import geotrellis.raster._
import geotrellis.raster.io.geotiff.reader.GeoTiffReader

def valid(file: Array[Byte]) = GeoTiffReader.readSingleband(file).tile.toArray().filter(isData(_))
val byGeoTrellis = files.map { case (path, file) => meanOf(path, valid(file.toArray)) }
  .toDF().orderBy("product", "date").cache()
val rows = byGeoTrellis.count()
"""
shell = get_ipython()
shell.run_line_magic("scala", "-o version val version = scala.util.Properties.versionNumberString")
binary = version.rpartition(".")[0]
try:
    shell.run_line_magic("scala", f"--packages org.locationtech.geotrellis:geotrellis-raster_{binary}:3.7.1")
    shell.run_cell_magic("scala", "-o byGeoTrellis", CODE)
except RuntimeError as error:
    print(error)
else:
    print("equal to the means above:", byGeoTrellis.toPandas().equals(table))

# %% [markdown]
# ## The same by the engine
#
# `coverage="centre"` counts the pixels whose centre lies in the area, as the files do; the default counts the
# pixels at its edge by the part inside.

# %% tags=["result"]
for name, mask in masks.items():
    statistics = archive[name].statistics(box, mask=mask, coverage="centre").isel(zone=0)
    rows = table[table["product"] == name]
    expected = statistics["mean"].to_series()
    difference = abs(rows["mean"].to_numpy() / expected - 1).max()
    same = (rows["mean"].isna().to_numpy() == expected.isna()).all()
    print(f"{name}: {len(rows)} dates, largest relative difference {difference:.1e}, the same gaps: {same}")
