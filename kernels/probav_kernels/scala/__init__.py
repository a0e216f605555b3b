"""Scala in the Java of a notebook's Spark session: a cell magic, and a kernel whose cells are Scala."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


def register(shell: InteractiveShell) -> None:
    """Give a shell `%scala` and `%%scala`; nothing is started or imported before they are used."""

    def scala(line: str, cell: str | None = None) -> None:
        from probav_kernels.scala.magic import run

        run(shell, line, cell)

    scala.__doc__ = "Run Scala in the Java of this notebook's Spark session; %scala --help lists the options."
    register_magic: Any = shell.register_magic_function
    register_magic(scala, "line_cell", "scala")
