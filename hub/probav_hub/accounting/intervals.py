"""The arithmetic of rolling windows: what of some use is young enough to count, and when the rest is not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

HOUR = 3600.0


@dataclass(frozen=True)
class Use:
    """An amount that was used evenly from a begin to an end.

    Attributes
    ----------
    begin, end : float
        Seconds since 1970; an end that is the begin is a moment.
    amount : float
    """

    begin: float
    end: float
    amount: float

    def since(self, start: float) -> float:
        """Return the part of the amount that was used after a start."""
        if self.end <= start:
            return 0.0
        if self.begin >= start:
            return self.amount
        return self.amount * (self.end - start) / (self.end - self.begin)

    @property
    def _rate(self) -> float:
        return self.amount / (self.end - self.begin) if self.end > self.begin else 0.0

    def covers(self, start: float, end: float) -> float:
        """Return the rate at which it was used between two moments; it has no begin or end between."""
        return self._rate if self.begin <= start and end <= self.end else 0.0


def used(uses: Iterable[Use], start: float) -> float:
    """Return what was used after a start, all together."""
    return sum(use.since(start) for use in uses)


def falls_to(uses: Iterable[Use], allowed: float, start: float) -> float:
    """Return the first start, not before the one given, after which no more than `allowed` was used.

    Parameters
    ----------
    uses : iterable of Use
    allowed : float
        Zero or more.
    start : float
    """
    counted = [use for use in uses if use.end > start]
    if used(counted, start) <= allowed:
        return start
    edges = sorted({edge for use in counted for edge in (use.begin, use.end) if edge > start})
    low, high = -1, len(edges) - 1  # use after edges[low] is more than allowed, after edges[high] it is not
    while high - low > 1:
        middle = (low + high) // 2
        if used(counted, edges[middle]) <= allowed:
            high = middle
        else:
            low = middle
    before, after = (edges[low] if low >= 0 else start), edges[high]
    rate = sum(use.covers(before, after) for use in counted)
    if rate <= 0:  # it falls at the edge, where a moment's use gets too old
        return after
    return min(after, before + (used(counted, before) - allowed) / rate)
