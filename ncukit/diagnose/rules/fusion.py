"""Consecutive kernels move the same data through DRAM: one kernel could move it once.

What it means
    One kernel reads what its neighbour also reads, or what its neighbour has just written, and the data is too large to
    wait in L2. As one kernel they would read it once and keep it on chip in between.

Why it costs
    At DRAM speed the time of the two is the sum of their bytes. The bytes they share are paid twice.

How it is computed
    Three grades of evidence. Recorded tensor arguments name the shared buffers (high confidence). Without them, equal
    DRAM bytes in neighbours with equal grids make it likely (medium). With percentages alone it is inferred (low): a
    streaming kernel's L2 hit rate is the share of its stores, so 0 % reads only and 50 % is a copy, and two such
    neighbours with one grid size very likely read the same tensor.
    Compulsory bytes of the group = what it reads from outside, once, and what it writes, once; data that one of them
    writes for the other need not leave the chip. Gain = measured time over the time those bytes need: at the bandwidth
    within reach (high), at the 92 % of it that fused kernels usually reach (best), at 85 % (low).

What to try
    One kernel that keeps its slice on chip between the two uses: in the registers of one program if it fits (64 fp32
    values a thread), else in those of several neighbouring programs that share the slice and exchange partial results.

When to ignore it
    When the intermediate result is needed elsewhere, or the data fits L2 and DRAM traffic is already compulsory.

Sources
    The share a fused kernel reaches: one-read norm kernels on an H200 reach 0.89 to 0.96 of a copy's bandwidth
    (tests/bench/kernels.py). Register capacity: CUDA C++ Programming Guide.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

from ncukit.diagnose.ladder import BEST_EFFICIENCY, LOW_EFFICIENCY, compulsory_bytes
from ncukit.model import Confidence, Evidence, Finding, Gain, Severity, Suggestion, Tensor

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ncukit.diagnose.rules import Case

CODE = "FUS601"
CAUSE = "fusion"

SHARED_AT_LEAST = 0.05
"""Shared bytes over the pair's DRAM bytes from which a link counts."""
ALIKE = 0.03
"""Relative difference up to which two byte counts are taken for the same data."""
MOST_NAMES = 5
"""Kernels or tensors named in a sentence; the finding itself lists all."""
VALUES_A_THREAD = 64
THREADS = 256


def judge_all(cases: Sequence[Case]) -> list[Finding]:
    """One finding a chain of neighbours that share data."""
    findings: list[Finding] = []
    for chain in _chains(cases):
        if all(case.kernel.triton is not None for case in chain):
            # what was recorded is not overruled by a guess
            found = _by_tensors(chain)
            findings += [found] if found else []
            continue
        taken = False
        for pair in pairwise(chain):
            found = None if taken else _by_bytes(pair) or _by_percentages(pair)
            taken = found is not None  # a kernel is fused with one neighbour, not with both
            findings += [found] if found else []
    return findings


def _chains(cases: Sequence[Case]) -> Iterator[list[Case]]:
    """Longest runs of neighbours in which each shares data with the next."""
    chain: list[Case] = []
    for case in cases:
        if chain and not _linked(chain[-1], case):
            if len(chain) > 1:
                yield chain
            chain = []
        chain.append(case)
    if len(chain) > 1:
        yield chain


def _linked(a: Case, b: Case) -> bool:
    if a.kernel.triton is not None and b.kernel.triton is not None:
        moved = (a.kernel.get("dram_bytes") or 0.0) + (b.kernel.get("dram_bytes") or 0.0)
        shared = sum(t.bytes for t in _shared(a, b))
        return shared > 0 and (moved <= 0 or shared >= SHARED_AT_LEAST * moved)
    if (a.kernel.triton is None) != (b.kernel.triton is None):
        return False  # one of them does not come from Triton, and nothing says what it reads
    pairs = ((a.kernel.grid, b.kernel.grid), (a.kernel.get("grid_size"), b.kernel.get("grid_size")))
    return any(one is not None and one == other for one, other in pairs)  # two unknown grids are not equal ones


def _shared(a: Case, b: Case) -> list[Tensor]:
    """Tensors of ``b`` whose buffer ``a`` also touched and that ``b`` reads."""
    touched = {t.buffer for t in a.kernel.triton.tensors if t.loaded or t.stored} if a.kernel.triton else set()
    return [t for t in (b.kernel.triton.tensors if b.kernel.triton else ()) if t.loaded and t.buffer in touched]


