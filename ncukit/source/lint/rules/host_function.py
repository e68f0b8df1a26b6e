"""A kernel calls a Python function that Triton cannot compile.

What it means
    A kernel may call Triton's language, ``@triton.jit`` functions and a handful of Python's own functions. Functions of
    torch, NumPy and the file without a decorator are not compiled; ``math``, ``float``, ``int`` and ``triton.cdiv``
    work on constants only.

Why it matters
    The kernel does not compile: ``Unsupported function referenced``, ``NameError('abs is not defined')``,
    ``must be real number, not tensor``, or the misleading ``Did you forget to add @triton.jit ?``.

How it is found
    Calls of undecorated functions of the file, of torch and NumPy functions, of Python's own functions that Triton does
    not have, and of ``math``, ``float``, ``int``, ``len`` and ``triton.cdiv`` with a value that is certainly known only
    at run time.

Instead
    ``@triton.jit`` above the function, ``tl.abs`` for ``abs``, ``tl.cdiv`` for ``triton.cdiv``,
    ``x.to(tl.float32)`` for ``float(x)``.

When to ignore it
    When the function is replaced by a Triton function before the kernel is compiled.

Sources
    Part of the 75 name errors and 86 compilation errors of other kinds among 804 failed candidates of a public
    optimisation run. Compiled with Triton 3.6.0, 3.7.1 and 3.9.0.
"""

from __future__ import annotations

import ast
import builtins
from typing import TYPE_CHECKING

from ncukit.source.lint import violation
from ncukit.source.lint.calls import DTYPES
from ncukit.source.lint.expressions import BUILTINS
from ncukit.source.lint.kinds import Kinds, kinds
from ncukit.source.lint.names import LIBDEVICE, REPLACED, known
from ncukit.source.lint.scopes import enclosing, scopes, stored
from ncukit.source.lint.wording import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ncukit.source.inspection import Severity, Violation
    from ncukit.source.lint.module import Kernel, Module

CODE = "TRI111"
NAME = "host-function"
SEVERITY: Severity = "error"

PYTHON = {
    "abs": "tl.abs({})",
    "sum": "tl.sum({}, axis=0)",
    "round": "tl.floor({} + 0.5)",
    "bool": "{} != 0",
    "pow": "libdevice.pow({})",
    "divmod": "`//` and `%`",
    "any": "tl.max({}.to(tl.int32), axis=0) != 0",
    "all": "tl.min({}.to(tl.int32), axis=0) != 0",
    "tuple": "({},)",
    "slice": "offsets and a mask",
    "type": "{}.dtype",
    "sorted": "tl.sort({})",
}
"""Python's own function that Triton does not have → what it has."""
_TYPES = ("finfo", "iinfo", "Size", "device", "dtype", "Tensor", "Generator", "Stream")
"""Classes of torch: Triton only refuses functions."""
_JIT = "a function of its own at the top of the file, with `@triton.jit`"
_CONVERSIONS = {"float": "{}.to(tl.float32)", "int": "{}.to(tl.int32)", "len": "{}.shape[0]"}


def check(module: Module) -> Iterator[Violation]:
    """Every such call."""
    for kernel in module.kernels.values():
        found = kinds(module, kernel)
        local = set(kernel.parameters) | set(stored(module, kernel))
        raised = {n.exc for n in module.nodes(kernel) if isinstance(n, ast.Raise)}
        for node in module.nodes(kernel):
            if isinstance(node, ast.Attribute) and node not in found.dead:
                yield from _type(module, kernel, node, local)
            if isinstance(node, ast.Call) and node not in found.dead and node not in raised:
                said = _called(module, kernel, node, found, local)
                if said is not None:
                    yield violation(__name__, module, node, said[0], instead=said[1], kernel=kernel.name)


