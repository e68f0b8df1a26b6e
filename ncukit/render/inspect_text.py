"""The words that every form of an inspection shares: where launches come from, what became of them, what failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ncukit.errors import Exit
from ncukit.gate.static_verdict import MEANING
from ncukit.model import Status
from ncukit.render.gate_text import MOST_NAME, MOST_WORDS, bounded
from ncukit.render.text import apart, number

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from ncukit.gate.examined import Examined
    from ncukit.gate.static_verdict import StaticVerdict
    from ncukit.source.inspection import Inspection, Launch

NOT_MEASURED = "compiled, not measured"
ORIGINS = {
    "recorded": "recorded launch",
    "assumed": "assumed launch: the host code went on with values that only a GPU computes",
}
"""Origin of a launch → what a reader must know of it; nothing of one that the host code made."""
MEANINGS = {code.value: meaning for code, (_, meaning) in MEANING.items()}
"""Code of a budget's verdict → what it means."""
WORD = {Exit.OK: "pass", Exit.FAILED: "FAIL", Exit.NOTHING: "not judged"}
_LIMITS = {"min": "at least", "max": "at most"}
_SHOWN = 6
"""Names in a list."""


def several(count: int, word: str) -> str:
    """``1 spill``, ``2 spills``."""
    return f"{count:,} {word}{'s' if count != 1 else ''}"


def listed(names: Iterable[str], most: int = _SHOWN) -> str:
    """Names in a row, as many as there is room for."""
    every = list(names)
    rest = f" and {len(every) - most} more" if len(every) > most else ""
    return ", ".join(bounded(name) for name in every[:most]) + rest


def value_of(value: Any) -> str:
    """A constant as somebody would type it: a tensor's type without its module."""
    return bounded(str(value).removeprefix("triton.language."), 40)


def constants(launch: Launch, names: Collection[str] | None = None) -> list[str]:
    """``BLOCK=1024`` of every constexpr, or of those that are named."""
    given = launch.constexprs
    return [f"{bounded(n, 60)}={value_of(v)}" for n, v in given.items() if names is None or n in names]


def options(launch: Launch, names: Collection[str] | None = None) -> list[str]:
    """``4 warps``, ``3 stages`` and whatever else was asked for; or of those that are named."""
    shown = {"num_warps": several(launch.num_warps, "warp"), "num_stages": several(launch.num_stages, "stage")}
    if launch.num_ctas != 1:
        shown["num_ctas"] = f"clusters of {launch.num_ctas}"
    shown |= {name: f"{bounded(name, 60)}={value_of(value)}" for name, value in launch.options.items()}
    return [text for name, text in shown.items() if names is None or name in names]


def config(text: str | None) -> str:
    """An autotune configuration as it would be written in a call: what has no value in it is left out."""
    pairs = [pair.partition(": ") for pair in (text or "").split(", ")]
    told = [(name, value) for name, _, value in pairs if value != "None" and (name, value) != ("num_ctas", "1")]
    return bounded(" ".join(f"{name}={value}" if value else name for name, value in told))


def grid(shape: Sequence[int] | None) -> str:
    """``7168``, ``32x64``; ``unknown`` where only a GPU could tell."""
    if shape is None:
        return "unknown"
    last = max((i for i, n in enumerate(shape) if n != 1), default=0)
    return "x".join(str(n) for n in shape[: last + 1])


def size(count: int) -> str:
    """Bytes as shared memory is given: in units of 1024."""
    return f"{count} B" if count < 1024 else f"{count / 1024:,.1f} KB".replace(".0 ", " ")


def three(value: float) -> str:
    """A number with three digits, or as an integer where that has more."""
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def place(path: str | None, line: int | None, column: int | None = None) -> str:
    """``kernels/x.py:12:5``, as far as it is known."""
    if not path:
        return f"line {line}" if line else ""
    return ":".join([bounded(path, MOST_NAME), *(str(n) for n in (line, column if line else None) if n)])


def versions(inspection: Inspection) -> str:
    """``Triton 3.7.1, ptxas 12.9``; empty when nothing was compiled."""
    names = {"triton": "Triton", "ptxas": "ptxas"}
    given = inspection.versions
    return ", ".join(f"{word} {bounded(given[name], 40)}" for name, word in names.items() if name in given)


