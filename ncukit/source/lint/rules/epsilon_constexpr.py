"""The epsilon of a normalisation is a constexpr: every value compiles the kernel again.

What it means
    ``eps: tl.constexpr`` makes the number part of the compiled code. Another layer with another epsilon compiles the
    kernel again, in seconds, at the first call.

Why it matters
    An addition of a run-time scalar costs what one of a constant costs: the value sits in a register or in constant
    memory. So the constexpr buys nothing, and a model with several values pays a compilation for each.

How it is found
    A parameter called ``eps`` or ``epsilon`` (alone or after an underscore) that is annotated ``tl.constexpr``, in a
    kernel that the file launches or that computes its program id.

Instead
    Drop the annotation: Triton passes the float as a 32-bit argument.

When to ignore it
    When the kernel computes in double precision: a run-time float arrives in 32 bits.

Sources
    Triton 3.6.0 and 3.7.1, runtime/jit.py: the cache key holds every constexpr. The seed InstanceNorm of this
    project's reference has it.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ncukit.source.lint import violation
from ncukit.source.lint.host import is_entry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ncukit.source.inspection import Severity, Violation
    from ncukit.source.lint.module import Module

CODE = "TRI305"
NAME = "epsilon-constexpr"
SEVERITY: Severity = "warning"


def check(module: Module) -> Iterator[Violation]:
    """Look at the parameters of kernels that are launched."""
    for kernel in module.kernels.values():
        if not is_entry(module, kernel):
            continue
        if any(isinstance(n, ast.Attribute) and n.attr == "float64" for n in kernel.walk()):
            continue
        for argument in (*kernel.node.args.posonlyargs, *kernel.node.args.args, *kernel.node.args.kwonlyargs):
            if argument.arg in kernel.constexprs and argument.arg.lower().split("_")[-1] in ("eps", "epsilon"):
                yield violation(
                    __name__,
                    module,
                    argument,
                    f"`{argument.arg}` is a constexpr: every value of it compiles `{kernel.name}` again, and as a "
                    "run-time number it costs nothing",
                    instead=f"`{argument.arg},` without the annotation",
                    kernel=kernel.name,
                )
