"""The kernel moves more bytes through DRAM than it must.

What it means
    Each tensor has to be read once and each output written once. DRAM moved more than that within this one launch:
    data was fetched again after it fell out of cache, or sectors were moved of which only a part was used.

Why it costs
    At DRAM speed time is bytes over bandwidth, so every byte moved twice is paid twice.

How it is computed
    Ratio = DRAM bytes / compulsory bytes, from the tensor arguments recorded at launch. It fires above 1.15, when DRAM
    holds the kernel. Gain: the DRAM floor falls to the compulsory bytes and the next limit of the ladder holds; the
    kernel keeps the efficiency it has today.

What to try
    Read once and keep the values in registers or shared memory; change the program order so that programs sharing data
    run at the same time; make each warp's rows at least 128 bytes.

When to ignore it
    When the kernel reads only part of a large tensor (a gather, a slice by index): then the compulsory bytes are
    overestimated, and the true ratio is larger still. When atomics need several writes by design.

Sources
    32-byte sectors and L2 replacement: NVIDIA Nsight Compute documentation, memory tables. Ladder: docs/design.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ncukit.diagnose import mix
from ncukit.diagnose.ladder import compulsory_bytes
from ncukit.model import Evidence, Finding, Severity, Suggestion

if TYPE_CHECKING:
    from ncukit.diagnose.rules import Case

CODE = "MEM101"
CAUSE = "excess-traffic"
NEEDS = ("dram_read_bytes", "dram_write_bytes", "compulsory_bytes", "duration_us")

PARTLY = 0.75
"""Share of the touched sectors' bytes that is used below which partly used sectors explain the bytes."""
FIRES_ABOVE = 1.15
"""1.0 is ideal; a few per cent are page tables, ECC and dirty lines of the launch before."""


def judge(case: Case) -> Finding | str:
    """Compare what DRAM moved with what the arguments need."""
    kernel, ladder = case.kernel, case.ladder
    reads, writes = compulsory_bytes(kernel) or (0.0, 0.0)
    needed = reads + writes
    moved = kernel.metrics["dram_read_bytes"] + kernel.metrics["dram_write_bytes"]
    if needed <= 0:
        return "no tensor arguments were recorded, or one of them could not be followed"
    if moved / needed <= FIRES_ABOVE:
        return f"DRAM moved {moved / needed:.2f} times the compulsory bytes"
    if mix.sector_use(kernel) < PARTLY:
        return "sectors are moved of which a part is used: see uncoalesced-access"
    read_more = kernel.metrics["dram_read_bytes"] - reads
    write_more = kernel.metrics["dram_write_bytes"] - writes
    if read_more > write_more and kernel.sweeps is False:
        return "no program reads a tensor twice: programs read the same data far apart in time, see l2-locality"
    local = 32 * ((kernel.get("local_load_sectors") or 0.0) + (kernel.get("local_store_sectors") or 0.0))
    if local >= (moved - needed) / 2:
        return "the excess is local memory: see local-memory"
    floor = kernel.limits.needed_us(reads, writes)
    gain = ladder.without({"dram": floor}) if floor is not None else None
    if gain is None:
        return f"DRAM moved {moved / needed:.2f} times the compulsory bytes, but DRAM is not what holds the kernel"
    reading = read_more >= write_more
    return Finding(
        code=CODE,
        cause=CAUSE,
        severity=Severity.TUNE,
        confidence="high" if kernel.limits.measured_roof else "medium",
        title=f"moves {moved / 1e9:.3g} GB and needs {needed / 1e9:.3g} GB ({moved / needed:.2f}x)",
        evidence=(
            Evidence(
                metric="dram_bytes",
                value=moved,
                unit="byte",
                compared_with=f"{needed / 1e9:.4g} GB compulsory",
            ),
            Evidence(
                metric="dram_read_bytes" if reading else "dram_write_bytes",
                value=kernel.metrics["dram_read_bytes" if reading else "dram_write_bytes"],
                unit="byte",
                compared_with=f"{(reads if reading else writes) / 1e9:.4g} GB compulsory",
            ),
        ),
        gain=gain,
        suggestions=(_read_once(case) if reading else _write_once(case),),
        kernels=(kernel.name,),
    )


def _read_once(case: Case) -> Suggestion:
    kernel = case.kernel
    twice = None
    if kernel.triton is not None:
        twice = next((t for t in kernel.triton.tensors if t.loaded and len(t.load_lines) > 1), None)
    if twice is not None and kernel.triton is not None:
        lines = " and ".join(f":{n}" for n in twice.load_lines)
        return Suggestion(
            action=f"load {twice.name} once and keep the tile in registers between its two uses",
            why=f"it is loaded at {lines}, and between the two it falls out of L2",
            location=f"{kernel.triton.file}:{twice.load_lines[0]}",
            watch="registers: up to 64 fp32 values a thread fit at 512 threads; more spill",
        )
    return Suggestion(
        action="let programs that share data run at the same time, or keep the shared part on chip",
        why="the same bytes are fetched from DRAM more than once",
        location=kernel.where,
        watch="L2 hit rate of reads (l2_read_hit_pct) should rise",
    )


def _write_once(case: Case) -> Suggestion:
    return Suggestion(
        action="write whole 32-byte sectors, each once",
        why="partly written sectors are read, merged and written back",
        location=case.kernel.where,
        watch="dram_write_bytes",
    )
