"""Special functions hold the kernel: exponentials, logarithms, roots, divisions.

What it means
    exp, log, sin, cos, rsqrt, reciprocals (every division holds one) and conversions between integers and floats run on
    the XU pipe.

Why it costs
    An SM has 16 such lanes beside 128 for multiply and add: one exponential costs as much pipe time as eight FMAs, and
    a division or a log a few instructions more.

How it is computed
    It fires when the XU pipe is the highest floor of the ladder and holds at least half of the time, and integer
    arithmetic (whose divisions use the same pipe) is not most of the work. How many of the calls can go is for the
    algebra to say: best assumes half of them, low a quarter; high is the next floor without any. About two other
    instructions (scaling, selecting) go with each call.

What to try
    exp(a) * exp(b) = exp(a + b); exp2 with the factor folded into a scale that is multiplied anyway; one reciprocal in
    place of many divisions by the same number; sigmoid and tanh from one exponential; row constants computed once a
    row; a polynomial on the FMA pipe for part of the elements.

When to ignore it
    When every element truly needs its own function, and the kernel reaches 90 % of the pipe.

Sources
    16 results a cycle and SM: CUDA C++ Programming Guide, arithmetic instruction throughput. Shifting part of the
    exponentials to polynomials: FlashAttention-4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ncukit.diagnose import mix
from ncukit.diagnose.ladder import WORTH
from ncukit.model import Evidence, Finding, Gain, Severity, Suggestion

if TYPE_CHECKING:
    from ncukit.diagnose.rules import Case

CODE = "CMP403"
CAUSE = "sfu-bound"
NEEDS = ("xu_pct",)

HOLDS = 0.5
COMPANIONS = 3.0
"""Instructions a special function call takes: the function, and about two that scale, select or round (generated code
of exp, log and division on sm_90)."""
ARITHMETIC = ("issue", "pipe-fma", "pipe-alu")
MOSTLY_INTEGER = 0.5
MIRRORS = ("fp64", "integer-bound", "divergence", "local-memory")


def judge(case: Case) -> Finding | str:
    """Fire when the XU pipe is the highest floor."""
    kernel, ladder = case.kernel, case.ladder
    busy = kernel.metrics["xu_pct"] / 100
    if busy < HOLDS:
        return f"the XU pipe is busy {busy:.0%} of the time"
    others = {limit: t for limit, t in ladder.floors.items() if limit not in ("pipe-xu", "l1")}
    time = ladder.measured_us or 0.0
    if others and max(others.values()) > busy * time:
        return f"the XU pipe is busy {busy:.0%} of the time, and {max(others, key=others.__getitem__)} is nearer"
    kinds = mix.shares(kernel)
    if kinds.get("integer", 0.0) > MOSTLY_INTEGER and kinds.get("conversion", 0.0) > 0:
        return f"{kinds['integer']:.0%} of the instructions are integer: its divisions use this pipe, see integer-bound"
    if (kernel.get("fp64_pct") or 0.0) > 100 * busy / 2:
        return "the conversions belong to double precision arithmetic: see fp64"

    along = _along(case, busy)

    def left(part: float) -> Gain | None:
        return ladder.without(ladder.scaled(part, "pipe-xu") | ladder.scaled(1 - along * (1 - part), *ARITHMETIC))

    half, quarter, none = left(0.5), left(0.75), left(0.0)
    if half is None or half.best < WORTH:
        return f"the XU pipe is busy {busy:.0%} of the time, but the next limit is as near"
    low = min(quarter.low, half.best) if quarter is not None else 1.0
    gain = Gain(low=low, best=half.best, high=none.high if none is not None else half.high)
    nearest = 100 * max(others.values(), default=0.0) / time if time else 0.0
    return Finding(
        code=CODE,
        cause=CAUSE,
        severity=Severity.TUNE,
        confidence="medium",
        title=f"special functions: the XU pipe is busy {busy:.0%} of the time",
        evidence=(
            Evidence(
                metric="xu_pct",
                value=100 * busy,
                unit="%",
                compared_with=f"{nearest:.0f} % of the next limit",
            ),
        ),
        gain=gain,
        suggestions=(
            Suggestion(
                action="fewer special functions a value: merge exponentials, divide once and multiply, compute row "
                "constants once a row, exp2 with a folded scale",
                location=_place(case),
                why="16 lanes an SM do them, 128 multiply and add",
                watch="accuracy of rewritten expressions",
            ),
        ),
        kernels=(kernel.name,),
    )


def _along(case: Case, busy: float) -> float:
    """Share of the issued instructions that special functions and their companions are."""
    issue = (case.kernel.get("issue_pct") or 0.0) / 100
    # a warp instruction takes the XU pipe two cycles of an SM's four issue slots: an eighth of them at full pipe
    return min(0.9, COMPANIONS * busy / 8 / issue) if issue > 0 else 0.0


def _place(case: Case) -> str | None:
    kernel = case.kernel
    if kernel.function is not None and kernel.function.special_lines and kernel.source is not None:
        return f"{kernel.source.path}:{kernel.function.special_lines[0]}"
    return kernel.where
