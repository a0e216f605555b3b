"""A deterministic synthetic world, written as official source products, with its truth beside it."""

from probav.demo.sources import write_sources

__all__ = ["write_sources"]
