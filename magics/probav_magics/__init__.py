"""The %probav magics: `%load_ext probav_magics` in any notebook; the PROBA-V kernel loads them by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["load_ipython_extension"]


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Register %probav and %%probav, and what Tab completes after them."""
    from probav_magics.magic import register

    register(shell)
