"""Libraries by their Maven coordinates, added to a running session."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from probav_kernels.scala.interpreter import Interpreter, ScalaError


def add_packages(interpreter: Interpreter, coordinates: list[str]) -> list[str]:
    """Resolve libraries with Spark's own resolver and add them to driver, executors and interpreter.

    Parameters
    ----------
    interpreter : Interpreter
    coordinates : list of str
        group:artifact:version.

    Returns
    -------
    list of str
        The jars, all that they need included.

    Raises
    ------
    ScalaError
        If a coordinate is none, or a library can't be had.
    """
    for name in coordinates:
        if len(name.split(":")) != 3:
            raise ScalaError(f"{name!r} is no Maven coordinate; expected group:artifact:version.")
    try:
        found = _resolved(interpreter, ",".join(coordinates))
    except Exception as error:
        raise ScalaError(f"{', '.join(coordinates)} can't be had: {_reason(str(error))}") from error
    jars = [str(found.apply(index)) for index in range(found.size())]
    interpreter.add(jars)
    return jars


def hidden(interpreter: Interpreter, jars: list[str]) -> list[str]:
    """Return the jars of which Spark has an older version, which Java finds first."""
    system: Any = interpreter._jvm.java.lang.System
    paths = str(system.getProperty("java.class.path")).split(os.pathsep)
    first, own = {Path(path).name for path in paths}, dict(map(_name_and_version, paths))
    found = []
    for jar in jars:
        name, version = _name_and_version(jar)
        group, _, name = name.partition("_")  # as Ivy names files
        is_older = name in own and own[name] < version
        if is_older and group != "org.scala-lang" and Path(jar).name not in first:
            found.append(jar)
    return found


def remedy(interpreter: Interpreter, jars: list[str]) -> str:
    """Return what a user reads of hidden jars."""
    files = [jar.removeprefix("file:") for jar in jars]
    settings = [f"spark.driver.extraClassPath={':'.join(files)}"]
    if not re.match(r"local(\[|$)", str(interpreter.session.sparkContext.master)):
        settings.append("spark.executor.userClassPathFirst=true")
    names = ", ".join(Path(file).stem.partition("_")[2] for file in files)
    options = " ".join(f"--set {setting}" for setting in settings)
    return (
        f"Spark's own older versions hide {names}. Where a class or a method is missing, put these first and "
        f"add the library again:\n%probav spark restart {options}\n"
    )


def _name_and_version(jar: str) -> tuple[str, tuple[int, ...]]:
    found = re.fullmatch(r"(.+?)-(\d.*)\.jar", Path(jar).name)
    return (found[1], tuple(map(int, re.findall(r"\d+", found[2])))) if found else (jar, ())


def _resolved(interpreter: Interpreter, coordinates: str) -> Any:
    """Ask Spark's resolver, which is to print nothing, for the paths of all jars."""
    jvm: Any = interpreter._jvm
    conf = interpreter.session.sparkContext.getConf()
    jvm.org.apache.ivy.util.Message.setDefaultLogger(jvm.org.apache.ivy.util.DefaultMessageLogger(0))
    quiet = jvm.java.io.PrintStream(jvm.java.io.OutputStream.nullOutputStream())
    if interpreter.session.version.startswith("3."):
        utils, stream = jvm.org.apache.spark.deploy.SparkSubmitUtils, []
        getattr(utils, "printStream_$eq")(quiet)
    else:
        utils, stream = jvm.org.apache.spark.util.MavenUtils, [quiet]
    option = jvm.scala.Option
    own = [option.apply(conf.get(f"spark.jars.{name}")) for name in ("repositories", "ivy")]
    file = conf.get("spark.jars.ivySettings")
    settings = (
        utils.loadIvySettings(file, *own, *stream) if file else utils.buildIvySettings(*own, False, *stream)
    )
    nothing = jvm.PythonUtils.toSeq(jvm.java.util.ArrayList())
    return utils.resolveMavenCoordinates(
        coordinates, settings, option.apply(None), True, nothing, False, *stream
    )


def _reason(text: str) -> str:
    """Return what the resolver says of the first library that is missing, or the first line of an error."""
    missing = re.search(r"unresolved dependency: ([^\]\n]*)", text)
    if missing:
        return f"{missing[1].strip()}."
    return f"{text.strip().splitlines()[0] if text.strip() else 'no reason is given'}."
