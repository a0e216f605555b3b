"""Map tiles of the archive, through the notebook server's own prefix.

In a notebook `template` gives the address for a map's tile layer, and `colour_bar` its legend. The server's
side is in `handlers`; `render` makes a tile, `kept` keeps it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from probav_extensions.tiles.address import template
    from probav_extensions.tiles.style import colour_bar

_HOMES = {"colour_bar": "style", "template": "address"}
__all__ = ["colour_bar", "template"]


def __getattr__(name: str) -> Any:
    # the server starts without what draws: with the first tile
    if name in _HOMES:
        return getattr(import_module(f"probav_extensions.tiles.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'probav_extensions.tiles' has no attribute {name!r}")
