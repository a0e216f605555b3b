"""The mask language: expressions over named layers that say which pixels count.

    clear & land
    ~cloud & ~shadow
    landcover in (40, 'cropland') & ndvi > 0.1

`&`, `|`, `~` mean and, or, not and bind looser than comparisons. A pixel counts where the expression is true;
a comparison with a pixel that holds no value is false.
"""

from __future__ import annotations

import ast
import io
import operator
import tokenize
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from probav import mask_hints
from probav.errors import MaskError, UnknownNameError
from probav.products import Flag, Variable

if TYPE_CHECKING:
    from probav.archive import Archive, Product

_WORDS = {"&": "and", "|": "or", "~": "not"}
_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_ALLOWED = (
    ast.BoolOp, ast.boolop, ast.UnaryOp, ast.Not, ast.USub, ast.UAdd, ast.Compare, ast.cmpop, ast.Name,
    ast.Load, ast.Constant, ast.Tuple, ast.List, ast.Set,
)  # fmt: skip
_MAX_LENGTH = 2000
_MAX_DEPTH = 64
Layers = Mapping["Layer", NDArray[Any]]


@dataclass(frozen=True)
class Layer:
    """A variable of a product that a mask or stratum reads."""

    product: str
    variable: str


@dataclass(frozen=True)
class Mask:
    """A mask expression whose names are resolved.

    Attributes
    ----------
    text : str
    layers : tuple of Layer
        What `evaluate` needs.
    """

    text: str
    layers: tuple[Layer, ...]
    _tree: ast.expr
    _names: Mapping[str, tuple[Layer, Flag | Variable]]

    def evaluate(self, layers: Layers) -> NDArray[np.bool_]:
        """Return where the expression is true, from the DNs of each layer (arrays of one shape)."""
        return np.asarray(self._evaluate(self._tree, layers), bool)

    def table(self) -> tuple[Layer, NDArray[np.bool_]] | None:
        """Return the one 8-bit layer the mask depends on and its truth for each of 256 DNs, if that is so."""
        if len(self.layers) != 1 or any(
            isinstance(known, Variable) and known.dtype != "uint8" for _, known in self._names.values()
        ):
            return None
        layer = self.layers[0]
        return layer, self.evaluate({layer: np.arange(256, dtype=np.uint8)})

    def terms(self) -> tuple[Mask, ...]:
        """Return the conditions that must all hold: "clear & land" has two, "~(cloud | shadow)", too."""
        terms: dict[str, Mask] = {}
        for node in _conjunction(self._tree, holds=True):
            names = {part.id: self._names[part.id] for part in ast.walk(node) if isinstance(part, ast.Name)}
            text = _written(node)
            terms.setdefault(text, Mask(text, _layers(names), node, names))
        return tuple(terms.values())

    def reason(self) -> str:
        """Return why a pixel fails, in words: "not clear" for the mask `clear`, "cloud" for `~cloud`."""
        if isinstance(self._tree, ast.UnaryOp):
            return _written(self._tree.operand)
        text = _written(self._tree)
        return f"not ({text})" if isinstance(self._tree, ast.BoolOp) else f"not {text}"

    def _evaluate(self, node: ast.expr, layers: Layers) -> Any:
        if isinstance(node, ast.BoolOp):
            values = [self._evaluate(value, layers) for value in node.values]
            join = np.logical_and if isinstance(node.op, ast.And) else np.logical_or
            return join.reduce(np.broadcast_arrays(*values))
        if isinstance(node, ast.UnaryOp):
            return np.logical_not(self._evaluate(node.operand, layers))
        if isinstance(node, ast.Name):
            layer, flag = self._names[node.id]
            assert isinstance(flag, Flag)
            return flag.is_set(layers[layer])
        assert isinstance(node, ast.Compare)
        result: Any = True
        left = node.left
        for op, right in zip(node.ops, node.comparators, strict=True):
            result = np.logical_and(result, self._compare(left, op, right, layers))
            left = right
        return result

    def _compare(self, left: ast.expr, op: ast.cmpop, right: ast.expr, layers: Layers) -> Any:
        variable = next(known for side in (left, right) if (known := self._variable(side)) is not None)
        a, valid_a = self._operand(left, variable, layers)
        b, valid_b = self._operand(right, variable, layers)
        if isinstance(op, ast.In | ast.NotIn):
            found = np.isin(a, b)
            return (found if isinstance(op, ast.In) else ~found) & valid_a
        return _COMPARISONS[type(op)](a, b) & valid_a & valid_b

    def _variable(self, node: ast.expr) -> Variable | None:
        known = self._names[node.id][1] if isinstance(node, ast.Name) else None
        return known if isinstance(known, Variable) else None

    def _operand(self, node: ast.expr, variable: Variable, layers: Layers) -> tuple[Any, Any]:
        """Physical values (or class codes) of one side of a comparison, and where there are any."""
        if isinstance(node, ast.Name):
            layer, known = self._names[node.id]
            assert isinstance(known, Variable)
            dn = layers[layer]
            values = dn if known.kind != "continuous" else known.physical(dn)
            if values is not dn and dn.dtype.kind != "f":  # 45 * 0.004 - 0.08 is to be 0.1, as it is written
                values = np.round(values, 9)
            return values, known.is_valid(dn)
        constants = ast.literal_eval(node)
        return _codes(constants, variable, self.text), True


