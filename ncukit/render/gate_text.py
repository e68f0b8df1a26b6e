"""The words that every form of the gate's answer shares: a verdict as cells and as a sentence."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ncukit.gate.answer import WORST_FIRST
from ncukit.gate.codes import MEANING
from ncukit.model import Status
from ncukit.render.text import apart, number, visible

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ncukit.gate.answer import Against, Difference, Judgement
    from ncukit.model import Environment, Verdict

EXPLAINED = ("dram_pct", "dram_gbps", "useful_dram_pct")
"""Three readings of "how fast is DRAM used" that are easily taken for one another."""
MOST_NAME = 200
"""Characters shown of a name from outside: a demangled C++ name may have thousands."""
ROUNDED = 5e-6
"""Share by which rounding to six digits moves a value at most."""
MOST_WORDS = 1000
"""Characters shown of a reason, a note or a command."""
RECORDED = "RECORDED, not measured now"
WORD: Mapping[Status, str] = {
    Status.PASS: "pass",
    Status.FAIL: "FAIL",
    Status.WARN: "warn",
    Status.AMBIGUOUS: "ambiguous",
    Status.UNJUDGED: "not judged",
    Status.IGNORED: "ignored",
}
_COUNTED = {Status.FAIL: "failed", Status.WARN: "warned", Status.PASS: "passed"}
MEANINGS: Mapping[str, str] = {str(code): meaning for code, (_, meaning) in MEANING.items()}
"""Code → what it means."""
_LIMITS = {"min": "at least", "max": "at most"}
_FROM_BASELINE = ("max-drop", "max-rise")
_FOUND = {Status.FAIL: "found", Status.WARN: "found", Status.PASS: "not found"}


def bounded(text: str, most: int = MOST_NAME) -> str:
    """Text from outside on one line, control characters shown, cut to ``most`` characters."""
    shown = visible(text[: most + 1])
    return shown if len(shown) <= most else shown[: most - 1] + "…"


def device(environment: Environment) -> str:
    """GPU, version of ncu and clocks."""
    parts = (
        environment.gpu or "unknown GPU",
        f"ncu {environment.ncu_version}" if environment.ncu_version else "",
        {"none": "clocks free", "base": "clocks locked to base"}.get(environment.clock_control, ""),
    )
    return bounded(" · ".join(part for part in parts if part))


def counts(judgement: Judgement) -> str:
    """``2 failed, 1 not judged, 3 passed``."""
    counted = [(judgement.count(status), status) for status in WORST_FIRST]
    return ", ".join(f"{n} {_COUNTED.get(status, WORD[status])}" for n, status in counted if n) or "no kernel"


def word(verdict: Verdict) -> str:
    """``not judged (other-gpu)``; a pass needs no reason."""
    return WORD[verdict.status] + ("" if verdict.status is Status.PASS else f" ({bounded(verdict.code)})")


def blocks(judgement: Judgement, verdict: Verdict) -> bool:
    """Whether a verdict keeps the gate from passing."""
    strictly = judgement.strict and verdict.status is Status.AMBIGUOUS
    return strictly or verdict.status in (Status.FAIL, Status.UNJUDGED)


def nothing_judged(judgement: Judgement) -> str:
    """Why the gate cannot pass although no verdict keeps it from passing; empty when something was judged."""
    if judgement.looked_at:
        return ""
    why = "everything is ignored" if judgement.verdicts else "; ".join(judgement.notes) or "there is no verdict"
    return bounded(f"nothing was judged: {why}", MOST_WORDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """A verdict's numbers with their units; each is empty where there is none."""

    measured: str = ""
    limit: str = ""
    """``85 %``; for a drop or rise ``3 %`` (a share) or ``2 points``."""
    baseline: str = ""
    moved: str = ""
    """How far ``measured`` lies from the baseline, or from the limit where no baseline counts: ``3.44 points``."""
    up: bool = False
    """Whether it lies above."""


