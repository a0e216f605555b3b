"""Smooth random fields that can be evaluated on any pixel grid: sums of a few cosines.

The same field on a 300 m, 1 km or 5 km grid is the same function, so products of different grids agree.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def random(*key: int) -> np.random.Generator:
    """Return a generator of its own for a purpose and a date; PCG64 is the same on every platform."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(key)))


@dataclass(frozen=True)
class Field:
    """A field of mean about 0 and variance about 1 over the unit square.

    Parameters
    ----------
    weights : (modes, modes) float64
        Of cos(pi j v + p[j]) cos(pi k u + q[k]), v southwards and u eastwards.
    phases : (2, modes) float64
        p and q.
    """

    weights: Floats
    phases: Floats

    @classmethod
    def draw(cls, generator: np.random.Generator, modes: int, power: float, lowest: int = 1) -> Field:
        """Draw a field of wavelengths from 2 / lowest down to 2 / modes of the square's edge.

        A higher power makes it smoother.
        """
        k = np.arange(modes)
        wavenumber = np.sqrt(k[:, None] ** 2 + k[None, :] ** 2)
        spectrum = np.where(wavenumber >= lowest, (1.0 + wavenumber) ** -power, 0.0)
        weights = generator.standard_normal((modes, modes)) * spectrum
        phases = generator.uniform(0, 2 * np.pi, (2, modes))
        return cls(weights / np.sqrt(np.sum(spectrum**2) / 4), phases)

    def on(self, v: Floats, u: Floats) -> Floats:
        """Evaluate at rows v and columns u (fractions of the square): (len(v), len(u)) float64."""
        k = np.arange(len(self.weights))
        rows = np.cos(np.pi * np.outer(v, k) + self.phases[0])
        columns = np.cos(np.pi * np.outer(k, u) + self.phases[1][:, None])
        values = np.empty((len(v), len(u)))
        # strips so small that BLAS stays in this thread: its own threads would only get in each other's way
        for start in range(0, len(v), 8):
            values[start : start + 8] = rows[start : start + 8] @ self.weights @ columns
        return values
