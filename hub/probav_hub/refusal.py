"""Why a server can't start, shown to its user as one clear sentence by every JupyterHub that we support."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tornado.web import HTTPError

if TYPE_CHECKING:
    _Base = HTTPError
else:
    try:
        from jupyterhub.spawner import SpawnException as _Base  # logged in one line, counted by its reason
    except ImportError:  # before JupyterHub 6
        _Base = HTTPError


class Refusal(_Base):
    """A server does not start.

    Parameters
    ----------
    message : str
        What the user reads.
    reason : str
        A word that JupyterHub's metrics count it by.
    """

    def __init__(self, message: str, *, reason: str) -> None:
        arguments: Any = (400, message) if _Base is HTTPError else (message,)
        super().__init__(*arguments, reason=reason)
        self.jupyterhub_message = message  # JupyterHub's pages show this as it is

    def __str__(self) -> str:
        return str(self.jupyterhub_message)