def came_from(inspection: Inspection) -> str:
    """Where the launches come from."""
    if not inspection.source:
        return ""
    return bounded(inspection.source, MOST_WORDS) + (" (cached)" if inspection.cached else "")


def not_launched(inspection: Inspection) -> tuple[str, ...]:
    """Kernels of which nothing is known to launch them, so that nobody compiled them."""
    known = {launch.kernel for launch in inspection.launches}
    known |= {one.launch.kernel for one in inspection.compiled} | {error.kernel for error in inspection.errors}
    return tuple(name for name in inspection.kernels if name not in known)


def title(examined: Examined) -> str:
    """``inspect: FAIL``."""
    return f"inspect: {WORD[examined.exit_code]}"


def reason(examined: Examined) -> str:
    """Why it exits as it does, in one line."""
    code = examined.exit_code
    if code == Exit.FAILED:
        return _failed(examined)
    if code == Exit.NOTHING:
        return _nothing(examined)
    if examined.lint_only:
        return ", ".join([*_lint(examined), "nothing was compiled"])
    return ", ".join([_compiled(examined.inspection), *_lint(examined), *_budgets(examined)])


def _failed(examined: Examined) -> str:
    errors, lint = examined.failed_errors, examined.failed_lint
    host = sum(not error.kernel for error in errors)
    compiling = len({(e.kernel, e.path, e.line, e.message) for e in errors if e.kernel})
    by = [several(sum(v.severity == s for v in lint), f"lint {s}") for s in ("error", "warning")]
    said = [
        several(host, "error") + " in the host code" if host else "",
        several(compiling, "compile error") if compiling else "",
        *(text for text in by if not text.startswith("0 ")),
        f"{several(len(examined.failed_verdicts), 'broken budget')}" if examined.failed_verdicts else "",
        f"{several(len(examined.unjudged), 'budget')} not judged" if examined.unjudged else "",
    ]
    return ", ".join(filter(None, said))


def _nothing(examined: Examined) -> str:
    if examined.nothing:
        return f"nothing was compiled, which is no pass: {bounded(examined.nothing, MOST_WORDS)}"
    if examined.incomplete:
        done = _compiled(examined.inspection)
        return f"{done}, and there may be more launches, which is no pass: {bounded(examined.incomplete, MOST_WORDS)}"
    why = dict.fromkeys(verdict.reason or verdict.code for verdict in examined.unjudged)
    return f"{several(len(examined.unjudged), 'budget')} held against nothing: {listed(why, 3)}"


def _compiled(inspection: Inspection) -> str:
    archs = {one.arch for one in inspection.compiled}
    kernels = {one.launch.kernel for one in inspection.compiled}
    left = not_launched(inspection)
    unknown = f"; {several(len(left), 'kernel')} without a known launch not compiled" if left else ""
    return f"{several(len(kernels), 'kernel')} compiled for {several(len(archs), 'architecture')}{unknown}"


def _lint(examined: Examined) -> list[str]:
    open_ = [v for v in examined.inspection.lint if v.suppressed is None]
    if not open_:
        return ["lint clean"]
    by = [(sum(v.severity == s for v in open_), s) for s in ("error", "warning")]
    said = " and ".join(several(count, f"lint {severity}") for count, severity in by if count)
    return [f"{said} (no failure at --fail-on {examined.fail_on})"]


def _budgets(examined: Examined) -> list[str]:
    words = {Status.PASS: "kept", Status.WARN: "broken at level warn", Status.AMBIGUOUS: "ambiguous"}
    counted = [(sum(v.status is status for v in examined.verdicts), word) for status, word in words.items()]
    said = [f"{count} {word}" for count, word in counted if count]
    return [f"budgets: {', '.join(said)}"] if said else []


def asked(verdict: StaticVerdict) -> str:
    """``registers at most 128``."""
    return f"{bounded(verdict.metric)} {_LIMITS.get(verdict.bound, verdict.bound)} {number(verdict.limit)}"


def numbers(verdict: StaticVerdict) -> tuple[str, str]:
    """The value and the limit, with as many digits as it takes to tell unequal ones apart."""
    if verdict.value is None:
        return "-", number(verdict.limit)
    return apart(verdict.value, verdict.limit)
