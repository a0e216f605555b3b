"""Whether a peer and the engine give the same numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.masked_statistics.peers.source import Peer

TOLERANCE = 1e-6


def compare(peer: Peer, theirs: NDArray[np.float64], ours: NDArray[np.float64]) -> dict[str, Any]:
    """Compare results (zone, class, date, statistic) where the peer has them.

    Counts of whole pixels must be the same number; counts of parts of pixels agree to 1e-6 of themselves, and
    values to 1e-6.

    Returns
    -------
    dict
        "agrees", and the largest differences of "count" (relative), "values" and "percentiles".
    """
    ours = ours[: theirs.shape[0], : theirs.shape[1], : theirs.shape[2]]
    count = np.abs(theirs[..., 0] - ours[..., 0])
    if peer.rule == "fraction" and not peer.points:
        count = count / np.maximum(ours[..., 0], 1)
    # a pixel touched by less than single precision resolves is there for one and not for the other
    real = (ours[..., 0] > 1e-3) | (theirs[..., 0] > 1e-3)
    gap = np.isnan(theirs) != np.isnan(ours)
    found = {
        "count": float(count.max()),
        "values": _largest(theirs[real][:, 1:5], ours[real][:, 1:5]),
        "percentiles": _largest(theirs[real][:, 5:], ours[real][:, 5:]),
        "gaps": int(gap[real].sum()),
    }
    exact = 0.0 if peer.rule == "centre" else TOLERANCE
    same = found["count"] <= exact and found["values"] <= TOLERANCE and not found["gaps"]
    same &= found["percentiles"] <= TOLERANCE or not peer.exact_percentiles
    return {"agrees": bool(same), **found}


def _largest(left: NDArray[np.float64], right: NDArray[np.float64]) -> float:
    both = np.abs(left - right)
    return float(np.nanmax(both)) if np.isfinite(both).any() else 0.0