def numbers(verdict: Verdict) -> Numbers:
    """The numbers of a verdict, with as many digits as it takes to tell unequal ones apart."""
    if verdict.bound == "forbid" or not verdict.metric:
        return Numbers()
    verdict = replace(verdict, measured=_known(verdict.measured), baseline=_known(verdict.baseline))
    return _from_baseline(verdict) if verdict.bound in _FROM_BASELINE else _from_limit(verdict)


def _known(value: float | None) -> float | None:
    # beyond 1e300, differences overflow
    return value if value is not None and abs(value) < 1e300 else None


def _from_limit(verdict: Verdict) -> Numbers:
    if verdict.measured is None:
        return Numbers(limit=_with(number(verdict.limit), verdict.unit))
    measured, limit = apart(verdict.measured, verdict.limit)
    gap = verdict.measured - verdict.limit
    return Numbers(
        measured=_with(measured, verdict.unit),
        limit=_with(limit, verdict.unit),
        moved=_with(f"{abs(gap):.4g}", _step(verdict.unit)),
        up=gap > 0,
    )


def _from_baseline(verdict: Verdict) -> Numbers:
    # 100 * 0.07 is 7.000000000000001, which nobody wrote
    factor, unit = (100.0, "%") if verdict.relative else (1.0, _step(verdict.unit))
    allowed = round(factor * verdict.limit, 10)
    if verdict.measured is None or verdict.baseline is None:
        return Numbers(
            measured="" if verdict.measured is None else _with(number(verdict.measured), verdict.unit),
            baseline="" if verdict.baseline is None else _with(number(verdict.baseline), verdict.unit),
            limit=_with(number(allowed), unit),
        )
    measured, baseline = apart(verdict.measured, verdict.baseline)
    change = abs(verdict.measured - verdict.baseline)
    if change <= ROUNDED * abs(verdict.baseline):  # a baseline has six digits
        change, measured, baseline = 0.0, number(verdict.baseline), number(verdict.baseline)
    share = 100 * change / abs(verdict.baseline) if verdict.baseline else math.inf
    if verdict.relative and share == math.inf:  # there is no share of nothing
        moved, limit = _with(number(change), _step(verdict.unit)), number(allowed)
    else:
        moved, limit = _apart(share if verdict.relative else change, allowed)
        moved = _with(moved, unit)
    return Numbers(
        measured=_with(measured, verdict.unit),
        baseline=_with(baseline, verdict.unit),
        limit=_with(limit, unit),
        moved=moved if change else "",
        up=verdict.measured > verdict.baseline,
    )


def _apart(change: float, allowed: float) -> tuple[str, str]:
    """A change in three digits, or in as many as it takes to tell it from what is allowed."""
    text = f"{change:.3g}" if 1e-3 <= change < 1000 else number(change)
    if change != allowed and float(text.replace(",", "")) == allowed:
        return apart(change, allowed)
    return text, number(allowed)


def _with(text: str, unit: str) -> str:
    if unit == "points" and text == "1":
        return "1 point"
    return f"{text} {bounded(unit)}" if unit else text


def _step(unit: str) -> str:
    """The unit of a difference: of percentages it is points."""
    return "points" if unit == "%" else unit


def cells(verdict: Verdict) -> tuple[str, str, str]:
    """What was measured, the baseline with the change, and the limit, as a table shows them."""
    if verdict.bound == "forbid":
        return {"found": "found", "not found": "absent"}.get(_FOUND.get(verdict.status, ""), "-"), "", "forbid"
    said = numbers(verdict)
    baseline = said.baseline
    if said.baseline and said.moved:
        baseline += f" ({'+' if said.up else '-'}{said.moved})"
    if verdict.bound in _FROM_BASELINE:
        baseline = baseline or "-"
    return said.measured or "-", baseline, f"{verdict.bound} {said.limit}" if said.limit else "-"


