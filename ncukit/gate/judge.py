"""Budgets held against a report: one verdict a kernel and budget. What was not measured is never a pass."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ncukit.collect.reference import code_of
from ncukit.diagnose import NEGLIGIBLE, diagnose
from ncukit.gate import verdicts
from ncukit.gate.answer import Judged, Judgement
from ncukit.gate.codes import Code
from ncukit.gate.match import Pair, function_name, match
from ncukit.gate.scope import OF_LAUNCH, matcher, named, of_case
from ncukit.gate.settle import ASKED
from ncukit.gate.side import GAIN, side
from ncukit.model import Environment, Report, Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from ncukit.config import IgnoreSettings
    from ncukit.gate.budget import Budget
    from ncukit.gate.readings import Entry
    from ncukit.gate.reference import Reference
    from ncukit.gate.side import Side

HEADLINE = ("duration_us", "dram_pct", "dram_gbps", "dram_bytes", "useful_dram_pct", "traffic_ratio", "registers")
"""Metrics that outputs with numbers carry whatever the budgets ask."""
_SHOWN_NAMES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How verdicts are taken."""

    strict: bool = False
    """What is ambiguous fails."""
    ignore: tuple[IgnoreSettings, ...] = ()
    allow: tuple[str, ...] = ()


def needed(budgets: Iterable[Budget]) -> tuple[str, ...]:
    """The metrics to read for these budgets: theirs, and those that say whether a change is one."""
    return tuple(dict.fromkeys((*(b.metric for b in budgets if b.bound != "forbid"), *ASKED, *HEADLINE)))


def judge(
    report: Report,
    budgets: Sequence[Budget],
    patterns: Iterable[str] = (),
    *,
    reference: Reference | None = None,
    policy: Policy | None = None,
) -> Judgement:
    """Hold every budget against every kernel of the report that it is for.

    Args:
        report: the measurements.
        budgets: see ``ncukit.gate.budget.collect``.
        patterns: judge only these kernels: exact names, or ``regex:EXPR`` to match a part of the name.
        reference: what drops and rises are counted from; see ``ncukit.gate.reference.find``.
        policy: how verdicts are taken.

    Raises:
        NcukitError: a pattern is not a regular expression.
    """
    policy = policy or Policy()
    matchers = {pattern: matcher(pattern) for pattern in patterns}
    wants_causes = any(budget.bound == "forbid" or budget.metric == GAIN for budget in budgets)
    mine = side(report, needed(budgets), diagnose(report) if wants_causes else None)
    other = reference.side if reference is not None else None
    pairs = match(other.entries, mine.entries) if other is not None else ()
    total = mine.total_us
    picked = (lambda name: any(match_(name) for match_ in matchers.values())) if matchers else None
    desk = _Desk(
        report=report,
        side=mine,
        reference=reference,
        pairs=pairs,
        of={id(entry): pair for pair in pairs for entry in pair.after},
        shares={id(e): e.time_us / total for e in mine.entries if e.time_us is not None and total > 0},
        policy=policy,
        picked=picked,
    )
    chosen = [e for e in mine.entries if not matchers or any(match_(e.kernel) for match_ in matchers.values())]
    names = [entry.kernel for entry in mine.entries]
    kernels = [judged for entry in chosen if (judged := desk.judged(entry, budgets)) is not None]
    kernels += [_absent(p, budgets, names) for p, match_ in matchers.items() if not any(map(match_, names))]
    if not matchers:
        kernels += desk.unfound(budgets)
    kernels += desk.left_over(budgets, kernels)
    return Judgement(
        report_path=report.path,
        environment=report.environment,
        case=mine.case,
        target=report.target,
        kernels=tuple(kernels),
        entries=tuple(chosen),
        against=reference.against if reference is not None else None,
        strict=policy.strict,
        collect_command=_collect_command(report, kernels),
        notes=desk.notes(budgets),
    )


