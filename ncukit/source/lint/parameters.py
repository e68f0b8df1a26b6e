"""What a kernel's parameters are: constants, or values at run time where its launches or its body leave no doubt."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ncukit.source.lint.kinds import NONE, UNKNOWN, Value, constant

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ncukit.source.lint.module import Kernel, Module

_TYPES = {"i1": "int1", "u1": "int1"} | {
    f"{s}{w}": f"{t}{w}" for s, t in (("i", "int"), ("u", "uint")) for w in (8, 16, 32, 64)
}
_ADDRESSED = ("load", "store", "atomic_add", "atomic_max", "atomic_min", "atomic_xchg", "atomic_cas")
_COUNTED = ("arange", "range", "static_range", "cdiv", "minimum", "maximum", "exp", "log", "sqrt", "rsqrt")
_PYTHON = ("range", "float", "int", "min", "max")
_SHAPES = ("zeros", "full")


def parameters(module: Module, kernel: Kernel, constants: Mapping[str, object] | None = None) -> dict[str, Value]:
    """Value of each parameter; ``constants`` are those of one launch."""
    given = constants or {}
    known = launched(module, kernel)
    numbers = _numbers(module, kernel) if known else frozenset()
    found: dict[str, Value] = {}
    for name in kernel.parameters:
        if name in kernel.constexprs:
            # a function that a kernel calls takes anything there: Triton reads the annotation at launches only
            assumed = Value(form="constexpr") if known or not name.islower() else UNKNOWN
            found[name] = constant(given[name]) if name in given else assumed
        elif name in given:
            found[name] = NONE if given[name] is None else UNKNOWN
        else:
            found[name] = _recorded(module, kernel, name) or (Value(form="scalar") if name in numbers else UNKNOWN)
    for extra in (kernel.node.args.vararg, kernel.node.args.kwarg):
        if extra is not None:
            found[extra.arg] = UNKNOWN
    return found


def launched(module: Module, kernel: Kernel) -> bool:
    """Whether the host certainly launches it: what no other Triton function calls and the host does."""
    if kernel.name in module.remembered("called in kernels", lambda: _called(module)):
        return False
    tuned = kernel.autotune is not None or bool(kernel.heuristics)
    here = any(site.kernel is kernel for site in module.sites)
    return tuned or here or any(launch.kernel == kernel.name for launch in module.launches)


def _called(module: Module) -> set[str]:
    calls = (n for kernel in module.kernels.values() for n in module.nodes(kernel) if isinstance(n, ast.Call))
    return {n.func.id for n in calls if isinstance(n.func, ast.Name)}


def _recorded(module: Module, kernel: Kernel, name: str) -> Value | None:
    """What the launches that were seen say; None when they say nothing or disagree."""
    seen = {
        a.type for launch in module.launches if launch.kernel == kernel.name for a in launch.arguments if a.name == name
    }
    if len(seen) != 1:
        return None
    (type_,) = seen
    if type_.startswith("*"):
        return Value(form="scalar", dtype="pointer")
    if type_ in _TYPES or type_ in ("fp16", "bf16", "fp32", "fp64"):
        return Value(form="scalar", dtype=_TYPES.get(type_, type_))
    return UNKNOWN


def _numbers(module: Module, kernel: Kernel) -> frozenset[str]:
    """Parameters that the body calculates with and never tests, indexes or takes apart: numbers and pointers."""
    doubted = {name for name, value in kernel.defaults.items() if not _number(value)}
    for site in module.sites:
        if site.kernel is kernel:
            doubted |= {
                name for name, value in site.given().items() if isinstance(value, ast.Constant) and not _number(value)
            }
    sure: set[str] = set()
    for node in module.nodes(kernel):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in kernel.parameters:
            use = _use(module, node)
            (sure if use else doubted if use is False else set()).add(node.id)
    return frozenset(sure - doubted)


def _number(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and type(node.value) in (int, float) and node.value != 1


def _use(module: Module, name: ast.Name) -> bool | None:
    """Whether this use says that the name is a number or pointer: True, False for doubt, None for nothing."""
    outer = module.parent(name)
    if isinstance(outer, ast.BinOp | ast.AugAssign):
        return True
    if isinstance(outer, ast.Tuple | ast.List):
        call = module.parent(outer)
        return True if isinstance(call, ast.Call) and module.language(call) in _SHAPES else None
    if isinstance(outer, ast.Compare):
        return _compared(outer)
    if isinstance(outer, ast.Attribute):
        return None if outer.attr in ("to", "dtype", "type") else False
    if isinstance(outer, ast.Call):
        if outer.func is name:
            return False
        language = module.language(outer)
        if language in _ADDRESSED and outer.args and outer.args[0] is name:
            return True
        if language in _COUNTED or module.called(outer).startswith(("math.", "triton.cdiv", "triton.next_power_of_2")):
            return True
        if isinstance(outer.func, ast.Name) and outer.func.id in _PYTHON:
            return True
        if isinstance(outer.func, ast.Name) and outer.func.id in ("isinstance", "hasattr", "len", "getattr"):
            return False
        return None
    if isinstance(outer, ast.Subscript):
        return outer.value is not name
    if isinstance(outer, ast.If | ast.While | ast.IfExp | ast.BoolOp | ast.UnaryOp | ast.Starred):
        return False if not (isinstance(outer, ast.UnaryOp) and isinstance(outer.op, ast.USub)) else None
    return None


def _compared(node: ast.Compare) -> bool | None:
    """What a comparison says of a name in it: ``<`` is for numbers, ``==`` may compare text, ``is`` asks for None."""
    if any(isinstance(op, ast.Is | ast.IsNot | ast.In | ast.NotIn) for op in node.ops):
        return False
    if any(isinstance(op, ast.Eq | ast.NotEq) for op in node.ops):
        sides = [node.left, *node.comparators]
        return True if any(isinstance(s, ast.Constant) and type(s.value) in (int, float) for s in sides) else None
    return True
