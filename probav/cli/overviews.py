"""`probav archive overviews`: what maps of much of an archive are drawn from, made beforehand."""

from __future__ import annotations

import argparse
from typing import Any

import probav
from probav.cli.terminal import add_archive, bar, command
from probav.errors import UnknownNameError, did_you_mean


def add(actions: Any) -> None:
    """Declare the command."""
    own = command(actions, "overviews", _overviews, "make overviews of a product, for maps of all of it")
    own.add_argument("product", metavar="PRODUCT", help="its id")
    own.add_argument("--variable", metavar="NAME", help="default: the product's main one")
    own.add_argument("--time", metavar="TIME", help="default: every date")
    own.add_argument("--mask", metavar="MASK", help="which pixels count (default: all)")
    add_archive(own)


def _overviews(parsed: argparse.Namespace) -> None:
    from probav.overviews import Overviews
    from probav.times import select

    archive = probav.open_archive(parsed.archive)
    product = archive[parsed.product]
    variable = product.definition.variable(parsed.variable).name
    if variable not in product.variables:
        raise UnknownNameError(
            f"The archive holds no {variable} of {product.id}.{did_you_mean(variable, product.variables)}"
        )
    overviews = Overviews(archive, product, variable, parsed.mask)
    shown, progress = bar("overviews")
    with shown:
        overviews.make(select(product.times, parsed.time, product.id), progress)
    print(f"Overviews of {variable} of {product.id} are in {overviews.folder}")
