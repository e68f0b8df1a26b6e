"""Atomics queue up: many threads add to few addresses.

What it means
    Atomics are carried out in L2, one after the other for one address. When a whole grid adds to a handful of
    addresses, the slices that own them work through a queue while everything else waits.

Why it costs
    A slice takes an atomic on the same sector about every clock or two; a million of them on one address take around a
    millisecond however many SMs there are.

How it is computed
    ncu counts the cycles in which each L2 slice's atomic unit takes input. The busiest slice over the launch is a floor
    of the ladder (l2-atomic), because a queue before one slice cannot be spread. It fires when that floor holds half of
    the time. Without that counter: when atomics are at least a fifth of the L2 sectors that SMs ask for, warps wait,
    and no floor holds the kernel (low confidence). High: the next floor, without the atomics and the slots they take;
    best: 80 % of it, with one atomic left of a thousand; low: half of it, with one left of ten.

What to try
    Reduce inside the program first (tl.sum) and issue one atomic a program; give each program, or each group of them,
    its own copy and add the copies up afterwards; sort or bin so that neighbours do not hit one address.

When to ignore it
    When the atomics are spread over many addresses: then no slice is busy and the rule is silent.

Sources
    lts__d_atomic_input_cycles_active: NVIDIA Nsight Compute, L2 breakdown. Atomics in L2: CUDA C++ Programming Guide.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ncukit.diagnose import mix
from ncukit.diagnose.ladder import FREED_BEST, FREED_LOW, WORTH
from ncukit.model import Confidence, Evidence, Finding, Gain, Severity, Suggestion

if TYPE_CHECKING:
    from ncukit.diagnose.facts import Kernel
    from ncukit.diagnose.rules import Case

CODE = "MEM107"
CAUSE = "atomic-contention"
NEEDS: tuple[str, ...] = ()

HOLDS = 0.5
"""Share of the time from which the busiest slice's queue is the matter."""
SHARE_OF_L2 = 0.2
WAITING = 0.4
LEFT_BEST, LEFT_LOW = 0.001, 0.1
"""Part of the atomics that is left after reducing first: one for a tile of a thousand values, or for ten."""
STAYING = ("dram", "l2", "launch", "pipe-fma", "pipe-fp64", "pipe-tensor", "pipe-xu")
"""Limits that have nothing to do with the atomics."""


def judge(case: Case) -> Finding | str:
    """Fire on a queue before one L2 slice."""
    kernel, ladder = case.kernel, case.ladder
    sectors = (kernel.get("l2_atomic_sectors") or 0.0) + (kernel.get("l2_reduction_sectors") or 0.0)
    requests = (kernel.get("global_atomic_requests") or 0.0) + (kernel.get("global_reduction_requests") or 0.0)
    if sectors <= 0 and requests <= 0:
        known = kernel.get("l2_atomic_sectors") is not None or kernel.get("global_atomic_requests") is not None
        return "no atomics" if known else "needs the atomic counters (l2_atomic_sectors, l2_atomic_max_pct)"
    busiest = kernel.get("l2_atomic_max_pct")
    if busiest is not None:
        if busiest < 100 * HOLDS:
            return f"the busiest L2 slice works on atomics {busiest:.0f} % of the time"
        gain = _gain(case, busiest / 100)
        confidence: Confidence = "high" if busiest >= 80 else "medium"
    else:
        asked = (kernel.get("l2_read_sectors") or 0.0) + (kernel.get("l2_write_sectors") or 0.0) + sectors
        waiting = mix.stall(kernel, *mix.MEMORY_STALLS)
        if ladder.bound != "latency" or not asked or sectors / asked < SHARE_OF_L2 or waiting < WAITING:
            return "atomics are few beside the other traffic, warps do not wait for them, or a limit holds the kernel"
        gain = _gain(case, waiting)
        gain = replace(gain, low=1.0) if gain is not None else None  # they may as well be spread over many addresses
        confidence = "low"
    if gain is None or gain.best < WORTH:
        return "atomics queue, but another limit is as near"
    return Finding(
        code=CODE,
        cause=CAUSE,
        severity=Severity.TUNE,
        confidence=confidence,
        title=f"{requests or sectors:.3g} atomic requests queue before few L2 slices",
        evidence=_evidence(kernel, requests, sectors),
        gain=gain,
        suggestions=(
            Suggestion(
                action="reduce inside the program first (tl.sum over the tile) and issue one atomic a program, or let "
                "programs write partial results that a second small kernel adds up",
                location=_place(kernel),
                why="one address takes one atomic at a time, however many SMs there are",
                watch="the order of additions changes rounding; under an autotuner such a tensor needs reset_to_zero",
            ),
        ),
        kernels=(kernel.name,),
    )


def _gain(case: Case, held: float) -> Gain | None:
    ladder, time = case.ladder, case.ladder.measured_us
    if time is None or not ladder.floors:
        return None
    # load/store and issue slots are counted with the atomics: what spins or queues goes with them
    others = max((t for limit, t in ladder.floors.items() if limit in STAYING), default=0.0)

    def to(left: float, efficiency: float) -> float:
        floor = max(others / efficiency, left * held * time)
        return max(1.0, time / floor) if floor > 0 else 1.0

    low, best, high = to(LEFT_LOW, FREED_LOW), to(LEFT_BEST, FREED_BEST), to(0.0, 1.0)
    return Gain(low=low, best=best, high=high) if others > 0 else None


def _evidence(kernel: Kernel, requests: float, sectors: float) -> tuple[Evidence, ...]:
    rows = []
    if (busiest := kernel.get("l2_atomic_max_pct")) is not None:
        mean = kernel.get("l2_atomic_pct")
        compared = f"{mean:.1f} % in the mean slice" if mean is not None else "100 % is a queue that never empties"
        rows.append(Evidence(metric="l2_atomic_max_pct", value=busiest, unit="%", compared_with=compared))
    if requests:
        returning = kernel.get("global_atomic_requests") or 0.0
        metric = "global_atomic_requests" if returning * 2 > requests else "global_reduction_requests"
        rows.append(Evidence(metric=metric, value=kernel.metrics[metric], unit="", compared_with="one a program"))
    if sectors:
        metric = max(("l2_reduction_sectors", "l2_atomic_sectors"), key=lambda name: kernel.get(name) or 0.0)
        said = f"{sectors:.3g} sectors of atomics in all"
        rows.append(Evidence(metric=metric, value=kernel.metrics[metric], unit="sector", compared_with=said))
    return tuple(rows)


def _place(kernel: Kernel) -> str | None:
    """The atomic itself, where the source or the recording knows it."""
    if kernel.triton is not None:
        both = [t for t in kernel.triton.tensors if t.loaded and t.stored and t.store_lines]
        if both:
            return f"{kernel.triton.file}:{both[0].store_lines[0]}"
    return kernel.where
