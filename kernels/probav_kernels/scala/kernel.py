"""The kernel "PROBA-V (Scala)": cells are Scala, magics stay what they are.

It is the Python kernel underneath, with the same Spark session: `%probav` works, and cells of `%%python` run
in this process, so that they share variables by `%%scala -i` and `-o`.
"""

from __future__ import annotations

import re
from typing import Any

from ipykernel.ipkernel import IPythonKernel
from ipykernel.kernelapp import IPKernelApp

from probav_kernels.scala.magic import interpreter

_WORD = re.compile(r"[\w.]+$")


class ScalaKernel(IPythonKernel):
    """An IPython kernel whose cells are Scala unless they begin with a magic."""

    implementation = "probav-scala"
    language_info = {  # noqa: RUF012  (ipykernel's interface)
        "name": "scala",
        "version": "2.13",
        "mimetype": "text/x-scala",
        "file_extension": ".scala",
        "codemirror_mode": "text/x-scala",
        "pygments_lexer": "scala",
    }
    banner = "PROBA-V: Scala in the Java of Spark; %probav and %%python work too."

    def __init__(self, **named: Any) -> None:
        base: Any = super()
        base.__init__(**named)
        shell: Any = self.shell
        shell.register_magic_function(lambda _, cell: shell.run_cell(cell), "cell", "python")

    async def do_execute(self, code: str, *arguments: Any, **named: Any) -> Any:
        """Run a cell, as Scala unless it is a magic's."""
        base: Any = super()
        return await base.do_execute(_wrapped(code), *arguments, **named)

    async def do_complete(self, code: str, cursor_pos: int) -> dict[str, Any]:
        """Complete Scala at the cursor."""
        if _is_magic(code):
            base: Any = super()
            return dict(await base.do_complete(code, cursor_pos))
        start, names = interpreter().complete(code, cursor_pos)
        word = code[start:cursor_pos]
        matches = [name for name in names if name.startswith(word)]
        found = {"matches": matches, "cursor_start": start, "cursor_end": cursor_pos}
        return {**found, "metadata": {}, "status": "ok"}

    async def do_inspect(
        self, code: str, cursor_pos: int, detail_level: int = 0, omit_sections: Any = ()
    ) -> dict[str, Any]:
        """Tell the type of what is at the cursor."""
        if _is_magic(code):
            base: Any = super()
            return dict(await base.do_inspect(code, cursor_pos, detail_level, omit_sections))
        end = cursor_pos + len(re.match(r"\w*", code[cursor_pos:])[0])  # type: ignore[index]
        word = _WORD.search(code[:end])
        shown = interpreter().type_of(word[0]) if word else None
        data = {"text/plain": f"{word[0]}: {shown}"} if word and shown else {}
        return {"status": "ok", "found": bool(data), "data": data, "metadata": {}}

    async def do_is_complete(self, code: str) -> dict[str, str]:
        """Tell whether a magic is complete; of Scala nothing is known."""
        if _is_magic(code):
            base: Any = super()
            return dict(await base.do_is_complete(code))
        return {"status": "unknown"}  # the interpreter's own parser waits for more of an open text


def _is_magic(code: str) -> bool:
    return code.lstrip().startswith(("%", "!", "?"))


def _wrapped(code: str) -> str:
    return code if not code.strip() or _is_magic(code) else f"%%scala\n{code}"


if __name__ == "__main__":
    IPKernelApp.launch_instance(kernel_class=ScalaKernel)