def class_code(name: Any, variable: Variable) -> float:
    """Return the DN of a class given by its code or its name ("cropland").

    Raises
    ------
    UnknownNameError
        If the variable has no such class; the message names near ones.
    """
    if not isinstance(name, str):
        return float(name)
    for code, known in variable.flags.items():
        if known.casefold() == name.casefold():
            return float(code)
    raise UnknownNameError(
        f"{variable.name} has no class {name!r}.{mask_hints.of_class(name, variable.flags)}"
    )


def _codes(constants: Any, variable: Variable, text: str) -> Any:
    if isinstance(constants, tuple | list | set):
        return np.array([_codes(value, variable, text) for value in constants])
    if isinstance(constants, str | int | float) and not isinstance(constants, bool):
        try:
            return class_code(constants, variable)
        except OverflowError:  # an integer of hundreds of digits
            pass
    raise MaskError(
        f"In the mask {text!r}: can't compare with {constants!r}; expected numbers or class names."
    )


def parse_mask(text: str, product: Product, archive: Archive) -> Mask:
    """Read a mask expression and resolve its names for a product in an archive.

    A name is a mask name of the product (`product.definition.masks`), one of its variables (its physical
    value), the role or id of another product ("landcover").

    Raises
    ------
    MaskError
        If the text is not of the mask language.
    UnknownNameError
        If a name is not known; the message names near ones.
    """
    tree = _parse(text)
    _check_nodes(tree, text)
    names: dict[str, tuple[Layer, Flag | Variable]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            names[node.id] = _resolve(node.id, product, archive, text)
    _check(tree, text, names)
    return Mask(text, _layers(names), tree, names)


def _layers(names: Mapping[str, tuple[Layer, Flag | Variable]]) -> tuple[Layer, ...]:
    return tuple(
        sorted({layer for layer, _ in names.values()}, key=lambda item: (item.product, item.variable))
    )


def _conjunction(node: ast.expr, *, holds: bool) -> list[ast.expr]:
    """Return conditions that all hold just where an expression is (or isn't) true."""
    if isinstance(node, ast.UnaryOp):
        return _conjunction(node.operand, holds=not holds)
    if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.And if holds else ast.Or):
        return [part for value in node.values for part in _conjunction(value, holds=holds)]
    return [node if holds else ast.UnaryOp(ast.Not(), node)]


def _written(node: ast.expr) -> str:
    """Return an expression as text of the mask language."""
    if isinstance(node, ast.BoolOp):
        sign = " & " if isinstance(node.op, ast.And) else " | "
        return sign.join(
            f"({_written(part)})" if isinstance(part, ast.BoolOp) else _written(part) for part in node.values
        )
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        inner = _written(node.operand)
        return f"~{inner}" if isinstance(node.operand, ast.Name | ast.UnaryOp) else f"~({inner})"
    return ast.unparse(node)


def _parse(text: str) -> ast.expr:
    if not isinstance(text, str) or not text.strip() or len(text) > _MAX_LENGTH:
        raise MaskError(f"A mask is an expression such as 'clear & land', got {str(text)[:80]!r}.")
    try:
        tokens = [
            (token.type, f" {_WORDS.get(token.string, token.string)} ")
            if token.type == tokenize.OP
            else (token.type, token.string)
            for token in tokenize.generate_tokens(io.StringIO(text.strip()).readline)
        ]
        return ast.parse(tokenize.untokenize(tokens).strip(), mode="eval").body
    except (SyntaxError, tokenize.TokenError, ValueError, MemoryError, RecursionError) as error:
        what = (
            error.args[0] if isinstance(error, tokenize.TokenError) else getattr(error, "msg", None) or error
        )
        raise MaskError(
            f"Can't read the mask {text!r}: {what}.{mask_hints.of_text(text)} "
            "Expected names joined with &, | and ~, such as 'clear & land & ndvi > 0.1'."
        ) from None


