"""One budget against one kernel: within the limit, against the baseline, or without a forbidden cause."""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING

from ncukit.diagnose import rules
from ncukit.errors import nearest
from ncukit.gate.codes import MEANING, Code
from ncukit.gate.match import Pair
from ncukit.gate.noise import Word, share
from ncukit.gate.settle import settle
from ncukit.gate.side import GAIN
from ncukit.metrics import catalogue, formula_inputs
from ncukit.model import Report, Status, Verdict

if TYPE_CHECKING:
    from ncukit.gate.budget import Budget
    from ncukit.gate.noise import Change
    from ncukit.gate.readings import Entry, Reading
    from ncukit.gate.reference import Reference


def about(
    kernel: str,
    budget: Budget,
    code: Code,
    reason: str,
    *,
    measured: float | None = None,
    baseline: float | None = None,
) -> Verdict:
    """A verdict with the status that its code stands for."""
    return Verdict(
        kernel=kernel,
        metric=budget.metric,
        unit=budget.unit,
        bound=budget.bound,
        limit=budget.limit,
        relative=budget.relative,
        measured=measured,
        baseline=baseline,
        status=MEANING[code][0],
        code=code.value,
        reason=reason,
        level=budget.level,
        origin=budget.origin,
    )


def plain(budget: Budget, entry: Entry, code: Code, reason: str) -> Verdict:
    """A verdict that does not rest on the value, which it shows all the same."""
    return about(entry.kernel, budget, code, reason, measured=entry.median(budget.metric))


@cache
def causes() -> frozenset[str]:
    """Every cause that a rule can find."""
    return frozenset(cause for _, cause, _ in rules.codes())


# Within a limit


def limited(budget: Budget, entry: Entry, pair: Pair | None, report: Report) -> Verdict:
    """``min`` and ``max``; a share of DRAM's peak that fell for a good reason, told by the baseline, is ambiguous."""
    reading = entry.readings.get(budget.metric)
    measured = entry.median(budget.metric)
    if reading is not None and measured is not None and _breaks(budget, measured):
        code = Code.BELOW_MIN if budget.bound == "min" else Code.ABOVE_MAX
        reason = "; ".join(filter(None, (_miss(budget, measured), _spread(reading, entry))))
        change = settle(budget.metric, pair) if pair is not None else None
        if change is not None and change.word is Word.AMBIGUOUS and change.code in (Code.FEWER_BYTES, Code.LESS_WORK):
            code, reason = Code(change.code), f"{reason}; {change.reason}"
        return about(entry.kernel, budget, code, reason, measured=measured)
    if reading is None or reading.count < entry.launches:
        # a median over the launches that happen to have a value would pass in place of those that do not
        return about(
            entry.kernel, budget, Code.METRIC_MISSING, why_missing(budget.metric, entry, report), measured=measured
        )
    if budget.metric == GAIN and entry.unlooked:
        return about(entry.kernel, budget, Code.METRIC_MISSING, _unlooked(entry), measured=measured)
    return about(entry.kernel, budget, Code.WITHIN_LIMIT, _spread(reading, entry), measured=measured)


def _unlooked(entry: Entry) -> str:
    return f"the diagnosis lacked readings to look for {', '.join(entry.unlooked)}"


def _breaks(budget: Budget, measured: float) -> bool:
    return measured < budget.limit if budget.bound == "min" else measured > budget.limit


def _miss(budget: Budget, measured: float) -> str:
    unit = "points" if budget.unit == "%" else budget.unit
    return f"{abs(measured - budget.limit):.4g} {unit} {'below' if budget.bound == 'min' else 'above'} the limit"


def _spread(reading: Reading, entry: Entry) -> str:
    if entry.launches == 1:
        return ""
    return f"median of {reading.count} launches, {reading.low:.6g} to {reading.high:.6g}"


# Against the baseline


def moved(budget: Budget, entry: Entry, pair: Pair | None, reference: Reference | None, report: Report) -> Verdict:
    """``max-drop`` and ``max-rise``: broken by what moved too far and by more than the noise."""
    measured = entry.median(budget.metric)
    if reference is None or reference.side is None:
        code = (reference.code if reference is not None else None) or Code.NO_BASELINE
        why = reference.why if reference is not None else "nothing to count from"
        if reference is not None and reference.accepted:
            return about(entry.kernel, budget, Code.ALLOWED, f"{why} (allowed)", measured=measured)
        return about(entry.kernel, budget, code, why, measured=measured)
    name = reference.against.name
    if pair is None or not pair.before:
        return about(entry.kernel, budget, Code.NOT_IN_BASELINE, f"'{name}' has no such kernel", measured=measured)
    reading = entry.readings.get(budget.metric)
    if reading is None or reading.count < entry.launches:
        return about(
            entry.kernel, budget, Code.METRIC_MISSING, why_missing(budget.metric, entry, report), measured=measured
        )
    if budget.metric == GAIN and entry.unlooked:
        return about(entry.kernel, budget, Code.METRIC_MISSING, _unlooked(entry), measured=measured)
    if not reference.sizes_told and pair.other_size:
        return about(entry.kernel, budget, Code.OTHER_SIZE, f"tensors: {pair.other_size}", measured=measured)
    first, second = pair.readings(budget.metric)
    group = "" if pair.single else f"as a group, {pair.name}"
    if first is None or second is None:
        why = (
            f"'{name}' does not hold it; a baseline keeps what configured budgets name"
            if pair.single
            else f"{group}: this metric cannot be added up over kernels"
        )
        return about(entry.kernel, budget, Code.NOT_IN_BASELINE, why, measured=measured)
    code, reason = _moved(budget, first, second, settle(budget.metric, pair))
    if pair.guessed and MEANING[code][0] is Status.PASS and _worse_alone(budget, entry, pair):
        code, reason = Code.GROUP_UNSURE, "alone it moved too far, and nothing tells whether the group shares data"
    words = "; ".join(filter(None, (reason, group)))
    return about(entry.kernel, budget, code, words, measured=second.median, baseline=first.median)


