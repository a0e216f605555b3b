"""What Spark a kernel uses: read from the environment and one small file, nowhere else.

Every setting is a variable PROBAV_SPARK_<NAME> or a key of a TOML file: $PROBAV_SPARK_CONFIG, else
`spark.toml` in the user's configuration folder of probav, else /etc/probav/spark.toml. The first of these
files that exists is read; a variable comes before the file.
"""

from __future__ import annotations

import os
import shlex
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from platformdirs import user_config_path

PREFIX = "PROBAV_SPARK_"
SYSTEM = Path("/etc/probav/spark.toml")
LOCAL = "local[*,4]"  # ,4: a task that fails, or whose worker is lost, is tried again, as on a cluster


class ConfigurationError(RuntimeError):
    """A setting of Spark is none, or has no such value."""

    def _render_traceback_(self) -> list[str]:
        """Show IPython's user the sentence alone."""
        return [str(self)]


@dataclass(frozen=True)
class Settings:
    """The settings of a kernel's Spark.

    Attributes
    ----------
    master : str
        local[N], spark://host:port, yarn, k8s://..., or sc://host:port for Spark Connect.
    cores : int or None
        Cores of a local master; of all executors together on a cluster.
    executors : int or None
        The most executors at a time.
    executor_cores : int or None
    executor_memory, driver_memory : str or None
        As Spark writes them: 2g, 512m.
    packages : tuple of str
        Maven coordinates, group:artifact:version.
    archives : tuple of str
        Packed environments that executors unpack, url#name.
    ship : {"auto", "always", "never"}
        Whether executors get the engine's code with the job: where they have not the same, always, never.
    livy_url, livy_user : str or None
        Address of a Livy server, and for whom it is to run sessions.
    conf : mapping
        Any setting of Spark itself, last word of all.
    """

    master: str = LOCAL
    cores: int | None = None
    executors: int | None = None
    executor_cores: int | None = None
    executor_memory: str | None = None
    driver_memory: str | None = None
    packages: tuple[str, ...] = ()
    archives: tuple[str, ...] = ()
    ship: str = "auto"
    livy_url: str | None = None
    livy_user: str | None = None
    conf: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_remote(self) -> bool:
        """Whether the driver is elsewhere, behind Spark Connect."""
        return self.master.startswith("sc://")

    @property
    def is_local(self) -> bool:
        """Whether executors are threads and processes of this machine's driver."""
        return self.master.startswith("local") and not self.master.startswith("local-cluster")

    def changed(self, conf: Mapping[str, str], packages: tuple[str, ...] = ()) -> Settings:
        """Return the settings with some of Spark's own and some packages more."""
        return replace(self, conf={**self.conf, **conf}, packages=(*self.packages, *packages))


NAMES = tuple(item.name for item in fields(Settings))


def load(environment: Mapping[str, str] | None = None) -> Settings:
    """Return the settings that an environment and its file give.

    Parameters
    ----------
    environment : mapping, default os.environ

    Raises
    ------
    ConfigurationError
        If a name or a value makes no sense; it says where it stands.
    """
    environment = os.environ if environment is None else environment
    values: dict[str, Any] = {}
    path = _file(environment)
    if path is not None:
        for name, value in _read(path).items():
            values[name] = _value(name, value, f"{name} in {path}")
    for name in NAMES:
        text = environment.get(PREFIX + name.upper(), "")
        if text:
            values[name] = _value(name, text, PREFIX + name.upper())
    if environment.get("SPARK_REMOTE"):  # Spark's own name, which PySpark obeys whatever else is said
        values["master"] = environment["SPARK_REMOTE"]
    return Settings(**values)


def pairs(words: list[str], where: str) -> dict[str, str]:
    """Return key=value words as a mapping.

    Raises
    ------
    ConfigurationError
        If a word is none.
    """
    found = {}
    for word in words:
        key, sign, value = word.partition("=")
        if not sign or not key.startswith("spark."):
            raise ConfigurationError(f"{where}: {word!r} is no setting of Spark; expected spark.name=value.")
        found[key] = value
    return found


def _file(environment: Mapping[str, str]) -> Path | None:
    given = environment.get(f"{PREFIX}CONFIG")
    if given:
        if not Path(given).is_file():
            raise ConfigurationError(f"{PREFIX}CONFIG names {given}, which is no file.")
        return Path(given)
    return next(
        (path for path in (user_config_path("probav") / "spark.toml", SYSTEM) if path.is_file()), None
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"{path} can't be read: {error}") from error


def _value(name: str, value: Any, where: str) -> Any:
    if name not in NAMES:
        near = get_close_matches(name, NAMES, 1)
        hint = f"Did you mean {near[0]!r}?" if near else f"Expected one of {', '.join(NAMES)}."
        raise ConfigurationError(f"{where} is no setting. {hint}")
    if name == "conf":
        if isinstance(value, str):
            return pairs(shlex.split(value), where)
        if isinstance(value, dict):
            return {str(key): _text(item) for key, item in _flat(value)}
        raise ConfigurationError(f"{where} is {value!r}; expected a table of settings of Spark.")
    if name in ("packages", "archives"):
        items = value.replace(",", " ").split() if isinstance(value, str) else value
        if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
            raise ConfigurationError(f"{where} is {value!r}; expected a list of texts.")
        return tuple(items)
    if name in ("cores", "executors", "executor_cores"):
        if isinstance(value, bool) or not str(value).isdigit() or int(value) < 1:
            raise ConfigurationError(f"{where} is {value!r}; expected a whole number from 1.")
        return int(value)
    if not isinstance(value, str):
        raise ConfigurationError(f"{where} is {value!r}; expected a text.")
    if name == "ship" and value not in ("auto", "always", "never"):
        raise ConfigurationError(f"{where} is {value!r}; expected auto, always or never.")
    return value


def _flat(table: Mapping[str, Any], before: str = "") -> list[tuple[str, Any]]:
    """Return a TOML table, in which a dot begins a table of its own, as dotted names."""
    found = []
    for name, value in table.items():
        dotted = f"{before}{name}"
        found += _flat(value, f"{dotted}.") if isinstance(value, dict) else [(dotted, value)]
    return found


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
