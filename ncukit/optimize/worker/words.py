"""How a wrong result is told: what was found, where, and what to do about it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ncukit.optimize.worker.cases import Case
    from ncukit.optimize.worker.compare import Difference

_INSTEAD = {
    "sizes": "mask every load and store by the real size, take sizes from the tensors, and let the grid cover them; "
    "or assert the sizes that the kernel takes",
    "layout": "use the strides of the tensors, or start from x.contiguous(); or assert x.is_contiguous()",
    "dtype": "load, compute in float32 (.to(tl.float32)), store in the type of the output, and allocate that from the "
    "input (torch.empty_like); or assert the dtype that the kernel takes",
    "parameters": "read weights and biases in every forward pass; keep nothing that was computed from them in __init__",
    "configuration": "let the grid follow the configuration: grid = lambda meta: (triton.cdiv(n, meta['BLOCK']),)",
    "mean 1000": "E[x^2] - E[x]^2 cancels far from zero: subtract the mean first (a second pass, or Welford's formula)",
    "large": "squares and exponentials overflow: subtract the maximum, or scale first, and accumulate in float32",
    "tiny": "keep small values: add eps where the reference adds it, and accumulate in float32",
    "constant": "equal values are legal input: what is divided by may be zero, so add eps where the reference adds it",
    "around zero": "inputs may be negative: initialise a maximum with -inf, and pad masked loads with what does not "
    "count",
}
_OWN = "compare with the reference step by step: what is reduced over, by what it is divided, and what masked lanes add"


def number(value: float) -> str:
    """A value of a result, short."""
    return f"{value:.6g}"


def wrong(case: Case, output: str, difference: Difference) -> dict[str, Any]:
    """The reason for values that are wrong."""
    where = f"at {list(difference.index)}" if difference.index else "in its only value"
    times = "" if math.isinf(difference.ratio) else f", {number(difference.ratio)} times the allowed error"
    message = (
        f"{case.name}: {output} is wrong {where}: expected {number(difference.expected)}, "
        f"found {number(difference.found)} (error {number(difference.error)}{times}); "
        f"{difference.wrong} of {difference.total} values are wrong"
    )
    return reason("wrong-values", message + _pattern(difference), instead(case))


def unwritten(case: Case, output: str, difference: Difference, when: str = "") -> dict[str, Any]:
    """The reason for values that nobody wrote."""
    message = (
        f"{case.name}: {difference.poisoned} of {difference.total} values of {output} hold what fresh memory was "
        f"filled with{when}: they were not written, or come from memory that was not; the first is number "
        f"{difference.first_wrong}"
    )
    return reason("unwritten", message, "let the grid cover the whole output in every configuration; " + instead(case))


def instead(case: Case) -> str:
    """What to do about values that are wrong in a case."""
    return _INSTEAD.get(case.values or case.kind, _OWN)


def reason(code: str, message: str, instead: str, line: int | None = None) -> dict[str, Any]:
    """One thing that stands against an answer, as the parent takes it."""
    return {"code": code, "line": line, "message": message, "instead": instead}


def _pattern(difference: Difference) -> str:
    """What all wrong values have in common, where that can be told."""
    factor = difference.factor
    if factor is not None and abs(factor - 1) > 1e-3:
        return f"; all values are {number(factor)} times what they should be"
    if difference.wrong == difference.total and difference.found == 0.0:
        return ""
    if difference.first_wrong > 0 and difference.first_wrong + difference.wrong == difference.total:
        return f"; all up to number {difference.first_wrong} are right"
    return ""
