"""The requests for tiles that a notebook server answers."""

from __future__ import annotations

from typing import Any


def handlers(base_url: str) -> list[Any]:
    """Return the routes of tiles below a base URL."""
    return []
