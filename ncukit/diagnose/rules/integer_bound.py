"""Index arithmetic holds the kernel.

What it means
    Most instructions compute addresses: divisions and remainders that turn a flat index into coordinates, 64-bit
    products of strides, masks for each of many dimensions.

Why it costs
    A division by a run-time number is some twenty instructions, two of them on the special-function pipe; a 64-bit
    multiplication is four. They take issue slots and pipes that the real work needs.

How it is computed
    It fires when integer instructions are at least 60 % of the thread instructions, or 45 % where the source shows
    divisions or remainders (without that count: when the ALU pipe is busy 60 % of the time and a fifth more than the
    FMA pipe), and the issue slots or an arithmetic pipe hold at least 60 % of the time. Issue, ALU, FMA (integer
    products run there) and XU floors fall as integer instructions go: three quarters of them (best), half (low), all
    but a tenth (high).

What to try
    Let grid axes carry the outer indices, so that coordinates are computed once a program; constexpr sizes (a division
    by a constant is a multiplication and a shift, by a power of two a shift); advance pointers by a stride inside loops
    instead of recomputing them; int32 offsets where the tensor has fewer than 2^31 elements.

When to ignore it
    When integers are the data: hashing, quantisation, bit tricks.

Sources
    Integer division as an instruction sequence, rates of integer instructions: CUDA C++ Programming Guide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ncukit.diagnose import mix
from ncukit.diagnose.ladder import WORTH
from ncukit.model import Confidence, Evidence, Finding, Gain, Severity, Suggestion

if TYPE_CHECKING:
    from ncukit.diagnose.rules import Case

CODE = "CMP404"
CAUSE = "integer-bound"
NEEDS = ("alu_pct", "issue_pct")

MOSTLY = 0.6
DIVIDING = 0.45
"""The same where the source shows divisions or remainders, which are index arithmetic for certain."""
MIRRORS = ("divergence", "narrow-access", "uncoalesced-access", "fp64", "atomic-contention", "barrier")
HOLDS = 0.6
ARITHMETIC = ("issue", "pipe-alu", "pipe-fma", "pipe-xu")


def judge(case: Case) -> Finding | str:
    """Fire when integer instructions fill the slots and pipes."""
    kernel, ladder = case.kernel, case.ladder
    kinds = mix.shares(kernel)
    counted = kernel.get("integer_instructions")
    share = kinds.get("integer") if counted is not None else None
    time = ladder.measured_us
    if time is None or not ladder.floors:
        return "no time was measured"
    busiest = max(ladder.floors.get(limit, 0.0) for limit in ARITHMETIC)
    if busiest < HOLDS * time:
        return f"slots and arithmetic pipes hold {busiest / time:.0%} of the time"
    if share is None:
        alu, fma = kernel.metrics["alu_pct"], kernel.get("fma_pct") or 0.0
        if alu < 100 * HOLDS or alu < 1.2 * fma:
            return f"the ALU pipe is busy {alu:.0f} %, the FMA pipe {fma:.0f} %"
        share = alu / (alu + fma)
    elif share < (DIVIDING if kernel.function is not None and kernel.function.division_lines else MOSTLY):
        return f"{share:.0%} of the instructions are integer"
    gain = _gain(case, share)
    if gain is None or gain.best < WORTH:
        return f"{share:.0%} of the instructions are integer, but the next limit is as near"
    confidence: Confidence = "high" if kinds and share > 0.6 else "medium" if kinds else "low"
    return Finding(
        code=CODE,
        cause=CAUSE,
        severity=Severity.TUNE,
        confidence=confidence,
        title=f"{share:.0%} of the instructions are integer arithmetic, and arithmetic holds the kernel",
        evidence=(
            Evidence(
                metric="integer_instructions",
                value=counted or 0.0,
                unit="inst",
                compared_with=f"{kinds.get('fp32', 0.0):.0%} of all are single precision",
            ),
            Evidence(
                metric="alu_pct", value=kernel.metrics["alu_pct"], unit="%", compared_with="100 % of the ALU pipe"
            ),
            Evidence(
                metric="issue_pct", value=kernel.metrics["issue_pct"], unit="%", compared_with="100 % of the slots"
            ),
        ),
        gain=gain,
        suggestions=(_suggestion(case),),
        kernels=(kernel.name,),
    )


def _gain(case: Case, share: float) -> Gain | None:
    kernel, ladder = case.kernel, case.ladder
    floats = mix.fma_share_of_fp32(kernel)
    converts = mix.shares(kernel).get("conversion", 0.0) > 0

    def left(part: float) -> Gain | None:
        new = ladder.scaled(1 - share * (1 - part), "issue") | ladder.scaled(part, "pipe-alu")
        fma = ladder.floors.get("pipe-fma")
        if fma is not None and floats is not None:
            real = min(fma, floats * (ladder.measured_us or 0.0))
            new["pipe-fma"] = real + (fma - real) * part
        if converts:
            new |= ladder.scaled(part, "pipe-xu")
        return ladder.without(new)

    low, best, high = left(0.5), left(0.25), left(0.1)
    if low is None or best is None or high is None:
        return best
    return Gain(low=low.low, best=best.best, high=high.high)


def _suggestion(case: Case) -> Suggestion:
    kernel = case.kernel
    divisions = kernel.function.division_lines if kernel.function is not None else ()
    if divisions and kernel.source is not None:
        return Suggestion(
            action="decode the index once a program: let grid axes carry the outer coordinates, or make the divisors "
            "tl.constexpr",
            location=f"{kernel.source.path}:{divisions[0]}",
            why=f"{len(divisions)} divisions or remainders stand in the kernel; by a run-time number each is some "
            "twenty instructions, by a constant two or three",
            watch="a constexpr divisor compiles anew for every value",
        )
    return Suggestion(
        action="compute addresses once: hoist them out of loops, advance pointers by a stride, int32 offsets",
        location=kernel.where,
        why="index arithmetic takes the slots that the real work needs",
        watch="offsets beyond 2^31 need int64",
    )
