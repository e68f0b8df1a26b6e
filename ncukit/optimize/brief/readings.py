"""What ncu measured: one object a kernel under ncu's own names, as ``ncukit.read`` reads it back from the brief."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ncukit import metrics
from ncukit.optimize.brief.budget import Part, Section, Value
from ncukit.optimize.brief.words import line, listed, name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ncukit.model import Diagnosis, Environment, KernelDiagnosis

TITLE = "[NCU PROFILING METRICS]"
WANTED = (
    "grid_size", "warps_active_pct", "dram_pct", "l2_hit_pct", "duration_ns", "dram_read_bytes", "dram_write_bytes",
    "registers",
)  # fmt: skip
"""Of every kernel. Few metrics with a meaning help a model more than all that there are."""
WELCOME = ("sm_pct", "block_size")
"""Shown where they are there: ncu takes eight passes for the first."""
SHARE = 0.01
"""Of the time: kernels below it are named and not shown."""
MOST_KERNELS = 12
DIGITS = 6
UNITS = "Times are in ns, sizes in bytes; medians where a kernel was launched several times."


def heavy(diagnosis: Diagnosis) -> list[KernelDiagnosis]:
    """The kernels that are worth a reader's time, in the order of their launch."""
    times = [k.launches * k.duration_us if k.duration_us is not None else None for k in diagnosis.kernels]
    if any(time is None for time in times):
        return list(diagnosis.kernels[:MOST_KERNELS])
    known = [time for time in times if time is not None]
    least = max(SHARE * sum(known), sorted(known, reverse=True)[:MOST_KERNELS][-1])
    return [kernel for kernel, time in zip(diagnosis.kernels, known, strict=True) if time >= least][:MOST_KERNELS]


def keys(diagnosis: Diagnosis) -> dict[int, str]:
    """``id`` of a kernel → what it is called here: its name, with the grid where several have one name."""
    called = [name(kernel.name) for kernel in diagnosis.kernels]
    found: dict[int, str] = {}
    for kernel, short in zip(diagnosis.kernels, called, strict=True):
        key = short
        if called.count(short) > 1 and kernel.grid is not None:
            key = f"{short} grid {'x'.join(map(str, kernel.grid))}"
        number = 2
        while key in found.values():
            key = f"{short} #{number}"
            number += 1
        found[id(kernel)] = key
    return found


def readings(
    diagnosis: Diagnosis | None, chip: str, extra: Iterable[str], notes: Iterable[str], unmeasured: str
) -> Section:
    """The section ``[NCU PROFILING METRICS]``.

    Args:
        diagnosis: what was measured; None for nothing.
        chip: ncu's name of the chip, which decides what a metric is called.
        extra: short names to show beside those that are always shown.
        notes: what a reader must know of the measurement.
        unmeasured: why nothing was measured.
    """
    if diagnosis is None:
        text = f"{{}}\nNothing was measured: {line(unmeasured) or 'there is no report'}. No number here is a reading."
        return Section(title=TITLE, parts=(Part(text=text, value=Value.READINGS, name="measurements"),))
    wanted = [m for m in dict.fromkeys((*WANTED, *extra)) if _shown_as(m, chip)]
    table = {}
    absent: dict[str, dict[str, None]] = {}
    names = keys(diagnosis)
    shown = heavy(diagnosis)
    for kernel in shown:
        table[names[id(kernel)]] = {
            _shown_as(m, chip): rounded(kernel.metrics[m]) for m in _ordered(wanted) if m in kernel.metrics
        }
        for metric in wanted:
            if metric not in kernel.metrics:
                reason = kernel.missing.get(metric) or "not in the report"
                absent.setdefault(f"{_shown_as(metric, chip)}", {})[reason] = None
    parts = [Part(text=json.dumps(table, indent=2), value=Value.READINGS, name="measurements")]
    head = [where(diagnosis.environment), UNITS, *notes, *diagnosis.notes[:3]]
    parts += [Part(text=line(text), value=Value.READINGS, name="where it was measured") for text in head if text]
    if len(shown) < len(diagnosis.kernels):
        rest = [names[id(k)] for k in diagnosis.kernels if k not in shown]
        parts.append(Part(text=f"Not shown, under {SHARE:.0%} of the time: {listed(rest, 4)}.", value=Value.ABSENT,
                          name="other kernels"))  # fmt: skip
    parts += _absent(absent)
    return Section(title=TITLE, parts=tuple(parts))


def _ordered(wanted: Iterable[str]) -> list[str]:
    return list(dict.fromkeys((*WELCOME[:1], *wanted, *WELCOME[1:])))


def _shown_as(metric: str, chip: str) -> str:
    """ncu's name on this chip; empty for what ncu does not measure under that name and in that unit."""
    entry = metrics.catalogue().get(metric)
    if entry is None or entry.ncu_scale != 1.0:
        return ""
    return entry.ncu_name(chip) or ""


def rounded(value: float) -> float | int:
    """A count as it is, anything else with six digits."""
    short = value if value == int(value) else float(f"{value:.{DIGITS}g}")
    return int(short) if short == int(short) else short


def where(environment: Environment) -> str:
    """GPU, versions and clocks; says first when it is a recording."""
    clocks = {"none": "clocks free", "base": "clocks at base"}.get(environment.clock_control, "")
    words = [
        environment.gpu,
        f"ncu {environment.ncu_version}" if environment.ncu_version else "",
        f"Triton {environment.triton_version}" if environment.triton_version else "",
        clocks,
    ]
    said = " · ".join(word for word in words if word)
    if environment.recorded:
        return f"RECORDED, not measured now: {said}"
    return f"Measured on {said}" if said else ""


def _absent(absent: Mapping[str, Mapping[str, None]]) -> Iterator[Part]:
    """Missing metrics by their reason."""
    by_reason: dict[str, list[str]] = {}
    for metric, reasons in absent.items():
        by_reason.setdefault("; ".join(reasons), []).append(metric)
    for reason, names in by_reason.items():
        text = f"Missing: {', '.join(f'`{n}`' for n in names)}: {line(reason)}."
        yield Part(text=text, value=Value.ABSENT, name="missing metrics")
