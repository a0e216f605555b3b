"""The Scala interpreter in the Java of a PySpark session: the same session, context and classes."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from probav_kernels.scala import compiler
from probav_kernels.scala.output import Pipe, shortened, without

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_POLL = 0.05  # seconds between two looks at what a cell prints
_PATIENCE = 1.0  # seconds for code to end that was interrupted; then its thread is stopped
_LAST_PATIENCE = 5.0  # seconds for that: a compiler is let finish first
_START = (
    "@transient val spark = org.apache.spark.sql.SparkSession.getDefaultSession.get",
    "@transient val sc = spark.sparkContext\nimport spark.implicits._\nimport spark.sql\n"
    "import org.apache.spark.sql.functions._",
    "@transient val probavCell = new ProbavCell",
    # from inside: results of executors may be of classes that only the interpreter knows
    "org.apache.spark.SparkEnv.get.serializer.setDefaultClassLoader(probavCell.getClass.getClassLoader)",
)
# Spark makes objects of a cell's class by the cell's own object, which it finds by itself only after the cell
_OUTER = "org.apache.spark.sql.catalyst.encoders.OuterScopes.addOuterScope(this); "
_CLASS = re.compile(r"\bclass\s+\w")


class ScalaError(RuntimeError):
    """The interpreter can't do what was asked; says why in one line."""

    def _render_traceback_(self) -> list[str]:
        """Show IPython's user the sentence alone."""
        return [str(self)]


@dataclass(frozen=True)
class Answer:
    """What came of a cell.

    Attributes
    ----------
    status : {"Success", "Error", "Incomplete"}
    text : str
        What the interpreter says: definitions and values, or errors with line numbers.
    value : str or None
        Name of the last expression's value, if the cell ended with one.
    """

    status: str
    text: str
    value: str | None = None


