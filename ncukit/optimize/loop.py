"""The loop: brief a program, check what it answers, race it against the best so far, go on from the winner.

What it needs of the other rooms comes as functions (``Tools``), so that it can be followed without a GPU or a model.
Nothing of an answer is executed before the check lets it pass, and no gain is told that was not measured.
"""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import TYPE_CHECKING

from ncukit.errors import NcukitError
from ncukit.optimize.folder import BEST, KERNEL, Folder, check_folder
from ncukit.optimize.journal import ANSWERLESS, Entry, Outcome, Stop, best_of
from ncukit.optimize.judge import judge
from ncukit.optimize.tools import DoesNotRun, Known, Moment, Tools
from ncukit.optimize.verdict import Reason, Round

if TYPE_CHECKING:
    from collections.abc import Callable

    from ncukit.optimize.journal import Limits, Settings
    from ncukit.optimize.problem import Problem
    from ncukit.optimize.timing import Race
    from ncukit.optimize.verdict import Checked


def optimize(
    problem: Problem, place: Path, settings: Settings, limits: Limits, tools: Tools, tell: Callable[[str], None]
) -> Outcome:
    """Run the loop, or go on with it where it stopped.

    Args:
        problem: the file to start from, which is never changed.
        place: the folder of the run.
        settings: what makes this call the same run as the one in the folder.
        limits: when to stop.
        tools: the other rooms.
        tell: told what is being done, a line at a time; the lines hold text from outside.

    Returns:
        What came of it; also after Ctrl-C.

    Raises:
        NcukitError: the folder holds something else, the start does not run, or a tool failed. What was done is kept.
    """
    start = None if check_folder(place, settings) else tools.race(problem.code, problem.code)
    with Folder(place, settings) as folder:
        folder.begin(limits, problem.code)
        if start is not None:
            folder.keep_race(0, start)
        run = _Run(problem, folder, limits, tools, tell)
        try:
            start = folder.race(0) or run.time_start()
            run.settle()
            stop = run.go()
            gain, again = run.finale()
        except KeyboardInterrupt:
            start = folder.race(0)
            if start is None:
                raise
            gain = again = None
            stop = Stop(code="interrupted", reason="interrupted; the same command goes on from here")
        return Outcome(
            settings=settings,
            folder=str(place),
            entries=tuple(folder.entries()),
            stop=stop,
            start=start,
            gain=gain,
            again=again,
            notes=tuple(run.notes),
            cut_short=run.cut_short,
        )


