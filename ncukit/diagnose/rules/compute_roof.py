"""An arithmetic pipe is at its roof: a statement, not an alarm.

What it means
    Tensor cores or the FMA pipe are busy nearly all the time with the work itself.

Why it costs
    It does not: the kernel computes as fast as this device can. Only less arithmetic, or cheaper arithmetic (a narrower
    type), makes it faster.

How it is computed
    The pipe's floor over the measured time, from 80 %; for the FMA pipe also issue slots from 80 % when two thirds of
    them go to it. What is left at most is measured time over the floor.

What to try
    Fewer operations by algebra; narrower types (FP16, BF16, FP8) where the accuracy allows.

When to ignore it
    Never alarming by itself.

Sources
    Pipe utilisation sm__pipe_*_cycles_active: NVIDIA Nsight Compute documentation, compute workload analysis.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ncukit.diagnose import mix
from ncukit.model import Evidence, Finding, Gain, Severity

if TYPE_CHECKING:
    from ncukit.diagnose.rules import Case

CODE = "CMP400"
CAUSE = "compute-roof"
NEEDS = ("fma_pct", "tensor_pct")

AT_ROOF = 0.8
SLOTS_FULL = 0.8
MOSTLY_FMA = 2 / 3
_PIPES = {"tensor_pct": "tensor cores", "fma_pct": "FMA pipe"}


def judge(case: Case) -> Finding | str:
    """State that arithmetic is at its roof."""
    kernel, ladder = case.kernel, case.ladder
    if ladder.measured_us is None:
        return "no time was measured"
    for metric, name in _PIPES.items():
        busy = kernel.metrics[metric] / 100
        if busy >= AT_ROOF:
            return _statement(case, metric, f"the {name} at {busy:.0%} of peak", busy)
    issue = (kernel.get("issue_pct") or 0.0) / 100
    fma = mix.fma_slots(kernel)
    if issue >= SLOTS_FULL and fma >= MOSTLY_FMA * issue:
        what = f"issue slots at {issue:.0%}, {fma / issue:.0%} of them multiply-add"
        return _statement(case, "issue_pct", what, issue)
    return f"tensor cores {kernel.metrics['tensor_pct']:.0f} %, FMA pipe {kernel.metrics['fma_pct']:.0f} % of peak"


def _statement(case: Case, metric: str, what: str, busy: float) -> Finding:
    left = Gain(low=1.0, best=max(1.0, 0.95 / busy), high=max(1.0, 1 / busy))
    more = f"; at most {left.high:.2f}x is left" if left.high >= 1.05 else ""
    return Finding(
        code=CODE,
        cause=CAUSE,
        severity=Severity.LIMIT,
        confidence="high",
        title=f"at the compute roof: {what}{more}",
        evidence=(Evidence(metric=metric, value=100 * busy, unit="%", compared_with="100 %"),),
        gain=left,
        unhelpful=("occupancy, coalescing, L2: the arithmetic itself takes the time",),
        kernels=(case.kernel.name,),
    )
