"""A constexpr parameter is never used in the kernel.

What it means
    The kernel takes a ``tl.constexpr`` that its body never reads. Callers believe to turn a knob, and turn none.

Why it matters
    Each value that is passed compiles the kernel again, for the same code. The usual one is ``NUM_STAGES``: it looks
    like the launch option ``num_stages`` and is not connected to it; so was it in a published answer of a model, which
    "tuned" it by the problem's size.

How it is found
    A parameter annotated ``tl.constexpr`` whose name the body of a kernel (a function that is launched or asks for its
    program id) does not read, not even to pass it on. Names that the autotuner's key lists, that a launch grid reads,
    or that are launch options themselves (``num_warps``: Triton takes them too when the kernel has a parameter of that
    name) are left alone.

Instead
    Take it out, or use it: ``num_stages=`` in lower case is the launch option, and ``tl.range(..., num_stages=NAME)``
    takes a constexpr.

When to ignore it
    When kernels share one signature on purpose.

Sources
    The seed answer of this project's reference (two kernels with an unused NUM_STAGES). Triton 3.7.1, runtime/jit.py:
    the cache key holds every constexpr.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ncukit.source.lint import violation
from ncukit.source.lint.host import is_entry
from ncukit.source.lint.rules.stages_without_pipeline import pointless

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ncukit.source.inspection import Severity, Violation
    from ncukit.source.lint.module import Kernel, Module

CODE = "TRI301"
NAME = "constexpr-unused"
SEVERITY: Severity = "warning"
OPTIONS = ("num_warps", "num_stages", "num_ctas", "maxnreg")
_LOOKALIKES = {"numstages": "num_stages", "stages": "num_stages", "nstages": "num_stages", "numwarps": "num_warps",
               "warps": "num_warps", "nwarps": "num_warps", "numctas": "num_ctas", "maxnreg": "maxnreg"}  # fmt: skip


def check(module: Module) -> Iterator[Violation]:
    """Look at every kernel's parameters."""
    for kernel in module.kernels.values():
        arguments = {
            a.arg: a for a in (*kernel.node.args.posonlyargs, *kernel.node.args.args, *kernel.node.args.kwonlyargs)
        }
        unused = sorted(kernel.constexprs - _used(kernel) - set(OPTIONS), key=list(arguments).index)
        if not unused or _empty(kernel) or not is_entry(module, kernel):
            continue
        elsewhere = _elsewhere(module, kernel)
        for name in unused:
            if name in elsewhere:
                continue
            option = _LOOKALIKES.get(name.lower().replace("_", ""))
            message = f"`{name}` is never used in `{kernel.name}`: each value compiles the same code again"
            instead = f"take `{name}` out of `{kernel.name}` and of its launches"
            if option:
                message = (
                    f"`{name}` is never used in `{kernel.name}` and is not the launch option `{option}`: it changes "
                )
                message += "nothing"
                instead = f"`{kernel.name}[grid](…, {option}=…)` in lower case is the launch option; take `{name}` out"
                why = pointless(module, kernel) if option == "num_stages" else None
                instead += f" (and {option} changes nothing here: {why})" if why else ""
            yield violation(__name__, module, arguments[name], message, instead=instead, kernel=kernel.name)


def _used(kernel: Kernel) -> set[str]:
    return {n.id for n in kernel.walk() if isinstance(n, ast.Name)}


def _empty(kernel: Kernel) -> bool:
    """A stub: nothing but a docstring, ``pass`` or ``...``."""
    return all(
        isinstance(s, ast.Pass | ast.Raise) or (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))
        for s in kernel.node.body
    )


def _elsewhere(module: Module, kernel: Kernel) -> set[object]:
    """Names that decorators speak of, or that a grid or hook reads as ``META["NAME"]``."""
    found: set[object] = set()
    for decorator in kernel.node.decorator_list:
        for keyword in decorator.keywords if isinstance(decorator, ast.Call) else ():
            if keyword.arg in ("key", "values", "prune_configs_by"):
                found |= {n.value for n in ast.walk(keyword.value) if isinstance(n, ast.Constant)}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
            found.add(node.slice.value)
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "get"
            and node.args
        ):
            found |= {a.value for a in node.args if isinstance(a, ast.Constant)}
    return found
