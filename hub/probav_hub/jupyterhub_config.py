"""What `jupyterhub --config` reads."""

from probav_hub.config import configure
from probav_hub.settings import Settings

configure(get_config(), Settings.load())  # type: ignore[name-defined]  # noqa: F821  (traitlets provides it)
