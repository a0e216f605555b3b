"""A deterministic synthetic world, written as official source products, with its truth beside it."""

from probav.demo.create import create_demo
from probav.demo.sources import write_sources

__all__ = ["create_demo", "write_sources"]
