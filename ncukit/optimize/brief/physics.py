"""The physics of the kernels: the ladder of limits, the bytes they cannot avoid, and what will not help."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ncukit.optimize.brief.budget import Part, Section, Value
from ncukit.optimize.brief.found import findings
from ncukit.optimize.brief.readings import heavy, keys
from ncukit.optimize.brief.words import both, line, listed, size, time

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ncukit.model import Diagnosis, KernelDiagnosis, Report, Rung, TritonLaunch
    from ncukit.optimize.brief.words import Listing
    from ncukit.source.inspection import Inspection

FIRST = 2
"""Limits that are told with how they were computed, however far below the time."""
NOTHING = 0.01
"""Share of the measured time below which a limit is not told."""
NEAR = 0.25
"""Share of the measured time below which a limit is of little interest."""
MOST_TENSORS = 8


def ladder(diagnosis: Diagnosis) -> Section:
    """The section ``[LADDER OF LIMITS]``: what each limit alone would need; a gain is a fall to the next one."""
    parts = []
    if len(diagnosis.ladder) > 1 and len(diagnosis.kernels) > 1:
        parts.append(Part(text=_together(diagnosis.ladder), value=Value.LADDER, name="ladder of all kernels"))
    names = keys(diagnosis)
    for kernel in heavy(diagnosis):
        if not kernel.ladder:
            text = f"{names[id(kernel)]}: time was not measured; held by {kernel.bound} as far as shares tell"
            parts.append(Part(text=text, value=Value.LADDER, name="ladder"))
            continue
        measured, *rungs = kernel.ladder
        rungs = [r for r in rungs if r.time_us >= NOTHING * measured.time_us]
        near = [r for place, r in enumerate(rungs) if place < FIRST or r.time_us >= NEAR * measured.time_us]
        text = f"{names[id(kernel)]}: measured {time(measured.time_us)}, held by {kernel.bound}; " + "; ".join(
            f"{r.limit} {time(r.time_us)} ({line(r.how)})" for r in near
        )
        parts.append(Part(text=text.removesuffix("; "), value=Value.LADDER, name="ladder"))
        if far := [r for r in rungs if r not in near]:
            text = f"  far below: {', '.join(f'{r.limit} {time(r.time_us)}' for r in far)}"
            parts.append(Part(text=text, value=Value.RUNGS, name="lower rungs of the ladder"))
    return Section(title="[LADDER OF LIMITS]", parts=tuple(parts))


def _together(rungs: Sequence[Rung]) -> str:
    words = {"dram": "the same bytes at the roof", "dram-compulsory": "the needed bytes at the roof"}
    said = [f"{words.get(r.limit, r.limit)} {time(r.time_us)} ({line(r.how)})" for r in rungs[1:]]
    ratio = rungs[0].time_us / rungs[-1].time_us if rungs[-1].time_us > 0 else 0.0
    best = f", {ratio:.2f}x if bytes were the only limit" if ratio else ""
    return f"All kernels together: measured {time(rungs[0].time_us)}; {'; '.join(said)}{best}"


def traffic(diagnosis: Diagnosis, report: Report | None, listing: Listing) -> Section:
    """The section ``[COMPULSORY TRAFFIC]``: bytes moved through DRAM, and bytes that nobody can avoid."""
    names = keys(diagnosis)
    shown = heavy(diagnosis)
    parts = [
        Part(text=f"{names[id(kernel)]}: {text}", value=Value.TRAFFIC, name="traffic")
        for kernel in shown
        if (text := _moved(kernel))
    ]
    if report is not None and (needed := needed_together(report)) is not None:
        moved = [(k.launches // max(1, report.repeat), k.metrics.get("dram_bytes")) for k in diagnosis.kernels]
        known = [count * value for count, value in moved if value is not None]
        text = f"All kernels together need {size(sum(needed))}: {size(needed[0])} read from outside once, "
        text += f"{size(needed[1])} written in the end"
        if len(known) == len(moved) and sum(needed) > 0:
            text += f"; they move {size(sum(known))}, {sum(known) / sum(needed):.2f}x"
        parts.append(Part(text=f"{text}.", value=Value.TRAFFIC, name="traffic of all kernels"))
    launches = _first_launches(report, [k.name for k in shown])
    parts += [Part(text=_tensors(launch, listing), value=Value.TENSORS, name="tensors") for launch in launches]
    return Section(title="[COMPULSORY TRAFFIC]", parts=tuple(parts))


def _moved(kernel: KernelDiagnosis) -> str:
    read, written = kernel.metrics.get("dram_read_bytes"), kernel.metrics.get("dram_write_bytes")
    needed = kernel.metrics.get("compulsory_bytes")
    said = []
    if read is not None and written is not None:
        said.append(f"moves {size(read + written)} through DRAM ({size(read)} read, {size(written)} written)")
    if needed is not None:
        said.append(f"its tensors, each once, are {size(needed)}")
    if (ratio := kernel.metrics.get("traffic_ratio")) is not None:
        said.append(f"that is {ratio:.2f}x")
    return "; ".join(said)


def needed_together(report: Report) -> tuple[int, int] | None:
    """Bytes that the launches of one run read from outside and leave behind, each buffer once; None when unknown.

    What one of them writes for another need not leave the chip. Buffers are told apart by their place in memory.
    """
    once = report.launches[: max(1, len(report.launches) // max(1, report.repeat))]
    launches = [launch for launch in once if launch is not None]
    if len(launches) < max(2, len(once)):
        return None
    reads: dict[int, int] = {}
    writes: dict[int, int] = {}
    inner: set[int] = set()
    for launch in launches:
        if any(t.loaded is None or t.stored is None for t in launch.tensors):
            return None
        for tensor in launch.tensors:
            if tensor.loaded and tensor.buffer in writes:
                inner.add(tensor.buffer)
                del writes[tensor.buffer]
            elif tensor.loaded and tensor.buffer not in inner:
                reads[tensor.buffer] = max(tensor.bytes, reads.get(tensor.buffer, 0))
        writes |= {t.buffer: max(t.bytes, writes.get(t.buffer, 0)) for t in launch.tensors if t.stored}
    return sum(reads.values()), sum(writes.values())


def _first_launches(report: Report | None, names: Sequence[str]) -> Iterator[TritonLaunch]:
    seen: set[str] = set()
    for launch in report.launches if report is not None else ():
        if launch is not None and launch.kernel in names and launch.kernel not in seen and launch.tensors:
            seen.add(launch.kernel)
            yield launch


def _tensors(launch: TritonLaunch, listing: Listing) -> str:
    said = []
    shown = listing if launch.file is None or Path(launch.file).name == Path(listing.path).name else None
    for tensor in sorted(launch.tensors, key=lambda t: -t.bytes)[:MOST_TENSORS]:
        use = [f"loaded{_lines(tensor.load_lines, shown)}"] if tensor.loaded else []
        use += [f"stored{_lines(tensor.store_lines, shown)}"] if tensor.stored else []
        shape = "x".join(map(str, tensor.shape))
        said.append(f"{line(tensor.name, 60)} {line(tensor.dtype, 20)} {shape}, {size(tensor.bytes)}, "
                    f"{' and '.join(use) or 'use unknown'}")  # fmt: skip
    return f"{line(launch.kernel, 120)}: {'; '.join(said)}"


def _lines(numbers: Sequence[int], listing: Listing | None) -> str:
    """What stands in the lines; nothing of those that are not shown."""
    rows = dict.fromkeys(listing.line(number) for number in numbers) if listing is not None else {}
    return f" in {listed((row for row in rows if row.startswith('`')), 4)}".removesuffix(" in ")


def futile(diagnosis: Diagnosis | None, inspection: Inspection | None) -> Section:
    """The section ``[WHAT WILL NOT HELP]``: changes that people try here, each with the reason why it is in vain."""
    kernels = [kernel.name for kernel in diagnosis.kernels] if diagnosis is not None else []
    said: dict[str, dict[str, None]] = {}
    for finding, _ in findings(diagnosis) if diagnosis is not None else ():
        for words in finding.unhelpful:
            said.setdefault(words, {}).update(dict.fromkeys(finding.kernels))
    told = {kernel for words, of in said.items() for kernel in of if words.startswith("num_stages")}
    for words, of in _same_code(inspection).items():
        if not of.keys() <= told:
            said.setdefault(words, {}).update(of)
    parts = [
        Part(text=f"- {line(words)}{_of(of, kernels)}", value=Value.FUTILE, name="what will not help")
        for words, of in said.items()
    ]
    return Section(title="[WHAT WILL NOT HELP]", parts=tuple(parts))


def _same_code(inspection: Inspection | None) -> dict[str, dict[str, None]]:
    """Where the compiler was asked, and stages make no difference."""
    found: dict[str, dict[str, None]] = {}
    for one in inspection.compiled if inspection is not None else ():
        if one.stages is not None and not one.stages.changes:
            tried = both([str(n) for n in sorted({*one.stages.tried, one.launch.num_stages})])
            words = f"num_stages at the launch: {tried} give the same machine code"
            found.setdefault(words, {})[one.launch.kernel] = None
    return found


def _of(named: Mapping[str, None], kernels: Sequence[str]) -> str:
    """Which kernels it is about, where it is not all of them."""
    if not named or set(named) >= set(kernels):
        return ""
    return f" (of {listed(line(n, 60) for n in named)})"
