"""``ncukit tune``: knobs in the text, a search among their settings, and what measuring them gave."""

from __future__ import annotations

import contextlib
import math
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ncukit.errors import Exit, NcukitError
from ncukit.optimize.race import kept_race, quartiles, race
from ncukit.optimize.session import Ended
from ncukit.optimize.tune.record import Trial
from ncukit.optimize.tune.search import Next, Search, Stop, budget_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ncukit.optimize.problem import Problem
    from ncukit.optimize.session import Session
    from ncukit.optimize.timing import Race
    from ncukit.optimize.tune.facts import Facts
    from ncukit.optimize.tune.knobs import Group, Knobs, Setting
    from ncukit.optimize.tune.record import Record

TRIAL_S = 120.0
"""Seconds for one configuration: compiling, checking, measuring."""
FIRST_S = 300.0
"""The same for the file as it stands, which also makes inputs and exact answers."""
MEASURED_S = 0.3
"""GPU time that one trial's measuring aims at."""
FINAL_S = 2.0
"""The same for the last comparison."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be searched."""

    problem: Problem
    knobs: Knobs
    facts: tuple[Facts, ...]
    """An entry a group."""
    suggested: tuple[Mapping[Setting, str], ...]
    """Settings to begin with and what suggests them, an entry a group."""
    order: tuple[int, ...]
    """Groups, the most promising first."""
    budget: int | None = None
    """Trials at most, all groups and earlier searches together; None for a quarter of each group's settings."""
    seconds: float | None = None

    def candidates(self, group: int) -> tuple[Setting, ...]:
        """Settings that nothing speaks against."""
        ruled_out = self.facts[group].ruled_out
        return tuple(s for s in self.knobs.groups[group].settings if s not in ruled_out)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuned:
    """What a search came to."""

    plan: Plan
    trials: tuple[Trial, ...]
    stops: Mapping[int, str]
    """Group → why its search ended."""
    best: Mapping[int, Setting] = field(default_factory=dict)
    """Settings that are better than the file's, by group."""
    race: Race | None = None
    """The file as it stands against the best one, measured once more; None where nothing better was found."""
    code: str = ""
    """The best text; the file's own where nothing better was found."""
    resumed: int = 0
    """Trials that an earlier search had measured."""
    interrupted: bool = False
    about: Mapping[str, Any] = field(default_factory=dict)

    @property
    def better(self) -> bool:
        """Whether ``code`` is worth applying: better settings that held when they were measured again, or were not."""
        return bool(self.best) and (self.race is None or self.race.faster)


