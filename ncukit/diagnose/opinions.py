"""NVIDIA's opinion beside ours: which of our causes its rules speak of, how it ranks them, and whether we agree.

Its rules and their texts: the rule files that Nsight Compute ships (2024.2 and 2025.3.1). They look at one launch at a
time, and most estimates take what a unit wastes for time lost: so advice is not taken over, but held beside ours.
"""

from __future__ import annotations

import math
import re
from enum import StrEnum
from typing import TYPE_CHECKING

from ncukit.model import Finding, Opinion, Severity, Silence

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ncukit.model import KernelDiagnosis

CLOSE = 1.5
"""Two estimates of one gain agree within this factor: NVIDIA's are upper bounds to begin with."""

_LATENCY = ("memory-latency", "instruction-latency")
_RULES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("SOLBottleneck", r"analyzing dram|the dram bottleneck", ("dram-roof", "excess-traffic")),
    ("SOLBottleneck", r"analyzing workloads in the compute|compute is more heavily", ("compute-roof", "issue-bound")),
    ("SOLBottleneck", r"too small to fill", ("small-grid",)),
    ("SOLBottleneck", r"indicate latency issues", _LATENCY),
    ("LaunchConfiguration", r"partial wave", ("tail-effect",)),
    ("LaunchConfiguration", r"gpu's \d+ multiprocessors|two blocks per multiprocessor", ("small-grid",)),
    ("IssueSlotUtilization", r"", _LATENCY),
    ("CPIStall", r"dependency on a l1tex", ("memory-latency",)),
    ("CPIStall", r"dependency on a mio", ("bank-conflict", "sfu-bound")),
    ("CPIStall", r"cta barrier", ("barrier",)),
    ("CPIStall", r"fixed latency execution", ("instruction-latency",)),
    ("CPIStall", r"execution pipe to be available", ("compute-roof", "fp64", "sfu-bound", "integer-bound")),
    ("CPIStall", r"queue for local and global", ("narrow-access", "uncoalesced-access", "local-memory")),
    ("CPIStall", r"mio \(memory input/output\) instruction queue", ("bank-conflict", "sfu-bound")),
    ("CPIStall", r"memory barrier", ("atomic-contention",)),
    ("CPIStall", r"branch target", ("divergence",)),
    ("TheoreticalOccupancy", r"", ("low-occupancy",)),
    ("AchievedOccupancy", r"", ("low-occupancy", "workload-imbalance")),
    ("HighPipeUtilization", r"under-utilized|should not be a bottleneck", ()),
    ("HighPipeUtilization", r"\bfp64 is the highest|dominated by its fp64", ("fp64", "compute-roof")),
    ("HighPipeUtilization", r"\bxu is the highest|%\) is xu", ("sfu-bound", "compute-roof")),
    ("HighPipeUtilization", r"\balu is the highest", ("integer-bound", "compute-roof")),
    ("HighPipeUtilization", r"is the highest", ("compute-roof",)),
    ("SlowPipeLimiter", r"", ("fp64", "sfu-bound")),
    ("ThreadDivergence", r"", ("divergence",)),
    ("FPInstructions", r"fp64 instructions", ("fp64",)),
    ("SOLFPRoofline", r"fp64 bound", ("fp64",)),
    ("SOLFPRoofline", r"is compute bound", ("compute-roof",)),
    ("MemoryCacheAccessPattern", r"for local (loads|stores)", ("local-memory",)),
    ("MemoryCacheAccessPattern", r"for global (loads|stores)", ("uncoalesced-access",)),
    ("UncoalescedGlobalAccess", r"", ("uncoalesced-access",)),
    ("SharedMemoryConflicts", r"", ("bank-conflict",)),
    ("UncoalescedSharedAccess", r"", ("bank-conflict",)),
    ("WorkloadImbalance", r"more (sms|smsps|l1 slices) have", ("workload-imbalance", "tail-effect")),
)  # fmt: skip
"""Rule, what its text says (lower case; the CSV has no titles), and our causes for it, the nearest first."""

_NO_CAUSE = (
    ("MemoryL2Compression", r"", "torch allocates no compressible memory, and the estimate does not weigh the bytes"),
    ("MemoryApertureUsage", r"", "it is about where the tensors lie, not about the kernel"),
    ("HighPipeUtilization", r"under-utilized", "idle pipes are what any kernel that waits for memory shows"),
    ("CPIStall", r"instruction cache miss", "instructions are fetched: a very short kernel, or code beyond its cache"),
    ("CPIStall", r"", "this stall has no cause among ours"),
    ("FPInstructions", r"", "Triton fuses multiply and add where they meet (enable_fp_fusion is on by default)"),
    ("LaunchConfiguration", r"groups of", "Triton launches whole warps"),
    ("WorkloadImbalance", r"", "the hardware spreads addresses over slices, no kernel does"),
    ("SOLBottleneck", r"", "it names a unit, not a cause; the ladder has a rung for each unit"),
)  # fmt: skip
"""Rule, what its text says, and why none of our causes stands for it."""


