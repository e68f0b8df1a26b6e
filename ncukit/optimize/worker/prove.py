"""The job ``prove``: an answer is run on its problem's own case, and on others, and everything is told as it happens.

Each case is told before and after, so that the parent knows which one hung or crashed. An answer's code runs in this
very process: it has passed the rules of form, and what judges it is looked after, but this is no sandbox.
"""

from __future__ import annotations

import contextlib
import math
import time
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from ncukit.optimize.worker import cases, sizes, words
from ncukit.optimize.worker.attempt import ROLE, Found, Place, attempt
from ncukit.optimize.worker.faults import fault
from ncukit.optimize.worker.guards import Identities, at_most
from ncukit.optimize.worker.launches import recorded
from ncukit.optimize.worker.libdevice import computed
from ncukit.optimize.worker.pretend import Pretended, pretended
from ncukit.optimize.worker.subject import ProblemError, Subject
from ncukit.optimize.worker.tuned import chosen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from ncukit.optimize.worker.cases import Case
    from ncukit.optimize.worker.launches import Launches
    from ncukit.optimize.worker.tuned import Choice

FEW = 1 << 16
"""Values of inputs and parameters together in the interpreter."""
MEDIUM = 1 << 24
"""The same on a GPU, for cases that are not at the problem's own sizes."""
SHARE = 12
"""Inputs of this part of the GPU's memory leave room for the reference in float64."""
PROGRAMS = 32
"""Programs of a call in the interpreter that take no time to speak of: there are many cases."""
LOADING_S = 60.0
SMALLER = 4
"""Times that the interpreter's sizes are brought down further."""


class _DecidedError(Exception):
    """Nothing more has to be looked at."""