def _worse_alone(budget: Budget, entry: Entry, pair: Pair) -> bool:
    """Whether a kernel that kept its name would break the budget by itself."""
    before = [one for one in pair.before if one.kernel == entry.kernel]
    alone = Pair(before=tuple(before), after=(entry,))
    first, second = alone.readings(budget.metric)
    if not before or first is None or second is None:
        return False
    return MEANING[_moved(budget, first, second, settle(budget.metric, alone))[0]][0] is not Status.PASS


def _moved(budget: Budget, before: Reading, after: Reading, change: Change | None) -> tuple[Code, str]:
    step = after.median - before.median
    far = -step if budget.bound == "max-drop" else step
    gone = share(far, before.median) if budget.relative else far
    shown = _amount(budget, before, far)
    if gone <= budget.limit:
        return Code.WITHIN_LIMIT, ""  # the numbers say it
    if change is None or change.word is Word.SAME:
        return Code.WITHIN_NOISE, f"{shown}: {change.reason if change is not None else ''}".rstrip(": ")
    if change.word is Word.BETTER:
        return Code.BETTER, shown
    if change.word is Word.AMBIGUOUS and change.code != "no-direction":
        return _CODES.get(change.code, Code.INTERVALS_OVERLAP), f"{shown}; {change.reason}"
    more = "" if min(before.count, after.count) > 2 else "; measure with --repeat 5 to know how much is noise"
    return Code.DROPPED if budget.bound == "max-drop" else Code.RISEN, f"{shown}{more}"


_CODES = {code.value: code for code in Code}


def _amount(budget: Budget, before: Reading, far: float) -> str:
    """``3.2 % above the baseline's 3706 us``."""
    if far == 0:
        return "as in the baseline"
    way = "below" if (far > 0) == (budget.bound == "max-drop") else "above"
    unit = "points" if budget.unit == "%" else budget.unit
    size = share(abs(far), before.median)
    parts = f"{abs(far):.4g} {unit}".rstrip() + (f" ({100 * size:.3g} %)" if math.isfinite(size) else "")
    return f"{parts} {way} the baseline's {before.median:.6g}"


# Causes


def forbidden(budget: Budget, entry: Entry) -> Verdict:
    """``forbid``: broken by a cause that the diagnosis finds; one that it could not look for is not absent."""
    cause = budget.metric
    if cause in (entry.causes or ()) or cause in entry.limits:
        return about(entry.kernel, budget, Code.CAUSE_PRESENT, f"the diagnosis finds {cause}: ncukit explain {cause}")
    if entry.causes is None or cause in entry.unlooked or GAIN not in entry.readings:
        reason = "the diagnosis lacked readings to look for it: ncukit diagnose --explain names them"
        return about(entry.kernel, budget, Code.CAUSE_UNKNOWN, reason)
    return about(entry.kernel, budget, Code.CAUSE_ABSENT, "")


# Why a value is missing


def why_missing(metric: str, entry: Entry, report: Report) -> str:
    """The reason, as far as the report gives one."""
    known = report.missing.get(metric, "")
    reading = entry.readings.get(metric)
    if reading is not None:
        lacking = entry.launches - reading.count
        return f"{lacking} of {entry.launches} launches have no value" + (f": {known}" if known else "")
    if known:
        return known
    if metric == GAIN:
        return "there is no time to hold against the limits"
    if metric in report.frame.columns:
        others = "; other kernels have one" if some_value(report, metric) else ""
        recorded = ", since only Triton's launches are recorded" if others and _needs_record(metric) else ""
        return f"no launch of this kernel has a value{others}{recorded}"
    inputs = formula_inputs(catalogue()[metric].formula) if metric in catalogue() else []
    lacking_inputs = [name for name in inputs if name not in report.frame.columns]
    if lacking_inputs:
        reasons = [f"{name} ({report.missing.get(name, 'not in the report')})" for name in lacking_inputs]
        return f"it is computed from {', '.join(reasons)}"
    if inputs:
        return "the GPU's limits are unknown; name the GPU with --gpu"
    close = nearest(metric, [str(c) for c in report.frame.columns if "__" in str(c)], 1) if "__" in metric else []
    return "the report does not hold it" + (f"; did you mean {close[0]}?" if close else "")


def some_value(report: Report, metric: str) -> bool:
    """Whether any launch has a finite value."""
    return metric in report.frame.columns and bool(report.frame[metric].abs().lt(math.inf).any())


def _needs_record(metric: str) -> bool:
    """Whether the harness, not ncu, has to supply a part of the metric."""
    entry = catalogue().get(metric)
    if entry is None or entry.ncu:
        return False
    return not entry.formula or any(map(_needs_record, formula_inputs(entry.formula)))