def _by_tensors(chain: Sequence[Case]) -> Finding | None:
    if any(compulsory_bytes(case.kernel) is None for case in chain):
        return None  # an argument that could not be followed may be the very one that matters
    reads, writes, intermediate = _outside(chain)
    needed = float(sum(reads.values()) + sum(writes.values()))
    if any(case.kernel.get("dram_bytes") is None or case.ladder.relative for case in chain):
        return None
    moved = sum(case.kernel.metrics["dram_bytes"] for case in chain)
    if moved < needed * (1 + SHARED_AT_LEAST):
        return None
    limits = chain[0].kernel.limits
    floor = limits.needed_us(float(sum(reads.values())), float(sum(writes.values())))
    if floor is None:
        return None
    names = ", ".join(list(dict.fromkeys(t.name for a, b in pairwise(chain) for t in _shared(a, b)))[:MOST_NAMES])
    shared = max((t.bytes for a, b in pairwise(chain) for t in _shared(a, b)), default=0)
    how = "pass on" if intermediate and max(intermediate.values()) >= shared else "both read"
    title = f"{_names(chain)} {how} the same {shared / 1e9:.3g} GB"
    sure: Confidence = "high" if limits.measured_roof else "medium"
    return _finding(chain, moved, needed, floor, sure, title, f"shared: {names}")


def _outside(chain: Sequence[Case]) -> tuple[dict[int, int], dict[int, int], dict[int, int]]:
    """Buffers (by identity, with their bytes) read from outside, written in the end, and only passed on inside."""
    reads: dict[int, int] = {}
    writes: dict[int, int] = {}
    inner: dict[int, int] = {}
    for case in chain:
        for tensor in case.kernel.triton.tensors if case.kernel.triton else ():
            if tensor.loaded and tensor.buffer in writes:
                inner[tensor.buffer] = writes.pop(tensor.buffer)
            elif tensor.loaded and tensor.buffer not in inner:
                reads[tensor.buffer] = max(tensor.bytes, reads.get(tensor.buffer, 0))
        for tensor in case.kernel.triton.tensors if case.kernel.triton else ():
            if tensor.stored:
                writes[tensor.buffer] = max(tensor.bytes, writes.get(tensor.buffer, 0))
    return reads, writes, inner


def _by_bytes(chain: Sequence[Case]) -> Finding | None:
    """Two neighbours whose DRAM bytes fit the pattern "reads what the other reads or wrote"."""
    if len(chain) != 2 or any(case.ladder.relative for case in chain):
        return None
    first, second = (case.kernel for case in chain)
    values = [k.get(m) for k in (first, second) for m in ("dram_read_bytes", "dram_write_bytes")]
    if any(v is None for v in values):
        return None
    r1, w1, r2, w2 = (float(v or 0.0) for v in values)
    cache = first.limits.gpu.l2_bytes if first.limits.gpu else 64e6
    if min(r2, max(r1, w1)) < 2 * cache:
        return None  # so small that L2 may have served the second one
    if math.isclose(r1, r2, rel_tol=ALIKE):
        reads, writes, how = r1, w1 + w2, "read equal amounts"
    elif math.isclose(w1, r2, rel_tol=ALIKE):
        reads, writes, how = r1, w2, "pass on equal amounts"
    else:
        return None
    floor = first.limits.dram_us(reads, writes)
    if floor is None:
        return None
    title = f"{_names(chain)} {how} ({r2 / 1e9:.3g} GB): very likely the same data"
    return _finding(chain, r1 + w1 + r2 + w2, reads + writes, floor, "medium", title, "equal DRAM bytes and grids")


def _by_percentages(chain: Sequence[Case]) -> Finding | None:
    """Two DRAM-bound neighbours whose bytes were not measured: shares and, where there are any, times."""
    if len(chain) != 2 or any(case.ladder.bound != "dram" or case.kernel.get("dram_bytes") for case in chain):
        return None
    speeds = [case.kernel.get("dram_pct") or 0.0 for case in chain]
    hits = [case.kernel.get("l2_hit_pct") for case in chain]
    if min(speeds) <= 0 or any(h is None or h > 60 for h in hits):
        return None  # above that the hit rate is reuse, and says nothing about stores
    stores = [float(h or 0.0) / 100 for h in hits]
    moved = [1 / (1 - share) for share in stores]  # bytes, in units of the tensor that both read
    if not any(case.ladder.relative for case in chain):
        # time x speed is the bytes moved: both must tell of the same tensor
        ratio = (chain[0].ladder.measured_us or 0.0) * speeds[0] / ((chain[1].ladder.measured_us or 1.0) * speeds[1])
        if not math.isclose(ratio, moved[0] / moved[1], rel_tol=0.15):
            return None
    times = [bytes_ / speed for bytes_, speed in zip(moved, speeds, strict=True)]
    needed = 1 + sum(bytes_ - 1 for bytes_ in moved)
    now = sum(times)
    best = now / (needed / min(speeds))
    gain = Gain(low=max(1.0, best * LOW_EFFICIENCY), best=max(1.0, best), high=max(1.0, now / (needed / max(speeds))))
    if gain.best < 1.1:
        return None
    evidence = []
    for case, share in zip(chain, stores, strict=True):
        said = "it reads only" if share < 0.05 else f"about {share:.0%} of its traffic is stores"
        evidence.append(
            Evidence(
                metric="l2_hit_pct",
                value=100 * share,
                unit="%",
                compared_with=f"{case.kernel.name}: stores hit, so {said}",
            )
        )
    return Finding(
        code=CODE,
        cause=CAUSE,
        severity=Severity.TUNE,
        confidence="low" if any(case.ladder.relative for case in chain) else "medium",
        title=f"{_names(chain)} very likely read the same tensor: {sum(moved) / needed:.2g}x the bytes one needs",
        evidence=tuple(evidence),
        gain=gain,
        suggestions=_suggestions(chain),
        kernels=tuple(case.kernel.name for case in chain),
        next_command=_settle(chain),
    )


