"""A tile's size, or the number of an unrolled loop's trips, is not known while compiling.

What it means
    ``tl.arange`` and every tile shape need numbers that the compiler knows: ``tl.constexpr`` parameters, literals, and
    expressions of these. A plain assignment takes that away: after ``WIDE = BLOCK * 2`` the name ``WIDE`` is a value at
    run time, even though both sides were constants.

Why it matters
    The kernel does not compile: ``arange's arguments must be of type tl.constexpr``, or ``Shape element 0 must have
    type `constexpr[int]```.

How it is found
    Bounds of ``tl.arange`` and ``tl.static_range``, shapes of ``tl.zeros``, ``tl.full``, ``tl.reshape``, ``tl.view``,
    ``tl.broadcast_to``, block pointers and descriptors, and ``axis`` arguments, where the value is certainly a run-time
    one: an un-annotated local, a parameter without ``tl.constexpr`` of a kernel that the host launches, the variable of
    a ``range`` loop, or a float. An expression of constants written in place, ``tl.arange(0, BLOCK * 2)``, is fine.

Instead
    Annotate the local: ``WIDE: tl.constexpr = BLOCK * 2``. Declare the parameter ``BLOCK: tl.constexpr``. For a length
    that only the host knows, take a constexpr block of at least that size and mask the rest.

When to ignore it
    When the un-annotated parameter is always 1: Triton makes a constant of that one.

Sources
    22 of 804 failed candidates of a public optimisation run, and the RMSNorm answer in this project's seeds. Compiled
    with Triton 3.6.0, 3.7.1 and 3.9.0; ``tl.cdiv`` of constants is a constant from 3.7 on only.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ncukit.source.lint import violation
from ncukit.source.lint.calls import Arguments
from ncukit.source.lint.kinds import Kinds, Value, kinds
from ncukit.source.lint.scopes import stored
from ncukit.source.lint.wording import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ncukit.source.inspection import Severity, Violation
    from ncukit.source.lint.module import Kernel, Module

CODE = "TRI103"
NAME = "arange-not-constexpr"
SEVERITY: Severity = "error"

BOUNDS = {
    "arange": ((0, "start"), (1, "end")),
    "static_range": ((0, "arg1"), (1, "arg2"), (2, "step")),
}
"""Function → arguments that must be constants."""
SHAPES = {
    "zeros": (0, "shape"),
    "full": (0, "shape"),
    "broadcast_to": (1, "shape"),
    "reshape": (1, "shape"),
    "view": (1, "shape"),
    "make_block_ptr": (4, "block_shape"),
    "make_tensor_descriptor": (3, "block_shape"),
}
METHODS = ("reshape", "view", "broadcast_to")
"""Of a tensor: all arguments are sizes."""
AXES = dict.fromkeys(("sum", "max", "min", "argmax", "argmin", "cumsum", "expand_dims"), (1, "axis")) | {
    "program_id": (0, "axis"),
    "num_programs": (0, "axis"),
}


def check(module: Module) -> Iterator[Violation]:
    """Every such size."""
    for kernel in module.kernels.values():
        found = kinds(module, kernel)
        for node in module.nodes(kernel):
            if not isinstance(node, ast.Call) or node in found.dead:
                continue
            name = module.language(node) or _method(node, found)
            for size in _sizes(name, node, found):
                value = _worst(found.of(size))
                if value.is_tensor or (value.form == "constexpr" and value.dtype in ("fp32", "float")):
                    message, instead = _told(module, kernel, name, node, size, value, found)
                    yield violation(__name__, module, size, message, instead=instead, kernel=kernel.name)


def _worst(value: Value) -> Value:
    """Of a tuple of sizes the first that is not a constant."""
    return next((item for item in value.items or () if item.is_tensor), value) if value.form == "tuple" else value


def _method(node: ast.Call, found: Kinds) -> str:
    """``reshape`` for ``x.reshape(…)`` of a tensor."""
    if isinstance(node.func, ast.Attribute) and node.func.attr in METHODS and found.of(node.func.value).is_tensor:
        return f".{node.func.attr}"
    return ""


def _sizes(name: str, node: ast.Call, found: Kinds) -> Iterator[ast.expr]:
    """The expressions of a call that must be constants."""
    given = Arguments(node, found.of)
    if not given.known:
        return
    if name.startswith("."):
        for size in node.args:
            yield from size.elts if isinstance(size, ast.Tuple | ast.List) else [size]
        return
    for place, argument in BOUNDS.get(name, ()):
        bound = given.node(place, argument)
        if bound is not None:
            yield bound
    if name in SHAPES:
        shape = given.node(*SHAPES[name])
        if isinstance(shape, ast.Tuple | ast.List):
            yield from (p for p in shape.elts if not isinstance(p, ast.Starred))
        elif shape is not None:
            yield shape
    if name in AXES:
        axis = given.node(*AXES[name])
        if axis is not None:
            yield axis


def _told(
    module: Module, kernel: Kernel, name: str, call: ast.Call, size: ast.expr, value: Value, found: Kinds
) -> tuple[str, str]:
    text, where = shown(size), name if name.startswith(".") else f"tl.{name}"
    need = f"`{where}` needs a number that the compiler knows, but `{text}`"
    if value.form == "constexpr":
        whole = text.replace(" / ", " // ")
        return f"{need} is a float", f"`{whole}`" if whole != text else f"`int({text})`"
    if isinstance(value.decayed, ast.Assign | ast.AugAssign):
        return _decayed(module, kernel, need, size, value.decayed, found)
    if isinstance(size, ast.Name) and size.id in kernel.parameters:
        return (
            f"{need} is a parameter without `tl.constexpr`: its value comes at run time",
            f"`{size.id}: tl.constexpr` in the signature of {kernel.name} (line {kernel.node.lineno})",
        )
    if isinstance(size, ast.Name):
        loop = next(
            (
                o
                for o in module.around(call)
                if isinstance(o, ast.For) and isinstance(o.target, ast.Name) and o.target.id == size.id
            ),
            None,
        )
        if loop is not None:
            return f"{need} counts a loop at run time", f"`for {size.id} in tl.static_range(…):` in line {loop.lineno}"
    if name in ("arange", *SHAPES) or name.startswith("."):
        return (
            f"{need} is computed at run time",
            f"a `BLOCK: tl.constexpr` parameter that is at least as large, with `mask=offsets < {text}`",
        )
    if name == "static_range":
        return f"{need} is computed at run time", "`range(…)`, which need not know it, or a `tl.constexpr` parameter"
    return f"{need} is computed at run time", "the number itself"


def _decayed(
    module: Module, kernel: Kernel, need: str, size: ast.expr, statement: ast.Assign | ast.AugAssign, found: Kinds
) -> tuple[str, str]:
    """A constant that a plain assignment made a run-time value of."""
    target = statement.target if isinstance(statement, ast.AugAssign) else statement.targets[0]
    name = size.id if isinstance(size, ast.Name) else shown(size)
    line = statement.lineno
    message = (
        f"{need} is not: the assignment in line {line} is without `: tl.constexpr`, which makes a run-time value of it"
    )
    value = _source(target, statement, name)
    if not isinstance(size, ast.Name):
        return message, f"`NAME: tl.constexpr = …` in line {line}"
    if value is None or isinstance(statement, ast.AugAssign):
        return message, f"another name: `{name}_: tl.constexpr = …` in line {line}, used from there on"
    text = shown(value).replace("tl.cdiv(", "triton.cdiv(")
    if (
        stored(module, kernel)[name] == 1
        and name not in kernel.parameters
        and not _repeats(module, statement, kernel, found)
    ):
        return message, f"`{name}: tl.constexpr = {text}` in line {line}"
    return message, f"`{text}` here in place of `{name}`: a constexpr cannot be assigned twice"


def _source(target: ast.expr, statement: ast.Assign | ast.AugAssign, name: str) -> ast.expr | None:
    """What exactly the name is assigned."""
    if isinstance(target, ast.Name):
        return statement.value
    values = statement.value
    if isinstance(target, ast.Tuple | ast.List) and isinstance(values, ast.Tuple | ast.List):
        for inner, value in zip(target.elts, values.elts, strict=False):
            if isinstance(inner, ast.Name) and inner.id == name:
                return value
    return None


def _repeats(module: Module, statement: ast.stmt, kernel: Kernel, found: Kinds) -> bool:
    """Whether an annotated assignment in its place would be refused: in an unrolled loop, or a branch at run time."""
    for outer in module.around(statement):
        if outer is kernel.node:
            return False
        if isinstance(outer, ast.For) and module.language(outer.iter) == "static_range":
            return True
        if isinstance(outer, ast.If) and found.of(outer.test).form != "constexpr":
            return True
    return False
