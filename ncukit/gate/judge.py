"""Budgets held against a report: one verdict a kernel and budget. What was not measured is never a pass."""

from __future__ import annotations

import math
import re
import shlex
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ncukit.errors import NcukitError, nearest
from ncukit.metrics import catalogue, formula_inputs
from ncukit.model import Environment, Report, Status, TritonLaunch, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import pandas as pd

    from ncukit.gate.budget import Budget

_KEY = ["kernel", "grid", "block", "constexprs"]
_SHOWN_NAMES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One kernel: launches of equal name, grid, block and (where recorded) constexprs."""

    kernel: str
    """The kernel's name, or the ``-k`` pattern that no kernel matched."""
    grid: str = ""
    block: str = ""
    constexprs: str = ""
    """``BLOCK=1024, VEC=4`` when a harness recorded the launch."""
    launches: int
    """How many launches stand behind the medians; 0 when none matched."""
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The gate's answer."""

    report_path: str
    environment: Environment
    kernels: tuple[Judged, ...]
    collect_command: str = ""
    """The command that would measure what could not be judged, or empty."""
    notes: tuple[str, ...] = ()

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """Every verdict, in the order of the kernels."""
        return tuple(verdict for kernel in self.kernels for verdict in kernel.verdicts)

    @property
    def status(self) -> Status:
        """A failure wins over what could not be judged; no verdict at all is not a pass."""
        statuses = {verdict.status for verdict in self.verdicts}
        if Status.FAIL in statuses:
            return Status.FAIL
        return Status.PASS if statuses == {Status.PASS} else Status.UNJUDGED


def judge(report: Report, budgets: Sequence[Budget], patterns: Iterable[str] = ()) -> Judgement:
    """Hold every budget against every kernel of the report that a pattern names (all without patterns).

    Args:
        report: the measurements.
        budgets: see ``ncukit.gate.budget.collect``.
        patterns: exact kernel names, or ``regex:EXPR`` to match a part of the name.

    Raises:
        NcukitError: a pattern is not a regular expression.
    """
    matchers = {pattern: _matcher(pattern) for pattern in patterns}
    names = [str(name) for name in report.frame["kernel"].unique()]
    chosen = {name for name in names if not matchers or any(match(name) for match in matchers.values())}
    unmatched = [pattern for pattern, match in matchers.items() if not any(map(match, names))]
    kernels = [
        *_kernels(report, budgets, chosen),
        *(_absent(pattern, budgets, names) for pattern in unmatched),
    ]
    if report.incomplete:
        kernels.append(_unjudged("(launches that are lost)", budgets, "the report ends too early or a launch failed"))
    lacking = dict.fromkeys(
        verdict.metric
        for kernel in kernels
        for verdict in kernel.verdicts
        if verdict.status is Status.UNJUDGED and kernel.launches and not _elsewhere(verdict, report)
    )
    return Judgement(
        report_path=report.path,
        environment=report.environment,
        kernels=tuple(kernels),
        collect_command=_collect_command(report, list(lacking)),
        notes=() if names else ("the report holds no launch",),
    )


def _matcher(pattern: str) -> Callable[[str], bool]:
    """Like ncu's ``-k``, on the full name as the report has it and on the bare function name."""
    if not pattern.startswith("regex:"):
        return lambda name: pattern in (name, function_name(name))
    try:
        search = re.compile(pattern.removeprefix("regex:")).search
    except (re.error, RecursionError, OverflowError) as error:
        raise NcukitError(
            f"-k '{pattern}' is not a regular expression: {error}",
            causes=("a kernel name may hold characters that a regular expression reads as operators",),
            next_command="use -k with the exact kernel name, or escape with a backslash",
        ) from error
    return lambda name: bool(search(name) or search(function_name(name)))


def function_name(name: str) -> str:
    """``foo`` of a demangled ``void ns::foo<int, 4>(float *)``; any other name as it is."""
    bare = name.replace("(anonymous namespace)::", "").replace("<unnamed>::", "")
    before = ""
    while before != bare:
        before, bare = bare, re.sub(r"<[^<>]*>", "", bare)
    words = bare.partition("(")[0].rpartition("::")[2].split()
    return words[-1] if words else name


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """One metric over the launches of one kernel."""

    launches: int
    counted: int = 0
    """Launches that have a value."""
    median: float = math.nan
    low: float = math.nan
    high: float = math.nan


def _kernels(report: Report, budgets: Sequence[Budget], chosen: set[str]) -> list[Judged]:
    frame = _keyed(report, [budget.metric for budget in budgets])
    grouped = frame[frame["kernel"].isin(chosen)].groupby(_KEY, sort=False, observed=True, dropna=False)
    sizes = grouped.size()
    readings = {
        metric: list(grouped[metric].agg(["count", "median", "min", "max"]).itertuples(index=False, name=None))
        for metric in frame.columns
        if metric not in _KEY
    }
    kernels = []
    for place, (key, launches) in enumerate(sizes.items()):
        kernel, grid, block, constexprs = ("" if part != part else str(part) for part in _parts(key))
        verdicts = []
        for budget in budgets:
            reading = _Reading(launches=int(launches))
            if budget.metric in readings:
                counted, median, low, high = readings[budget.metric][place]
                reading = replace(reading, counted=int(counted), median=median, low=low, high=high)
            verdicts.append(_verdict(kernel, budget, reading, report))
        kernels.append(
            Judged(
                kernel=kernel,
                grid=grid,
                block=block,
                constexprs=constexprs,
                launches=int(launches),
                verdicts=tuple(verdicts),
            )
        )
    return kernels


