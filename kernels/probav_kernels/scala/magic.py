"""%%scala: a cell of Scala in the notebook's own Spark session."""

from __future__ import annotations

import argparse
import re
import shlex
import sys
from typing import Any, NoReturn

from IPython.core.error import UsageError
from IPython.display import display
from py4j.protocol import Py4JError

from probav_kernels.scala.display import data_of
from probav_kernels.scala.exchange import to_python, to_scala
from probav_kernels.scala.interpreter import Interpreter, ScalaError
from probav_kernels.scala.packages import add_packages, hidden, remedy

_publish: Any = display  # IPython gives it no types
_interpreter: Interpreter | None = None
_PATIENCE = 1.0  # seconds for a Java that is about to end


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"%%scala: {message}. %scala --help lists the options.")


def parser() -> argparse.ArgumentParser:
    """Return the parser of the magic's options."""
    made = _Parser(
        prog="%%scala", add_help=False, description="Run Scala in the Java of this notebook's Spark session."
    )
    made.add_argument("-h", "--help", action="store_true", help="show this and do nothing")
    made.add_argument("-i", "--in", dest="given", action="append", default=[], metavar="NAME",
                      help="a Python variable to have in Scala under the same name")  # fmt: skip
    made.add_argument("-o", "--out", dest="wanted", action="append", default=[], metavar="NAME",
                      help="a Scala value to have in Python afterwards")  # fmt: skip
    made.add_argument("--packages", action="append", default=[], metavar="GROUP:ARTIFACT:VERSION",
                      help="a library to add first, by its Maven coordinates")  # fmt: skip
    return made


def interpreter(spark: Any = None) -> Interpreter:
    """Return the interpreter of the session that runs, which is started first if need be."""
    global _interpreter
    from probav_kernels.session import LazySpark

    if spark is None:
        spark = LazySpark()
    session = spark.session()
    if type(session).__module__.startswith("pyspark.sql.connect"):
        raise ScalaError("Scala needs the driver's Java, which behind Spark Connect is the server's.")
    if _interpreter is None or _interpreter.session is not session:
        sys.stdout.write("Starting Scala ...")
        sys.stdout.flush()
        _interpreter = Interpreter(session)
        sys.stdout.write(" ready\n")
    return _interpreter


def running() -> Interpreter | None:
    """Return the interpreter if it is started and its session goes on; nothing is started."""
    if _interpreter is None or _interpreter.session.sparkContext._jsc is None:
        return None
    return _interpreter


def run(shell: Any, line: str, cell: str | None) -> None:
    """Run a line or a cell.

    Raises
    ------
    UsageError
        For options that are none.
    ScalaError
        For code that fails, and values that can't be had; IPython shows its text alone.
    """
    head, code = (line, cell) if cell is not None else _divided(line)
    try:
        words = shlex.split(head)
    except ValueError as error:
        raise UsageError(f"%%scala {head}: {error}.") from error
    options = parser().parse_args(words)
    if options.help:
        sys.stdout.write(parser().format_help())
        return
    try:
        scala = interpreter()
        if options.packages:
            jars = add_packages(scala, options.packages)
            sys.stdout.write(f"{len(jars)} jars added.\n")
            behind = hidden(scala, jars)
            if behind:
                sys.stdout.write(remedy(scala, behind))
        for name in options.given:
            if name not in shell.user_ns:
                raise ScalaError(f"-i {name}: there is no variable of that name.")
            to_scala(scala, name, shell.user_ns[name])
        if code.strip():
            _run(scala, code)
        for name in options.wanted:
            shell.user_ns[name] = to_python(scala, name)
    except KeyboardInterrupt:  # an error all the same, so that the cells that wait behind this one don't run
        raise UsageError("Interrupted.") from None
    except (Py4JError, ConnectionError):
        from probav_kernels.session import forget_if_java_ended

        if _interpreter is None or not forget_if_java_ended(_interpreter.session, _PATIENCE):
            raise
        raise ScalaError(
            "The Java of this Spark session has ended (by System.exit, or it ran out of memory), and with it "
            "all that Scala knew. The next use of spark or Scala starts another."
        ) from None


def _run(scala: Interpreter, code: str) -> None:
    def write(text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()

    answer = scala.run(code, write)
    if answer.status == "Incomplete":
        raise ScalaError("The Scala code is not complete: a bracket or a quote is open at its end.")
    if answer.status != "Success":
        raise ScalaError(answer.text.strip() or answer.status)
    data = data_of(scala, answer)
    if data:
        _publish(data, raw=True)


def _divided(line: str) -> tuple[str, str]:
    """Divide the line of a line magic into its options and the Scala behind them, as it was written."""
    taken = False
    for word in re.finditer(r"\S+", line):
        if taken:
            taken = False
        elif re.fullmatch(r"--?[a-z]+", word[0]):
            taken = word[0] in _TAKING
        else:
            return line[: word.start()], line[word.start() :]
    return line, ""


_TAKING = ("-i", "--in", "-o", "--out", "--packages")
