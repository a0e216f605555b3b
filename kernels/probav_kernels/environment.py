"""The process environment that makes every Spark session of a kernel the same one.

PySpark reads it when the first session starts, whoever starts it: `spark`, the engine, or the user's own
`SparkSession.builder.getOrCreate()`. Spark's settings stand in a private file, named in $PYSPARK_SUBMIT_ARGS,
and not on a command line, which every user of the machine may read. An institute's own $SPARK_CONF_DIR stays
in force beneath them.
"""

from __future__ import annotations

import atexit
import os
import re
import shlex
import shutil
import sys
import tempfile
from pathlib import Path

from probav_kernels import class_data, kubernetes, ui
from probav_kernels.configuration import LOCAL, PREFIX, Settings, load
from probav_kernels.java import JavaNotFoundError, use

CONFIGURATION = Path(__file__).parent / "conf"
NAME = "probav-spark-"
_OWNER = "owner"  # the file of a private folder that says whose it is
# a path where there is nothing: Java's class data holds for one class path only, and this folder begins it
NO_FOLDER = CONFIGURATION / "none"
_folder: Path | None = None


def configure(settings: Settings | None = None) -> Settings:
    """Set Java, Spark's settings and the Python of its workers in `os.environ`.

    Without a Java nothing is raised: most notebooks never touch Spark; the session says it when it is used.

    Parameters
    ----------
    settings : Settings, optional
        Those of the environment and its file, unless given.

    Returns
    -------
    Settings

    Raises
    ------
    ConfigurationError
        If they make no sense.
    """
    settings = load() if settings is None else settings
    environment = os.environ
    environment.setdefault("PYSPARK_PYTHON", sys.executable)
    environment.setdefault("PYSPARK_DRIVER_PYTHON", sys.executable)
    for name in ("ship", "livy_url", "livy_user"):  # for the engine, which reads no file
        if getattr(settings, name):
            environment.setdefault(PREFIX + name.upper(), getattr(settings, name))
    if settings.livy_url:
        for name in ("executors", "executor_cores", "executor_memory", "driver_memory"):
            if getattr(settings, name):
                environment.setdefault(PREFIX + name.upper(), str(getattr(settings, name)))
        if settings.conf:
            words = shlex.join(f"{name}={value}" for name, value in settings.conf.items())
            environment.setdefault(f"{PREFIX}CONF", words)
        if settings.archives:
            environment.setdefault(f"{PREFIX}ARCHIVES", " ".join(settings.archives))
    if settings.is_remote:  # no Java here
        environment["SPARK_REMOTE"] = settings.master
        return settings
    if kubernetes.settings(settings.master, environment):
        environment.setdefault(kubernetes.LOG, "off")
    environment.setdefault("SPARK_LAUNCHER_OPTS", "-XX:+UseSerialGC -XX:TieredStopAtLevel=1")
    if settings.is_local:  # driver, block manager and UI listen here
        environment.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
        environment.setdefault("SPARK_PUBLIC_DNS", "127.0.0.1")
    try:
        use(environment)
    except JavaNotFoundError:
        environment.pop("PROBAV_JAVA", None)
    _write(_private_folder(), settings)
    return settings


