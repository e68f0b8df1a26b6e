"""Pages for a terminal, drawn with rich into text: this room never prints."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ncukit.model import Diagnosis, Environment, Finding, KernelDiagnosis, Report, Rung, Severity
from ncukit.render import opinions, units
from ncukit.render.text import visible as plain

if TYPE_CHECKING:
    from collections.abc import Sequence

SHOWN_FINDINGS = 8
"""Findings shown in full; the rest is in --format json."""
SHOWN_LAUNCHES = 40
PROFILE_COLUMNS = {
    "duration_us": "time us",
    "dram_gbps": "DRAM GB/s",
    "dram_pct": "DRAM %",
    "useful_dram_pct": "useful %",
    "traffic_ratio": "traffic x",
    "warps_active_pct": "occ. %",
    "registers": "regs",
}
"""Short names shown a launch, and their headers."""


def diagnosis_page(
    diagnosis: Diagnosis, *, color: bool, width: int, explain: bool = False, nvidia: bool = False
) -> str:
    """The page of ``ncukit diagnose``.

    Args:
        diagnosis: what to show.
        color: whether to use ANSI colour.
        width: columns to write for.
        explain: also say why the other rules are silent.
        nvidia: also say what NVIDIA's rules think, where the report carries their results.
    """
    out = _console(color, width)
    out.print(_headline(diagnosis.environment, diagnosis.kernels, width))
    for note in diagnosis.notes:
        out.print(Text(f"note: {plain(note)}", style="dim"))
    out.print()
    if len(diagnosis.kernels) > 1:
        out.print(_kernel_table(diagnosis.kernels))
        out.print()
    _ladders(out, diagnosis, width)
    findings = _merged(diagnosis)
    for number, finding in enumerate(findings[:SHOWN_FINDINGS], start=1):
        said = opinions.beside(finding[1], diagnosis) if nvidia else []
        _finding(out, number, finding, several=len(diagnosis.kernels) > 1, said=said)
    if len(findings) > SHOWN_FINDINGS:
        out.print(Text(f"… and {len(findings) - SHOWN_FINDINGS} more findings: --format json", style="dim"))
    if not findings:
        out.print(_nothing(diagnosis))
    for line in opinions.alone(diagnosis) if nvidia else []:
        indent = len(line) - len(line.lstrip())
        out.print(Padding(Text(plain(line.lstrip()), style="magenta"), (0, 0, 0, indent)))
    _silences(out, diagnosis, explain)
    return _text(out)


def _console(color: bool, width: int) -> Console:
    # width and height together: with width alone rich falls back to 80 columns under TERM=dumb
    return Console(
        file=io.StringIO(), width=width, height=100, force_terminal=color, no_color=not color, highlight=False,
        color_system="standard" if color else None, emoji=False, markup=False,
    )  # fmt: skip


def _text(out: Console) -> str:
    assert isinstance(out.file, io.StringIO)  # noqa: S101 - made by _console
    return "\n".join(line.rstrip() for line in out.file.getvalue().splitlines()) + "\n"


def environment_line(environment: Environment) -> str:
    """GPU, versions and clocks in one line; says first when it is a recording."""
    clocks = {"none": "clocks free", "base": "clocks at base"}.get(environment.clock_control, "")
    words = [
        environment.gpu or "GPU unknown",
        f"ncu {environment.ncu_version}" if environment.ncu_version else "ncu version unknown",
        f"Triton {environment.triton_version}" if environment.triton_version else "",
        clocks,
    ]
    line = " · ".join(plain(word) for word in words if word)
    return f"RECORDED, not measured now: {line}" if environment.recorded else line


def _headline(environment: Environment, kernels: Sequence[KernelDiagnosis], width: int) -> Text:
    line = Text(environment_line(environment), style="bold")
    times = [k.duration_us * k.launches for k in kernels if k.duration_us is not None]
    count = sum(k.launches for k in kernels)
    what = f"{len(kernels)} kernel{'s' if len(kernels) != 1 else ''}"
    if count != len(kernels):
        what += f", {count} launches"
    what += f", {units.time(sum(times))}" if len(times) == len(kernels) else ", time not measured"
    line.append(f" · {what}" if len(line) + len(what) + 3 <= width else f"\n{what}")
    return line


def _kernel_table(kernels: Sequence[KernelDiagnosis]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for header in ("kernel", "grid", "launches", "time", "DRAM", "of peak", "held by"):
        table.add_column(
            header,
            justify="left" if header in ("kernel", "grid", "held by") else "right",
            no_wrap=header != "kernel",
        )
    for kernel in kernels[:30]:
        gbps, percent = kernel.metrics.get("dram_gbps"), kernel.metrics.get("dram_pct")
        table.add_row(
            plain(units.kernel(kernel.name)),
            "x".join(map(str, kernel.grid)) if kernel.grid else "?",
            str(kernel.launches),
            units.time(kernel.duration_us) if kernel.duration_us is not None else "?",
            f"{gbps:,.0f} GB/s" if gbps is not None else "?",
            f"{percent:.0f} %" if percent is not None else "?",
            kernel.bound,
        )
    return table


def _ladders(out: Console, diagnosis: Diagnosis, width: int) -> None:
    if len(diagnosis.kernels) == 1 and diagnosis.kernels[0].ladder:
        kernel = diagnosis.kernels[0]
        out.print(Text(plain(kernel.name), style="bold"))
        _bars(out, _worth_showing(kernel.ladder), width)
        out.print()
    elif len(diagnosis.ladder) > 1:
        out.print(_together(diagnosis))
        _bars(out, diagnosis.ladder, width)
        out.print()


def _together(diagnosis: Diagnosis) -> Text:
    """What the kernels move as one operation, what it needs, and what that is worth at best."""
    line = Text("all kernels together", style="bold")
    measured, floor = diagnosis.ladder[0], diagnosis.ladder[-1]
    if floor.limit == "dram-compulsory":
        span = f"{units.time(measured.time_us)} → {units.time(floor.time_us)}"
        line.append(f"   {span}, {measured.time_us / floor.time_us:.2f}x at best")
    return line


_RUNG_NAMES = {
    "measured": "measured",
    "dram": "same bytes at the roof",
    "dram-compulsory": "needed bytes at the roof",
    "l2": "L2 alone",
    "l1": "L1 alone",
    "issue": "issue slots alone",
    "launch": "an empty launch",
    "sm": "SM alone",
    "l2-atomic": "atomics of one L2 slice",
}


def _worth_showing(rungs: Sequence[Rung]) -> list[Rung]:
    """Measured, DRAM's two rungs, and the highest of the others."""
    kept = [r for r in rungs if r.limit in ("measured", "dram", "dram-compulsory")]
    others = [r for r in rungs if r not in kept]
    kept += sorted(others, key=lambda r: -r.time_us)[:2]
    return sorted(kept, key=lambda r: (r.limit != "measured", -r.time_us))