def absent(judgements: Sequence[Judgement], budgets: Sequence[Budget], cases: Iterable[str]) -> Judgement | None:
    """What no report is of, though it should be: the answer where every case has to be measured.

    Args:
        judgements: the answers on the reports that there are.
        budgets: all budgets.
        cases: the cases of the baseline.

    Returns:
        A judgement with a verdict for each case that is missing; None when none is.
    """
    globs = {b.case: [one for one in budgets if one.case == b.case] for b in budgets if b.case}
    there = {judgement.case for judgement in judgements}
    kernels = [
        _unjudged(glob, mine, Code.CASE_ABSENT, "a budget is for this case, and no report is of it")
        for glob, mine in globs.items()
        if not any(
            of_case(glob, j.case, j.target, (entry,)) and named(budget.kernel or "*", entry.kernel)
            for budget in mine
            for j in judgements
            for entry in j.entries
        )
    ]
    kernels += [
        _unjudged(case, budgets, Code.CASE_ABSENT, "the baseline holds this case, and no report is of it")
        for case in dict.fromkeys(cases)
        if case not in there
    ]
    if not kernels:
        return None
    where = judgements[0].environment if judgements else Environment()
    return Judgement(report_path="(no report)", environment=where, case="(missing)", kernels=tuple(kernels))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Desk:
    """What lies before the judge while the kernels of one report are judged."""

    report: Report
    side: Side
    reference: Reference | None
    pairs: tuple[Pair, ...]
    """Which of the reference's kernels do the work of which of the report's."""
    of: Mapping[int, Pair]
    """The pair of each entry of the report, by identity."""
    shares: Mapping[int, float]
    """Share of the report's time of each entry that was timed, by identity."""
    policy: Policy
    picked: Callable[[str], bool] | None
    """Which kernels the user chose with ``-k``, of which none is too small to judge; None for all."""

    def judged(self, entry: Entry, budgets: Sequence[Budget]) -> Judged | None:
        """The verdicts on one kernel; None when no budget is for it."""
        found = [self._verdict(budget, entry) for budget in budgets if self._is_for(budget, entry)]
        if not found:
            return None
        return Judged(
            kernel=entry.kernel,
            grid=entry.grid,
            block=entry.block,
            constexprs=entry.constexprs,
            launches=entry.launches,
            share=self._share(entry),
            path=entry.path,
            line=entry.line,
            verdicts=tuple(found),
        )

    def unfound(self, budgets: Sequence[Budget]) -> list[Judged]:
        """Budgets whose kernel did not run in a case that is theirs."""
        names = [entry.kernel for entry in self.side.entries]
        found = [
            _unjudged(b.kernel, [b], Code.KERNEL_ABSENT, f"it ran, but no launch of it is of the case '{b.case}'")
            for b in budgets
            if b.kernel
            and OF_LAUNCH.search(b.case)
            and any(named(b.kernel, name) for name in names)
            and not any(self._is_for(b, entry) for entry in self.side.entries)
        ]
        for glob in dict.fromkeys(b.kernel for b in budgets if b.kernel):
            mine = [b for b in budgets if b.kernel == glob and (not b.case or self._of_case(b.case, None))]
            if mine and names and not any(named(glob, name) for name in names):
                found.append(_absent(glob, mine, names))
        return found

    def notes(self, budgets: Sequence[Budget]) -> tuple[str, ...]:
        """Budgets that were for nothing in this report, which may be right: they are for others."""
        if not self.side.entries:
            return ("the report holds no launch",)
        idle = [b for b in budgets if b.case and not any(self._is_for(b, entry) for entry in self.side.entries)]
        words = (f"not for this report: {b.scope}{b.metric} (--all-cases misses cases that nobody ran)" for b in idle)
        return tuple(dict.fromkeys(words))

    def left_over(self, budgets: Sequence[Budget], kernels: Sequence[Judged]) -> list[Judged]:
        """What nobody launched: nothing at all, kernels that only the baseline has, launches that are lost."""
        found = []
        if not self.side.entries:
            reason = "the report holds no launch"
            found.append(_unjudged("(no launch)", budgets, Code.NOTHING_MEASURED, reason))
        elif not kernels:
            reason = f"every budget is for other kernels or cases than {self.side.case}"
            found.append(_unjudged("(no budget for this report)", budgets, Code.NO_BUDGET_APPLIES, reason))
        found += [judged for pair in self.pairs if (judged := self._gone(pair, budgets)) is not None]
        file = self._file()
        if self.report.code and "source" not in self.policy.allow and code_of(file) not in ("", self.report.code):
            reason = f"{file} has changed since it was measured; --allow source judges the old measurement"
            found.append(_unjudged("(kernel file)", budgets, Code.STALE_SOURCE, reason))
        if self.report.incomplete:
            reason = "the report ends too early or a launch failed"
            found.append(_unjudged("(launches that are lost)", budgets, Code.INCOMPLETE, reason))
        return found

    def _file(self) -> Path:
        """The file that was measured: the whole target, or the first word of a script with arguments."""
        whole = Path(self.report.target)
        return whole if whole.is_file() else Path(self.report.target.split(" ")[0])

    def _gone(self, pair: Pair, budgets: Sequence[Budget]) -> Judged | None:
        """A kernel that the reference has and the report has not."""
        if pair.after or not self._heavy(pair):
            return None
        (entry,) = pair.before[:1]
        mine = [
            budget
            for budget in budgets
            if budget.against_baseline
            and self._is_for(budget, entry)
            and (self.picked is None or self.picked(entry.kernel))
            and self._ignored(budget, entry) is None
        ]
        reason = f"{self._reference_name()} has it, this report does not"
        return _unjudged(entry.kernel, mine, Code.KERNEL_ABSENT, reason) if mine else None

    def _ignored(self, budget: Budget, entry: Entry) -> str | None:
        """The reason of the first ignore entry that is for this kernel and metric."""
        for one in self.policy.ignore:
            mine = named(one.kernel, entry.kernel) and self._of_case(one.case, entry)
            if mine and one.metric in ("", budget.metric):
                return one.reason
        return None

    def _light(self, entry: Entry) -> bool:
        """Whether it takes next to no time; where many small kernels add up to some, none of them is light."""
        share, limit = self._share(entry), NEGLIGIBLE * max(self.shares.values(), default=0.0)
        if share is None or share >= limit:
            return False
        return sum(one for one in self.shares.values() if one < limit) < NEGLIGIBLE

    def _verdict(self, budget: Budget, entry: Entry) -> Verdict:
        ignored = self._ignored(budget, entry)
        if ignored is not None:
            return verdicts.plain(budget, entry, Code.IGNORED, ignored)
        if not budget.kernel and self.picked is None and self._light(entry):
            reason = f"{self._share(entry):.2g} of the report's time; a budget that names it would judge it"
            return verdicts.plain(budget, entry, Code.NO_WEIGHT, reason)
        verdict = self._held(budget, entry)
        if verdict.status is Status.AMBIGUOUS and self.policy.strict:
            verdict = replace(verdict, status=Status.FAIL, reason=f"{verdict.reason}; --strict")
        if verdict.status is Status.FAIL and budget.level == "warn":
            verdict = replace(verdict, status=Status.WARN)
        return verdict

    def _held(self, budget: Budget, entry: Entry) -> Verdict:
        if budget.bound == "forbid":
            return verdicts.forbidden(budget, entry)
        if budget.against_baseline:
            verdict = verdicts.moved(budget, entry, self._pair(entry), self.reference, self.report)
            if verdict.code == Code.NOT_IN_BASELINE and "not-in-baseline" in self.policy.allow:
                return replace(verdict, status=Status.IGNORED, code=Code.ALLOWED, reason=f"{verdict.reason} (allowed)")
            return verdict
        pair = self._pair(entry)
        if pair is not None and self.reference is not None and not self.reference.sizes_told and pair.other_size:
            pair = None  # what another size measured excuses nothing
        return verdicts.limited(budget, entry, pair, self.report)

    def _is_for(self, budget: Budget, entry: Entry) -> bool:
        return (not budget.kernel or named(budget.kernel, entry.kernel)) and self._of_case(budget.case, entry)

    def _of_case(self, glob: str, entry: Entry | None) -> bool:
        return of_case(glob, self.side.case, self.side.target, (entry,) if entry is not None else ())

    def _share(self, entry: Entry) -> float | None:
        return self.shares.get(id(entry))

    def _pair(self, entry: Entry) -> Pair | None:
        return self.of.get(id(entry))

    def _heavy(self, pair: Pair) -> bool:
        total = self.reference.side.total_us if self.reference is not None and self.reference.side is not None else 0.0
        return any(e.time_us is None or e.time_us >= NEGLIGIBLE * total for e in pair.before)

    def _reference_name(self) -> str:
        return f"'{self.reference.against.name}'" if self.reference is not None else "the baseline"