def prove(job: dict[str, Any], folder: Path, tell: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Try an answer.

    Args:
        job: ``problem`` and ``answer`` (texts), ``sizes``, ``beside``, ``mode`` (``gpu`` or ``interpreter``),
            ``scope``, ``allow_torch``, ``gpu`` (figures of the one that the interpreter pretends), ``peaks`` (rates of
            the one at hand), ``about``, ``seconds`` (after which no new case is begun), ``skip`` (names of cases that
            are done) and ``base`` (sizes that were chosen before the process was started again; absent at first).
        folder: the session's.
        tell: told ``runs``, ``base``, ``case``, ``reason`` and ``unproven``.

    Returns:
        ``{"done": true, "fatal": …}`` (whether the GPU takes nothing more from this process), or ``{"problem": …}``
        with words of why the problem itself cannot be run.
    """
    interpreter = job["mode"] == "interpreter"
    with contextlib.ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        if interpreter:
            stack.enter_context(pretended(job["gpu"]))
            stack.enter_context(computed())
            import numpy as np

            stack.enter_context(np.errstate(all="ignore"))
        launches = stack.enter_context(recorded(ROLE, interpreter=interpreter))
        choice = stack.enter_context(chosen())
        bench = _Bench(job, folder, tell, launches, choice)
        try:
            with contextlib.suppress(_DecidedError):
                bench.look()
                bench.run()
        except ProblemError as error:
            return {"problem": str(error)}
    return {"done": True, "fatal": bench.fatal}


class _Bench:
    def __init__(
        self,
        job: Mapping[str, Any],
        folder: Path,
        tell: Callable[[dict[str, Any]], None],
        launches: Launches,
        choice: Choice,
    ) -> None:
        self.job, self.folder, self.tell, self.launches, self.choice = job, folder, tell, launches, choice
        self.interpreter = job["mode"] == "interpreter"
        self.until = time.monotonic() + float(job["seconds"])
        self.place = Place(
            device="cpu" if self.interpreter else "cuda",
            interpreter=self.interpreter,
            inside=Pretended if self.interpreter else contextlib.nullcontext,
            launches=launches,
            allow_torch=bool(job["allow_torch"]),
            runs=lambda who: tell({"runs": who}),
        )
        self.subject = Subject(job, folder, self.place.device, self.place.inside)
        self.own = self.subject.own
        self.fatal = False
        self._failed: set[str] = set()
        self._usable: list[int] = []
        self.facts: cases.Problem

    # the problem ------------------------------------------------------------------------------------------------

    def look(self) -> None:
        """Find out what the problem's inputs are and how small they have to be."""
        self.tell({"runs": "reference"})
        if self.job.get("base") is not None:
            base = dict(self.job["base"])
        else:
            most = (FEW if self.own else 4 * FEW) if self.interpreter else MEDIUM
            found = sizes.fitting(self.own, lambda s: self.subject.elements(s) <= most)
            least = sizes.shrunk(self.own, sizes.STEPS[0])
            if found is None and self.subject.elements(least) == math.inf:
                self.subject.about(least)  # what its code raises is what there is to say
            if found is None and self.interpreter:
                self.tell({"unproven": "the problem's sizes cannot be scaled down to what Triton's interpreter can do"})
                raise _DecidedError
            base = self.own if found is None else found
            self.tell({"base": base})
        self.facts = self.subject.about(base)

    # the answer -------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Try everything."""
        identities = Identities()
        self._loaded()
        self._unpatched(identities)
        settings = self._own()
        self._unpatched(identities)
        self._configurations(settings)
        if self.job["scope"] == "wide":
            self._wide(settings)
        if not self.interpreter and settings == self.own:
            self._physics()
        self._unpatched(identities)

    def _loaded(self) -> None:
        """Load the answer once, for errors of its top level."""
        self.tell({"runs": "loading"})
        try:
            with at_most(LOADING_S):
                module = self.subject.answer(self.facts.base)
        except BaseException as error:
            found = fault(error, ROLE, interpreter=self.interpreter)
        else:
            if hasattr(module, "ModelNew"):
                return
            self._refuse([words.reason("raised", "the answer defines no ModelNew", "define class ModelNew(nn.Module)")])
            raise _DecidedError
        if found.means == "limit":
            self.tell({"unproven": f"it does not load without a GPU: {found.text}"})
        else:
            told = f"the answer does not load: {found.text}"
            self._refuse([words.reason("raised", told, "let the file load by itself", found.line)])
        raise _DecidedError

    def _refuse(self, reasons: list[dict[str, Any]]) -> None:
        for reason in reasons:
            self.tell({"reason": reason})

    def _unpatched(self, identities: Identities) -> None:
        changed = identities.changed()
        if changed:
            told = f"{changed[0]} is not what it was before the answer was loaded"
            self._refuse([words.reason("patched", told, "leave Python, PyTorch and Triton as they are")])
            raise _DecidedError

    def _own(self) -> Mapping[str, int]:
        """The problem's own case, scaled down for the interpreter. Gives the sizes that it was decided at.

        Raises:
            _DecidedError: nothing more has to be tried.
        """
        if self.job.get("base") is not None:  # the process was started again: this one is done
            return self.facts.base if self.interpreter else self.own
        settings, found = self._decided()
        case = cases.own(self.facts, settings)
        if self.interpreter and settings != self.own and (found.reasons or found.outcome == "wrong"):
            settings, found, case = self._faithfully(settings, found, case)
        self._ended(case, found)
        if found.unproven:
            self.tell({"unproven": found.unproven})
        elif found.outcome == "dropped":
            self.tell({"unproven": f"the problem's own case cannot be judged: {found.note}"})
        if found.reasons or found.outcome != "right":
            raise _DecidedError
        return settings

    def _decided(self) -> tuple[Mapping[str, int], Found]:
        """The first sizes at which the own case comes to something."""
        base: Mapping[str, int] = self.facts.base
        tried = [base] if self.interpreter else [self.own, base]
        if self.interpreter and self.own:
            below = [sizes.shrunk(self.own, largest) for largest in reversed(sizes.STEPS)]
            tried += [s for s in below if s != base and all(s[k] <= base[k] for k in s)][:SMALLER]
        late = False
        for n, settings in enumerate(tried):
            if late and n < len(tried) - 1:
                continue  # whatever takes this long may never end: only the smallest are tried
            case = cases.own(self.facts, settings)
            self._begun(case)
            if self.interpreter:
                self.choice.take(0, trials=True)
            found = self._attempt(case)
            long = found.fault is not None and found.fault.text.startswith("TooLong")
            late = long and "programs" not in found.note
            if not (found.outcome == "dropped" or long) or n == len(tried) - 1 or settings == tried[n + 1]:
                break
        if settings != self.facts.base and self.interpreter:
            self.facts = self.subject.about(settings)
            self.tell({"base": settings})
        return settings, found

    def _faithfully(
        self, settings: Mapping[str, int], found: Found, case: Case
    ) -> tuple[Mapping[str, int], Found, Case]:
        """What stands against an answer at smaller sizes, held to sizes that are like the problem's own."""
        raised = found.fault is not None
        if (raised and not found.fault.deliberate) or (not raised and not found.values):  # type: ignore[union-attr]
            return settings, found, case  # whatever the sizes
        if not raised and self.job["scope"] == "wide":
            return settings, found, case  # silently wrong at any sizes is wrong
        other = sizes.faithful(self.own, self.subject.answer_code, lambda s: self.subject.elements(s) <= 16 * FEW)
        again = None
        if other is not None and other != settings:
            as_own = cases.own(self.facts, other)
            self._begun(as_own)
            self.choice.take(0, trials=True)
            again = self._attempt(as_own)
        if again is not None and again.outcome == "right":
            what = found.fault.text if found.fault else found.reasons[0]["message"]
            self._ended(
                case, Found(outcome="declined", note=f"right only at sizes like the problem's own: {what}"[:400])
            )
            return other or settings, again, cases.own(self.facts, other or settings)
        if again is not None and again.reasons:
            return other or settings, again, cases.own(self.facts, other or settings)
        what = found.fault.text if found.fault else found.reasons[0]["message"]
        text = f"it fails at sizes scaled down for the interpreter, which need not hold at its own: {what}"
        return settings, Found(outcome="declined", note=what[:400], unproven=text[:600]), case

    def _configurations(self, settings: Mapping[str, int]) -> None:
        """The own case with every configuration that an autotuner could take."""
        count = self.choice.count
        where = "interpreter" if self.interpreter else "gpu"
        for case in cases.configurations(self.facts, settings, count, where) if count > 1 else []:
            if case.name in self.job["skip"]:
                continue
            if not self._time():
                return
            number = case.configuration or 0
            self.choice.take(number)
            self._begun(case)
            found = self._attempt(case)
            if found.fault is not None and found.fault.means == "resources":
                self._ended(case, Found(outcome="dropped", note="the configuration does not fit this GPU"))
                continue
            self._usable.append(number)
            if found.reasons:
                for reason in found.reasons:
                    reason["message"] += f" (configuration {self.choice.describe()})"
            self._ended(case, found)
            if found.reasons:
                raise _DecidedError
        if count > cases.MOST_CONFIGURATIONS[where]:
            self.tell({"unproven": f"{count - cases.MOST_CONFIGURATIONS[where]} configurations were not tried"})

    def _wide(self, own: Mapping[str, int]) -> None:
        """Other sizes, types, layouts, values and parameters."""
        if self.interpreter:
            settings = self._light(own)
            facts, large = replace(self.facts, base=settings), None
        else:
            settings = own if self._takes_at_most(1 / 64) else self.facts.base
            facts, large = self.facts, own if self._takes_at_most(1 / SHARE) else None
        most = 2 * FEW if self.interpreter else 4 * MEDIUM
        todo = cases.wide(facts, settings, lambda s: self.subject.elements(s) <= most, large)
        for n, case in enumerate(todo):
            if case.name in self.job["skip"] or case.kind in self._failed:
                continue
            if not self._time():
                self.tell({"unproven": f"{len(todo) - n} of {len(todo)} further cases were not tried: out of time"})
                return
            self._begun(case)
            # one after the other, so that every configuration meets some of the cases
            usable = self._usable or list(range(self.choice.count if self.interpreter else 0))
            self.choice.take(usable[n % len(usable)] if usable else None)
            found = self._attempt(case)
            self._ended(case, found)
            if found.reasons:
                self._failed.add(case.kind)
            if self.fatal:
                raise _DecidedError
        if self._failed:
            raise _DecidedError

    def _light(self, settings: Mapping[str, int]) -> Mapping[str, int]:
        """The same with the first constant brought down to what a call of few programs takes."""
        first = next((slot for slot, value in self.own.items() if value > sizes.SMALL), "")
        times = -(-self.launches.programs // PROGRAMS)
        if not first or times < 2:
            return settings
        return {**settings, first: max(min(2, settings[first]), settings[first] // times)}

    def _takes_at_most(self, share: float) -> bool:
        """Whether the own inputs are no more than this of the GPU's memory."""
        memory = float(torch.cuda.get_device_properties(0).total_memory)
        return self.subject.elements(self.own) * 4 <= memory * share

    def _attempt(self, case: Case) -> Found:
        try:
            problem = self.subject.problem(case.settings)
        except Exception as error:
            return Found(outcome="dropped", note=f"the problem does not load: {error}"[:200])
        try:
            answer = self.subject.answer(case.settings)
        except Exception as error:
            return Found(outcome="declined", note=f"{type(error).__name__}: {error}"[:200])
        own = case.settings == self.own
        found = attempt(case, problem, answer, self.place, own_sizes=own)
        self.fatal = found.fault is not None and found.fault.means == "crashed"
        if not self.interpreter and not self.fatal:
            torch.cuda.empty_cache()
        return found

    def _time(self) -> bool:
        return time.monotonic() < self.until

    def _begun(self, case: Case) -> None:
        self.tell({"case": {"name": case.name, "kind": case.kind, "state": "begins"}})

    def _ended(self, case: Case, found: Found) -> None:
        error = found.error if found.error is not None and math.isfinite(found.error) else None
        self.tell(
            {
                "case": {
                    "name": case.name,
                    "kind": case.kind,
                    "state": "ends",
                    "outcome": "wrong" if found.reasons and found.outcome == "right" else found.outcome,
                    "error": error,
                    "note": found.note,
                }
            }
        )
        self._refuse(found.reasons)

    # the GPU ----------------------------------------------------------------------------------------------------

    def _physics(self) -> None:
        """Streams, library kernels, and whether the time is possible."""
        from ncukit.optimize.worker.physics import look

        self.choice.take(None)
        problem, answer = self.subject.problem(self.own), self.subject.answer(self.own)
        found, unproven, taken = look(problem, answer, self.place, self.job)
        self._refuse(found)
        for text in unproven:
            self.tell({"unproven": text})
        self.tell({"microseconds": taken})
        if found:
            raise _DecidedError
