"""Baselines as text and JSON: what is kept, since when, and why."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ncukit.render import units
from ncukit.render.text import columns, number, visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ncukit.gate.baseline import Baseline, Kept

SHOWN = ("duration_us", "dram_bytes", "dram_pct", "useful_dram_pct", "registers", "spills", "gain_left")
"""Metrics on the page of one baseline; the JSON has all."""


def list_page(baselines: Sequence[Baseline]) -> str:
    """One line a case."""
    rows = [["name", "GPU", "case", "time", "saved", "reason"]]
    for one in baselines:
        for case, kept in sorted(one.cases.items()):
            cells = [one.name, one.gpu, visible(case), units.time(kept.side.total_us), kept.saved]
            rows.append([*map(visible, cells), visible(kept.reason)])
    if len(rows) == 1:
        return "no baseline in profiles/baselines yet\n"
    return "\n".join(columns(rows, "<<<><<")) + "\n"


def show_page(baselines: Sequence[Baseline]) -> str:
    """Each case with its kernels and their main figures, and the history."""
    lines: list[str] = []
    for one in baselines:
        lines.append(f"{one.name} on {visible(one.gpu)}")
        for case, kept in sorted(one.cases.items()):
            lines += ["", *_case(case, kept)]
        lines += ["", "history:"]
        for line in one.history[-20:]:
            before, after = (f"{t:,.6g} us" if t is not None else "new" for t in line["total_us"])
            lines.append(visible(f"  {line['saved']}  {line['case']}  {before} → {after}  {line['reason']}"))
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _case(case: str, kept: Kept) -> list[str]:
    side = kept.side
    said = " · ".join(f"{key} {value}" for key, value in side.identity.items() if key not in ("inputs", "init"))
    head = [f"{visible(case)}   saved {visible(kept.saved)}" + (f": {visible(kept.reason)}" if kept.reason else "")]
    head.append(f"  {'RECORDED · ' if side.recorded else ''}{visible(said)}")
    rows = [["  kernel", "launches", *SHOWN, "causes"]]
    for entry in side.entries:
        medians = (entry.median(metric) for metric in SHOWN)
        figures = ["-" if value is None else number(value) for value in medians]
        name = visible(units.kernel(entry.kernel))
        rows.append([f"  {name}", str(entry.launches), *figures, ", ".join(map(visible, entry.causes or ()))])
    return [*head, *columns(rows, "<>" + ">" * len(SHOWN) + "<")]


def list_json(baselines: Sequence[Baseline]) -> str:
    """The list for programs."""
    found = [
        {
            "name": one.name,
            "gpu": one.gpu,
            "case": case,
            "saved": kept.saved,
            "reason": kept.reason,
            "recorded": kept.side.recorded,
            "total_us": kept.side.total_us,
        }
        for one in baselines
        for case, kept in sorted(one.cases.items())
    ]
    return json.dumps({"schema_version": 1, "baselines": found}, indent=2) + "\n"


def show_json(baselines: Sequence[Baseline]) -> str:
    """What the baselines of one name hold, for programs."""
    from ncukit.gate.baseline import dumped

    found: list[dict[str, Any]] = [{"name": one.name, "gpu": one.gpu, **json.loads(dumped(one))} for one in baselines]
    return json.dumps({"schema_version": 1, "baselines": found}, indent=2) + "\n"