def _bars(out: Console, rungs: Sequence[Rung], width: int) -> None:
    longest = max((r.time_us for r in rungs), default=0.0)
    room = max(10, min(26, width - 74))
    for rung in rungs:
        name = _RUNG_NAMES.get(rung.limit, f"{rung.limit.removeprefix('pipe-')} pipe alone")
        bar = _bar(rung.time_us / longest if longest else 0.0, room)
        style = "bold" if rung.limit == "measured" else "green" if rung.limit == "dram-compulsory" else "cyan"
        line = Text(f"  {name:<25}")
        line.append(f"{bar:<{room}}", style=style)
        line.append(f"  {units.time(rung.time_us):>8}")
        if rung.limit != "measured":
            line.append(f"  {rung.how}", style="dim")
        line.truncate(width, overflow="ellipsis")
        out.print(line)


def _bar(share: float, room: int) -> str:
    """A bar in eighths of a column."""
    eighths = round(max(0.0, min(1.0, share)) * room * 8)
    return "█" * (eighths // 8) + ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")[eighths % 8]


def _merged(diagnosis: Diagnosis) -> list[tuple[Finding, tuple[Finding, ...]]]:
    """Findings to show: across kernels first, then by gain; equal statements of the limit as one."""
    rows: list[tuple[Finding, tuple[Finding, ...]]] = [(f, (f,)) for f in diagnosis.pipeline]
    limits: dict[str, list[Finding]] = {}
    for kernel in diagnosis.kernels:
        for finding in kernel.findings:
            if finding.severity == Severity.LIMIT:
                limits.setdefault(finding.code, []).append(finding)
            elif not any(f.cause == finding.cause and kernel.name in f.kernels for f in diagnosis.pipeline):
                rows.append((finding, (finding,)))
    rows.sort(key=lambda row: -_worth(row[0], diagnosis))
    rows += [(same[0], tuple(same)) for same in limits.values()]
    return rows


def _worth(finding: Finding, diagnosis: Diagnosis) -> float:
    """Time a finding saves over all launches; where times are unknown, its factor."""
    if finding.gain is None:
        return 0.0
    times = [k.launches * k.duration_us for k in diagnosis.kernels if k.name in finding.kernels and k.duration_us]
    return (sum(times) or 1.0) * (1 - 1 / finding.gain.best)


def _finding(
    out: Console, number: int, row: tuple[Finding, tuple[Finding, ...]], *, several: bool, said: Sequence[str]
) -> None:
    finding, same = row
    tune = finding.severity == Severity.TUNE
    head = Text(f"{number:>2}  ")
    head.append(f"{finding.code}  {finding.cause}", style="bold yellow" if tune else "bold green")
    if tune and finding.gain:
        head.append(f"   {units.gain(finding.gain)}", style="bold")
    head.append(f"   {finding.confidence} confidence", style="dim")
    out.print(head)
    for one in same:
        prefix = f"{plain(units.kernel(one.kernels[0]))}: " if several and len(one.kernels) == 1 else ""
        out.print(Padding(Text(f"{prefix}{plain(one.title)}"), (0, 0, 0, 6)))
    for evidence in finding.evidence if tune else ():
        value = units.reading(evidence.value, evidence.unit)
        text = f"{evidence.metric} {value}, compared with {plain(evidence.compared_with)}"
        out.print(Padding(Text(text, style="dim"), (0, 0, 0, 6)))
    for suggestion in finding.suggestions:
        action = plain(suggestion.action)
        if suggestion.knob and suggestion.to_value:
            change = (
                f"{suggestion.from_value} → {suggestion.to_value}" if suggestion.from_value else suggestion.to_value
            )
            action = f"{plain(suggestion.knob)}: {plain(change)}: {action}"
        out.print(Padding(Text(f"→ {action}"), (0, 0, 0, 6)))
        if suggestion.location:
            out.print(Padding(Text(plain(suggestion.location), style="cyan"), (0, 0, 0, 8)))
        if suggestion.why:
            out.print(Padding(Text(f"because {plain(suggestion.why)}", style="dim"), (0, 0, 0, 8)))
        if suggestion.watch:
            out.print(Padding(Text(f"watch: {plain(suggestion.watch)}", style="dim"), (0, 0, 0, 8)))
    for words in dict.fromkeys(word for one in same for word in one.unhelpful):
        out.print(Padding(Text(f"will not help: {plain(words)}", style="dim"), (0, 0, 0, 6)))
    for words in dict.fromkeys(word for one in same for word in one.mirrored):
        out.print(Padding(Text(f"follows from it: {plain(words)}", style="dim"), (0, 0, 0, 6)))
    if finding.next_command:
        out.print(Padding(Text(f"to be sure: {plain(finding.next_command)}", style="dim"), (0, 0, 0, 6)))
    for line in said:
        out.print(Padding(Text(plain(line), style="magenta"), (0, 0, 0, 6)))
    out.print()


def _nothing(diagnosis: Diagnosis) -> Text:
    bounds = {k.bound for k in diagnosis.kernels}
    if bounds == {"unknown"}:
        if any(k.ladder for k in diagnosis.kernels):
            return Text("The limits that were measured do not hold these kernels; what does takes --preset default.")
        return Text("Nothing can be said: the metrics in this report do not reach for any rule (see --explain).")
    return Text("No cause found that the rules know, and no limit reached (why each rule is silent: --explain).")


def _silences(out: Console, diagnosis: Diagnosis, explain: bool) -> None:
    if not explain:
        return
    for kernel in diagnosis.kernels:
        out.print(Text(f"silent on {plain(kernel.name)}", style="bold"))
        for silence in kernel.silences:
            out.print(
                Padding(
                    Text(f"{silence.code} {silence.cause}: {plain(silence.reason)}", style="dim"),
                    (0, 0, 0, 2),
                )
            )
        if kernel.code_note:
            out.print(Padding(Text(f"code: {plain(kernel.code_note)}", style="dim"), (0, 0, 0, 2)))
    out.print(Text(plain(diagnosis.gpu_note), style="dim"))


def profile_page(report: Report, *, color: bool, width: int) -> str:
    """What ``ncukit profile`` shows: a line a launch, and what is missing."""
    out = _console(color, width)
    out.print(Text(environment_line(report.environment), style="bold"))
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    columns = {short: header for short, header in PROFILE_COLUMNS.items() if short in report.frame}
    for header in ("kernel", "grid", *columns.values()):
        left = header in ("kernel", "grid")
        table.add_column(header, justify="left" if left else "right", no_wrap=header != "kernel")
    shown = report.frame.head(SHOWN_LAUNCHES)
    for row in shown[["kernel", "grid", *columns]].itertuples(index=False, name=None):
        grid = str(row[1]).strip("()").replace(", ", "x")
        table.add_row(plain(units.kernel(str(row[0]))), plain(grid), *[_cell(v) for v in row[2:]])
    out.print(table)
    if len(report.frame) > SHOWN_LAUNCHES:
        out.print(Text(f"… and {len(report.frame) - SHOWN_LAUNCHES} more launches", style="dim"))
    for name, reason in report.missing.items():
        out.print(Text(f"missing: {plain(name)}: {plain(reason)}", style="yellow"))
    for note in report.notes:
        out.print(Text(f"note: {plain(note)}", style="dim"))
    return _text(out)


def _cell(value: float) -> str:
    if value != value:  # NaN: not measured
        return "?"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
