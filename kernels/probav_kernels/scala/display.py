"""Scala's values as a notebook shows them."""

from __future__ import annotations

import re
from typing import Any

from probav_kernels.scala.exchange import frame_of
from probav_kernels.scala.interpreter import Answer, Interpreter

ROWS = 20
_VALUE = re.compile(r"^(?:val )?res\d+: ", re.MULTILINE)


def data_of(interpreter: Interpreter, answer: Answer) -> dict[str, Any]:
    """Return the MIME bundle of a cell's last value; empty if it has nothing to say.

    A data frame is a table of its first rows, an image (java.awt, or a PNG in bytes) a picture.
    """
    text = _VALUE.sub("", answer.text).rstrip()
    if not text:
        return {}
    data: dict[str, Any] = {"text/plain": text}
    if answer.value is None:
        return data
    kind, carrier = interpreter.carried(answer.value)
    if kind == "frame":
        rows = frame_of(interpreter, carrier).limit(ROWS + 1).toPandas()
        more = f"<p><small>the first {ROWS} rows</small></p>" if len(rows) > ROWS else ""
        data["text/html"] = rows.head(ROWS).to_html(index=False, border=0) + more
        data["text/plain"] = f"{text}\n{rows.head(ROWS).to_string(index=False)}"
    elif kind == "png" or (kind == "bytes" and bytes(carrier[:8]) == b"\x89PNG\r\n\x1a\n"):
        data["image/png"] = bytes(carrier)
        if kind == "bytes":
            data["text/plain"] = "a PNG image"
    return data
