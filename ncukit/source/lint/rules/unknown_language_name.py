"""A kernel uses a function of Triton's language, or a method of a value, that does not exist.

What it means
    ``tl.tanh``, ``tl.any``, ``x.flatten()``: names that other libraries have and Triton's language does not.

Why it matters
    The kernel does not compile: ``module 'triton.language' has no attribute 'tanh'``. It is the most frequent of all
    foreseeable failures of generated kernels.

How it is found
    Names after ``triton.language``, its ``math`` and ``extra.libdevice``, and after ``triton`` itself, held against the
    lists of Triton 3.6.0, 3.7.1, 3.8.0 and 3.9.0; a name that any of them has is no error, nor one behind a test of the
    version. Methods only where the value is certainly a tensor of Triton's, or the name is one that only torch has.

Instead
    The message names the replacement. Functions that only libdevice has need
    ``from triton.language.extra import libdevice``.

When to ignore it
    When the code is for a fork of Triton, or for a version outside of that range.

Sources
    123 of 804 failed candidates of a public optimisation run: tanh 24, any 20, log1p 6, reduce_or 4, prefetch, astype,
    static_shared_memory and others. Names read from the four versions; replacements compiled with 3.6.0 and 3.7.1.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ncukit.errors import nearest
from ncukit.source.lint import violation
from ncukit.source.lint.calls import DTYPES
from ncukit.source.lint.kinds import Kinds, kinds
from ncukit.source.lint.names import LIBDEVICE, METHODS, REPLACED, TORCH_ONLY, known
from ncukit.source.lint.scopes import stored
from ncukit.source.lint.wording import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ncukit.source.inspection import Severity, Violation
    from ncukit.source.lint.module import Kernel, Module

CODE = "TRI102"
NAME = "unknown-language-name"
SEVERITY: Severity = "error"

_LISTS = ("append", "extend", "insert", "pop", "remove", "sort", "reverse", "clear")


def check(module: Module) -> Iterator[Violation]:
    """Every such name."""
    for kernel in module.kernels.values():
        found = kinds(module, kernel)
        local = set(kernel.parameters) | set(stored(module, kernel))
        for node in module.nodes(kernel):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load) and node not in found.dead:
                yield from _function(module, kernel, node, local)
                yield from _method(module, kernel, node, found)


def _function(module: Module, kernel: Kernel, node: ast.Attribute, local: set[str]) -> Iterator[Violation]:
    root: ast.expr = node
    while isinstance(root, ast.Attribute):
        root = root.value
    dotted = module.dotted(node)
    group, name = _group(dotted)
    if group is None or not isinstance(root, ast.Name) or root.id in local or name.startswith("_"):
        return
    call = module.parent(node)
    if group == "tl" and name in DTYPES and isinstance(call, ast.Call) and call.func is node:
        value = shown(call.args[0], 32) if call.args else "0"
        yield violation(
            __name__,
            module,
            node,
            f"`{shown(call)}` calls a type: Triton's types cannot be called",
            instead=f"`tl.full((), {value}, {shown(node)})` for a constant, `x.to({shown(node)})` for a value",
            kernel=kernel.name,
        )
        return
    if known(group, name) or _guarded(module, node):
        return
    yield violation(
        __name__,
        module,
        node,
        f"`{shown(node)}` does not exist: no Triton from {known.versions[0]} to {known.versions[-1]} has it",
        instead=_replacement(group, name, shown(root)),
        kernel=kernel.name,
    )


def _group(dotted: str) -> tuple[str | None, str]:
    """Which list a dotted name belongs to, and its last part."""
    parts = dotted.split(".")
    if parts[0] != "triton" or len(parts) < 2:
        return None, ""
    if len(parts) == 2:
        return "triton", parts[1]
    if parts[1] != "language":
        return None, ""
    middle = [p for p in parts[2:-1] if p not in ("extra", "cuda")]
    if not middle:
        return (None if len(parts) > 3 else "tl"), parts[-1]
    return {"math": "math", "libdevice": LIBDEVICE}.get(middle[0]) if len(middle) == 1 else None, parts[-1]


def _replacement(group: str, name: str, root: str) -> str:
    if name in REPLACED and group != LIBDEVICE:
        return REPLACED[name].replace("tl.", f"{root}." if root != "triton" else "tl.")
    if group != LIBDEVICE and known(LIBDEVICE, name):
        return f"`libdevice.{name}(…)`, with `from triton.language.extra import libdevice`"
    if group != "tl" and known("tl", name):
        return f"`tl.{name}`"
    close = nearest(name, known.names(group)) or nearest(name, known.names("tl"))
    return f"the nearest names are {', '.join(f'`{n}`' for n in close)}" if close else "write it with the operators"


def _guarded(module: Module, node: ast.AST) -> bool:
    """Whether the name stands behind a test of what this Triton has."""
    for outer in module.around(node):
        if isinstance(outer, ast.If | ast.IfExp):
            text = shown(outer.test, 2000).lower()
            if "version" in text or "hasattr" in text or "has_" in text or "support" in text:
                return True
    return False


def _method(module: Module, kernel: Kernel, node: ast.Attribute, found: Kinds) -> Iterator[Violation]:
    value, name = found.of(node.value), node.attr
    call = module.parent(node)
    called = isinstance(call, ast.Call) and call.func is node
    if value.form == "tuple" and name in _LISTS and called:
        what, instead = "a tuple, as lists are in a kernel", f"`{shown(node.value)} + (element,)` makes a longer one"
    elif value.form == "constexpr" and name == "to" and called:
        what, instead = "a constant, not a tensor", f"`tl.cast({shown(node.value)}, …)`"
    elif value.is_tensor and name == "numel" and called:
        what, instead = "a number, not a method", f"`{shown(node)}`"
    elif value.is_tensor and not known("tensor", name) and not name.startswith("_"):
        what, instead = "a tensor of Triton's", _method_replacement(node.value, name)
    elif value.form == "unknown" and called and name in TORCH_ONLY and _is_local(module, kernel, node.value, found):
        what, instead = "no torch tensor", _method_replacement(node.value, name)
    else:
        return
    yield violation(
        __name__,
        module,
        node,
        f"`.{name}` does not exist: `{shown(node.value, 40)}` is {what}",
        instead=instead,
        kernel=kernel.name,
    )


def _is_local(module: Module, kernel: Kernel, value: ast.expr, found: Kinds) -> bool:
    """Whether an unknown value is at least one that this kernel computes, in a file without classes of its own."""
    if not found.complete or any(isinstance(n, ast.ClassDef) and _may_travel(n) for n in module.tree.body):
        return False
    root: ast.AST = value
    while isinstance(root, ast.Attribute | ast.Subscript | ast.Call):
        root = root.func if isinstance(root, ast.Call) else root.value
    if isinstance(root, ast.BinOp | ast.UnaryOp):
        return True
    return isinstance(root, ast.Name) and root.id in stored(module, kernel)


def _may_travel(node: ast.ClassDef) -> bool:
    """Whether objects of the class may come into a kernel: tuples with names, aggregates."""
    bases = [shown(b) for b in node.bases]
    return bool(node.decorator_list) or any("tuple" in b.lower() for b in bases)


def _method_replacement(value: ast.expr, name: str) -> str:
    text = shown(value, 40)
    text = f"({text})" if isinstance(value, ast.BinOp | ast.UnaryOp | ast.Compare | ast.IfExp) else text
    if name in METHODS:
        return METHODS[name].replace("{x}", text)
    bare = text.removeprefix("(").removesuffix(")") if text.startswith("(") else text
    if known("tl", name):
        return f"`tl.{name}({bare}, …)`"
    if known(LIBDEVICE, name):
        return f"`libdevice.{name}({bare})`, with `from triton.language.extra import libdevice`"
    close = nearest(name, known.names("tensor"))
    return f"the nearest names are {', '.join(f'`.{n}`' for n in close)}" if close else f"a function of tl on `{bare}`"
