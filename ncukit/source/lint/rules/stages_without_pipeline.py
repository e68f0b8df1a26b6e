"""num_stages is raised for a kernel whose loops Triton does not pipeline.

What it means
    The launch option ``num_stages`` sets how many trips of a loop are in flight, for loads that feed a ``tl.dot``, and
    for descriptor loads. Other loads take part only when the loop itself says so: ``tl.range(..., num_stages=3)``. In
    a kernel that has neither, or no loop at all, the option changes nothing.

Why it matters
    Every value compiles to the same instructions; only the compilation is repeated, and an autotuner measures noise.
    "Raise num_stages when warps wait for memory" is the advice of a published prompt, and it did nothing on any of the
    kernels it was given for.

How it is found
    ``num_stages`` above Triton's default of 3 at a launch, or configurations with several values of it, for a kernel
    with no ``tl.dot``, no descriptor load and no ``tl.range`` that sets ``num_stages`` or ``warp_specialize``, in it
    or in the functions that it calls. When it calls a function that the file does not show, nothing is said.

Instead
    ``for start in tl.range(0, n, BLOCK, num_stages=3)`` pipelines the loads of that loop; it costs shared memory, and
    their cache hints are lost. Or leave the option out.

When to ignore it
    On AMD GPUs, where another pipeliner runs.

Sources
    Compiled for sm_80 and sm_90 with Triton 3.6.0 and 3.7.1, num_stages 1 to 5: identical PTX; the seed InstanceNorm
    kernels with 3.9.0 on sm_89 and sm_90: identical SASS.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ncukit.source.lint import violation
from ncukit.source.lint.host import literal
from ncukit.source.lint.ways import read

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ncukit.source.inspection import Severity, Violation
    from ncukit.source.lint.module import Kernel, Module

CODE = "TRI302"
NAME = "stages-without-pipeline"
SEVERITY: Severity = "warning"
DEFAULT = 3
_PIPELINED = ("dot", "dot_scaled", "descriptor.", "load_tensor_descriptor", "make_tensor_descriptor", "make_block_ptr",
              "_experimental", "experimental", "async_")  # fmt: skip


def check(module: Module) -> Iterator[Violation]:
    """Look at launches and configurations that set the option."""
    for site in module.sites:
        value = next((k.value for k in site.call.keywords if k.arg == "num_stages"), None)
        if value is None or "num_stages" in site.kernel.parameters:
            continue
        stages = literal(module, value)
        if isinstance(stages, int) and stages > DEFAULT and (why := pointless(module, site.kernel)):
            yield _said(module, site.kernel, value, f"num_stages={stages} changes nothing in `{site.kernel.name}`", why)
    for kernel in module.kernels.values():
        yield from _configurations(module, kernel)


def _configurations(module: Module, kernel: Kernel) -> Iterator[Violation]:
    tuned = kernel.autotune
    if tuned is None or "num_stages" in kernel.parameters:
        return
    found = [k.value for c in tuned.configs or () for k in c.keywords if k.arg == "num_stages"]
    values = {v for v in (literal(module, f) for f in found) if isinstance(v, int)}
    if not values or (len(values) < 2 and max(values) <= DEFAULT):
        return
    why = pointless(module, kernel)
    if why:
        listed = ", ".join(str(v) for v in sorted(values))
        first = next(f for f in found if literal(module, f) != DEFAULT)
        message = f"autotune tries num_stages {listed} of `{kernel.name}`, and it changes nothing"
        yield _said(module, kernel, first, message, why)


def pointless(module: Module, kernel: Kernel) -> str | None:
    """Why no loop of the kernel can be pipelined by the launch option; None when one may be."""
    trace = read(module, kernel)
    if not trace.complete or any(name.startswith(("?", *_PIPELINED)) for name in trace.called):
        return None
    ranges = [name.partition(":")[2] for name in trace.called if name.startswith("range:")]
    if any("num_stages" in r or "warp_specialize" in r for r in ranges):
        return None
    functions = [kernel.node, *(module.kernels[n].node for n in trace.inlined)]
    if not any(isinstance(n, ast.For | ast.While) for f in functions for n in ast.walk(f)):
        return "it has no loop"
    return "its loops have no tl.dot, no descriptor load and no tl.range(num_stages=)"


def _said(module: Module, kernel: Kernel, node: ast.expr, message: str, why: str) -> Violation:
    loops = [n for n in kernel.walk() if isinstance(n, ast.For) and isinstance(n.iter, ast.Call)]
    loop = next((n for n in loops if any(module.language(inner) == "load" for inner in ast.walk(n))), None)
    instead = "leave num_stages out"
    if loop is not None and isinstance(loop.iter, ast.Call):
        bounds = ", ".join(ast.unparse(a) for a in loop.iter.args)
        instead = f"`for {ast.unparse(loop.target)} in tl.range({bounds}, num_stages={DEFAULT}):` on line {loop.lineno}"
        instead += " pipelines that loop's loads; or leave the option out"
    return violation(__name__, module, node, f"{message}: {why}", instead=instead, kernel=kernel.name)
