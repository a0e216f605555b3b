"""The kernel "PROBA-V (Scala)": cells are Scala, magics stay what they are.

It is the Python kernel underneath, with the same Spark session: `%probav` works, and cells of `%%python` run
in this process, so that they share variables by `%%scala -i` and `-o`.
"""

from __future__ import annotations

import inspect
import re
from typing import Any

from ipykernel.ipkernel import IPythonKernel
from ipykernel.kernelapp import IPKernelApp

from probav_kernels.scala.compiler import binary_version
from probav_kernels.scala.magic import running

_WORD = re.compile(r"[\w.]+$")


class ScalaKernel(IPythonKernel):
    """An IPython kernel whose cells are Scala unless they begin with a magic."""

    implementation = "probav-scala"
    language_info = {  # noqa: RUF012  (ipykernel's interface)
        "name": "scala",
        "version": binary_version(),
        "mimetype": "text/x-scala",
        "file_extension": ".scala",
        "codemirror_mode": "text/x-scala",
        "pygments_lexer": "scala",
    }
    banner = "PROBA-V: Scala in the Java of Spark; %probav and %%python work too."

    async def do_execute(self, code: str, *arguments: Any, **named: Any) -> Any:
        """Run a cell, as Scala unless it is a magic's."""
        base: Any = super()
        return await base.do_execute(_wrapped(code), *arguments, **named)

    async def do_complete(self, code: str, cursor_pos: int) -> dict[str, Any]:
        """Complete the cell's language at the cursor; where Scala does not run yet, Tab does not start it."""
        language, at = _language(code, cursor_pos)
        code, cursor = code[at:], cursor_pos - at
        if language == "python":
            base: Any = super()
            found = dict(await _now(base.do_complete(code, cursor)))
        else:
            scala = running()
            start, names = scala.complete(code, cursor) if scala else (cursor, [])
            matches = [name for name in names if name.startswith(code[start:cursor])]
            found = {"matches": matches, "cursor_start": start, "cursor_end": cursor}
        moved = {key: found[key] + at for key in ("cursor_start", "cursor_end")}
        return {"metadata": {}, "status": "ok"} | found | moved

    async def do_inspect(
        self, code: str, cursor_pos: int, detail_level: int = 0, omit_sections: Any = ()
    ) -> dict[str, Any]:
        """Tell the type of what is at the cursor."""
        language, at = _language(code, cursor_pos)
        code, cursor = code[at:], cursor_pos - at
        if language == "python":
            base: Any = super()
            return dict(await _now(base.do_inspect(code, cursor, detail_level, omit_sections)))
        end = cursor + len(re.match(r"\w*", code[cursor:])[0])  # type: ignore[index]
        word = _WORD.search(code[:end])
        scala = running()
        shown = scala.type_of(word[0]) if scala and word else None
        data = {"text/plain": f"{word[0]}: {shown}"} if word and shown else {}
        return {"status": "ok", "found": bool(data), "data": data, "metadata": {}}

    async def do_is_complete(self, code: str) -> dict[str, str]:
        """Tell whether a cell is complete; of Scala that does not run yet nothing is known."""
        if _is_magic(code):
            base: Any = super()
            return dict(await _now(base.do_is_complete(code)))
        scala = running()
        return {"status": scala.completeness(code) if scala else "unknown", "indent": "  "}


async def _now(answer: Any) -> Any:
    """Return what a method of ipykernel answers; some are coroutines."""
    return await answer if inspect.isawaitable(answer) else answer


def _is_magic(code: str) -> bool:
    return code.lstrip().startswith(("%", "!", "?"))


def _language(code: str, cursor: int) -> tuple[str, int]:
    """Return the language at the cursor of a cell, and where its code begins; magics are Python's."""
    head = re.match(r"\s*%%(python|scala)\b.*\n", code)
    if head and cursor >= head.end():
        return head[1], head.end()
    return ("python" if _is_magic(code) else "scala"), 0


def _wrapped(code: str) -> str:
    """Return what IPython runs for a cell: Python as it stands, Scala by its magic."""
    if re.match(r"\s*%%python[ \t]*\n", code):
        return code[code.index("%%python") :].partition("\n")[2]
    return code if not code.strip() or _is_magic(code) else f"%%scala\n{code}"


if __name__ == "__main__":
    IPKernelApp.launch_instance(kernel_class=ScalaKernel)
