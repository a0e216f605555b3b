"""The Scala compilers of Spark 4 (Scala 2.13) and Spark 3 (2.12), with what differs between them."""

from __future__ import annotations

import os
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any


def binary_version() -> str:
    """Return the Scala of the Spark that a session would start, such as 2.13; empty if there is no Spark."""
    spec = find_spec("pyspark")
    home = os.environ.get("SPARK_HOME") or (spec and spec.origin and Path(spec.origin).parent)
    names = [path.name for path in Path(home, "jars").glob("scala-library-2.*.jar")] if home else []
    found = re.search(r"2\.\d+", names[0]) if names else None
    return found[0] if found else ""


def of_java(jvm: Any, settings: Any, writer: Any) -> Compiler:
    """Return the compiler of a Java's Scala.

    Parameters
    ----------
    jvm : py4j.java_gateway.JVMView
    settings, writer : py4j.java_gateway.JavaObject
        The compiler's settings, and the java.io.PrintWriter that it writes to.
    """
    is_old = str(jvm.scala.util.Properties.versionNumberString()).startswith("2.12.")
    return (Compiler212 if is_old else Compiler)(jvm, settings, writer)


class Compiler:
    """The compiler of Scala 2.13.

    Attributes
    ----------
    main : py4j.java_gateway.JavaObject
        Its IMain; what of it is the same in all versions is used directly.
    """

    def __init__(self, jvm: Any, settings: Any, writer: Any) -> None:
        self._jvm = jvm
        self.main = self._made(settings, writer)

    def _made(self, settings: Any, writer: Any) -> Any:
        reporter = self._jvm.scala.tools.nsc.interpreter.shell.ReplReporterImpl(settings, writer)
        main = self._jvm.scala.tools.nsc.interpreter.IMain(settings, reporter)
        main.initializeCompiler()
        return main

    def complete(self, code: str, cursor: int) -> tuple[int, list[str]]:
        """Return where the word at the cursor begins and what it may become."""
        compiled = self.main.presentationCompile(cursor, code)
        if compiled.isLeft():
            return cursor, []
        result = compiled.toOption().get()
        try:
            start, candidates = (found := result.completionCandidates(0))._1(), found._2()
            names = [candidates.apply(index).name() for index in range(candidates.size())]
        finally:
            result.cleanup()
        return int(start), names

    def completeness(self, code: str) -> str:
        """Return complete, incomplete or invalid: what the parser makes of code."""
        parsed = self.main.parse(code)
        if parsed.isRight():
            return "complete"
        return "incomplete" if "Incomplete" in str(parsed.toString()) else "invalid"


class Compiler212(Compiler):
    """The compiler of Scala 2.12."""

    def _made(self, settings: Any, writer: Any) -> Any:
        main = self._jvm.scala.tools.nsc.interpreter.IMain(settings, writer)
        main.initializeSynchronous()
        return main

    def complete(self, code: str, cursor: int) -> tuple[int, list[str]]:
        """Return where the word at the cursor begins and what it may become."""
        found = self._jvm.scala.tools.nsc.interpreter.PresentationCompilerCompleter(self.main).complete(
            code, cursor
        )
        names = found.candidates()
        return int(found.cursor()), [str(names.apply(index)).strip() for index in range(names.size())]

    def completeness(self, code: str) -> str:
        """Return complete, incomplete or invalid: what the parser makes of code."""
        parsed = str(self.main.parse().apply(code).toString()).partition("(")[0]
        return {"Success": "complete", "Incomplete": "incomplete"}.get(parsed, "invalid")
