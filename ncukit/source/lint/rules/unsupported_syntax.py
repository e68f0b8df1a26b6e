"""A kernel uses a part of Python's syntax that Triton does not compile.

What it means
    A kernel is not run by Python: Triton's compiler reads its syntax tree and knows only part of the language.
    Functions in functions, ``try``, comprehensions, dicts, ``**`` on tensors and others are not among it.

Why it matters
    The kernel does not compile, mostly with ``unsupported AST node type``; some raise errors that name something else,
    as ``'MatMult' object has no attribute '__name__'``. In the interpreter all of it works.

How it is found
    Statements and expressions of Triton functions that Triton 3.6.0 and 3.7.1 both refuse, outside of branches that are
    known not to be compiled. ``**`` and f-strings only where a value is certainly one at run time.

Instead
    The message says it for each: a ``@triton.jit`` function, ``tl.where``, ``a < b and b < c``, a ``tl.constexpr``.

When to ignore it
    What newer versions accept is a warning: ``:=`` and nested targets from 3.8, chained comparisons and keyword-only
    parameters from 3.9 on.

Sources
    Each form compiled with Triton 3.6.0, 3.7.1, 3.8.0 and 3.9.0. Part of the 86 compilation errors of other kinds among
    804 failed candidates of a public optimisation run.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ncukit.source.lint import violation
from ncukit.source.lint.kinds import Kinds, kinds
from ncukit.source.lint.wording import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ncukit.source.inspection import Severity, Violation
    from ncukit.source.lint.module import Kernel, Module

CODE = "TRI109"
NAME = "unsupported-syntax"
SEVERITY: Severity = "error"

_JIT = "a function of its own at the top of the file, with `@triton.jit`"
REFUSED: dict[type[ast.AST], tuple[str, str]] = {
    ast.Lambda: ("`lambda`", _JIT),
    ast.FunctionDef: ("a function inside of a kernel", _JIT),
    ast.AsyncFunctionDef: ("a function inside of a kernel", _JIT),
    ast.ClassDef: ("a class inside of a kernel", "a tuple, or separate variables"),
    ast.Try: ("`try`", "leave it out: nothing can be raised in a kernel; guard memory with masks"),
    ast.Raise: ("`raise`", "`tl.static_assert(condition, message)` for constants, `tl.device_assert` at run time"),
    ast.Global: ("`global`", "a parameter, or memory behind a pointer"),
    ast.Nonlocal: ("`nonlocal`", "a parameter, or memory behind a pointer"),
    ast.Delete: ("`del`", "leave it out: the compiler frees registers by itself"),
    ast.Import: ("`import` inside of a kernel", "import it at the top of the file"),
    ast.ImportFrom: ("`import` inside of a kernel", "import it at the top of the file"),
    ast.Yield: ("`yield`", "`tl.store` what the kernel computes"),
    ast.YieldFrom: ("`yield`", "`tl.store` what the kernel computes"),
    ast.Await: ("`await`", "leave it out"),
    ast.NamedExpr: ("`:=`", "an assignment in a line of its own"),
    ast.Dict: ("a dict", "separate variables, or a tuple indexed by constants"),
    ast.Set: ("a set", "a tuple"),
    ast.SetComp: ("a set comprehension", "`tl.static_range`"),
    ast.DictComp: ("a dict comprehension", "`tl.static_range`"),
    ast.GeneratorExp: ("a generator", "`tl.static_range`"),
    ast.Match: ("`match`", "`if` and `elif`"),
    ast.AsyncFor: ("`async`", "`for`"),
    ast.AsyncWith: ("`async`", "leave it out"),
}
"""Node → how a message calls it, and what to write for it."""


def check(module: Module) -> Iterator[Violation]:
    """Every such construct."""
    for kernel in module.kernels.values():
        found = kinds(module, kernel)
        yield from _signature(module, kernel)
        inner: set[ast.AST] = set()
        for node in module.nodes(kernel):
            if node in found.dead or node in inner:
                continue
            said = _refused(module, node, found)
            if said is None or (isinstance(node, ast.Raise) and _checks_a_constant(module, kernel, node, found)):
                continue
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
                inner.update(ast.walk(node))
            what, instead = said
            since = _since(node)
            yield violation(
                __name__,
                module,
                node,
                f"{what}: Triton {f'before {since} ' if since else ''}does not compile it",
                instead=instead,
                kernel=kernel.name,
                severity="warning" if since else None,
            )


def _since(node: ast.AST) -> str | None:
    """The version from which Triton does compile it; None as long as none does."""
    if isinstance(node, ast.NamedExpr | ast.Assign):
        several = isinstance(node, ast.Assign) and (len(node.targets) > 1 or not isinstance(node.targets[0], ast.Tuple))
        return None if several else "3.8"
    if isinstance(node, ast.Compare):
        return None if any(isinstance(op, ast.In | ast.NotIn) for op in node.ops) else "3.9"
    return None


def _checks_a_constant(module: Module, kernel: Kernel, node: ast.Raise, found: Kinds) -> bool:
    """Whether a ``raise`` may stand where no launch comes: as good an assertion about constants as any."""
    for outer in module.around(node):
        if outer is kernel.node:
            return False
        if isinstance(outer, ast.If) and not found.of(outer.test).is_tensor:
            return True
    return False


def _signature(module: Module, kernel: Kernel) -> Iterator[Violation]:
    arguments = kernel.node.args
    for kind, names in (("positional-only", arguments.posonlyargs), ("keyword-only", arguments.kwonlyargs)):
        if names:
            mark, before = ("/", "") if kind == "positional-only" else ("*", "before 3.9 ")
            yield violation(
                __name__,
                module,
                names[0],
                f"`{names[0].arg}` is a {kind} parameter: Triton {before}does not compile it",
                severity="warning" if before else None,
                instead=f"leave out the `{mark}` in the signature of {kernel.name}",
                kernel=kernel.name,
            )


def _refused(module: Module, node: ast.AST, found: Kinds) -> tuple[str, str] | None:
    """What is wrong and what to write; None when Triton compiles it."""
    plain = REFUSED.get(type(node))
    if plain is not None:
        return plain
    match node:
        case ast.Assign():
            return _assignment(node, found)
        case ast.Starred() if not isinstance(module.parent(node), ast.Call):
            return f"`{shown(node)}`", "the elements one by one"
        case ast.Compare():
            return _comparison(node)
        case ast.BinOp():
            return _operator(node, found)
        case ast.AugAssign(op=ast.MatMult()):
            return f"`{shown(node)}`", f"`tl.dot({shown(node.target)}, {shown(node.value)})`"
        case ast.ListComp():
            return _comprehension(module, node)
        case ast.For() | ast.While():
            return _loop(module, node)
        case ast.Call() if any(k.arg is None for k in node.keywords):
            return f"`**` in the call `{shown(node, 40)}`", "the keyword arguments one by one"
        case ast.JoinedStr():
            return _text(node, found)
    return None


def _assignment(node: ast.Assign, found: Kinds) -> tuple[str, str] | None:
    if len(node.targets) > 1:
        lines = "; ".join(f"{shown(t, 24)} = {shown(node.value, 32)}" for t in node.targets)
        return f"`{shown(node)}` assigns several names at once", f"`{lines}`"
    target = node.targets[0]
    if isinstance(target, ast.Attribute):
        return f"`{shown(target)} = …` assigns to an attribute", "a variable"
    if isinstance(target, ast.List):
        return f"`{shown(target)} = …` assigns to a list", f"`{', '.join(shown(e, 24) for e in target.elts)} = …`"
    if isinstance(target, ast.Tuple) and any(isinstance(e, ast.Tuple | ast.List) for e in target.elts):
        return f"`{shown(target)} = …` has a target inside of a target", "one assignment for each level"
    text = found.of(node.value)
    if isinstance(target, ast.Name) and text.form == "constexpr" and isinstance(text.literal, str):
        return f"`{shown(node)}` assigns text", f"`{target.id}: tl.constexpr = {shown(node.value, 40)}`"
    return None


def _comparison(node: ast.Compare) -> tuple[str, str] | None:
    if any(isinstance(op, ast.In | ast.NotIn) for op in node.ops):
        container = node.comparators[-1]
        inside = isinstance(node.ops[-1], ast.In)
        if isinstance(container, ast.Tuple | ast.List | ast.Set) and container.elts and len(node.ops) == 1:
            parts = [f"{shown(node.left, 24)} {'==' if inside else '!='} {shown(e, 16)}" for e in container.elts]
            return f"`{shown(node)}`", f"`{(' or ' if inside else ' and ').join(parts)}`"
        return f"`{shown(node)}`", "comparisons with each element"
    if len(node.ops) > 1:
        marks = {
            ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=", ast.Is: "is",
            ast.IsNot: "is not",
        }  # fmt: skip
        sides = [node.left, *node.comparators]
        parts = [
            f"({shown(a, 24)} {marks.get(type(op), '?')} {shown(b, 24)})"
            for a, op, b in zip(sides, node.ops, sides[1:], strict=False)
        ]
        return f"the chained comparison `{shown(node)}`", f"`{' & '.join(parts)}`"
    return None


def _operator(node: ast.BinOp, found: Kinds) -> tuple[str, str] | None:
    if not isinstance(node.op, ast.MatMult | ast.Pow):
        return None
    left, right = shown(node.left, 32), shown(node.right, 32)
    if isinstance(node.op, ast.MatMult):
        return f"`{shown(node)}`", f"`tl.dot({left}, {right})`"
    if not (found.of(node.left).is_tensor or found.of(node.right).is_tensor):
        return None
    exponent = node.right.value if isinstance(node.right, ast.Constant) else None
    times = int(exponent) if isinstance(exponent, int | float) and exponent in (2, 3) else None
    if times is not None and isinstance(node.left, ast.Name | ast.Attribute):
        instead = f"`{' * '.join([left] * times)}`"
    elif times is not None:
        instead = f"`v = {left}` and `{' * '.join(['v'] * times)}`"
    elif exponent in (0.5, -0.5):
        instead = f"`tl.{'sqrt' if exponent == 0.5 else 'rsqrt'}({left})`"
    elif isinstance(node.left, ast.Constant) and node.left.value == 2:
        instead = f"`tl.exp2({right})` on floats, `1 << {right}` on integers"
    else:
        instead = f"`libdevice.pow({left}, {right})`, with `from triton.language.extra import libdevice`"
    return f"`{shown(node)}`: `**` on a run-time value", instead


def _comprehension(module: Module, node: ast.ListComp) -> tuple[str, str] | None:
    source = node.generators[0].iter
    called = module.called(source)
    if len(node.generators) > 1:
        return "a comprehension with several loops", "`tl.static_range` around `tl.static_range`"
    if called in ("range", "triton.language.range", "triton.language.static_range"):
        return (
            f"a comprehension over `{shown(source)}`",
            "a loop over `tl.static_range`: comprehensions take tuples only",
        )
    return None


def _loop(module: Module, node: ast.For | ast.While) -> tuple[str, str] | None:
    if isinstance(node, ast.While):
        return ("`else` after a `while`", "the statements after the loop") if node.orelse else None
    called = module.called(node.iter)
    if node.orelse and called != "triton.language.static_range":
        return "`else` after a `for`", "the statements after the loop"
    if not isinstance(node.iter, ast.Call):
        return (
            f"a loop over `{shown(node.iter)}`",
            f"`for i in tl.static_range(n):` with `{shown(node.target)} = {shown(node.iter, 24)}[i]`",
        )
    if called in ("enumerate", "zip", "reversed", "map", "filter", "sorted"):
        return f"a loop over `{called}`", "a loop over `range` or `tl.static_range`, with the index used in its body"
    if called == "triton.language.arange":
        return "a loop over `tl.arange`", "`range(…)` for a loop, or the block itself without one"
    return None


def _text(node: ast.JoinedStr, found: Kinds) -> tuple[str, str] | None:
    for part in node.values:
        if isinstance(part, ast.FormattedValue) and found.of(part.value).is_tensor:
            return (
                f"an f-string with the run-time value `{shown(part.value)}`",
                f'`tl.device_print("{shown(part.value, 24)}", {shown(part.value, 24)})`',
            )
    return None
