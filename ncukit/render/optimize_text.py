"""A run of the loop for people: a row a round, what was gained, and why it stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ncukit.optimize.journal import against_start
from ncukit.render import units
from ncukit.render.gate_text import MOST_WORDS, bounded
from ncukit.render.text import columns, length, paint

if TYPE_CHECKING:
    from ncukit.optimize.journal import Entry, Outcome
    from ncukit.optimize.timing import Race

STYLE = {"faster": "green", "no faster": "dim", "refused": "red", "no answer": "yellow", "late": "yellow"}
HEADER = ("round", "stage", "outcome", "vs best", "vs start", "agent", "round took", "what came of it")
NARROWEST = 24
"""Columns that the last cell of a row gets at least."""


def render(outcome: Outcome, *, color: bool = False, width: int = 100) -> str:
    """The run as text.

    Args:
        outcome: see ``ncukit.optimize.loop``.
        color: with ANSI colours.
        width: columns to write for.
    """
    settings, start = outcome.settings, outcome.start
    versions = [f"{name} {settings.versions[key]}" for key, name in _NAMES.items() if settings.versions.get(key)]
    lines = [
        paint(f"{bounded(settings.file)}   {bounded(' · '.join([settings.gpu, *versions]))}", "bold", color),
        f"the start takes {units.time(start.before.median_us)}; against itself {_spread(start)}",
        f"agent: {bounded(settings.agent)}",
        "",
    ]
    lines += [*_table(outcome, color, width), ""] if outcome.entries else []
    lines += [paint(f"note: {bounded(note, MOST_WORDS)}", "dim", color) for note in outcome.notes]
    lines += [*_result(outcome, color), f"stopped: {bounded(outcome.stop.reason, MOST_WORDS)}"]
    return "\n".join([*lines, f"kept in {bounded(outcome.folder)}"]) + "\n"


_NAMES = {"triton": "Triton", "torch": "torch"}


def _table(outcome: Outcome, color: bool, width: int) -> list[str]:
    speeds = against_start(outcome.entries)
    rows = [list(HEADER)]
    for entry in outcome.entries:
        one = entry.round
        rows.append(
            [
                str(one.number),
                bounded(one.stage, 40) + (", repair" if entry.repair else ""),
                paint(one.outcome, STYLE.get(one.outcome, "red"), color),
                f"{one.ratio:.3f}x" if one.ratio is not None else "–",
                f"~{speeds[one.number]:.2f}x" if one.number in speeds else "–",
                f"{entry.agent_s:.0f} s",
                f"{entry.wall_s:.0f} s",
                "",
            ]
        )
    taken = length(columns([[*row[:-1], "|"] for row in rows], "><<>>>><")[0]) - 1
    for row, entry in zip(rows[1:], outcome.entries, strict=True):
        row[-1] = bounded(_what(entry), max(NARROWEST, width - taken))
    drawn = columns(rows, "><<>>>><")
    best = [paint(line, "bold", color and number == outcome.best) for number, line in enumerate(drawn[1:], start=1)]
    return [paint(drawn[0], "dim", color), *best]


def _what(entry: Entry) -> str:
    """Why it was refused, or what the answer says of itself."""
    one = entry.round
    if one.outcome not in ("faster", "no faster") and one.reasons:
        reason = one.reasons[0]
        more = f" (and {len(one.reasons) - 1} more)" if len(one.reasons) > 1 else ""
        return f"{reason.code}{f', line {reason.line}' if reason.line else ''}: {reason.message}{more}"
    unproven = "unproven; " if entry.verdict == "unproven" else ""
    return f"{unproven}it says: {one.summary}" if one.summary else unproven.rstrip("; ")


def _result(outcome: Outcome, color: bool) -> list[str]:
    """What was gained, as one measurement; or that nothing was."""
    best, gain = outcome.best, outcome.gain
    if not best:
        measured = any(entry.round.ratio is not None for entry in outcome.entries)
        why = "no answer was faster than the start" if measured else "no answer could be measured"
        if not outcome.entries:
            why = "the agent's only call was cut short by --minutes" if outcome.cut_short else "nothing was asked"
        return [paint(f"no gain: {why}", "yellow", color)]
    about = f"~{against_start(outcome.entries)[best]:.2f}x by the races of the rounds"
    unproven = next(entry.unproven for entry in outcome.entries if entry.round.number == best)
    doubts = [f"unproven of it: {bounded(one, MOST_WORDS)}" for one in unproven]
    if gain is None:
        return [paint(f"best so far: round {best}, {about}; not measured against the start", "yellow", color), *doubts]
    span = f"{units.time(gain.before.median_us)} → {units.time(gain.after.median_us)}, {_spread(gain)}"
    if outcome.again is not None and outcome.again.verdict == "refused":
        reason = outcome.again.reasons[0] if outcome.again.reasons else None
        why = bounded(f": {reason.code}: {reason.message}" if reason else "", MOST_WORDS)
        return [
            paint(f"no gain: best.py (round {best}) is refused as a whole file{why}", "red", color),
            f"it took {span}",
        ]
    if not gain.faster:
        words = f"no gain: round {best} is {about}, and that does not hold: measured against the start again {span}"
        return [paint(words, "yellow", color), *doubts]
    return [paint(f"best: round {best}: {span} the speed of the start, measured in turns", "green", color), *doubts]


def _spread(race: Race) -> str:
    return f"{race.ratio:.3f}x ({race.low:.3f} to {race.high:.3f})"
