"""Libraries by their Maven coordinates, added to a running session."""

from __future__ import annotations

import re
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
    jvm: Any = interpreter._jvm
    conf = interpreter.session.sparkContext.getConf()
    utils = jvm.org.apache.spark.util.MavenUtils
    option = jvm.scala.Option
    repositories = option.apply(conf.get("spark.jars.repositories"))
    ivy, settings_file = option.apply(conf.get("spark.jars.ivy")), conf.get("spark.jars.ivySettings")
    stream = jvm.java.io.PrintStream(jvm.java.io.OutputStream.nullOutputStream())
    none = jvm.PythonUtils.toSeq(jvm.java.util.ArrayList())
    try:
        settings = (
            utils.loadIvySettings(settings_file, repositories, ivy, False, stream)
            if settings_file
            else utils.buildIvySettings(repositories, ivy, False, stream)
        )
        found = utils.resolveMavenCoordinates(
            ",".join(coordinates), settings, option.apply(None), True, none, False, stream
        )
    except Exception as error:
        raise ScalaError(f"{', '.join(coordinates)} can't be had: {_reason(str(error))}") from error
    jars = [str(found.apply(index)) for index in range(found.size())]
    interpreter.add(jars)
    return jars


def _reason(text: str) -> str:
    """Return what the resolver says of the first library that is missing, or the first line of an error."""
    missing = re.search(r"unresolved dependency: ([^\]\n]*)", text)
    if missing:
        return f"{missing[1].strip()}."
    return f"{text.strip().splitlines()[0] if text.strip() else 'no reason is given'}."
