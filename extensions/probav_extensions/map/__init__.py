"""The map: areas of interest drawn, edited and measured over the images of an archive."""

from __future__ import annotations

from probav_extensions.map.model import Areas
from probav_extensions.map.view import AoiMap

__all__ = ["AoiMap", "Areas"]