def _parts(key: object) -> tuple[object, ...]:
    return key if isinstance(key, tuple) else (key,)


def _keyed(report: Report, metrics: Sequence[str]) -> pd.DataFrame:
    """The columns that matter, with the constexprs beside the other parts of the key."""
    present = [name for name in dict.fromkeys((*_KEY[:3], *metrics)) if name in report.frame.columns]
    frame = report.frame[present].replace([math.inf, -math.inf], math.nan)
    launches = report.launches if len(report.launches) == len(frame) else (None,) * len(frame)
    texts = {
        constexprs: ", ".join(f"{name}={value}" for name, value in constexprs)
        for constexprs in {_constexprs(launch) for launch in launches}
    }
    absent = {name: "" for name in _KEY[:3] if name not in frame.columns}
    return frame.assign(**absent, constexprs=[texts[_constexprs(launch)] for launch in launches])


def _constexprs(launch: TritonLaunch | None) -> tuple[tuple[str, object], ...]:
    return tuple(launch.constexprs.items()) if launch is not None else ()


def _verdict(kernel: str, budget: Budget, reading: _Reading, report: Report) -> Verdict:
    status, reason = Status.PASS, _spread(reading)
    if reading.counted and _breaks(budget, reading.median):
        status, reason = Status.FAIL, "; ".join(filter(None, (_miss(budget, reading.median), reason)))
    elif reading.counted < reading.launches:
        # a median over the launches that happen to have a value would pass in place of those that do not
        status, reason = Status.UNJUDGED, _why_missing(budget.metric, reading, report)
    return Verdict(
        kernel=kernel,
        metric=budget.metric,
        unit=budget.unit,
        bound=budget.bound,
        limit=budget.limit,
        measured=float(reading.median) if reading.counted else None,
        status=status,
        reason=reason,
    )


def _breaks(budget: Budget, measured: float) -> bool:
    return measured < budget.limit if budget.bound == "min" else measured > budget.limit


def _miss(budget: Budget, measured: float) -> str:
    unit = "points" if budget.unit == "%" else budget.unit
    return f"{abs(measured - budget.limit):.4g} {unit} {'below' if budget.bound == 'min' else 'above'} the limit"


def _spread(reading: _Reading) -> str:
    if reading.launches == 1 or not reading.counted:
        return ""
    return f"median of {reading.counted} launches, {reading.low:.6g} to {reading.high:.6g}"


def _why_missing(metric: str, reading: _Reading, report: Report) -> str:
    known = report.missing.get(metric, "")
    if reading.counted:
        lacking = reading.launches - reading.counted
        return f"{lacking} of {reading.launches} launches have no value" + (f": {known}" if known else "")
    if known:
        return known
    if metric in report.frame.columns:
        others = "; other kernels have one" if _some_value(report, metric) else ""
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


def _elsewhere(verdict: Verdict, report: Report) -> bool:
    """Whether other kernels have the value that this one lacks: then measuring again brings nothing new."""
    return verdict.measured is None and _some_value(report, verdict.metric)


def _some_value(report: Report, metric: str) -> bool:
    return metric in report.frame.columns and bool(report.frame[metric].abs().lt(math.inf).any())


def _needs_record(metric: str) -> bool:
    """Whether the harness, not ncu, has to supply a part of the metric."""
    entry = catalogue().get(metric)
    if entry is None or entry.ncu:
        return False
    return not entry.formula or any(map(_needs_record, formula_inputs(entry.formula)))


def _absent(pattern: str, budgets: Sequence[Budget], names: Sequence[str]) -> Judged:
    functions = list(dict.fromkeys(function_name(name) for name in names))
    more = f" and {len(functions) - _SHOWN_NAMES} more" if functions[_SHOWN_NAMES:] else ""
    shown = ", ".join(functions[:_SHOWN_NAMES]) + more
    return _unjudged(pattern, budgets, f"no kernel of the report matches; it has {shown or 'none'}")


def _unjudged(kernel: str, budgets: Sequence[Budget], reason: str) -> Judged:
    """Every budget unjudged for one reason, for something that is not in the report."""
    verdicts = tuple(
        Verdict(
            kernel=kernel,
            metric=budget.metric,
            unit=budget.unit,
            bound=budget.bound,
            limit=budget.limit,
            measured=None,
            status=Status.UNJUDGED,
            reason=reason,
        )
        for budget in budgets
    )
    return Judged(kernel=kernel, launches=0, verdicts=verdicts)


def _collect_command(report: Report, metrics: list[str]) -> str:
    if not metrics:
        return ""
    target = shlex.quote(report.target) if report.target else "KERNEL.py"
    return f"ncukit profile {target} --metrics {','.join(metrics)}"
