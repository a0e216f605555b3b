"""What every command of %probav has."""

from __future__ import annotations

from abc import ABC, abstractmethod
from argparse import Namespace
from typing import TYPE_CHECKING, Any

from probav_magics.options import Parser

if TYPE_CHECKING:
    from probav_magics.session import Session


class Command(ABC):
    """A command: its options, and what it does with them. Its module names one instance COMMAND.

    Attributes
    ----------
    name : str
        That of the module.
    help : str
        What it does, in a sentence.
    example : str
        A line that shows it; `help` derives the YAML cell and the Python call from it.
    """

    name: str
    help: str
    example: str = ""

    def parser(self) -> Parser:
        """Return a parser of the command's options."""
        parser = Parser(f"%probav {self.name}", self.help)
        self.add_options(parser)
        return parser

    @abstractmethod
    def add_options(self, parser: Parser) -> None:
        """Add the command's options to its parser."""

    def values(self, option: str, session: Session) -> list[str]:
        """Return what Tab offers as the value of an option, beyond what `offers` knows of its name."""
        return []

    @abstractmethod
    def run(self, options: Namespace, session: Session) -> None:
        """Do it."""


def python_call(session: Session, options: Namespace, method: str, *arguments: str, **named: Any) -> str:
    """Return the Python that does what a command does.

    Parameters
    ----------
    session : Session
    options : Namespace
        With `product` and `out`.
    method : str
        Of the product.
    arguments : str
        Python expressions.
    named
        Values of keyword arguments.
    """
    words = ", ".join([*arguments, *(f"{name}={value!r}" for name, value in named.items())])
    result = f"{options.out} = " if options.out else ""
    product = session.archive()[options.product].id
    return (
        f"import probav\n\narchive = {session.archive_code()}\n{result}archive[{product!r}].{method}({words})"
    )
