"""A kernel reads a variable of the file that is not ``tl.constexpr``.

What it means
    Of the file's own variables a kernel may read those that are made with ``tl.constexpr(...)``, Triton's types, other
    Triton functions and modules. A plain number, text, list, dict or class is refused, also when it is annotated
    ``: tl.constexpr`` without the call, and also when it belongs to the function around the kernel.

Why it matters
    The kernel does not compile: ``NameError: Cannot access global variable G from within @jit'ed function``.

How it is found
    Names that the kernel reads and does not set, and that the file surely binds to a plain value: a literal, arithmetic
    on literals, a list or dict, a class, a name from ``math``. What a call of something unknown gives is left alone, as
    are default values of parameters, which may be anything.

Instead
    ``G = tl.constexpr(3)`` where it is defined, or a ``tl.constexpr`` parameter.

When to ignore it
    When ``TRITON_ALLOW_NON_CONSTEXPR_GLOBALS=1`` is set; Triton does not promise to keep that.

Sources
    Part of the 86 compilation errors of other kinds among 804 failed candidates of a public optimisation run. Compiled
    with Triton 3.6.0, 3.7.1 and 3.9.0: every kind of value above; None and Triton's types are accepted.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ncukit.source.lint import violation
from ncukit.source.lint.kinds import kinds
from ncukit.source.lint.scopes import Binding, enclosing, scopes, stored
from ncukit.source.lint.wording import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ncukit.source.inspection import Severity, Violation
    from ncukit.source.lint.kinds import Value
    from ncukit.source.lint.module import Kernel, Module

CODE = "TRI108"
NAME = "global-not-constexpr"
SEVERITY: Severity = "error"

_MATH = ("pi", "e", "tau", "inf", "nan")
_NUMBERS = ("int", "float", "len", "round", "min", "max", "abs", "sum", "str", "bool")
_ENUMS = ("Enum", "IntEnum", "StrEnum", "enum.Enum", "enum.IntEnum", "enum.StrEnum")


def check(module: Module) -> Iterator[Violation]:
    """The first use of every such variable in a kernel."""
    if any("TRITON_ALLOW_NON_CONSTEXPR_GLOBALS" in line for line in module.lines):
        return
    for kernel in module.kernels.values():
        found = kinds(module, kernel)
        around = enclosing(module, kernel)
        told: set[str] = set()
        names = [n for n in module.nodes(kernel) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)]
        for node in sorted(names, key=lambda n: (n.lineno, n.col_offset)):
            if node.id in told or node in found.dead or not _read(module, kernel, node, around, found.values):
                continue
            bound = around.get(node.id) or scopes(module).names[node.id]
            told.add(node.id)
            first = bound[0]
            yield violation(
                __name__,
                module,
                node,
                f"`{node.id}` is {_what(first)} of {'the function around' if node.id in around else 'the file'} "
                f"(line {getattr(first.node, 'lineno', '?')}), not a `tl.constexpr`: a kernel cannot read it",
                instead=_instead(node.id, first),
                kernel=kernel.name,
            )


def _read(
    module: Module, kernel: Kernel, node: ast.Name, around: dict[str, list[Binding]], values: Mapping[ast.AST, Value]
) -> bool:
    """Whether the name is one from outside, and surely of a kind that Triton refuses."""
    value = values.get(node)
    if value is None or value.form not in ("global", "callable", "module") or node.id in kernel.parameters:
        return False
    bound = around.get(node.id) or scopes(module).names.get(node.id)
    if not bound or not all(_refused(module, b, node) for b in bound):
        return False
    return node.id not in stored(module, kernel)


def _refused(module: Module, binding: Binding, use: ast.Name) -> bool:
    if isinstance(binding.node, ast.ClassDef):
        plain = all(shown(b) in _ENUMS for b in binding.node.bases) and not binding.node.keywords
        return plain and not binding.node.decorator_list and isinstance(module.parent(use), ast.Attribute)
    if isinstance(binding.node, ast.ImportFrom):
        return binding.node.module == "math" and module.names.get(use.id, "").removeprefix("math.") in _MATH
    return binding.value is not None and _plain(module, binding.value)


def _plain(module: Module, value: ast.expr) -> bool:
    """Whether an expression surely gives an ordinary Python value."""
    if isinstance(value, ast.Constant):
        return value.value is not None
    if isinstance(value, ast.List | ast.Dict | ast.Set | ast.Tuple | ast.JoinedStr | ast.ListComp | ast.DictComp):
        return True
    if isinstance(value, ast.UnaryOp):
        return _plain(module, value.operand)
    if isinstance(value, ast.BinOp):
        return _plain(module, value.left) and _plain(module, value.right)
    if isinstance(value, ast.Attribute):
        return module.dotted(value).startswith("math.")
    if isinstance(value, ast.Call):
        called = module.called(value)
        return called.startswith(("math.", "os.environ.", "os.getenv")) or (called in _NUMBERS and bool(value.args))
    return False


def _what(binding: Binding) -> str:
    if isinstance(binding.node, ast.ClassDef):
        return "a class"
    value = binding.value
    if isinstance(value, ast.Dict | ast.DictComp):
        return "a dict"
    if isinstance(value, ast.List | ast.ListComp | ast.Set):
        return "a list"
    return "a plain variable"


def _instead(name: str, binding: Binding) -> str:
    if isinstance(binding.node, ast.ClassDef):
        return f"`NAME = tl.constexpr(…)` at the top of the file for each value that the kernel needs from `{name}`"
    if isinstance(binding.node, ast.ImportFrom):
        return f"`import math` and `math.{name}`, which Triton accepts"
    if isinstance(binding.value, ast.Dict | ast.DictComp | ast.Set | ast.ListComp):
        return f"a `tl.constexpr` parameter for each value that the kernel needs from `{name}`"
    text = shown(binding.value, 40) if binding.value is not None else "…"
    return f"`{name} = tl.constexpr({text})` in line {getattr(binding.node, 'lineno', '?')}"