def properties(settings: Settings, outer: Path | None = None) -> dict[str, str]:
    """Return what settings mean to Spark.

    Parameters
    ----------
    settings : Settings
    outer : Path, optional
        A configuration folder of the institute's, whose spark-defaults.conf comes before our defaults.
    """
    found = _read(CONFIGURATION / "spark-defaults.conf")
    if settings.is_local:  # its ports are for nobody else on the machine
        found["spark.authenticate"] = "true"
    else:  # whose secret is the institute's to give
        found |= _read(CONFIGURATION / "cluster.conf")
    found |= kubernetes.settings(settings.master, os.environ)
    found |= ui.settings(os.environ)
    if outer is None:
        log = f'-Dlog4j2.configurationFile="{CONFIGURATION / "log4j2.properties"}"'
        found["spark.driver.extraJavaOptions"] += f" {log}{class_data.options(os.environ)}"
    elif (outer / "spark-defaults.conf").is_file():
        found |= _read(outer / "spark-defaults.conf")
    if settings.master != LOCAL or "spark.master" not in found:
        found["spark.master"] = settings.master
    if settings.is_local and settings.cores:
        found["spark.master"] = f"local[{settings.cores},4]"
    named = {
        "spark.cores.max": None if settings.is_local else settings.cores,
        "spark.executor.instances": settings.executors,
        "spark.dynamicAllocation.maxExecutors": settings.executors,
        "spark.executor.cores": settings.executor_cores,
        "spark.executor.memory": settings.executor_memory,
        "spark.driver.memory": settings.driver_memory,
        "spark.jars.packages": ",".join(settings.packages),
        "spark.archives": ",".join(settings.archives),
    }
    found |= {name: str(value) for name, value in named.items() if value}
    if found.get("spark.dynamicAllocation.enabled") == "true":
        found.pop("spark.executor.instances", None)  # that many would be there from the start
    return found | dict(settings.conf)


def target() -> str:
    """Return where a session of this process runs: a Spark master, or Spark Connect (without its token)."""
    settings = load()
    if settings.is_remote:
        return settings.master.split(";")[0].rstrip("/")
    return f"local[{settings.cores},4]" if settings.is_local and settings.cores else settings.master


def _private_folder() -> Path:
    """Return this process's folder, which ends with it."""
    global _folder
    if _folder is not None and _folder.is_dir() and (_folder / _OWNER).read_text() == str(os.getpid()):
        return _folder
    _remove_abandoned()
    _folder = Path(tempfile.mkdtemp(prefix=NAME))
    (_folder / "classes").mkdir()
    (_folder / _OWNER).write_text(str(os.getpid()))
    atexit.register(_remove, _folder, os.getpid())
    return _folder


def _remove(folder: Path, owner: int) -> None:
    if os.getpid() == owner:  # and not a fork of it
        shutil.rmtree(folder, ignore_errors=True)


def _remove_abandoned() -> None:
    """Remove what killed kernels of this user left."""
    for folder in Path(tempfile.gettempdir()).glob(f"{NAME}*"):
        try:
            if folder.stat().st_uid == os.getuid():
                os.kill(int((folder / _OWNER).read_text()), 0)
        except ProcessLookupError:
            shutil.rmtree(folder, ignore_errors=True)
        except (OSError, ValueError):
            continue


def _write(folder: Path, settings: Settings) -> None:
    """Write what Spark is to read, and point Spark at it."""
    environment = os.environ
    outer = environment.setdefault("SPARK_CONF_DIR", str(NO_FOLDER))
    found = properties(settings, None if outer == str(NO_FOLDER) else Path(outer))
    # where the Scala interpreter of this kernel puts its classes: executors ask the driver for them
    found.setdefault("spark.repl.class.outputDir", str(folder / "classes"))
    path = folder / "spark.conf"
    path.touch(mode=0o600)
    path.write_text("".join(f"{name} {_escaped(value)}\n" for name, value in sorted(found.items())))
    given = shlex.split(environment.get("PYSPARK_SUBMIT_ARGS", "pyspark-shell"))
    if given[:1] == ["--properties-file"] and NAME in given[1]:  # ours, or of a kernel that started this one
        given = given[2:]
    environment["PYSPARK_SUBMIT_ARGS"] = shlex.join(["--properties-file", str(path), *given])


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n")


def _read(path: Path) -> dict[str, str]:
    """Read a file of Spark's properties."""
    found: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        line = line.strip()
        if line and not line.startswith("#"):
            name, value = re.split(r"\s*[=\s]\s*", f"{line} ", maxsplit=1)
            found[name] = value.strip()
    return found
