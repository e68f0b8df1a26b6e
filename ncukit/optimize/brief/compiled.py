"""What the compiler says without a GPU: resources, what keeps accesses narrow, what spills, what loops cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ncukit.optimize.brief.budget import Part, Section, Value
from ncukit.optimize.brief.words import line, listed, size
from ncukit.source.fit import fits_of
from ncukit.source.inspect import nothing_compiled

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ncukit.gpus import Gpu
    from ncukit.optimize.brief.words import Listing
    from ncukit.source.inspection import Compiled, Inspection, Loop

MOST_LAUNCHES = 6
"""Launches, or autotune configurations, that are described."""
MOST_FAULTS = 12
_COSTS = {
    "barrier": ("barrier", "barriers"),
    "shuffle": ("shuffle", "shuffles"),
    "local": ("access to local memory", "accesses to local memory"),
}
"""What is counted in a loop: kind of instruction → one, many."""


def compiled(inspection: Inspection | None, gpu: Gpu, listing: Listing, why_not: str) -> Section:
    """The section ``[COMPILE FACTS]``.

    Args:
        inspection: what ``ncukit.source.inspect`` found, or None.
        gpu: the GPU whose architecture counts.
        listing: the code.
        why_not: why there is no inspection.
    """
    title = "[COMPILE FACTS]"
    if inspection is None:
        text = f"Nothing was compiled: {line(why_not)}."
        return Section(
            title=title, parts=(Part(text=text, value=Value.COMPILED, name="compile facts"),) if why_not else ()
        )
    own = [one for one in inspection.compiled if one.arch == f"sm_{gpu.compute_capability.replace('.', '')}"]
    parts = [Part(text=_head(inspection, gpu), value=Value.COMPILED, name="compile facts")]
    parts += _faults(inspection, own, listing)
    for one in own[:MOST_LAUNCHES]:
        parts.append(
            Part(
                text=_resources(one, gpu), value=Value.COMPILED, name=f"compile facts of {line(one.launch.kernel, 60)}"
            )
        )
        parts += [Part(text=f"  {text}", value=Value.COMPILED, name="what loops cost") for text in _loops(one, listing)]
    if len(own) > MOST_LAUNCHES:
        text = f"and {len(own) - MOST_LAUNCHES} more launches or configurations"
        parts.append(Part(text=text, value=Value.COMPILED, name="number of other launches"))
    return Section(title=title, parts=tuple(parts))


def _head(inspection: Inspection, gpu: Gpu) -> str:
    if reason := nothing_compiled(inspection):
        return f"Nothing was compiled: {line(reason)}."
    versions = f"Triton {line(inspection.versions.get('triton', 'of an unknown version'), 40)}"
    source = f"; launches from {line(inspection.source)}" if inspection.source else ""
    return f"Compiled for compute capability {gpu.compute_capability} without a GPU, not measured: {versions}{source}."


def _resources(one: Compiled, gpu: Gpu) -> str:
    launch = one.launch
    knobs = [f"{line(a, 60)}={line(str(v), 40)}" for a, v in launch.constexprs.items()]
    knobs += [f"num_warps={launch.num_warps}", f"num_stages={launch.num_stages}"]
    said = [
        f"{one.registers} registers a thread",
        f"{one.spills} spilled words",
        f"{one.shared_bytes} B shared memory a block",
    ]
    fit = next((f for f in fits_of(one) if f.gpu == gpu.name), None)
    if fit is not None and fit.problem:
        said.append(f"cannot run: {line(fit.problem)}")
    elif fit is not None:
        said.append(f"{fit.occupancy_pct:.0f} % occupancy, limited by {fit.limiter}")
        said.append(f"{fit.waves:.3g} waves" if fit.waves is not None else "grid unknown")
    return f"{line(launch.kernel, 120)} ({', '.join(knobs)}): {', '.join(said)}"


def _faults(inspection: Inspection, own: Iterable[Compiled], listing: Listing) -> list[Part]:
    """Errors first, then what costs time, each once."""
    said = dict.fromkeys((*_errors(inspection, listing), *(text for one in own for text in _problems(one, listing))))
    rest = f"- and {len(said) - MOST_FAULTS} more" if len(said) > MOST_FAULTS else ""
    texts = [*(f"- {text}" for text in list(said)[:MOST_FAULTS]), *([rest] if rest else [])]
    return [Part(text=text, value=Value.FAULTS, name="what the compiler says is wrong") for text in texts]


def _errors(inspection: Inspection, listing: Listing) -> Iterator[str]:
    for error in inspection.errors:
        where = f" in {listing.line(error.line)}" if error.line else ""
        of = f"{line(error.kernel, 60)} " if error.kernel else "the host code "
        yield f"{of}fails{where}: {line(error.message)}{f'. Instead: {line(error.instead)}' if error.instead else ''}"
    for broken in sorted(inspection.lint, key=lambda one: one.severity != "error"):
        if broken.suppressed is None:
            instead = f". Instead: {line(broken.instead)}" if broken.instead else ""
            yield f"{broken.code} {broken.severity} in {listing.line(broken.line)}: {line(broken.message)}{instead}"


def _problems(one: Compiled, listing: Listing) -> Iterator[str]:
    kernel = line(one.launch.kernel, 60)
    for narrow in one.narrow:
        if narrow.wider_bits:
            place = f"in {listing.line(narrow.line)}" if narrow.line else ""
            yield (
                f"{kernel} {narrow.kind}s {narrow.bits} bit a thread {place}: {line(narrow.cause)}; "
                f"with it {narrow.wider_bits} bit"
            )
    if one.spills:
        lines = [listing.line(s.line) for s in one.sass.spills if s.line]
        of = f", of values from {listed(dict.fromkeys(lines))}" if lines else ""
        yield f"{kernel} spills {size(4 * one.spills)} a thread to local memory{of}"
    if one.sass.fp64_lines:
        yield f"{kernel} computes in double precision in {listed(listing.line(n) for n in one.sass.fp64_lines)}"
    if one.has_dot and not one.sass.tensor_core:
        yield f"{kernel} has a tl.dot without tensor-core instructions"


def _loops(one: Compiled, listing: Listing) -> Iterator[str]:
    for loop in one.sass.loops:
        if not loop.waits and (costs := _costs(loop)):
            place = f" {listing.line(loop.line)}" if loop.line else ""
            yield f"its loop{place} has {costs} among {loop.instructions:,} instructions"


def _costs(loop: Loop) -> str:
    counted = [(loop.mix.get(kind, 0), names) for kind, names in _COSTS.items()]
    return ", ".join(f"{count:,} {names[count != 1]}" for count, names in counted if count)
