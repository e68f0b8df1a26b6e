"""Host code calls a function of Triton's language, which exists only inside of kernels.

What it means
    ``tl.cdiv``, ``tl.zeros``, ``tl.arange`` and their kin are translated by Triton's compiler. Host code runs in
    Python, where they have nothing to work with.

Why it matters
    It raises at the first call: ``RuntimeError: Cannot call @triton.jit'd outside of the scope of a kernel`` or
    ``ValueError: Did you forget to add @triton.jit ?``. The usual place is a launch grid: ``tl.cdiv`` for
    ``triton.cdiv``.

How it is found
    Calls of language functions in code that surely runs on the host: the top level of the file, a method, or a
    function that launches a kernel, makes tensors, or is a launch's grid. Types (``tl.float32``),
    ``tl.constexpr(...)`` and ``tl.dtype`` are fine there and never named.

Instead
    ``triton.cdiv`` and ``triton.next_power_of_2`` have host forms; for the rest torch or math has one.

When to ignore it
    When the function is handed to ``triton.jit`` in a way that the text does not show.

Sources
    Triton 3.6.0 and 3.7.1: every callable of triton.language was called from host code, and these raise.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ncukit.source.lint import violation
from ncukit.source.lint.host import own

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ncukit.source.inspection import Severity, Violation
    from ncukit.source.lint.module import Module

CODE = "TRI208"
NAME = "language-on-host"
SEVERITY: Severity = "error"
RAISE = frozenset({
    "abs", "add", "advance", "arange", "argmax", "argmin", "associative_scan", "assume", "atomic_add", "atomic_and",
    "atomic_cas", "atomic_max", "atomic_min", "atomic_or", "atomic_xchg", "atomic_xor", "broadcast", "broadcast_to",
    "cast", "cat", "cdiv", "ceil", "clamp", "cos", "cumprod", "cumsum", "debug_barrier", "device_assert",
    "device_print", "div_rn", "dot", "dot_scaled", "erf", "exp", "exp2", "expand_dims", "fdiv", "flip", "floor",
    "fma", "full", "gather", "histogram", "inline_asm_elementwise", "interleave", "join", "load", "log", "log2",
    "make_block_ptr", "max", "max_constancy", "max_contiguous", "maximum", "min", "minimum", "multiple_of",
    "num_programs", "permute", "program_id", "rand", "rand4x", "randint", "randint4x", "randn", "randn4x", "ravel",
    "reduce", "reshape", "rsqrt", "sigmoid", "sin", "softmax", "sort", "split", "sqrt", "sqrt_rn", "static_assert",
    "static_print", "store", "sum", "swizzle2d", "topk", "trans", "umulhi", "view", "where", "xor_sum", "zeros",
    "zeros_like", "math.abs", "math.ceil", "math.cos", "math.div_rn", "math.erf", "math.exp", "math.exp2",
    "math.fdiv", "math.floor", "math.fma", "math.log", "math.log2", "math.rsqrt", "math.sin", "math.sqrt",
    "math.sqrt_rn", "math.umulhi",
})  # fmt: skip
HOST = {
    "cdiv": "triton.cdiv({})",
    "max": "max({})",
    "min": "min({})",
    "maximum": "max({})",
    "minimum": "min({})",
    "abs": "abs({})",
    "zeros": "torch.zeros({})",
    "full": "torch.full({})",
    "arange": "torch.arange({})",
    "sqrt": "math.sqrt({})",
    "exp": "math.exp({})",
    "log2": "math.log2({})",
    "log": "math.log({})",
    "ceil": "math.ceil({})",
    "floor": "math.floor({})",
}
_HARMLESS = {"staticmethod", "classmethod", "property", "torch.no_grad", "torch.inference_mode", "functools.cache",
             "functools.lru_cache", "functools.wraps", "contextlib.contextmanager", "abc.abstractmethod"}  # fmt: skip


def check(module: Module) -> Iterator[Violation]:
    """Look at every call of the language outside of Triton functions."""
    for node in ast.walk(module.tree):
        name = module.language(node)
        if name not in RAISE or not isinstance(node, ast.Call) or not _on_host(module, node):
            continue
        given = ", ".join(ast.unparse(a) for a in (*node.args, *node.keywords))
        plain = name.removeprefix("math.")
        instead = HOST.get(plain, "").format(given)
        yield violation(
            __name__,
            module,
            node,
            f"`{ast.unparse(node.func)}` is called in host code: Triton's language works only inside of kernels, and "
            "it raises here",
            instead=f"`{instead}`" if instead else f"compute it in the kernel, or with torch: not with `tl.{name}`",
        )


def _on_host(module: Module, node: ast.Call) -> bool:
    """Whether the code around ``node`` surely runs in Python."""
    functions = []
    for outer in module.around(node):
        if isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef):
            functions.append(outer)
        elif isinstance(outer, ast.ClassDef) and any("triton" in module.dotted(d) for d in outer.decorator_list):
            return False
    if any(_may_be_compiled(module, f) for f in functions):
        return False
    # conditions at the top of a file may hide a whole dialect
    return not functions or any(_runs(module, f) for f in functions)


def _may_be_compiled(module: Module, function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    for decorator in function.decorator_list:
        target = decorator.func if isinstance(decorator, ast.Call) else decorator
        if (module.dotted(target) or "?") not in _HARMLESS:
            return True
    arguments = (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)
    return any(a.annotation is not None and "constexpr" in ast.unparse(a.annotation) for a in arguments)


def _runs(module: Module, function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether a function does what only host code can: launch a kernel or call torch."""
    if any(site.scope is function for site in module.sites):
        return True
    called = (module.called(n) for n in own(function))
    return any(name.startswith("torch.") for name in called)
