"""Optional dependencies: imported where they are used, and named in one sentence where they are missing."""

from __future__ import annotations

import importlib
from typing import Any

from probav.errors import ProbavError


class MissingExtraError(ProbavError, ImportError):
    """A feature needs an optional dependency that is not installed."""


def need(module: str, extra: str, what: str) -> Any:
    """Import and return an optional dependency.

    Parameters
    ----------
    module : str
    extra : str
        Of the probav distribution, which brings it.
    what : str
        The feature that needs it, as the subject of a sentence.

    Raises
    ------
    MissingExtraError
        If it, or something it needs, is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(
            f'{what} needs {module}, which can\'t be imported ({error}): pip install "probav[{extra}]".'
        ) from error
