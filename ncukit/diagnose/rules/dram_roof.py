"""The kernel runs at the speed of DRAM.

What it means
    The bytes this kernel moves, at the bandwidth that a plain copy or read reaches on this GPU, already take most of
    its time. It is a statement of the limit, not an alarm.

Why it costs
    Nothing inside this kernel's tiling, warps or stages changes the bytes, so none of them can change the time by more
    than the distance to the floor. Only moving fewer bytes can: see MEM101 and FUS601.

How it is computed
    Floor = (bytes read + bytes written) / bandwidth within reach. The bandwidth is interpolated between what a pure
    read and a copy reach on this model, measured where the spec table says so, else 92 % and 88.5 % of peak. It fires
    when the floor is at least 80 % of the measured time. Without bytes, ncu's own throughput percentage stands in,
    with lower confidence: it is the busiest of several counters, not bytes over time.

What to try
    Nothing here. Move fewer bytes: fuse with the neighbours, keep data in registers, use a narrower type.

When to ignore it
    Never; but it is good news when the bytes are the compulsory ones.

Sources
    Copy and read bandwidth: measured by this project (spec table). dram__throughput as a maximum over sub-metrics:
    NVIDIA Nsight Compute documentation, metrics structure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ncukit.diagnose import mix
from ncukit.diagnose.ladder import HELD
from ncukit.model import Evidence, Finding, Gain, Severity

if TYPE_CHECKING:
    from ncukit.diagnose.rules import Case

CODE = "MEM100"
CAUSE = "dram-roof"
NEEDS: tuple[str, ...] = ()

LEAN = 1.1
"""DRAM bytes over compulsory bytes up to which a kernel moves only what it must: ECC and neighbours cost a little."""
WHOLE_SECTORS = 0.9
"""Sector use above which no other tile would move noticeably fewer bytes."""


def judge(case: Case) -> Finding | str:
    """State the roof when DRAM's floor holds the kernel."""
    kernel, ladder = case.kernel, case.ladder
    floor = ladder.floors.get("dram")
    if floor is None or ladder.measured_us is None:
        return "neither DRAM bytes nor DRAM throughput were measured"
    share = floor / ladder.measured_us
    if share < HELD:
        return f"DRAM alone would need {share:.0%} of the time"
    left = Gain(low=1.0, best=max(1.0, min(1 / share, 1 + (1 / share - 1) / 2)), high=max(1.0, 1 / share))
    by_bytes = kernel.get("dram_bytes") is not None and not ladder.relative and kernel.limits.copy_gbps is not None
    ratio = kernel.get("traffic_ratio")
    lean = ratio is not None and ratio <= LEAN
    title = f"at the DRAM roof: {share:.0%} of the bandwidth within reach"
    if lean:
        title += ", and it moves only what it must"
    if left.high >= 1.05:
        title += f"; at most {left.high:.2f}x is left"
    return Finding(
        code=CODE,
        cause=CAUSE,
        severity=Severity.LIMIT,
        confidence="high" if by_bytes and kernel.limits.measured_roof else "medium" if by_bytes else "low",
        title=title,
        evidence=_evidence(case),
        gain=left,
        unhelpful=_unhelpful(case),
        kernels=(kernel.name,),
    )


def _evidence(case: Case) -> tuple[Evidence, ...]:
    kernel = case.kernel
    found = []
    read, write = kernel.get("dram_read_bytes") or 0.0, kernel.get("dram_write_bytes") or 0.0
    roof = kernel.limits.roof_gbps(read, write)
    if (gbps := kernel.get("dram_gbps")) is not None and roof:
        found.append(Evidence(metric="dram_gbps", value=gbps, unit="GB/s", compared_with=f"{roof:,.0f} within reach"))
    if (percent := kernel.get("dram_pct")) is not None:
        found.append(Evidence(metric="dram_pct", value=percent, unit="%", compared_with="ncu's peak"))
    if not found and (moved := kernel.get("dram_bytes")) is not None:
        found.append(Evidence(metric="dram_bytes", value=moved, unit="byte", compared_with="the time they take"))
    return tuple(found)


def _wasteful(case: Case) -> bool:
    """Whether bytes are moved that a better tile would not move: spills, unused sectors, data fetched again."""
    kernel = case.kernel
    spilled = (kernel.get("local_load_sectors") or 0.0) + (kernel.get("local_store_sectors") or 0.0) > 0
    again = (kernel.get("traffic_ratio") or 1.0) > LEAN
    return spilled or again or mix.sector_use(kernel) < WHOLE_SECTORS


def _unhelpful(case: Case) -> tuple[str, ...]:
    """What people try at this point, and why it cannot help."""
    kernel = case.kernel
    words = []
    if not _wasteful(case):
        words.append("block size, num_warps: they change how bytes are asked for, not how many there are")
    if kernel.has_dot is False:
        words.append(
            "num_stages: it pipelines loads that feed a dot, and this kernel has none; the compiler emits the same code"
        )
    elif kernel.has_dot is None:
        words.append(
            "num_stages: it pipelines only loads that feed a dot; without one the compiler emits the same code"
        )
    hit, reads = kernel.get("l2_hit_pct"), kernel.get("l2_read_hit_pct")
    if hit is not None and 35 <= hit <= 65:
        if reads is not None and reads < 10:
            words.append(f"L2: its {hit:.0f} % hit rate is stores, not reuse; of the reads {reads:.1f} % hit")
        elif reads is None:
            words.append(f"L2: a {hit:.0f} % hit rate beside full DRAM speed is stores hitting, not reuse")
    if (active := kernel.get("warps_active_pct")) is not None and active < 60:
        words.append(f"occupancy: {active:.0f} % already keeps DRAM busy")
    return tuple(words)
