"""sparkmagic for clusters behind a Livy server, set up from the one configuration of a kernel's Spark.

`%load_ext probav_kernels.livy` gives `%%spark` (Python) and `%%spark -s scala` in a notebook;
`python -m probav_kernels.livy install` lists sparkmagic's two kernels where an address of Livy is configured.
"""

from __future__ import annotations

import argparse
import atexit
import base64
import json
import os
import shlex
import shutil
import stat
import sys
import tempfile
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from probav_kernels.configuration import ConfigurationError, Settings, load

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

KERNELS = {
    "pyspark": (
        "PROBA-V PySpark (Livy)",
        "python",
        "sparkmagic.kernels.pysparkkernel.pysparkkernel:PySparkKernel",
    ),
    "spark": ("PROBA-V Spark (Livy)", "scala", "sparkmagic.kernels.sparkkernel.sparkkernel:SparkKernel"),
}
LANGUAGES = {"python": "python", "scala": "scala"}  # sessions of %%spark by name
START_SECONDS = 300  # a session may wait for its cluster's queue


def configuration(settings: Settings, environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return what sparkmagic's configuration file says for settings.

    Parameters
    ----------
    settings : Settings
    environment : mapping, default os.environ
        Its JUPYTERHUB_USER is the proxy user where the settings name none; PROBAV_SPARK_LIVY_CREDENTIALS is a
        file with `name:password`; PROBAV_SPARK_LIVY_AUTH may be `kerberos`.

    Raises
    ------
    ConfigurationError
        If there is no address of Livy, or one that holds a password, or the credentials are no secret.
    """
    environment = os.environ if environment is None else environment
    url = (settings.livy_url or "").rstrip("/")
    if not url:
        raise ConfigurationError(
            "No Livy server is configured: set livy_url in spark.toml, or PROBAV_SPARK_LIVY_URL."
        )
    if urlsplit(url).username or urlsplit(url).password:
        raise ConfigurationError(
            "livy_url holds a user's name or a password: keep `name:password` in a file that only you can"
            " read, and name that in PROBAV_SPARK_LIVY_CREDENTIALS."
        )
    credentials: dict[str, Any] = {"username": "", "base64_password": "", "url": url, "auth": "None"}
    file = environment.get("PROBAV_SPARK_LIVY_CREDENTIALS")
    if environment.get("PROBAV_SPARK_LIVY_AUTH", "").lower() == "kerberos":
        credentials["auth"] = "Kerberos"
    elif file:
        name, password = _secret(Path(file))
        encoded = base64.b64encode(password.encode()).decode()
        credentials |= {"username": name, "base64_password": encoded, "auth": "Basic_Access"}
    return {
        "kernel_python_credentials": credentials,
        "kernel_scala_credentials": credentials,
        "session_configs": session(settings, settings.livy_user or environment.get("JUPYTERHUB_USER")),
        "livy_session_startup_timeout_seconds": START_SECONDS,
        "wait_for_idle_timeout_seconds": 60,
        "use_auto_viz": False,  # it writes into the home folder, and hides frames behind widgets
        "cleanup_all_sessions_on_exit": True,
    }


def session(settings: Settings, user: str | None) -> dict[str, Any]:
    """Return what Livy is asked for with each new session."""
    found = {
        "proxyUser": user,
        "numExecutors": settings.executors,
        "executorCores": settings.executor_cores,
        "executorMemory": settings.executor_memory,
        "driverMemory": settings.driver_memory,
        "archives": list(settings.archives),
        "conf": {
            **({"spark.jars.packages": ",".join(settings.packages)} if settings.packages else {}),
            **settings.conf,
        },
    }
    return {name: value for name, value in found.items() if value}


def prepare(settings: Settings | None = None) -> dict[str, Any]:
    """Write sparkmagic's configuration into a folder of this process, and tell sparkmagic; return it.

    Raises
    ------
    ConfigurationError
        If it can't be made, or sparkmagic is not installed.
    """
    if find_spec("sparkmagic") is None:
        raise ConfigurationError("sparkmagic is not installed: pip install 'probav-kernels[livy]'.")
    found = configuration(load() if settings is None else settings)
    folder = Path(tempfile.mkdtemp(prefix="probav-livy-"))  # 0700: the file may hold a password
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    file = folder / "config.json"
    file.touch(mode=0o600)
    file.write_text(json.dumps(found))
    os.environ |= {"SPARKMAGIC_CONF_DIR": str(folder), "SPARKMAGIC_CONF_FILE": file.name}
    return found


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Load sparkmagic's magics, with sessions that start when a cell needs them."""
    try:
        found = prepare()
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        return
    magics: Any = import_module("sparkmagic.magics.remotesparkmagics").RemoteSparkMagics(shell)
    shell.register_magics(magics)
    credentials = found["kernel_python_credentials"]
    password = base64.b64decode(credentials["base64_password"]).decode()

    def spark(line: str, cell: str | None = None) -> Any:
        """Run a cell on the cluster: `%%spark` is Python there, `%%spark -s scala` Scala.

        All else is sparkmagic's: `%%spark -c sql -o name`, `%spark info`, `%spark logs`, `%spark cleanup`.
        """
        words = line.split()
        if cell is not None and (not words or words[0].startswith("-")):
            name = words[words.index("-s") + 1] if "-s" in words[:-1] else "python"
            line = line if "-s" in words else f"-s python {line}"
            if name in LANGUAGES and name not in magics.spark_controller.session_manager.get_sessions_list():
                start = ["add", "-s", name, "-l", LANGUAGES[name], "-u", credentials["url"]]
                start += ["-t", credentials["auth"]]
                if password:
                    start += ["-a", credentials["username"], "-p", password]
                magics.spark(shlex.join(start), "", shell.user_ns)
        return magics.spark(line, cell or "", shell.user_ns)

    register: Any = shell.register_magic_function
    register(spark, magic_kind="line_cell", magic_name="spark")


def install(prefix: Path) -> list[Path]:
    """Write the kernel specs below a prefix, as `jupyter kernelspec list` finds them; return their folders.

    Raises
    ------
    ConfigurationError
        If the kernels could not run.
    """
    prepare()
    folders = []
    for name, (title, language, _) in KERNELS.items():
        folder = prefix / "share" / "jupyter" / "kernels" / f"probav-livy-{name}"
        folder.mkdir(parents=True, exist_ok=True)
        argv = [sys.executable, "-m", "probav_kernels.livy", name, "-f", "{connection_file}"]
        spec = {"argv": argv, "display_name": title, "language": language}
        (folder / "kernel.json").write_text(json.dumps(spec, indent=2) + "\n")
        folders.append(folder)
    return folders


def remove(prefix: Path) -> None:
    """Remove the kernel specs from a prefix."""
    for name in KERNELS:
        shutil.rmtree(prefix / "share" / "jupyter" / "kernels" / f"probav-livy-{name}", ignore_errors=True)


def launch(name: str, arguments: list[str]) -> None:
    """Run one of sparkmagic's kernels, set up from the configuration."""
    prepare()
    module, _, kernel = KERNELS[name][2].partition(":")
    application = import_module("ipykernel.kernelapp").IPKernelApp
    application.launch_instance(argv=arguments, kernel_class=getattr(import_module(module), kernel))


def _secret(file: Path) -> tuple[str, str]:
    """Return name and password from a file that is the user's alone."""
    try:
        mode, text = file.stat().st_mode, file.read_text().strip()
    except OSError as error:
        raise ConfigurationError(f"PROBAV_SPARK_LIVY_CREDENTIALS can't be read: {error}.") from None
    if stat.S_IMODE(mode) & 0o077:
        raise ConfigurationError(
            f"{file} holds a password and can be read by others: run `chmod 600 {file}`."
        )
    name, colon, password = text.partition(":")
    if not colon or "\n" in text:
        raise ConfigurationError(f"{file} does not hold one line `name:password`.")
    return name, password


def main() -> None:
    """Install or remove the kernel specs, or be one of the kernels."""
    parser = argparse.ArgumentParser(prog="python -m probav_kernels.livy", description=__doc__)
    parser.add_argument("action", choices=("install", "remove", *KERNELS))
    parser.add_argument(
        "--prefix", type=Path, default=Path(sys.prefix), help="of a Jupyter (default: this Python's)"
    )
    options, rest = parser.parse_known_args()
    try:
        if options.action == "install":
            sys.stdout.writelines(f"{folder}\n" for folder in install(options.prefix))
        elif options.action == "remove":
            remove(options.prefix)
        else:
            launch(options.action, rest)
    except ConfigurationError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
