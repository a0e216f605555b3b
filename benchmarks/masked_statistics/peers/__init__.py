"""The tools that are measured beside: each module holds one, and says what it can do."""

from __future__ import annotations

from importlib import import_module

from benchmarks.masked_statistics.peers.source import Peer

MODULES = (
    "numpy_by_hand",
    "exactextract_tool",
    "rasterstats_tool",
    "xarray_spatial",
    "regionmask_flox",
    "xvec_tool",
    "points",
)


def peers_of(module: str) -> dict[str, Peer]:
    """Return the contenders of one module by name."""
    return {peer.name: peer for peer in import_module(f"{__name__}.{module}").PEERS}


def contenders() -> list[tuple[str, Peer]]:
    """Return every contender with its module."""
    return [(module, peer) for module in MODULES for peer in peers_of(module).values()]
