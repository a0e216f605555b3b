"""How the stored numbers of 8-bit layers become bins of a histogram, and which of them mask a pixel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BINS = 256
NODATA_BIN = 254
MASKED_BIN = 255
_USABLE = 254  # bins left for values of an 8-bit variable


@dataclass(frozen=True)
class Codes:
    """How the stored numbers of an 8-bit variable become bins.

    Attributes
    ----------
    table : (256,) uint8
        Bin of each DN.
    dns : (b,) int64
        DN of each bin.
    low, high : int
        The DNs in use, where they are all from `low` to `high`; else 1 and 0.
    """

    table: NDArray[np.uint8]
    dns: NDArray[np.intp]
    low: int
    high: int


def code_table(valid: NDArray[np.bool_]) -> Codes | None:
    """Return the bins of an 8-bit variable; None where there are too many values.

    Parameters
    ----------
    valid : (256,) bool
        Which DNs hold a value.
    """
    dns = np.flatnonzero(valid)
    if len(dns) > _USABLE:
        return None
    table = np.full(BINS, NODATA_BIN, np.uint8)
    table[dns] = np.arange(len(dns), dtype=np.uint8)
    is_range = len(dns) > 0 and dns[-1] - dns[0] + 1 == len(dns)
    return Codes(table, dns, *((int(dns[0]), int(dns[-1])) if is_range else (1, 0)))


@dataclass(frozen=True)
class Rule:
    """Which DNs of an 8-bit layer mask a pixel.

    Attributes
    ----------
    table : (256,) uint8
        255 for the DNs that mask, else 0.
    bits, wanted : int
        A DN passes where `DN & bits == wanted`, where that says the same; else `wanted` is not in `bits`.
    """

    table: NDArray[np.uint8]
    bits: int
    wanted: int


def rule_of(passes: NDArray[np.bool_]) -> Rule:
    """Return the rule by which DNs pass a mask, as a test of bits if it is one.

    Parameters
    ----------
    passes : (256,) bool
    """
    table = np.where(passes, 0, 255).astype(np.uint8)
    through = np.flatnonzero(passes)
    if len(through):
        always = int(np.bitwise_and.reduce(through))
        ever = int(np.bitwise_or.reduce(through))
        bits = 255 & ~(always ^ ever)  # those that are the same in all that pass
        if ((np.arange(BINS) & bits) == always & bits).tolist() == passes.tolist():
            return Rule(table, bits, always & bits)
    return Rule(table, 0, 1)


EVERYTHING = rule_of(np.ones(BINS, bool))
