"""What one run of the hub is configured with, handed from `probav-hub` to JupyterHub in a private file."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import platformdirs

from probav_hub.configuration import Configuration
from probav_hub.errors import HubError

VARIABLE = "PROBAV_HUB_SETTINGS"
CONFIG_FILE = Path(__file__).with_name("jupyterhub_config.py")


def data_folder() -> Path:
    """Return the folder of everything probav keeps for this user (XDG_DATA_HOME moves it)."""
    return platformdirs.user_data_path("probav")


def writable(folder: Path) -> Path:
    """Return the folder, made if need be and private to the user.

    Raises
    ------
    HubError
        If nothing can be written there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise HubError(
            f"Cannot write to {folder}: {error.strerror}; "
            "allow it, or set XDG_DATA_HOME to a folder you may write to."
        ) from None
    folder.chmod(0o700)
    return folder


@dataclass(frozen=True)
class Settings:
    """One run of the hub.

    Attributes
    ----------
    state : str
        Folder of its database, secrets, log and homes.
    port, hub_port, proxy_port : int
        Where the proxy answers browsers, the hub the proxy, and the proxy the hub; the last two on 127.0.0.1.
    password : str
        Of every user where it is shared, at least 8 characters.
    archive : str
        Path or URL of the archive that kernels open.
    notebooks : str or None
        Folder of sample notebooks (py:percent), copied into the homes.
    proxy : list of str
        The command that starts the proxy.
    token : str or None
        Lets a program start servers over the REST API.
    configured : dict
        What the operator's file says, as `Configuration` writes it.
    """

    state: str
    port: int
    hub_port: int
    proxy_port: int
    password: str = field(repr=False)
    archive: str
    notebooks: str | None
    proxy: list[str]
    token: str | None = field(default=None, repr=False)
    configured: dict[str, Any] = field(default_factory=dict)

    @property
    def configuration(self) -> Configuration:
        """Return what the operator's file says."""
        return Configuration.model_validate(self.configured)

    @property
    def url(self) -> str:
        """Return the address for a browser, without a slash at its end."""
        given = self.configuration
        host = f"[{given.address}]" if ":" in given.address else given.address
        return f"{'https' if given.tls else 'http'}://{host}:{self.port}{given.base_url.rstrip('/')}"

    @property
    def near_url(self) -> str:
        """Return the address for a program on this machine: what listens everywhere is near on loopback."""
        return self.url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")

    @property
    def homes(self) -> Path:
        """Return the folder of the users' homes."""
        return Path(self.state, "homes")

    @property
    def log(self) -> Path:
        """Return the file that the hub, the proxy and the users' servers write to."""
        return Path(self.state, "hub.log")

    @property
    def file(self) -> Path:
        """Return the file these settings are saved in."""
        return Path(self.state, "settings.json")

    def save(self) -> None:
        """Write the settings where JupyterHub reads them, for this user only."""
        with open(self.file, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            json.dump(asdict(self), file, indent=1)

    @classmethod
    def load(cls, file: Path | None = None) -> Settings:
        """Read saved settings: those of a file, or of the one the environment names."""
        return cls(**json.loads((file or Path(os.environ[VARIABLE])).read_text()))