def _called(module: Module, kernel: Kernel, node: ast.Call, found: Kinds, local: set[str]) -> tuple[str, str] | None:
    root: ast.expr = node.func
    while isinstance(root, ast.Attribute):
        root = root.value
    if not isinstance(root, ast.Name) or root.id in local:
        return None
    name, dotted = shown(node.func), module.called(node)
    at_run_time = next((a for a in node.args if found.of(a).is_tensor), None)
    given = ", ".join(shown(a, 32) for a in node.args)
    if isinstance(node.func, ast.Name):
        bound = enclosing(module, kernel).get(name) or scopes(module).names.get(name)
        if bound:
            return _of_file(name, bound[0].node, bound[0].value) if len(bound) == 1 else None
        if scopes(module).open or not hasattr(builtins, name):
            return None
        if name not in BUILTINS:
            return f"`{name}` is a Python function that Triton does not have", _python(name, given)
        if name in _CONVERSIONS and at_run_time is not None:
            if name == "len" and found.of(at_run_time).form == "scalar":
                return None
            return (
                f"`{name}` works on constants only, and `{shown(at_run_time, 32)}` is known at run time",
                f"`{_CONVERSIONS[name].format(_bracketed(at_run_time))}`",
            )
        return None
    library, _, function = dotted.partition(".")
    if library == "triton" and function in ("cdiv", "next_power_of_2") and at_run_time is not None:
        instead = (
            f"`tl.cdiv({given})`" if function == "cdiv" else "compute it on the host and pass it as `tl.constexpr`"
        )
        return f"`{name}` works on constants only, and `{shown(at_run_time, 32)}` is known at run time", instead
    if library == "math" and at_run_time is not None:
        return (
            f"`{name}` works on constants only, and `{shown(at_run_time, 32)}` is known at run time",
            _language(function, given),
        )
    if dotted.startswith("torch.nn.functional."):
        return f"`{name}` is a function of torch: Triton cannot compile it", _language(dotted.rsplit(".", 1)[-1], given)
    imported = module.names.get(root.id) == library
    if library in ("torch", "numpy") and imported and function.count(".") == 0 and _is_function(function):
        return f"`{name}` is a function of {library}: Triton cannot compile it", _language(function, given)
    return None


def _type(module: Module, kernel: Kernel, node: ast.Attribute, local: set[str]) -> Iterator[Violation]:
    """``torch.float32`` where Triton wants a type of its own."""
    outer = module.parent(node)
    if not (isinstance(node.value, ast.Name) and node.value.id not in local and node.attr in DTYPES):
        return
    keyword = isinstance(outer, ast.keyword) and outer.arg == "dtype"
    converts = isinstance(outer, ast.Call) and isinstance(outer.func, ast.Attribute) and outer.func.attr == "to"
    shaped = isinstance(outer, ast.Call) and module.language(outer) in ("zeros", "full", "cast")
    if module.dotted(node) == f"torch.{node.attr}" and (keyword or converts or shaped):
        yield violation(
            __name__,
            module,
            node,
            f"`{shown(node)}` is a type of torch: Triton's language has its own",
            instead=f"`tl.{node.attr}`",
            kernel=kernel.name,
        )


def _is_function(name: str) -> bool:
    return name not in _TYPES and not name[:1].isupper()


def _of_file(name: str, node: ast.AST, value: ast.expr | None) -> tuple[str, str] | None:
    if isinstance(node, ast.ImportFrom) and node.module == "math" and name not in ("pi", "e", "tau", "inf", "nan"):
        return f"`{name}` is a function of math: Triton cannot compile it", _language(name, "x")
    if isinstance(value, ast.Lambda):
        return f"`{name}` is a plain Python function (line {value.lineno}): Triton cannot compile it", _JIT
    if not isinstance(node, ast.FunctionDef) or node.decorator_list:
        return None
    return (
        f"`{name}` is a plain Python function (line {node.lineno}): Triton cannot compile it",
        f"`@triton.jit` above `def {name}` in line {node.lineno}, or `@triton.constexpr_function` where it only "
        "calculates with constants",
    )


def _python(name: str, given: str) -> str:
    if name not in PYTHON:
        return "leave it out" if name in ("id", "repr", "input", "open") else _language(name, given)
    text = PYTHON[name]
    if "{}" not in text:
        return text
    import_ = ", with `from triton.language.extra import libdevice`" if "libdevice" in text else ""
    return f"`{text.format(given)}`{import_}"


def _language(function: str, given: str) -> str:
    short = {"maximum": "maximum", "minimum": "minimum"}.get(function, function)
    if known("tl", short) and short not in ("tensor", "tuple", "slice", "dtype"):
        return f"`tl.{short}({given})`"
    if short in REPLACED:
        return REPLACED[short]
    if known(LIBDEVICE, short):
        return f"`libdevice.{short}({given})`, with `from triton.language.extra import libdevice`"
    return "a function of `tl`, or compute it on the host and pass it as a parameter"


def _bracketed(node: ast.expr) -> str:
    text = shown(node, 32)
    return f"({text})" if isinstance(node, ast.BinOp | ast.UnaryOp | ast.Compare) else text