class _Run:
    """One call of the command."""

    def __init__(
        self, problem: Problem, folder: Folder, limits: Limits, tools: Tools, tell: Callable[[str], None]
    ) -> None:
        self.problem, self.folder, self.limits, self.tools, self.tell = problem, folder, limits, tools, tell
        self.entries: list[Entry] = []
        self.notes: dict[str, None] = {}
        self.cut_short = False
        self._studied: dict[int, Known] = {}
        self._failures = 0
        self._before_s = 0.0
        self._began = time.monotonic()

    def time_start(self) -> Race:
        """The start against itself."""
        race = self.tools.race(self.problem.code, self.problem.code)
        self.folder.keep_race(0, race)
        return race

    def settle(self) -> None:
        """Take up what is there."""
        self.entries = self.folder.entries()
        self.folder.settle()
        if self.entries:
            self._before_s = self.entries[-1].spent_s
            self.tell(f"going on with {self.folder.place}: {len(self.entries)} rounds are there")

    def go(self) -> Stop:
        """Do rounds until there is a reason to stop."""
        while (stop := self._stop()) is None:
            self._round()
        return stop

    def finale(self) -> tuple[Race | None, Checked | None]:
        """Measure the start against the best, and look at ``best.py`` as the whole file that it is."""
        best = best_of(self.entries)
        if not best:
            return None, None
        self.tell("measuring the start against the best again, and checking best.py")
        gain = again = None
        try:
            gain = self.tools.race(self.problem.code, self.folder.code(best))
            again = self.tools.check(self.folder.place / BEST)
        except (NcukitError, DoesNotRun) as error:
            self._note(f"the gain could not be measured again: {error}")
        return gain, again

    def _stop(self) -> Stop | None:
        if self._failures >= self.limits.failures:
            why = f": {self.entries[-1].round.reasons[-1].message}" if self.entries[-1].round.reasons else ""
            return Stop(code="agent", reason=f"the agent gave no answer {self._failures} times in a row{why}")
        if self._left_s() <= 0:
            cut = "; the agent's last call was cut short" if self.cut_short else ""
            return Stop(code="minutes", reason=f"{self.limits.minutes:g} minutes are used up{cut}")
        if left := self.tools.left(self._known()):
            return Stop(code="nothing-left", reason=left)
        if len(self.entries) >= self.limits.rounds:
            return Stop(code="rounds", reason=f"{self.limits.rounds} rounds are used up")
        return None

    def _spent_s(self) -> float:
        return self._before_s + time.monotonic() - self._began

    def _left_s(self) -> float:
        return 60 * self.limits.minutes - self._spent_s()

    def _known(self) -> Known:
        """What is known of the best so far, learned once."""
        best = best_of(self.entries)
        if best not in self._studied:
            place = self.folder.round(best)
            # the start where it lies: it may import what lies beside it
            kernel = place / KERNEL if best else Path(self.problem.path)
            self.tell(f"looking at {f'round {best}' if best else 'the start'}")
            self._studied[best] = self.tools.study(kernel, place / "profile")
            for note in self._studied[best].notes:
                self._note(note)
        return self._studied[best]

    def _note(self, note: str) -> None:
        if note not in self.notes:
            self.notes[note] = None
            self.tell(f"note: {note}")

    def _round(self) -> None:
        """Ask once, and keep what came of it."""
        began = time.monotonic()
        number, best, repair = len(self.entries) + 1, best_of(self.entries), self._repair()
        place = self.folder.clear(number)
        try:
            asked = self.tools.brief(self._moment(best, repair))
        except NcukitError as error:
            if repair is None:
                raise
            # a refused answer may be long, and the brief about mending it longer than --max-tokens allows
            self._note(f"the refused answer is not sent back: {error.message}")
            repair = None
            asked = self.tools.brief(self._moment(best, repair))
        self.folder.write(place / "brief.md", asked.text)
        kind = "to be mended" if repair else "new"
        self.tell(f"round {number} of {self.limits.rounds}, {asked.stage}, {kind}: asking, {asked.tokens:,} tokens")
        seconds = min(self.limits.agent_timeout_s, max(1.0, self._left_s()))
        answer = self.tools.ask(asked.text, seconds)
        self.folder.write(place / "answer.md", answer.text)
        self.folder.write(place / "stderr.txt", answer.said)
        self._hold_file()
        if answer.how == "late" and seconds < self.limits.agent_timeout_s:
            self.cut_short = True
            return  # by the minutes, which is nothing that the agent did: no round
        judged = judge(number, best, answer, self.problem, self.folder, self.tools, self.tell)
        self._failures = self._failures + 1 if judged.outcome in ANSWERLESS else 0
        entry = Entry(
            round=Round(
                number=number,
                stage=asked.stage,
                outcome=judged.outcome,
                ratio=judged.ratio,
                reasons=judged.reasons,
                summary=judged.summary,
            ),
            repair=repair is not None,
            against=best,
            verdict=judged.verdict,
            unproven=judged.unproven,
            median_us=judged.median_us,
            agent_s=answer.wall_s,
            wall_s=time.monotonic() - began,
            spent_s=self._spent_s(),
        )
        self.folder.finish(entry)
        self.entries.append(entry)
        self.tell(f"round {number}: {_told(entry)}")

    def _moment(self, best: int, repair: tuple[str, tuple[Reason, ...]] | None) -> Moment:
        return Moment(
            code=self.folder.code(best),
            path=str(self.folder.round(best) / KERNEL) if best else self.problem.path,
            known=self._known(),
            rounds=tuple(entry.round for entry in self.entries),
            stage=self.entries[-1].round.stage if repair else None,
            repair=repair,
        )

    def _repair(self) -> tuple[str, tuple[Reason, ...]] | None:
        """The refused answer that is sent back; None when there is none, or it was often enough."""
        times = next((i for i, entry in enumerate(reversed(self.entries)) if not entry.repair), len(self.entries))
        if not self.entries or self.entries[-1].round.outcome != "refused" or times >= self.folder.settings.repairs:
            return None
        last = self.entries[-1].round
        return self.folder.refused_code(last.number), last.reasons

    def _hold_file(self) -> None:
        """See that the program did not change the file that everything is held to."""
        try:
            same = hashlib.sha256(Path(self.problem.path).read_bytes()).hexdigest() == self.folder.settings.sha256
        except OSError:
            same = False
        if not same:
            raise NcukitError(
                f"{self.problem.path} was changed while the agent ran",
                causes=("the agent edits files: it runs with your rights", "somebody edited it"),
                next_command=f"git diff {self.problem.path}; put it back, and give the agent no tools",
            )


def _told(entry: Entry) -> str:
    """What came of a round, in one line."""
    one = entry.round
    if one.ratio is not None:
        rival = f"round {entry.against}" if entry.against else "the start"
        return f"{one.outcome}, {one.ratio:.3f}x the speed of {rival}"
    if not one.reasons:
        return one.outcome
    code = "" if one.outcome in ANSWERLESS else f"{one.reasons[0].code}: "
    return f"{one.outcome}: {code}{one.reasons[0].message}"[:400]
