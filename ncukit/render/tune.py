"""A search for people: what was turned, what it gave beside what was predicted, and the diff."""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import TYPE_CHECKING

from ncukit.render import units
from ncukit.render.text import columns, paint, visible

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ncukit.optimize.tune import Plan, Tuned
    from ncukit.optimize.tune.advice import Advice
    from ncukit.optimize.tune.record import Trial

_LINE = re.compile(r"[^\n]*\n|[^\n]+")
"""What ``patch`` calls a line: a form feed or a Unicode separator ends none."""
SHOWN = 5
"""Trials of a group that are shown, the best first."""


def diff(code: str, tuned: str, path: str) -> str:
    """What turns one text into the other, as ``patch`` takes it; empty where nothing differs."""
    name = Path(path).name if path.startswith(("/", "..")) else path.removeprefix("./")
    before, after = (_LINE.findall(text) for text in (code, tuned))
    rows = difflib.unified_diff(before, after, f"a/{visible(name)}", f"b/{visible(name)}")
    return "".join(row if row.endswith("\n") else f"{row}\n\\ No newline at end of file\n" for row in rows)


def render(tuned: Tuned, advice: Advice, *, color: bool) -> str:
    """The page of a search that was made."""
    about = tuned.about
    versions = about.get("versions", {})
    head = " · ".join([str(about.get("gpu", "?")), *(f"{n} {versions.get(n, '?')}" for n in ("triton", "torch"))])
    lines = [paint(visible(head), "dim", color), "", *_verdict(tuned, advice, color), ""]
    for index in tuned.plan.order:
        lines += _group(tuned, index, color)
    if tuned.better:
        rows = diff(tuned.plan.problem.code, tuned.code, tuned.plan.problem.path).removesuffix("\n").split("\n")
        lines += [*map(visible, rows), ""]
    return "\n".join(lines)


def plan_page(plan: Plan, advice: Advice, *, color: bool) -> str:
    """What would be searched, without measuring anything."""
    lines = []
    for index in plan.order:
        group, facts = plan.knobs.groups[index], plan.facts[index]
        total, left = len(group.settings), len(plan.candidates(index))
        lines.append(paint(visible(group.title), "bold", color))
        rows = [
            [f"  {visible(group.label(k))}", str(k.value), ", ".join(map(str, k.values)), f"line {k.line}"]
            for k in group.knobs
        ]
        lines += columns(rows, "<><<")
        lines.append(f"  {total} settings, {total - left} ruled out by compiling, {left} left to choose from")
        if facts.note:
            lines.append(f"  note: {visible(facts.note)}")
        begun = [f"begins with {group.words(s)}: {why}" for s, why in plan.suggested[index].items()]
        lines += [f"  {visible(words)}" for words in begun[:SHOWN]]
        lines.append("")
    lines += [f"not turned: {visible(f'{f.kernel}: {f.name} (line {f.line}): {f.why}')}" for f in plan.knobs.fixed]
    lines.append(f"predicted: {_predicted(advice)}")
    return "\n".join(lines)


def _verdict(tuned: Tuned, advice: Advice, color: bool) -> Sequence[str]:
    path = visible(tuned.plan.problem.path)
    race = tuned.race
    if race is not None and race.faster:
        change = f"{units.time(race.before.median_us)} → {units.time(race.after.median_us)}"
        title = paint(f"{path}  {race.ratio:.2f}x faster", "bold", color)
        spread = f"(quartiles {race.low:.2f} to {race.high:.2f}, {race.before.runs} turns, L2 flushed)"
        lines = [f"{title}  {change}  {spread}"]
    elif race is not None:
        lines = [
            paint(f"{path}  nothing faster", "bold", color),
            f"  the best setting did not hold when it was measured again: {race.ratio:.3f}x"
            f" (quartiles {race.low:.3f} to {race.high:.3f})",
        ]
    elif tuned.best:
        lines = [paint(f"{path}  better settings, not compared once more", "bold", color)]
    elif tuned.interrupted:
        lines = [paint(f"{path}  interrupted, nothing faster so far", "bold", color)]
    else:
        lines = [paint(f"{path}  nothing faster was found", "bold", color)]
    lines.append(f"  predicted: {_predicted(advice)}")
    counts = _counts(tuned.trials)
    resumed = f", {tuned.resumed} of them by an earlier search" if tuned.resumed else ""
    total = sum(len(g.settings) for g in tuned.plan.knobs.groups)
    ruled = sum(len(f.ruled_out) for f in tuned.plan.facts)
    lines.append(f"  {len(tuned.trials)} of {total} settings tried ({counts}{resumed}), {ruled} ruled out by compiling")
    return lines


def _predicted(advice: Advice) -> str:
    if advice.predicted is None:
        return visible(f"nothing ({advice.because})")
    return visible(f"{units.gain(advice.predicted)}, {advice.predicted.best:.2f}x at best guess ({advice.because})")


def _counts(trials: Sequence[Trial]) -> str:
    found: dict[str, int] = {}
    for trial in trials:
        found[trial.outcome] = found.get(trial.outcome, 0) + 1
    return ", ".join(f"{count} {outcome}" for outcome, count in found.items()) or "none"


def _group(tuned: Tuned, index: int, color: bool) -> list[str]:
    group = tuned.plan.knobs.groups[index]
    mine = [t for t in tuned.trials if t.group == index]
    ranked = sorted(mine, key=lambda t: -(t.ratio or 0.0))
    lines = [paint(visible(group.title), "bold", color)]
    own = group.words(group.own) if group.own is not None else "whatever the autotuner chooses"
    base = _base(tuned, mine[0].before if mine else ())
    rows = [[f"  {visible(own)}", f"{base:.2f}x", "as it stands", "with what was found above" if base != 1.0 else ""]]
    rows += [[f"  {visible(group.words(t.setting))}", _speed(t), _facts(t.launches), _note(t)] for t in ranked[:SHOWN]]
    lines += columns(rows, "<><<")
    bad = [t for t in ranked[SHOWN:] if t.outcome in ("wrong", "failed")]
    lines += [f"  {visible(group.words(t.setting))}: {t.outcome}: {visible(t.note)[:160]}" for t in bad[:SHOWN]]
    if index in tuned.stops:
        lines.append(f"  ended: {visible(tuned.stops[index])}")
    return [*lines, ""]


def _base(tuned: Tuned, before: Sequence[tuple[int, tuple[int, ...]]]) -> float:
    """Speed over the file that groups settled earlier have brought already."""
    settled = dict(before)
    last = next((index for index in reversed(tuned.plan.order) if index in settled), None)
    found = [t.ratio for t in tuned.trials if t.group == last and t.setting == settled.get(t.group) and t.ratio]
    return found[-1] if found else 1.0


def _speed(trial: Trial) -> str:
    return f"{trial.ratio:.2f}x" if trial.ratio else "–"


def _facts(launches: Sequence[Mapping[str, object]]) -> str:
    found = [
        f"{one.get('registers', '?')} registers" + (f", {one['spills']} spilled" if one.get("spills") else "")
        for one in launches
    ]
    return visible("; ".join(dict.fromkeys(found)))[:60]


def _note(trial: Trial) -> str:
    if trial.outcome == "measured":
        return visible(trial.why)
    return visible(f"{trial.outcome}: {trial.note}")[:160]
