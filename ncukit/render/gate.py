"""The gate's answer for people: one line a kernel and budget, then what the metrics mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ncukit import metrics
from ncukit.gate.judge import function_name
from ncukit.model import Environment, Status, Verdict
from ncukit.render.text import apart, columns, number, paint, visible

if TYPE_CHECKING:
    from ncukit.gate import Judged, Judgement

EXPLAINED = ("dram_pct", "dram_gbps", "useful_dram_pct")
"""Three readings of "how fast is DRAM used" that are easily taken for one another."""
_LONG = 60
_STYLE = {Status.PASS: "green", Status.FAIL: "red", Status.UNJUDGED: "yellow"}
_WORD = {Status.PASS: "pass", Status.FAIL: "FAIL", Status.UNJUDGED: "not judged"}


def render(judgement: Judgement, *, color: bool = False) -> str:
    """The judgement as text."""
    lines = [device_line(judgement.environment, color), _headline(judgement, color), ""]
    labels = _labels(judgement.kernels)
    rows = [["kernel", "metric", "measured", "limit", "verdict", ""]]
    for kernel, label in zip(judgement.kernels, labels, strict=True):
        rows += [_row(label, verdict, color) for verdict in kernel.verdicts]
    table = columns(rows, "<<><<<")
    lines += [paint(table[0], "dim", color), *table[1:]] if len(rows) > 1 else []
    lines += [visible(note) for note in judgement.notes]
    lines += _footnotes(judgement)
    return "\n".join(lines) + "\n"


def device_line(environment: Environment, color: bool) -> str:
    """What was measured where; a recording says so before anything else."""
    parts = [
        environment.gpu or "unknown GPU",
        f"ncu {environment.ncu_version}" if environment.ncu_version else "",
        {"none": "clocks free", "base": "clocks locked to base"}.get(environment.clock_control, ""),
    ]
    line = visible(" · ".join(part for part in parts if part))
    return paint("RECORDED, not measured now: ", "yellow", color) + line if environment.recorded else line


def _headline(judgement: Judgement, color: bool) -> str:
    statuses = [verdict.status for verdict in judgement.verdicts]
    counts = [
        f"{statuses.count(status)} {word}"
        for status, word in (
            (Status.FAIL, "failed"),
            (Status.UNJUDGED, "not judged"),
            (Status.PASS, "passed"),
        )
        if status in statuses
    ]
    verdict = paint(f"gate: {_WORD[judgement.status]}", _STYLE[judgement.status], color)
    return f"{verdict}   {', '.join(counts) or 'no kernel'}   {visible(judgement.report_path)}"


def _labels(kernels: tuple[Judged, ...]) -> list[str]:
    """Names, with as much of grid, block and constexprs as it takes to tell two kernels apart."""
    labels = _names([kernel.kernel for kernel in kernels])
    for part in ("grid", "block", "constexprs"):
        repeated = {label for label in labels if labels.count(label) > 1} if len(set(labels)) < len(labels) else set()
        labels = [
            f"{label} {visible(getattr(kernel, part))}".rstrip() if label in repeated else label
            for kernel, label in zip(kernels, labels, strict=True)
        ]
    return labels


def _names(kernels: list[str]) -> list[str]:
    """A long C++ signature is shown by its function name, unless another kernel has the same."""
    short = {name: function_name(name) if len(name) > _LONG else name for name in kernels}
    shared = [one for one in short.values() if list(short.values()).count(one) > 1]
    return [visible(name if short[name] in shared else short[name]) for name in kernels]


def _row(label: str, verdict: Verdict, color: bool) -> list[str]:
    unit = f" {verdict.unit}" if verdict.unit else ""
    limit, measured = number(verdict.limit), "-"
    if verdict.measured is not None:
        measured, limit = apart(verdict.measured, verdict.limit)
    return [
        label,
        visible(verdict.metric),
        measured + (unit if verdict.measured is not None else ""),
        f"{verdict.bound} {limit}{unit}",
        paint(_WORD[verdict.status], _STYLE[verdict.status], color),
        visible(verdict.reason),
    ]


def _footnotes(judgement: Judgement) -> list[str]:
    used = {verdict.metric for verdict in judgement.verdicts}
    lines = [f"{name}: {metrics.catalogue()[name].about}" for name in EXPLAINED if name in used]
    if judgement.collect_command:
        lines.append(f"to measure what is missing: {visible(judgement.collect_command)}")
    return ["", *lines] if lines else []