def _settle(chain: Sequence[Case]) -> str:
    source = chain[0].kernel.source
    return f"ncukit profile {source.path if source else 'FILE.py'} --preset default"


def _names(chain: Sequence[Case]) -> str:
    names = [case.kernel.name for case in chain]
    if len(names) > MOST_NAMES:
        names = [*names[: MOST_NAMES - 1], f"{len(names) - MOST_NAMES + 1} more"]
    return " and ".join(names) if len(names) == 2 else f"{', '.join(names[:-1])} and {names[-1]}"


def _finding(
    chain: Sequence[Case],
    moved: float,
    needed: float,
    floor: float,
    confidence: Confidence,
    title: str,
    link: str,
) -> Finding | None:
    measured = sum(case.ladder.measured_us or 0.0 for case in chain)
    # what is not DRAM stays: the group cannot be faster than its busiest other limit
    others: dict[str, float] = {}
    for case in chain:
        for limit, time in case.ladder.floors.items():
            if limit not in ("dram", "launch", "l2", "l1", "pipe-lsu", "sm"):
                others[limit] = others.get(limit, 0.0) + time
    floor = max([floor, *others.values()])
    gain = Gain(
        low=max(1.0, measured / (floor / LOW_EFFICIENCY)),
        best=max(1.0, measured / (floor / BEST_EFFICIENCY)),
        high=max(1.0, measured / floor),
    )
    if gain.best < 1.03:
        return None
    return Finding(
        code=CODE,
        cause=CAUSE,
        severity=Severity.TUNE,
        confidence=confidence,
        title=title,
        evidence=(
            Evidence(
                metric="dram_bytes",
                value=moved,
                unit="byte",
                compared_with=f"{needed / 1e9:.4g} GB as one kernel; {link}",
            ),
            Evidence(
                metric="duration_us",
                value=measured,
                unit="us",
                compared_with=f"{floor / 1e3:.3g} ms for those bytes at the roof",
            ),
        ),
        gain=gain,
        suggestions=_suggestions(chain),
        kernels=tuple(case.kernel.name for case in chain),
        next_command="" if confidence == "high" else _settle(chain),
    )


def _suggestions(chain: Sequence[Case]) -> tuple[Suggestion, ...]:
    last = chain[-1].kernel
    action = "compute both in one kernel that reads the data once and keeps it on chip in between"
    tensor = None
    if last.triton is not None:
        tensor = max((t for t in last.triton.tensors if t.loaded), key=lambda t: t.bytes, default=None)
    if tensor is not None and last.grid is not None:
        programs = last.grid[0] * last.grid[1] * last.grid[2]
        piece = tensor.bytes / max(1, programs)
        elements = math.prod(tensor.shape) / max(1, programs)
        split = 1 << max(0, math.ceil(math.log2(max(1.0, elements / (VALUES_A_THREAD * THREADS)))))
        if split == 1:
            action = f"keep each program's {_size(piece)} in registers between the two uses: it fits one program"
        else:
            action = (
                f"keep each {_size(piece)} slice on chip between its two uses: let {split} neighbouring programs share "
                f"a slice, {VALUES_A_THREAD} values a thread at {THREADS // 32} warps, and exchange partial results"
            )
    loads = []
    for case in chain:
        kernel = case.kernel
        if kernel.triton is not None and tensor is not None:
            loads += [line for t in kernel.triton.tensors if t.buffer == tensor.buffer for line in t.load_lines]
        elif kernel.function is not None:
            loads += [access.line for access in kernel.function.loads[:1]]
    place = last.launched_at
    path = place.rsplit(":", 1)[0] if place else (last.where or "").rsplit(":", 1)[0]
    spots = ", ".join(f":{line}" for line in list(dict.fromkeys(loads))[:MOST_NAMES])
    return (
        Suggestion(
            action=action,
            why="the second read disappears, and with it the time DRAM needs for it",
            location=f"{place} (launch){f'; loads at {spots}' if spots else ''}" if place else (path + spots or None),
            watch="registers (64 fp32 values a thread need at most 512 threads a block); programs that wait for each "
            "other must all be resident: a cooperative launch",
        ),
    )


def _size(count: float) -> str:
    for factor, unit in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if count >= factor:
            return f"{count / factor:.3g} {unit}"
    return f"{count:.0f} B"