class Interpreter:
    """A Scala interpreter of a session.

    Parameters
    ----------
    session : SparkSession
        Classic Spark: its driver's Java is this process's.

    Raises
    ------
    ScalaError
        If the session has no place for the interpreter's classes.
    """

    def __init__(self, session: SparkSession) -> None:
        self.session = session
        context: Any = session.sparkContext
        self._jvm: Any = context._jvm
        self._context = context
        folder = context.getConf().get("spark.repl.class.outputDir")
        if not folder:
            raise ScalaError(
                "This Spark session was started without a place for Scala's classes "
                "(spark.repl.class.outputDir): restart it with %probav spark restart."
            )
        settings = self._jvm.scala.tools.nsc.Settings()
        arguments = self._jvm.java.util.ArrayList()
        quiet = "-Wconf:cat=deprecation:s"  # their number alone would be told, not what they are
        for word in ("-usejavacp", "-Yrepl-class-based", "-Yrepl-outdir", folder, quiet):
            arguments.append(word)
        settings.processArguments(self._jvm.PythonUtils.toSeq(arguments).toList(), True)
        self._said = self._jvm.java.io.StringWriter()
        writer = self._jvm.java.io.PrintWriter(self._said, True)
        self._compiler = compiler.of_java(self._jvm, settings, writer)
        self._main = self._compiler.main
        helper = files("probav_kernels.scala").joinpath("cell.scala").read_text(encoding="utf-8")
        for code in (helper, *_START):
            status = self._main.interpret(code).toString()
            said = self._drain()
            if status != "Success":
                raise ScalaError(f"The Scala interpreter can't start: {said.strip() or status}")
        self._cell = self._main.valueOfTerm("probavCell").get()
        self._cell.adopt(self._main)
        jars = (context.getConf().get("spark.jars") or "").split(",")  # those that the session began with
        self._add_to_class_path([jar.removeprefix("file:") for jar in jars if _is_here(jar)])

    def run(self, code: str, write: Callable[[str], Any]) -> Answer:
        """Run code; hand over what it prints as it prints it.

        An interrupt cancels the Spark jobs of the code and stops it, then passes on.
        """
        from pyspark import InheritableThread

        found: dict[str, Any] = {}
        if not self._ended():
            raise ScalaError("Scala is still busy with an interrupted cell; %probav spark restart ends it.")
        self._drain()
        group = self._context.getLocalProperty("spark.jobGroup.id")
        with Pipe(write) as printed:
            request = self._context._gateway.new_array(self._jvm.java.lang.Object, 2)
            head = _OUTER if _CLASS.search(code) and not code.lstrip().startswith("package ") else ""
            request[0], request[1] = head + code, printed.path

            def work() -> None:
                try:
                    found["status"] = self._cell.apply(self._main, request)
                except BaseException as error:
                    found["error"] = error

            thread = InheritableThread(target=work)
            thread.daemon = True
            thread.start()
            try:
                while thread.is_alive():
                    thread.join(_POLL)
                    printed.read()
            except KeyboardInterrupt:
                printed.is_heard = False  # and yet read: who prints waits for a reader
                self._stop(printed, group)
                self._drain()
                raise
            printed.read()
        text = without(head, self._drain())
        if "error" in found:
            raise found["error"]
        succeeded = found["status"] == "Success"
        return Answer(
            found["status"],
            text if succeeded else shortened(text),
            self._last_value(text) if succeeded else None,
        )

    def quiet(self, code: str) -> None:
        """Run code that prints nothing worth showing; raise ScalaError if it fails."""
        status = self._main.interpret(code).toString()
        said = self._drain()
        if status != "Success":
            raise ScalaError(said.strip() or status)

    def bind(self, name: str, kind: str, value: Any) -> None:
        """Name an object of the Java side in Scala.

        Parameters
        ----------
        name : str
        kind : str
            Its type, as Scala writes it.
        value
        """
        nothing = self._jvm.PythonUtils.toSeq(self._jvm.java.util.ArrayList()).toList()
        status = self._main.bind(name, kind, value, nothing).toString()
        self._drain()
        if status != "Success":
            raise ScalaError(f"{name} can't be a {kind} in Scala.")

    def carried(self, name: str) -> tuple[str, Any]:
        """Return a value's kind and what carries it to Python, as cell.scala has them."""
        found = self._main.valueOfTerm(name)
        if found.isEmpty():
            raise ScalaError(f"There is no value {name!r} in Scala.")
        kind, carrier = self._cell.out(found.get())
        return str(kind), carrier

    def add(self, jars: list[str]) -> None:
        """Put jars onto the class path of driver and executors."""
        for jar in jars:
            self._context._jsc.addJar(jar)
        self._add_to_class_path(jars)

    def _add_to_class_path(self, jars: list[str]) -> None:
        urls = self._jvm.java.util.ArrayList()
        for jar in jars:
            urls.append(self._jvm.java.io.File(jar).toURI().toURL())
        self._main.addUrlsToClassPath(self._jvm.PythonUtils.toSeq(urls).toList())
        self._drain()

    def complete(self, code: str, cursor: int) -> tuple[int, list[str]]:
        """Return where the word at the cursor begins and what it may become."""
        start, names = self._compiler.complete(code, cursor)
        self._drain()
        return start, list(dict.fromkeys(names))

    def completeness(self, code: str) -> str:
        """Return complete, incomplete or invalid: what the parser makes of code."""
        found = self._compiler.completeness(code)
        self._drain()
        return found

    def type_of(self, expression: str) -> str | None:
        """Return the type of an expression, None if it has none."""
        shown = str(self._main.typeOfExpression(expression, True).toString())
        self._drain()
        return None if shown == "<notype>" else shown

    def _stop(self, printed: Pipe, group: str | None) -> None:
        cancel = self._context.cancelAllJobs if group is None else lambda: self._context.cancelJobGroup(group)
        threading.Thread(target=cancel).start()
        self._cell.interrupt()
        try:
            self._end(printed)
        finally:
            cancel()  # a job that was about to begin: nobody waits for it, and it kept the cores for ever

    def _end(self, printed: Pipe) -> None:
        """Wait for a cell that was interrupted; stop its thread if it listens to no interrupt."""
        if self._ended(printed):
            return
        refused = ""
        deadline = time.monotonic() + _LAST_PATIENCE
        while not refused and time.monotonic() < deadline:
            refused = str(self._cell.kill())
            if self._ended(printed, 4 * _POLL):
                return
        raise ScalaError(
            "The Scala code goes on: it listens to no interrupt, and this Java can't stop it. "
            "%probav spark restart ends it."
        )

    def _ended(self, printed: Pipe | None = None, seconds: float = _PATIENCE) -> bool:
        """Wait a little for the cell that runs in Java; Python's own call of it may have ended before."""
        deadline = time.monotonic() + seconds
        while self._cell.busy():
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL)
            if printed is not None:
                printed.read()
        return True

    def _last_value(self, said: str) -> str | None:
        name = str(self._main.mostRecentVar())
        is_said = re.search(rf"^(?:val )?{re.escape(name)}: ", said, re.MULTILINE)  # val: since Scala 2.13
        return name if name.startswith("res") and is_said else None

    def _drain(self) -> str:
        text = str(self._said.toString())
        self._said.getBuffer().setLength(0)
        return text


def _is_here(jar: str) -> bool:
    return jar.startswith(("/", "file:/"))
