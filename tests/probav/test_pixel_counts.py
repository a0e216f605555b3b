"""Counted by area, the pixels of an area are those that statistics weigh."""

from __future__ import annotations

from time import perf_counter

import numpy as np
import pytest
import shapely

import probav
from probav.coverage import coverage
from probav.pixel_counts import pixel_counts


@pytest.fixture(scope="module")
def archive(demo_archive):
    return probav.open_archive(demo_archive)


def weighed(product, area):
    covered = coverage(area, product.grid, product.held)
    inside = covered.totals().sum()
    return inside + (covered.beyond.totals().sum() if covered.beyond else 0), inside


@pytest.mark.parametrize(
    "shape",
    [
        shapely.box(0.01, 0.01, 0.05, 0.04),
        shapely.Point(0.1, 0.1).buffer(0.03),
        shapely.Point(0, 0).buffer(0.2),  # beyond what is held
        shapely.Point(0.1, 0.1).buffer(0.05) - shapely.Point(0.1, 0.1).buffer(0.02),
        shapely.MultiPoint([(0.05, 0.05), (0.08, 0.08)]),
    ],
)
def test_the_sum_of_fractions_for_every_product(archive, shape):
    west, south, *_ = next(iter(archive)).footprint().total_bounds
    area = probav.aoi(shapely.transform(shape, lambda xy: np.add(xy, [west, south])))
    counts = pixel_counts(archive, area)
    assert list(counts.index) == archive.ids
    for product in archive:
        expected = weighed(product, area)
        assert counts.loc[product.id, ["pixels", "held"]].tolist() == pytest.approx(expected, rel=1e-5)


def test_across_the_seam_of_the_world(archive):
    area = probav.aoi((179.9, 0, -179.9, 0.1))
    product = archive["PROBAV_L3_S10_TOC_333M"]
    counts = pixel_counts([product], area)
    assert counts["pixels"].iloc[0] == pytest.approx(0.2 * 0.1 * product.grid.nx**2, rel=1e-5)
    assert counts["held"].iloc[0] == 0


def test_overlapping_features_count_each(archive):
    box = shapely.box(*next(iter(archive)).footprint().total_bounds)
    one = pixel_counts(archive, probav.aoi(box))
    two = pixel_counts(archive, probav.aoi(probav.aoi(box).frame.iloc[[0, 0]].reset_index(drop=True)))
    np.testing.assert_allclose(two["pixels"], 2 * one["pixels"])


def test_a_country_takes_no_time(archive):
    belgium = probav.aoi("Belgium")
    pixel_counts(archive, belgium)
    began = perf_counter()
    pixel_counts(archive, belgium)
    assert perf_counter() - began < 0.3