def _absent(pattern: str, budgets: Sequence[Budget], names: Sequence[str]) -> Judged:
    functions = list(dict.fromkeys(function_name(name) for name in names))
    more = f" and {len(functions) - _SHOWN_NAMES} more" if functions[_SHOWN_NAMES:] else ""
    shown = ", ".join(functions[:_SHOWN_NAMES]) + more
    return _unjudged(pattern, budgets, Code.KERNEL_ABSENT, f"no kernel of the report matches; it has {shown or 'none'}")


def _unjudged(kernel: str, budgets: Sequence[Budget], code: Code, reason: str) -> Judged:
    """Every budget unjudged for one reason, for something that is not in the report."""
    found = tuple(verdicts.about(kernel, budget, code, reason) for budget in budgets)
    return Judged(kernel=kernel, launches=0, verdicts=found)


def _collect_command(report: Report, kernels: Sequence[Judged]) -> str:
    """The command that would measure what is missing; nothing that other kernels have: they were measured alike."""
    lacking = dict.fromkeys(
        verdict.metric
        for kernel in kernels
        for verdict in kernel.verdicts
        if verdict.code in (Code.METRIC_MISSING, Code.CAUSE_UNKNOWN)
        and kernel.launches
        and not (verdict.measured is None and verdicts.some_value(report, verdict.metric))
    )
    if not lacking:
        return ""
    target = shlex.quote(report.target) if report.target else "KERNEL.py"
    from_ncu = [name for name in lacking if name != GAIN and name not in verdicts.causes()]
    return f"ncukit profile {target} --metrics {','.join(from_ncu)}" if from_ncu else f"ncukit profile {target}"