class Verdict(StrEnum):
    """What NVIDIA's rules say of a cause that we found, or we of one that they found."""

    AGREES = "agrees"
    OTHER_GAIN = "same cause, other gain"
    NO_GAIN = "same cause, no gain to compare"
    """It gives no estimate, or one that is no share of the run time."""
    UNSEEN = "does not see it"
    ALONE = "NVIDIA only"


def cause_of(opinion: Opinion) -> tuple[str, ...]:
    """Our causes for what a rule says, the nearest first; empty when none of them stands for it."""
    text = _text(opinion)
    for rule, words, causes in _RULES:
        if opinion.rule.startswith(rule) and re.search(words, text):
            return causes
    return ()


def factor(opinion: Opinion) -> float | None:
    """The speedup that NVIDIA promises as a factor; None where its estimate is no share of the run time."""
    share = opinion.speedup_pct
    if share is None or opinion.scope != "global" or not 0 <= share < 100:
        return None
    return 1 / (1 - share / 100)


def is_advice(opinion: Opinion) -> bool:
    """Whether it asks for a change. ncu 2022 marks advice as a warning; other warnings are about the measurement."""
    return opinion.kind == "OPT" or (opinion.kind in ("WRN", "ERR") and bool(cause_of(opinion)))


def rank(opinions: Iterable[Opinion]) -> list[tuple[str, float | None]]:
    """NVIDIA's own ranking: (cause, factor), the largest factor first, advice without one last.

    A cause stands where its best advice does; what we have no cause for stands under an empty one.
    """
    best: dict[str, float] = {}
    for opinion in opinions:
        if opinion.kind == "OPT":
            for cause in cause_of(opinion) or ("",):
                best[cause] = max(best.get(cause, 0.0), factor(opinion) or 0.0)
    ordered = sorted(best.items(), key=lambda pair: -pair[1])
    return [(cause, gain or None) for cause, gain in ordered]


def judge(finding: Finding, opinions: Iterable[Opinion]) -> tuple[Verdict, Opinion | None]:
    """What NVIDIA says of one of our findings, and the opinion that comes nearest to it."""
    same = [o for o in opinions if finding.cause in cause_of(o)]
    if not same:
        return Verdict.UNSEEN, None
    same.sort(key=lambda o: (not is_advice(o), cause_of(o).index(finding.cause)))
    if finding.severity == Severity.LIMIT or finding.gain is None:
        return Verdict.AGREES, same[0]
    apart = [(abs(math.log(gain / finding.gain.best)), o) for o in same if (gain := factor(o)) is not None]
    if not apart:
        return Verdict.NO_GAIN, same[0]
    distance, nearest = min(apart, key=lambda pair: pair[0])
    return (Verdict.AGREES if distance <= math.log(CLOSE) else Verdict.OTHER_GAIN), nearest


def verdict(opinion: Opinion, findings: Iterable[Finding]) -> Verdict | None:
    """How one opinion stands to our findings on the same kernel; None for what asks for nothing."""
    found = {judge(finding, [opinion])[0] for finding in findings}
    shared = [v for v in (Verdict.AGREES, Verdict.OTHER_GAIN, Verdict.NO_GAIN) if v in found]
    if shared:
        return shared[0]
    return Verdict.ALONE if is_advice(opinion) else None


def alone(opinions: Iterable[Opinion], findings: Sequence[Finding]) -> list[Opinion]:
    """Advice that none of our findings shares, what promises most first."""
    only = [o for o in opinions if verdict(o, findings) == Verdict.ALONE]
    return sorted(only, key=lambda o: -(factor(o) or 0.0))


def our_reason(opinion: Opinion, silences: Iterable[Silence]) -> str:
    """Why we do not give an advice of NVIDIA's: the silence of the rule with that cause, where there is one."""
    causes = cause_of(opinion)
    quiet = {silence.cause: silence.reason for silence in reversed(list(silences))}
    said = [f"{cause}: {quiet[cause]}" for cause in causes if cause in quiet]
    if said:
        return said[0]
    if causes:
        return f"no rule of ours judges {' or '.join(causes)}"
    text = _text(opinion)
    known = (why for rule, words, why in _NO_CAUSE if opinion.rule.startswith(rule) and re.search(words, text))
    return next(known, "none of our causes stands for it")


def findings_on(kernel: KernelDiagnosis, pipeline: Iterable[Finding]) -> list[Finding]:
    """Our findings that concern a kernel, those across kernels among them."""
    return [*kernel.findings, *(f for f in pipeline if kernel.name in f.kernels)]


def _text(opinion: Opinion) -> str:
    return f"{opinion.title} {opinion.message}".lower()
