"""The schedulers issue an instruction nearly every cycle: there are too many instructions.

What it means
    Each of an SM's four schedulers can issue one instruction a cycle, and does. No single pipe need be full: the sum of
    loads, masks, address arithmetic, moves and the real work is what fills the slots.

Why it costs
    At full slots only fewer instructions make the kernel faster.

How it is computed
    It fires when the issue slots are the highest floor of the ladder and hold at least 80 % of the time, no narrower
    cause (narrow accesses, integer arithmetic, divergence, special functions, double precision, a matrix product
    without tensor cores) explains them, and less than two thirds of the slots go to the FMA pipe (else the instructions
    are the work itself: compute-roof). How many can go is for the code to say: anything between a tenth (low) and so
    many that the next floor of another kind holds, seven eighths at most (high); best is the middle of that range in
    logarithm, half of them at most.

What to try
    Hoist what does not change out of loops and out of the tile (row constants, masks, addresses); wider accesses; fewer
    type conversions; constexpr branches; tables for what is computed again and again; tensor cores for products.

When to ignore it
    When the instructions are the algorithm, well packed: then this is the compute roof.

Sources
    Four schedulers an SM, one instruction a cycle each: CUDA C++ Programming Guide, SM architecture.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ncukit.diagnose import mix
from ncukit.diagnose.ladder import WORTH
from ncukit.model import Evidence, Finding, Gain, Severity, Suggestion

if TYPE_CHECKING:
    from ncukit.diagnose.rules import Case

CODE = "CMP406"
CAUSE = "issue-bound"
NEEDS = ("issue_pct",)

HOLDS = 0.8
LEAST, HALF, MOST = 1.1, 2.0, 8.0
"""Factors on the instructions: a tenth can nearly always go, half on a good day, seven eighths by a table."""
MOSTLY_FMA = 2 / 3
"""Share of the used slots that go to the FMA pipe from which the instructions are the work itself."""
MIRRORS = (
    "narrow-access", "integer-bound", "divergence", "sfu-bound", "fp64", "tensor-core-unused", "barrier",
    "bank-conflict", "uncoalesced-access", "atomic-contention", "local-memory",
)  # fmt: skip
SLOTS = ("issue", "pipe-fma", "pipe-alu", "pipe-lsu", "l1", "pipe-xu")


def judge(case: Case) -> Finding | str:
    """Fire when the slots are full and the work alone does not fill them."""
    kernel, ladder = case.kernel, case.ladder
    busy = kernel.metrics["issue_pct"] / 100
    if busy < HOLDS or ladder.measured_us is None:
        return f"the issue slots are used {busy:.0%} of the time"
    highest = max(ladder.floors, key=lambda limit: ladder.floors[limit])
    if ladder.floors[highest] > 1.02 * ladder.floors["issue"] and highest != "sm":
        return f"the issue slots are used {busy:.0%} of the time, and {highest} is the nearer limit"
    kinds = mix.shares(kernel)
    fma = mix.fma_slots(kernel)
    if fma >= MOSTLY_FMA * busy:
        return f"{fma / busy:.0%} of the slots go to the FMA pipe: the arithmetic itself, see compute-roof"
    gone = ladder.down_to(dict.fromkeys(SLOTS, 0.0), best=1.0)
    if gone is None or gone.best < WORTH:
        return f"the issue slots are used {busy:.0%} of the time, but the next limit is as near"
    gain = Gain(low=min(LEAST, gone.best), best=min(HALF, math.sqrt(gone.best)), high=min(gone.high, MOST))
    rows = [Evidence(metric="issue_pct", value=100 * busy, unit="%", compared_with="100 %: an instruction every cycle")]
    if kinds:
        three = sorted(kinds.items(), key=lambda item: -item[1])[:3]
        said = ", ".join(f"{value:.0%} {kind}" for kind, value in three)
        rows.append(
            Evidence(metric="instructions", value=kernel.get("instructions") or 0.0, unit="inst", compared_with=said)
        )
    return Finding(
        code=CODE,
        cause=CAUSE,
        severity=Severity.TUNE,
        confidence="medium" if kinds else "low",
        title=f"the issue slots are full ({busy:.0%}): too many instructions",
        evidence=tuple(rows),
        gain=gain,
        suggestions=(
            Suggestion(
                action="execute fewer instructions: hoist what does not change out of loops and tiles, widen accesses, "
                "drop conversions and masks that are never needed",
                location=kernel.where,
                why="every scheduler already issues one instruction a cycle",
                watch="registers that hoisted values take",
            ),
        ),
        kernels=(kernel.name,),
    )
