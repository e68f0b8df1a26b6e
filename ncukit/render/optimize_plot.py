"""A run of the loop as a picture: speed against the start, round by round. SVG by hand, for light and dark pages."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from ncukit.optimize.journal import against_start
from ncukit.render.gate_text import bounded

if TYPE_CHECKING:
    from ncukit.optimize.journal import Entry, Outcome

WIDTH, HEIGHT = 720, 360
LEFT, RIGHT, TOP, BOTTOM = 64, 24, 64, 64
MOST_LABELS = 20
STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #24292f; }
  .title { font-weight: 600; font-size: 15px; }
  .quiet { fill: #57606a; }
  .grid { stroke: #d0d7de; }
  .best { stroke: #0969da; stroke-width: 2; fill: none; }
  .faster { fill: #0969da; }
  .slower { fill: none; stroke: #57606a; stroke-width: 1.5; }
  .refused { stroke: #cf222e; stroke-width: 2; fill: none; }
  .answerless { stroke: #9a6700; stroke-width: 2; fill: none; }
  .again { stroke: #1a7f37; stroke-dasharray: 5 4; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .quiet { fill: #9198a1; }
    .grid { stroke: #3d444d; }
    .best { stroke: #4493f8; }
    .faster { fill: #4493f8; }
    .slower { stroke: #9198a1; }
    .refused { stroke: #f85149; }
    .answerless { stroke: #d29922; }
    .again { stroke: #3fb950; }
  }
"""


def render(outcome: Outcome) -> str:
    """The picture. Rounds without a time stand on the line of 1x: a cross for refused, a dash for no answer."""
    speeds = against_start(outcome.entries)
    shown = [*speeds.values(), *([outcome.gain.ratio] if outcome.gain else []), 1.0]
    low, high = min(0.9, *shown), max(1.2, *shown)
    plane = _Plane(max(1, len(outcome.entries)), low - 0.05 * (high - low), high + 0.08 * (high - low))
    title = f"{bounded(outcome.settings.file, 60)}: {_headline(outcome)}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
        f' role="img" aria-label="{_quoted(title)}">',
        f"<title>{escape(title)}</title>",
        f"<style>{STYLE}</style>",
        f'<text class="title" x="{LEFT}" y="26">{escape(title)}</text>',
        f'<text class="quiet" x="{LEFT}" y="46">{escape(bounded(outcome.settings.gpu, 60))}: times as fast as the '
        "start</text>",
        *_axes(plane),
        f'<path class="best" d="{_steps(outcome, speeds, plane)}"/>',
        *(_mark(entry, speeds, plane) for entry in outcome.entries),
    ]
    if outcome.gain is not None:
        y = plane.y(outcome.gain.ratio)
        words = f"measured again: {outcome.gain.ratio:.2f}x"
        parts.append(f'<line class="again" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="quiet" x="{LEFT + 6}" y="{y + 16:.1f}">{words}</text>')
    return "\n".join([*parts, *_legend(), "</svg>"]) + "\n"


class _Plane:
    """From rounds and speeds to places in the picture."""

    def __init__(self, rounds: int, low: float, high: float) -> None:
        self.rounds, self.low, self.high = rounds, low, high

    def x(self, number: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * number / (self.rounds + 0.5)

    def y(self, speed: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (speed - self.low) / (self.high - self.low)


def _headline(outcome: Outcome) -> str:
    if outcome.gain is not None and outcome.holds:
        return f"{outcome.gain.ratio:.2f}x in {len(outcome.entries)} rounds"
    best = " that holds" if outcome.gain is not None else ""
    return f"no gain{best} in {len(outcome.entries)} rounds" if not outcome.best or best else "not measured again"


def _axes(plane: _Plane) -> list[str]:
    parts = []
    step = _step(plane.high - plane.low)
    value = math.ceil(plane.low / step) * step
    while value <= plane.high:
        y = plane.y(value)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="quiet" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{value:.4g}x</text>')
        value += step
    every = math.ceil(plane.rounds / MOST_LABELS)
    for number in range(0, plane.rounds + 1, every):
        word = str(number) if number else "start"
        place = f'x="{plane.x(number):.1f}" y="{HEIGHT - BOTTOM + 20}"'
        parts.append(f'<text class="quiet" {place} text-anchor="middle">{word}</text>')
    return parts


def _step(span: float) -> float:
    """A round distance between lines, four to ten of them."""
    rough = span / 5
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)


def _steps(outcome: Outcome, speeds: dict[int, float], plane: _Plane) -> str:
    """The best so far, as a line that goes up with each faster round."""
    path, best = [f"M{plane.x(0):.1f},{plane.y(1.0):.1f}"], 1.0
    for entry in outcome.entries:
        path.append(f"H{plane.x(entry.round.number):.1f}")
        if entry.round.outcome == "faster":
            best = speeds[entry.round.number]
            path.append(f"V{plane.y(best):.1f}")
    path.append(f"H{WIDTH - RIGHT}")
    return " ".join(path)


def _mark(entry: Entry, speeds: dict[int, float], plane: _Plane) -> str:
    one = entry.round
    x, y = plane.x(one.number), plane.y(speeds.get(one.number, 1.0))
    said = f": {one.reasons[0].code}" if one.reasons else ""
    said = f"{one.ratio:.3f}x the best before" if one.ratio is not None else f"{one.outcome}{said}"
    title = f"<title>round {one.number}, {escape(bounded(one.stage, 40))}: {escape(bounded(said, 200))}</title>"
    return f"<g>{title}{_sign(one.outcome, x, y)}</g>"


def _sign(outcome: str, x: float, y: float) -> str:
    if outcome in ("faster", "no faster"):
        kind = "faster" if outcome == "faster" else "slower"
        return f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="5"/>'
    if outcome == "refused":
        return f'<path class="refused" d="M{x - 5:.1f},{y - 5:.1f} l10,10 m0,-10 l-10,10"/>'
    return f'<path class="answerless" d="M{x - 6:.1f},{y:.1f} h12"/>'


def _legend() -> list[str]:
    parts, x, y = [], LEFT, HEIGHT - 18
    for outcome, words in (
        ("faster", "faster: the new best"),
        ("no faster", "no faster"),
        ("refused", "refused"),
        ("late", "no answer"),
    ):
        parts.append(_sign(outcome, x + 6, y - 4))
        parts.append(f'<text class="quiet" x="{x + 18}" y="{y}">{words}</text>')
        x += 48 + 7 * len(words)
    return parts


def _quoted(text: str) -> str:
    return escape(text, {'"': "&quot;"})
