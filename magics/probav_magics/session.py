"""What the commands of one notebook share: the archive, the user's variables, the maps."""

from __future__ import annotations

import keyword
import re
import sys
from typing import TYPE_CHECKING, Any

import probav
from probav import memory
from probav.errors import EngineError, ProbavError, QueryError, UnknownNameError, did_you_mean
from probav_magics.options import AOI_HELP
from probav_magics.show import size

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from probav import Aoi, Archive, Product
    from probav_extensions import AoiMap

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_BOX = re.compile(
    rf"\s*[(\[]?\s*({_NUMBER})\s*[,\s]\s*({_NUMBER})\s*[,\s]\s*({_NUMBER})\s*[,\s]\s*({_NUMBER})\s*[)\]]?\s*"
)


class Session:
    """The state behind %probav in one shell.

    Parameters
    ----------
    shell : InteractiveShell
    """

    def __init__(self, shell: InteractiveShell) -> None:
        self.shell = shell
        self.pinned: str | None = None
        self.maps: dict[str, AoiMap] = {}

    @property
    def variables(self) -> dict[str, Any]:
        """The user's namespace."""
        return self.shell.user_ns  # type: ignore[no-any-return]

    def archive(self) -> Archive:
        """Open $PROBAV_ARCHIVE, else the demo archive: the newest snapshot, or the pinned one."""
        return probav.open_archive(snapshot=self.pinned)

    def archive_code(self) -> str:
        """Return the Python expression that opens the same archive."""
        return (
            "probav.open_archive()"
            if self.pinned is None
            else f"probav.open_archive(snapshot={self.pinned!r})"
        )

    def first_product(self) -> Product | None:
        """Return the product to start with: an NDVI with a status map where there is one."""
        try:
            products = list(self.archive())
        except ProbavError:
            return None  # a map without an image is still a map

        def usefulness(product: Product) -> tuple[bool, bool, int]:
            masks = {flag.variable for flag in product.definition.masks.values()}
            return "NDVI" in product.variables, "SM" in masks & set(product.variables), len(product.times)

        return max(products, key=usefulness, default=None)

    def area(self, text: str | None) -> tuple[Any, str]:
        """Return what an --aoi means, and the Python expression of it.

        A variable comes first, then numbers, then what `probav.aoi` makes of a text: file, GeoJSON, country.

        Raises
        ------
        QueryError, AoiError
            If it means nothing, or no area.
        """
        if text is None:
            raise QueryError(f"--aoi is missing: {AOI_HELP}. %probav aoi draws one.")
        if text in self.variables and text.isidentifier():
            try:
                return probav.aoi(self.variables[text]), text
            except ProbavError as error:
                raise QueryError(f"The variable {text} holds no area of interest: {error}") from error
        box = _BOX.fullmatch(text)
        if box:
            numbers = tuple(float(number) for number in box.groups())
            return probav.aoi(numbers), f"probav.aoi({numbers})"
        try:
            return probav.aoi(text), f"probav.aoi({text!r})"
        except UnknownNameError as error:
            if not text.isidentifier():
                raise
            near = did_you_mean(text, self.areas()) if self.areas() else ""
            hint = (
                f" %probav aoi {text} draws it on a map." if not near and not keyword.iskeyword(text) else ""
            )
            raise QueryError(f"There is no variable {text!r}.{near}{hint} {error}") from error

    def areas(self) -> dict[str, Aoi]:
        """Return the user's variables that hold an Aoi."""
        return {
            name: value
            for name, value in self.variables.items()
            if isinstance(value, probav.Aoi) and not name.startswith("_")
        }

    def store(self, name: str | None, value: Any) -> None:
        """Put a result into the user's variable, if one was named.

        Pixels are read when they are used: what would take more memory than there is says so now.
        """
        if name is None:
            return
        self.variables[name] = value
        self.warn_of_memory(
            int(getattr(value, "nbytes", 0)),
            f"{name}, when it is read, takes",
            f"take a part of it, fewer dates (--time), or write it in blocks: %probav export {name} FILE.nc",
        )

    def warn_of_memory(self, needed: int, what: str, remedy: str) -> None:
        """Say beneath the cell that something takes more memory than there is, if it does.

        Parameters
        ----------
        needed : int
            Bytes.
        what : str
            What takes them, with its verb.
        remedy : str
        """
        left = memory.free()
        if left is not None and needed > left:
            sys.stderr.write(
                f"Memory: {what} about {size(needed)}, and {size(left)} are free; the kernel may die of "
                f"it. Better {remedy}.\n"
            )

    def start_spark(self) -> None:
        """Let the notebook's own `spark` start the session, if it has one.

        Raises
        ------
        EngineError
            If it can't start.
        """
        spark = self.variables.get("spark")
        start = getattr(type(spark), "session", None)
        if start is not None:
            try:
                start(spark)
            except Exception as error:  # the kernel's and Spark's own errors: say them, whatever they are
                raise EngineError(f"Spark can't start: {error}") from error

    def say(self, text: str) -> None:
        """Write a line of text beneath the cell."""
        sys.stdout.write(text.rstrip() + "\n")