class Tuner:
    """One search. ``run`` does it; whatever ends it, ``record`` has what was measured."""

    def __init__(self, plan: Plan, session: Session, record: Record, tell: Callable[[str], None]) -> None:
        self._plan = plan
        self._session = session
        self._record = record
        self._tell = tell
        self._best: dict[int, Setting] = {}
        self._stops: dict[int, str] = {}
        self._started = time.monotonic()
        self._resumed = len(record.trials)
        self._fresh = 0
        self._taken = 0
        self._first_done = False

    def run(self) -> Tuned:
        """Search group after group, then measure the file against the best once more.

        Raises:
            NcukitError: the file as it stands does not run, or is not right.
        """
        interrupted = False
        try:
            for index in self._plan.order:
                self._search(index)
        except KeyboardInterrupt:
            interrupted = True
        code = self._plan.knobs.edited(self._best)
        final = None
        if self._best and not interrupted:
            try:
                final = self._final(code)
            except KeyboardInterrupt:
                interrupted = True
        return Tuned(
            plan=self._plan,
            trials=tuple(self._record.trials),
            stops=self._stops,
            best=dict(self._best),
            race=final,
            code=code,
            resumed=self._resumed,
            interrupted=interrupted,
            about=self._session.about,
        )

    def _final(self, code: str) -> Race:
        """The best against the file, measured once more; an earlier search's, where it came to the same."""
        best = [[index, list(setting)] for index, setting in sorted(self._best.items())]
        kept = self._record.result
        if not self._fresh and kept is not None and kept.get("best") == best:
            with contextlib.suppress(KeyError, TypeError, ValueError):
                return kept_race(kept["race"])
        self._tell("comparing the best with the file as it stands")
        self._session.stop()  # in a process of its own: the trials' inputs and answers take up memory
        found = race(self._session, self._plan.problem, self._plan.problem.code, code, target_s=FINAL_S)
        self._record.finish({"best": best, "race": asdict(found)})
        return found

    def _search(self, index: int) -> None:
        group = self._plan.knobs.groups[index]
        before = tuple(sorted(self._best.items()))
        settings = len(group.settings)
        search = Search(
            own=group.own,
            candidates=self._plan.candidates(index),
            suggested=self._plan.suggested[index],
            budget=budget_of(settings) if self._plan.budget is None else min(settings, self._plan.budget),
        )
        base = self._cost_of(before)
        known: dict[str, str] = {}
        for trial in self._record.trials:
            if trial.group == index and trial.before == before:
                self._taken += 1
                self._learn(search, trial, base, known, group)
        try:
            while True:
                step = self._out_of() or search.next()
                if isinstance(step, Stop):
                    self._stops[index] = step.why
                    return
                trial = self._try(index, group, before, step, known)
                self._fresh += 1
                self._record.add(trial)
                self._learn(search, trial, base, known, group)
        finally:
            self._settle(index, search)

    def _settle(self, index: int, search: Search) -> None:
        """Keep the group's best setting where it is better than the file's by more than noise."""
        measured = {s: c for s, c in search.costs.items() if c is not None and s != search.own}
        best = min(measured, key=measured.__getitem__, default=None)
        if best is not None and measured[best] < -math.log(1.005):
            self._best[index] = best

    def _cost_of(self, before: tuple[tuple[int, Setting], ...]) -> float:
        """Logarithm of the time, over the file's, that the settled groups have brought it to."""
        settled = [i for i in self._plan.order if i in dict(before)]
        if not settled:
            return 0.0
        index, setting = settled[-1], dict(before)[settled[-1]]
        found = index, setting, tuple(pair for pair in before if pair[0] != index)
        rows = [t for t in self._record.trials if (t.group, t.setting, t.before) == found and t.ratio]
        return -math.log(rows[-1].ratio) if rows and rows[-1].ratio else 0.0

    def _learn(self, search: Search, trial: Trial, base: float, known: dict[str, str], group: Group) -> None:
        ratio = trial.ratio
        if trial.identity and ratio:
            known[trial.identity] = group.words(trial.setting)
        search.tell(trial.setting, -math.log(ratio) - base if ratio else None)

    def _out_of(self) -> Stop | None:
        plan = self._plan
        if plan.seconds is not None and time.monotonic() - self._started > plan.seconds:
            return Stop(why=f"{plan.seconds / 60:g} minutes were up")
        if plan.budget is not None and self._fresh + self._taken >= plan.budget:
            return Stop(why=f"{plan.budget} trials were made, as many as were allowed")
        return None

    def _job(self, text: str) -> dict[str, Any]:
        problem = self._plan.problem
        return {
            "do": "trial",
            "problem": problem.code,
            "text": text,
            "sizes": dict(problem.sizes),
            "beside": str(Path(problem.path).resolve().parent),
            "known": [],
            "target_s": MEASURED_S,
        }

    def _first(self) -> None:
        """Run the file as it stands: it must be right before anything is compared with it."""
        self._tell("running the file as it stands")
        path = self._plan.problem.path
        try:
            answer = self._session.ask(self._job(self._plan.problem.code), FIRST_S)
        except Ended as error:
            raise _not_as_it_stands(path, error.message, error.detail) from error
        if "error" in answer:
            raise _not_as_it_stands(path, str(answer["error"]["message"])[-1500:])
        worst = max(answer["errors"], default=0.0)
        if not answer.get("right", worst <= 1.0):
            raise NcukitError(
                f"{path} is not right as it stands: it differs from Model by {worst:.3g} times what is allowed",
                causes=("a faster wrong kernel is of no use, so nothing is tuned",),
                next_command=f"ncukit check {path}",
            )
        self._first_done = True

    def _try(
        self, index: int, group: Group, before: tuple[tuple[int, Setting], ...], step: Next, known: Mapping[str, str]
    ) -> Trial:
        if not self._first_done or not self._session.running:
            self._first()
        self._tell(f"{group.title}: {group.words(step.setting)}")
        text = self._plan.knobs.edited({**dict(before), index: step.setting})
        job = {**self._job(text), "incumbent": self._plan.problem.code, "known": list(known)}
        common: dict[str, Any] = {"group": index, "setting": step.setting, "before": before, "why": step.why}
        try:
            answer = self._session.ask(job, TRIAL_S)
        except Ended as error:
            return Trial(**common, outcome="failed", note=error.message)
        if "error" in answer:
            return Trial(**common, outcome="failed", note=str(answer["error"]["message"])[-300:])
        return _trial(common, answer, known, self._record.trials)


def _trial(
    common: Mapping[str, Any], answer: Mapping[str, Any], known: Mapping[str, str], trials: Sequence[Trial]
) -> Trial:
    error = max(answer["errors"], default=0.0)
    shared = {**common, "identity": answer["identity"], "launches": tuple(answer["launches"]), "error": error}
    if not error <= 1.0:
        return Trial(
            **{**shared, "error": min(error, 1e30)}, outcome="wrong", note="its result differs from the reference's"
        )
    if not answer["times"]:
        twin = next(t for t in reversed(trials) if t.identity == answer["identity"] and t.ratio)
        note = f"the machine code and grid of {known[answer['identity']]}"
        return Trial(
            **shared,
            outcome="same",
            note=note,
            ratio=twin.ratio,
            low=twin.low,
            high=twin.high,
            median_us=twin.median_us,
        )
    ours = answer["times"][1]
    low, middle, high = quartiles([a / b for a, b in zip(*answer["times"], strict=True)])
    return Trial(
        **shared,
        outcome="measured",
        ratio=middle,
        low=low,
        high=high,
        median_us=quartiles(ours)[1],
        runs=len(ours),
    )


def _not_as_it_stands(path: str, message: str, detail: str = "") -> NcukitError:
    return NcukitError(
        f"{path} does not run as it stands: {message}",
        causes=("its own code failed, or there is not memory enough for its inputs and exact answers",),
        next_command=f"ncukit profile {path}; a smaller problem: --size NAME=NUMBER",
        exit_code=Exit.ENVIRONMENT,
        detail=detail,
    )
