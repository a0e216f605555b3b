"""Lines are told apart by colour-blind readers too, and words are read by all."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from probav_extensions.colours import GREY, LINES

# Machado, Oliveira & Fernandes (2009), severity 1, on linear RGB
SIGHT = {
    "all": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                   [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                     [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
                   [0.004733, 0.691367, 0.303900]],
}  # fmt: skip
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
WHITE = TO_XYZ @ np.ones(3)


def linear(colour):
    rgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    part = TO_XYZ @ np.clip(rgb, 0, 1) / WHITE
    f = np.where(part > (6 / 29) ** 3, np.cbrt(part), part / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def contrast(one, other="#ffffff"):
    light, dark = sorted(float(linear(colour) @ [0.2126, 0.7152, 0.0722]) for colour in (one, other))[::-1]
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("sight", SIGHT)
@pytest.mark.parametrize(("count", "least"), [(4, 15), (len(LINES), 7)])
def test_lines_differ_for_every_sight(sight, count, least):
    seen = {colour: lab(np.array(SIGHT[sight]) @ linear(colour)) for colour in LINES[:count]}
    distances = {pair: float(np.linalg.norm(seen[pair[0]] - seen[pair[1]])) for pair in combinations(seen, 2)}
    closest = min(distances, key=distances.get)
    assert distances[closest] > least, f"{closest} differ by {distances[closest]:.1f} only"


@pytest.mark.parametrize("words", ["#606060", "#555555", "#000000"])
def test_words_stand_out_from_the_page(words):
    assert contrast(words) >= 4.5  # WCAG 2.2, 1.4.3


def test_marks_stand_out_from_the_page():
    assert contrast(GREY) >= 3  # WCAG 2.2, 1.4.11
    assert all(contrast(colour) >= 2.1 for colour in LINES)  # with dots and names besides