def sentence(verdict: Verdict) -> str:
    """``dram_pct 81.56 %, at least 85 % (3.44 points below)``: the verdict without its kernel and reason.

    What the reason says already is not said here.
    """
    metric, said = bounded(verdict.metric), numbers(verdict)
    if not metric:
        return MEANINGS.get(verdict.code, WORD[verdict.status])
    if verdict.bound == "forbid":
        return f"forbidden cause {metric} {_FOUND.get(verdict.status, 'not judged')}"
    measured = f"{metric} {said.measured or 'not measured'}"
    if verdict.bound in _LIMITS:
        miss = _miss(verdict, said)
        return f"{measured}, {_LIMITS[verdict.bound]} {said.limit}" + (f" ({miss})" if miss else "")
    far = f"at most {said.limit} {'below' if verdict.bound == 'max-drop' else 'above'}"
    if "the baseline" in verdict.reason and said.baseline:
        return f"{measured}, {far} the baseline"  # the reason has the change
    if not said.baseline:
        return f"{measured}, no baseline value, {far}"
    if not said.measured:
        return f"{measured}, the baseline has {said.baseline}, {far}"
    moved = f"{said.moved} {'above' if said.up else 'below'}" if said.moved else "equal to"
    return f"{measured}, {moved} the baseline's {said.baseline}, {far}"


def _miss(verdict: Verdict, said: Numbers) -> str:
    """``3.44 points below``, where a limit is broken and the reason does not say so itself."""
    gap = f"{said.moved} {'above' if said.up else 'below'}"
    broken = verdict.measured not in (None, verdict.limit) and said.up == (verdict.bound == "max")
    return gap if broken and gap not in verdict.reason else ""


def because(verdict: Verdict) -> str:
    """The verdict's reason; without one what its code means, unless the numbers say it."""
    numbers_say_it = verdict.status in (Status.PASS, Status.FAIL, Status.WARN) or not verdict.metric
    return bounded(verdict.reason or ("" if numbers_say_it else MEANINGS.get(verdict.code, "")), MOST_WORDS)


def statement(name: str, verdict: Verdict) -> str:
    """``normalize_kernel: dram_pct 81.56 %, at least 85 % (3.44 points below): median of 3 launches``."""
    return f"{name}: {whole(verdict)}"


def whole(verdict: Verdict) -> str:
    """The verdict as a sentence, and its reason."""
    return ": ".join(filter(None, (sentence(verdict), because(verdict))))


def remark(verdict: Verdict) -> str:
    """What a table says beside the numbers: how far the limit was missed, and the reason."""
    miss = _miss(verdict, numbers(verdict)) if verdict.bound in _LIMITS else ""
    if not verdict.metric and not verdict.reason:
        return sentence(verdict)
    return "; ".join(filter(None, (f"{miss} the limit" if miss else "", because(verdict))))


def used_codes(judgement: Judgement) -> dict[str, str]:
    """Each code in the answer, worst first, with what it means."""
    differences = judgement.against.differences if judgement.against is not None else ()
    codes = [verdict.code for _, verdict in judgement.worst_first] + [str(d.code) for d in differences if d.code]
    return {code: MEANINGS[code] for code in dict.fromkeys(codes) if code in MEANINGS}


def compared(against: Against) -> str:
    """What drops and rises count from, in one line."""
    name = bounded(against.name)
    if not against.found:
        return bounded(against.why, MOST_WORDS) or f"there is no baseline {name} yet"
    saved = f", saved {bounded(against.saved)}" if against.saved else ""
    why = f": {bounded(against.reason, MOST_WORDS)}" if against.reason else ""
    return f"compared with {'baseline ' if saved else ''}{name}{saved}{why}"


def outcome(difference: Difference) -> str:
    """What a difference between two runs does to the comparison."""
    if difference.code is None:
        return "only noted"
    if difference.allowed:
        return "allowed"
    accept = f", --allow {difference.allow} accepts it" if difference.allow else ""
    return f"blocks ({difference.code}{accept})"
