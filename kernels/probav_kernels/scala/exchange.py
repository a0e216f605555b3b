"""Values from Python to Scala and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from probav_kernels.scala.interpreter import Interpreter, ScalaError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_PLAIN = {bool: "Boolean", str: "String", int: "Long", float: "Double"}


def to_scala(interpreter: Interpreter, name: str, value: Any) -> None:
    """Name a Python value in Scala.

    Parameters
    ----------
    interpreter : Interpreter
    name : str
    value : bool, int, float, str, list, tuple, dict, numpy.ndarray (one axis), pandas or Spark DataFrame
        Numbers become Long and Double, lists List, dictionaries Map, arrays Array[Long] or Array[Double],
        frames DataFrame.

    Raises
    ------
    ScalaError
        If it is of another kind.
    """
    from pyspark.sql import DataFrame

    if isinstance(value, np.generic):
        value = value.item()
    if type(value) in _PLAIN:
        kind = _PLAIN[type(value)]
        interpreter.bind("probavIn", "AnyRef", value)
        interpreter.quiet(_UNBOX)
        interpreter.quiet(f"val {name} = probavUnbox(probavIn).asInstanceOf[{kind}]")
    elif isinstance(value, np.ndarray) and value.ndim == 1 and value.dtype.kind in "iufb":
        real = value.dtype.kind == "f"
        data = np.ascontiguousarray(value, "<f8" if real else "<i8").tobytes()
        interpreter.bind("probavIn", "Array[Byte]", data)
        interpreter.quiet(f"val {name} = probavCell.{'doubles' if real else 'longs'}(probavIn)")
    elif isinstance(value, list | tuple | dict):
        kind = "Map[Any, Any]" if isinstance(value, dict) else "List[Any]"
        interpreter.bind("probavIn", "AnyRef", _boxed(interpreter, value))
        interpreter.quiet(_UNBOX)
        interpreter.quiet(f"val {name} = probavUnbox(probavIn).asInstanceOf[{_kind(value, kind)}]")
    elif isinstance(value, pd.DataFrame | DataFrame):
        frame: Any = interpreter.session.createDataFrame(value) if isinstance(value, pd.DataFrame) else value
        interpreter.bind("probavIn", "org.apache.spark.sql.DataFrame", frame._jdf)
        interpreter.quiet(f"@transient val {name} = probavIn")
    else:
        raise ScalaError(
            f"-i {name}: a {type(value).__name__} has no counterpart in Scala; expected a number, a text, a "
            "list, a dictionary, an array with one axis, or a data frame."
        )


def to_python(interpreter: Interpreter, name: str) -> Any:
    """Return a Scala value as a Python one: the counterpart of `to_scala`; images are PNG in bytes.

    Raises
    ------
    ScalaError
        If there is none of that name, or it has no counterpart.
    """
    kind, carrier = interpreter.carried(name)
    if kind == "frame":
        return frame_of(interpreter, carrier)
    if kind in ("plain", "none"):
        return carrier
    if kind in ("bytes", "png"):
        return bytes(carrier)
    if kind == "java":
        return _python(carrier)
    if kind.startswith("<"):
        return np.frombuffer(bytes(carrier), kind).copy()
    raise ScalaError(f"-o {name}: a {carrier} has no counterpart in Python; collect it, or make it a list.")


def frame_of(interpreter: Interpreter, carrier: Any) -> DataFrame:
    """Return PySpark's data frame of a Java one."""
    from pyspark.sql import DataFrame

    frame: DataFrame = DataFrame(carrier, interpreter.session)
    return frame


_UNBOX = """def probavUnbox(item: Any): Any = {
  import scala.collection.JavaConverters._
  item match {
    case map: java.util.Map[_, _] => map.asScala.map { case (k, v) => (probavUnbox(k), probavUnbox(v)) }.toMap
    case items: java.util.List[_] => items.asScala.map(probavUnbox(_)).toList
    case number: java.lang.Integer => number.toLong // as Py4J carries small ones
    case other => other
  }
}"""


def _kind(value: Any, fallback: str) -> str:
    """Return the Scala type of a list or dictionary whose items are all of one plain type."""
    items = list(value.values()) if isinstance(value, dict) else list(value)
    kinds = {_PLAIN.get(type(item)) for item in items}
    if len(kinds) != 1 or None in kinds:
        return fallback
    kind = kinds.pop()
    if isinstance(value, dict):
        keys = {_PLAIN.get(type(key)) for key in value}
        return f"Map[{keys.pop()}, {kind}]" if len(keys) == 1 and None not in keys else fallback
    return f"List[{kind}]"


def _boxed(interpreter: Interpreter, value: Any) -> Any:
    """Return Java's objects of a Python value."""
    jvm: Any = interpreter._jvm
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bool | str | int | float) or value is None:
        return value
    if isinstance(value, dict):
        made = jvm.java.util.LinkedHashMap()
        for key, item in value.items():
            made.put(_boxed(interpreter, key), _boxed(interpreter, item))
        return made
    if isinstance(value, list | tuple | np.ndarray):
        made = jvm.java.util.ArrayList()
        for item in value:
            made.add(_boxed(interpreter, item))
        return made
    raise ScalaError(f"A {type(value).__name__} in a list or dictionary has no counterpart in Scala.")


def _python(value: Any) -> Any:
    from py4j.java_collections import JavaList, JavaMap

    if isinstance(value, JavaMap):
        return {_python(key): _python(item) for key, item in value.items()}
    if isinstance(value, JavaList):
        return [_python(item) for item in value]
    return value