def _resolve(name: str, product: Product, archive: Archive, text: str) -> tuple[Layer, Flag | Variable]:
    masks = product.definition.masks
    for known, flag in masks.items():
        if known.casefold() == name.casefold():
            if flag.variable not in product.variables:
                raise UnknownNameError(
                    f"The mask {text!r} needs {flag.variable} for {known!r}, which the archive doesn't hold "
                    f"of {product.id} (it holds {', '.join(product.variables)})."
                )
            return Layer(product.id, flag.variable), flag
    for known, variable in product.variables.items():
        if known.casefold() == name.casefold():
            return Layer(product.id, known), variable
    other = archive.by_role(name.casefold()) or (archive[name] if name in archive else None)
    if other is not None:
        variable = other.variables[other.definition.default]
        return Layer(other.id, variable.name), variable
    others = {item.definition.role: item.definition for item in archive if item.definition.role}
    choices = [*masks, *(item.lower() for item in product.variables), *others]
    classes = {
        role: variable.flags.values()
        for role, other in others.items()
        if (variable := other.variables[other.default]).kind == "categorical"
    }
    absent = [item for item in product.definition.variables if item not in product.variables]
    raise UnknownNameError(
        f"The mask {text!r} names {name!r}, which {product.id} doesn't know."
        f"{mask_hints.of_name(name, choices, classes, absent)}"
    )


def _check_nodes(tree: ast.expr, text: str) -> None:
    """Let no kind of node through that the mask language lacks, and no depth that recursion can't reach."""
    foreign, level, depth = None, [tree], 0
    while level and depth <= _MAX_DEPTH:
        depth += 1
        foreign = foreign or next((node for node in level if not isinstance(node, _ALLOWED)), None)
        level = [child for node in level for child in ast.iter_child_nodes(node)]  # type: ignore[misc]
    if depth > _MAX_DEPTH:
        raise MaskError(f"The mask {text[:80]!r}... is nested deeper than {_MAX_DEPTH} levels; simplify it.")
    if foreign is not None:
        _refuse(foreign, text)


def _refuse(node: ast.AST, text: str) -> NoReturn:
    raise MaskError(
        f"In the mask {text!r}: {ast.unparse(node)!r} is not of the mask language, which has names, "
        f"comparisons, in, &, | and ~.{mask_hints.of_node(node)}"
    )


def _check(node: ast.expr, text: str, names: Mapping[str, tuple[Layer, Flag | Variable]]) -> None:
    """Let through only what the mask language has."""
    if isinstance(node, ast.BoolOp):
        for value in node.values:
            _check(value, text, names)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        _check(node.operand, text, names)
    elif isinstance(node, ast.Name):
        known = names[node.id][1]
        if isinstance(known, Variable):
            advice = {
                "continuous": f"compare it, as in {node.id} > 0.1",
                "categorical": f"compare it, as in {node.id} in (40, 50)",
                "flags": f"name what its bits mean (clear, land), or compare it, as in {node.id} == 248",
            }
            raise MaskError(f"In the mask {text!r}: {node.id} is a layer of numbers; {advice[known.kind]}.")
    elif isinstance(node, ast.Compare):
        _check_comparison(node, text, names)
    else:
        _refuse(node, text)


def _check_comparison(
    node: ast.Compare, text: str, names: Mapping[str, tuple[Layer, Flag | Variable]]
) -> None:
    sides = [node.left, *node.comparators]
    for side in sides:
        if isinstance(side, ast.Name):
            if isinstance(names[side.id][1], Flag):
                raise MaskError(
                    f"In the mask {text!r}: {side.id} is true or false by itself; write {side.id} or "
                    f"~{side.id}, and compare nothing with it."
                )
            continue
        try:
            ast.literal_eval(side)
        except (ValueError, TypeError):
            raise MaskError(
                f"In the mask {text!r}: {ast.unparse(side)!r} is neither a layer nor a number or class name."
            ) from None
    for left, right, op in zip(sides[:-1], sides[1:], node.ops, strict=True):
        layer = next((side for side in (left, right) if isinstance(side, ast.Name)), None)
        if layer is None:
            raise MaskError(f"In the mask {text!r}: a comparison needs a layer on one side.")
        if isinstance(op, ast.Is | ast.IsNot):
            raise MaskError(f"In the mask {text!r}: use == and !=, not 'is'.")
        if isinstance(op, ast.In | ast.NotIn) and isinstance(right, ast.Name):
            raise MaskError(
                f"In the mask {text!r}: 'in' needs a list, as in {ast.unparse(right)} in (40, 50)."
            )
        variable = names[layer.id][1]
        assert isinstance(variable, Variable)
        for side in (left, right):
            if isinstance(side, ast.Name):
                continue
            constants = ast.literal_eval(side)
            is_list = isinstance(constants, tuple | list | set)
            if is_list != (side is right and isinstance(op, ast.In | ast.NotIn)):
                raise MaskError(f"In the mask {text!r}: 'in' takes a list, every other comparison one value.")
            if is_list and any(isinstance(value, tuple | list | set) for value in constants):
                raise MaskError(f"In the mask {text!r}: a list has no lists in it.")
            _codes(constants, variable, text)
