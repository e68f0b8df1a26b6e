"""Each instruction waits for the one before: chains are long and few run side by side.

What it means
    An arithmetic result is ready some cycles after its instruction was issued. A warp whose next instruction needs that
    result waits; other warps, or other independent instructions of the same warp, could fill the time, and there are
    too few of both.

Why it costs
    The pipes are idle most of the cycles though everything is at hand.

How it is computed
    It fires when latency holds the kernel, every SM has a block, and the waits for arithmetic (fixed latency: wait;
    results of special functions and shuffles: short scoreboard; a busy pipe) are at least 35 % of warp time and more
    than the wait for memory. The next limit is the highest floor, usually the issue slots or a pipe. Several chains
    side by side fill the waits: best is 85 % of that floor; high is the floor without the loop's integer and branch
    instructions, which several chains share. The low end is a tenth of the way, because a recurrence allows only so
    many chains. The number of chains named is 80 % over the share of issue slots used today.

What to try
    More independent values a thread (a larger tile at the same number of warps, or two rows a program, so that their
    chains interleave); a tree or Estrin form in place of a running sum or Horner's rule; more warps an SM.

When to ignore it
    For a few microseconds of work, and when the recurrence is the problem itself and nothing else can run beside it.

Sources
    Stall reasons wait and short scoreboard: NVIDIA Nsight Compute documentation, warp state. Independent instructions
    hide latency as warps do: V. Volkov, Better performance at lower occupancy, GTC 2010.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ncukit.diagnose import mix
from ncukit.diagnose.advice import larger_tile, more_warps
from ncukit.diagnose.ladder import WORTH
from ncukit.diagnose.limits import EMPTY_LAUNCH_US
from ncukit.model import Evidence, Finding, Gain, Severity

if TYPE_CHECKING:
    from ncukit.diagnose.rules import Case

CODE = "LAT203"
CAUSE = "instruction-latency"
NEEDS = ("stall_wait_pct", "issue_pct")

WAITING = 0.35
REACHED, AT_LEAST = 0.85, 0.1
"""Share of the next floor that several chains reach, and the part of that gain to count on."""
MIRRORS = (
    "barrier", "bank-conflict", "divergence", "local-memory", "workload-imbalance", "tail-effect", "low-occupancy",
    "integer-bound", "fp64", "sfu-bound", "tensor-core-unused", "narrow-access", "atomic-contention",
)  # fmt: skip


def judge(case: Case) -> Finding | str:
    """Fire when dependent arithmetic keeps the warps waiting."""
    kernel, ladder = case.kernel, case.ladder
    if ladder.bound != "latency":
        return f"the kernel is held by {ladder.bound}, not by latency"
    if ladder.measured_us is None or (not ladder.relative and ladder.measured_us < 3 * EMPTY_LAUNCH_US):
        return "the launch itself is most of the time: see launch-overhead"
    grid, sms = kernel.get("grid_size"), kernel.limits.sm_count
    if grid is not None and sms is not None and grid < sms:
        return "the grid does not reach every SM: see small-grid"
    chain = mix.stall(kernel, "wait", "short_scoreboard", "math_pipe")
    memory = mix.stall(kernel, *mix.MEMORY_STALLS)
    if chain < WAITING or chain < memory:
        return f"warps wait for arithmetic {chain:.0%} of their time and for memory {memory:.0%}"
    gain = _gain(case)
    if gain is None or gain.best < WORTH:
        return "the next limit leaves nothing to win"
    issue = kernel.metrics["issue_pct"]
    rows = [
        Evidence(
            metric="stall_wait_pct",
            value=kernel.metrics["stall_wait_pct"],
            unit="%",
            compared_with=f"{chain:.0%} with special functions and shuffles",
        ),
        Evidence(metric="issue_pct", value=issue, unit="%", compared_with="100 % when every slot is used"),
    ]
    if (active := kernel.get("warps_active_pct")) is not None:
        rows.append(Evidence(metric="warps_active_pct", value=active, unit="%", compared_with="warps to choose from"))
    chains = min(8, 2 ** max(1, math.ceil(math.log2(80 / max(issue, 1.0)))))
    why = f"{chains} independent chains fill the cycles in which one waits: {issue:.0f} % of the slots are used today"
    found = [
        larger_tile(
            kernel,
            chains,
            "more independent values a thread: a larger tile for the same warps",
            why,
            "registers, spills",
            otherwise="shorten the chain: a tree or Estrin form, or several accumulators that are joined at the end",
        ),
        more_warps(kernel, "more warps for the scheduler to choose from") if (active or 100) < 40 else None,
    ]
    return Finding(
        code=CODE,
        cause=CAUSE,
        severity=Severity.TUNE,
        confidence="medium",
        title=f"dependent instructions: {issue:.0f} % of the issue slots are used while warps wait for results",
        evidence=tuple(rows),
        gain=gain,
        suggestions=tuple(s for s in found if s is not None),
        kernels=(kernel.name,),
    )


def _gain(case: Case) -> Gain | None:
    ladder = case.ladder
    if ladder.measured_us is None or not ladder.floors:
        return None
    best = max(1.0, REACHED * ladder.measured_us / max(ladder.floors.values()))
    kinds = mix.shares(case.kernel)
    work = 1 - kinds.get("integer", 0.0) - kinds.get("control", 0.0)
    most = max(1.0, ladder.measured_us / max({**ladder.floors, **ladder.scaled(work, "issue")}.values()))
    return Gain(low=1 + (best - 1) * AT_LEAST, best=best, high=most)
