"""One case: the answer is called three times, on inputs, on equal ones elsewhere, and on other ones."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from ncukit.optimize.worker import words
from ncukit.optimize.worker.compare import all_zero_passes, differ, on_host
from ncukit.optimize.worker.faults import Fault, fault
from ncukit.optimize.worker.guards import TooLongError, Work, at_most, poisoned, watched_threads
from ncukit.optimize.worker.inputs import Fenced, converted, laid_out, made, print_of, rolled, tensors, valued
from ncukit.optimize.worker.load import build, call, outputs
from ncukit.optimize.worker.reference import Reference, Wanted
from ncukit.optimize.worker.results import address, described, misformed, worst

if TYPE_CHECKING:
    from collections.abc import Callable

    from ncukit.optimize.worker.cases import Case
    from ncukit.optimize.worker.compare import Difference
    from ncukit.optimize.worker.launches import Launches

ROLE = "answer_"
"""How the names of the answer's files begin."""
SECONDS = 20.0
"""For one call in the interpreter."""


@dataclass(kw_only=True)
class Found:
    """What came of a case."""

    outcome: str = "right"
    error: float | None = None
    note: str = ""
    reasons: list[dict[str, Any]] = field(default_factory=list)
    unproven: str = ""
    fault: Fault | None = None
    """What the answer raised."""
    values: bool = False
    """Whether what stands against it is in the results: other sizes may tell another tale."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where cases run."""

    device: str
    interpreter: bool
    inside: Callable[[], contextlib.AbstractContextManager[object]]
    """What the user's code runs in."""
    launches: Launches
    allow_torch: bool
    runs: Callable[[str], None]
    """Told whose code is about to run: ``reference`` or ``answer``."""


class _Stop(Exception):  # noqa: N818 - no error: the case is decided
    def __init__(self, found: Found) -> None:
        super().__init__(found.note)
        self.found = found


def attempt(case: Case, problem: Any, answer: Any, place: Place, *, own_sizes: bool) -> Found:
    """Try an answer on one case.

    Args:
        case: the case.
        problem: the problem's module, at the case's sizes.
        answer: the answer's, likewise.
        place: where it runs.
        own_sizes: whether the case has the problem's own sizes.
    """
    try:
        return _Attempt(case, problem, answer, place, own_sizes).found()
    except _Stop as stop:
        return stop.found


class _Attempt:
    def __init__(self, case: Case, problem: Any, answer: Any, place: Place, own_sizes: bool) -> None:
        self.case, self.problem, self.answer, self.place = case, problem, answer, place
        self.own_sizes = own_sizes
        self.dtype = getattr(torch, case.dtype) if case.dtype else None
        self.worst = 0.0
        self.tied = False
        """Whether whole numbers differed that hang on which of several equal values is taken."""

    def found(self) -> Found:
        """Run it."""
        inputs, init = self._dropping(lambda: self._inputs(0))
        reference = self._dropping(lambda: self._reference(init))
        wanted = self._dropping(lambda: self._wanted(reference, inputs))
        model = self._model(init, reference)
        first, print_first = self._called(model, inputs, wanted)
        one = self._differences(first, wanted)
        if self.case.kind in ("own", "configuration") or not self.place.interpreter or worst(one) is not None:
            again, _ = self._called(model, inputs, wanted)
            two = self._differences(again, wanted)
            self._not_reused(first, print_first, again)
            self._equal_calls(one, two)
            del again
        others = self._dropping(lambda: self._others(inputs))
        wanted_others = self._dropping(lambda: self._wanted(reference, others))
        last, _ = self._called(model, others, wanted_others)
        three = self._differences(last, wanted_others)
        self._not_reused(first, print_first, last)
        self._other_call(first, last, three)
        if self.tied:
            return Found(outcome="dropped", note="it picks another one of several equal values, which may be as right")
        return Found(error=self.worst, note=wanted.note)

    # what the reference does ------------------------------------------------------------------------------------

    def _dropping(self, make: Callable[[], Any]) -> Any:
        """What the problem's own code gives; the case is dropped where it cannot."""
        self.place.runs("reference")
        limit = at_most(SECONDS) if self.place.interpreter else contextlib.nullcontext()
        try:
            with limit:
                return make()
        except _Stop:
            raise
        except torch.OutOfMemoryError:
            note = "too large for the memory at hand"
        except TooLongError as error:
            note = f"the reference takes too long: {error}"
        except Exception as error:
            text = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            note = f"the reference cannot do it ({text})"
        if not self.place.interpreter:
            torch.cuda.empty_cache()
        raise _Stop(Found(outcome="dropped", note=note))

    def _inputs(self, seed: int) -> tuple[Any, Any]:
        with self.place.inside():
            inputs, init = made(self.problem, seed, self.place.device)
        if self.case.values:
            inputs = valued(inputs, self.case.values)
        if self.dtype is not None:
            inputs, init = converted(inputs, self.dtype), converted(init, self.dtype)
        if self.case.layout:
            inputs = laid_out(inputs, self.case.layout)
        return inputs, init

    def _others(self, inputs: Any) -> Any:
        others, _ = self._inputs(1)
        pairs = list(zip(tensors(inputs), tensors(others), strict=False))
        if pairs and all(a.shape == b.shape and torch.equal(a, b) for a, b in pairs):
            others = rolled(others)
        return others

    def _reference(self, init: Any) -> Reference:
        return Reference(
            self.problem, init, self.place.device, self.dtype, drawn=self.case.parameters, inside=self.place.inside
        )

    def _wanted(self, reference: Reference, inputs: Any) -> Wanted:
        wanted = reference.wanted(inputs)
        note = ""
        if wanted.random:
            note = "the reference draws random numbers: there is no one right result"
        elif not all(one.usable for one in wanted.outputs):
            note = "the reference's result is not finite"
        elif all_zero_passes(wanted.outputs):
            note = "the reference's result is zero, or as good as: nothing would show"
        if note:
            raise _Stop(Found(outcome="dropped", note=note))
        return wanted

    # what the answer does ---------------------------------------------------------------------------------------

    def _model(self, init: Any, reference: Reference) -> Any:
        def make() -> Any:
            made = build(self.answer, init, self.place.device, ("ModelNew",))
            return made.to(self.dtype) if self.dtype is not None and hasattr(made, "to") else made

        model = self._trying(make, "ModelNew")
        if not reference.give(model) and self.case.parameters:
            note = "its parameters are named otherwise: only the values that both sides start with were tried"
            raise _Stop(Found(outcome="declined", note=note))
        return model

    def _trying(self, run: Callable[[], Any], what: str) -> Any:
        """Run the answer's code, and give its errors their meaning."""
        self.place.runs("answer")
        limit = at_most(SECONDS) if self.place.interpreter else contextlib.nullcontext()
        try:
            with limit, torch.no_grad(), self.place.inside():
                result = run()
            if not self.place.interpreter:
                torch.cuda.synchronize()
            return result
        except BaseException as error:
            found = fault(error, ROLE, interpreter=self.place.interpreter)
        raise _Stop(self._faulty(found, what))

    def _faulty(self, found: Fault, what: str) -> Found:
        """What an error of the answer's means for the case."""
        name = self.case.name
        if found.endless and not self.place.launches.kernels:  # its host code, which no interpreter makes slow
            text = f"{name}: {what} has launched nothing after {SECONDS:g} s"
            why = words.reason("out-of-time", text, "let every loop end", found.line)
            return Found(outcome="declined", note=text, reasons=[why] if self.case.kind == "own" else [], fault=found)
        if found.means == "limit":
            if found.text.startswith("TooLong") and self.case.kind != "own":
                return Found(outcome="dropped", note=found.text.partition(": ")[2], fault=found)
            note = f"Triton's interpreter cannot run it: {found.text}"
            return Found(outcome="declined", note=note, unproven=f"{name}: {note}", fault=found)
        if found.means == "crashed":
            told = words.reason(
                "crashed",
                f"{name}: {what} broke the GPU's context: {found.text}",
                "keep every access inside its tensor: mask the tail, and compute offsets in 64 bits where they pass "
                "2**31",
                found.line,
            )
            return Found(outcome="wrong", note=found.text, reasons=[told], fault=found)
        if self.case.kind != "own":
            return Found(outcome="declined", note=found.text, fault=found)
        if found.means == "memory":
            told = words.reason(
                "out-of-memory", f"{name}: {what} runs out of memory: {found.text}",
                "allocate the output and small buffers only", found.line,
            )  # fmt: skip
        else:
            told = words.reason("raised", f"{name}: {what} raises {found.text}", "make it run on the problem's own "
                                "inputs", found.line)  # fmt: skip
        return Found(outcome="declined", note=found.text, reasons=[told], fault=found)

    def _called(self, model: Any, inputs: Any, wanted: Wanted) -> tuple[list[Any], list[int]]:
        """One guarded call: its results, and their bits."""
        try:
            return self._call(model, inputs, wanted)
        except _Stop as stop:
            if self.place.interpreter or stop.found.fault is None or stop.found.fault.means != "memory":
                raise
        # what is expected may be what fills the memory: it can wait on the host
        wanted.outputs[:] = [on_host(one) for one in wanted.outputs]
        torch.cuda.empty_cache()
        return self._call(model, inputs, wanted)

    def _call(self, model: Any, inputs: Any, wanted: Wanted) -> tuple[list[Any], list[int]]:
        _reset(model, self)
        given = Fenced(inputs)
        work = Work(ROLE)
        self.place.launches.begin(work)
        with poisoned() as switched, watched_threads() as threads, work:
            result = self._trying(lambda: call(model, given.value), "forward")
        results = outputs(result)
        self._allowed(work, results, wanted, given, switched, threads)
        self._formed(results, wanted)
        return results, [print_of(one) if isinstance(one, torch.Tensor) else 0 for one in results]

    def _allowed(
        self, work: Work, results: list[Any], wanted: Wanted, given: Fenced, switched: list[str], threads: list[str]
    ) -> None:
        """Stop at what no answer may do, whatever it gives."""
        name, found = self.case.name, []
        if switched:
            found.append(
                words.reason("patched", f"{name}: forward changes {switched[0]}", "leave settings as they are")
            )
        if threads:
            told = f"{name}: forward starts a thread ({threads[0]})"
            found.append(words.reason("thread", told, "launch kernels from forward itself"))
        changed = [] if wanted.changes_inputs else given.changed()
        if changed:
            told = f"{name}: forward changes its input number {changed[0] + 1}"
            found.append(words.reason("input-changed", told, "write to a new tensor: torch.empty_like(x)"))
        elif given.trespassed():
            told = f"{name}: forward writes to memory beside its inputs"
            found.append(words.reason("input-changed", told, "mask every store by the tensor's real size"))
        if self.case.kind == "own" and not self.place.launches.kernels:
            told = f"{name}: forward launches no Triton kernel of the answer's"
            found.append(words.reason("no-triton-kernel", told, "compute with a @triton.jit kernel of your own"))
        elif self.case.kind in ("own", "configuration") and not self.place.allow_torch:
            found += self._by_others(work, results, wanted, given)
        if found:
            raise _Stop(Found(outcome="wrong", reasons=found))

    def _by_others(self, work: Work, results: list[Any], wanted: Wanted, given: Fenced) -> list[dict[str, Any]]:
        sizes = [t.numel() for t in tensors(given.value)]
        sizes += [one.values.numel() for one in wanted.outputs if isinstance(one.values, torch.Tensor)]
        large = work.large(max(sizes, default=0), exact=self.own_sizes)
        if large is not None:
            told = f"{self.case.name}: PyTorch computes {large[0]} on {large[1]} values inside forward"
            instead = "do this in a Triton kernel; allocating, views, casts and copies may stay (or --allow-torch)"
            return [words.reason("library-compute", told, instead, large[2])]
        written = [one for one in results if isinstance(one, torch.Tensor) and one.numel()]
        if self.case.kind == "own" and written and not work.has_touched(written):
            told = f"{self.case.name}: no result of forward was given to one of its Triton kernels"
            return [words.reason("no-triton-kernel", told, "let a Triton kernel write the result")]
        return []

    def _formed(self, results: list[Any], wanted: Wanted) -> None:
        """Stop at results that are no plain tensors of the right type, shape and place."""
        told = misformed(self.case.name, results, wanted)
        if told is not None:
            raise _Stop(Found(outcome="wrong", reasons=[told], values=True))

    # what it comes to -------------------------------------------------------------------------------------------

    def _differences(self, results: list[Any], wanted: Wanted) -> list[tuple[str, Difference]]:
        found = []
        for n, (got, one) in enumerate(zip(results, wanted.outputs, strict=True)):
            if not isinstance(got, torch.Tensor):
                continue
            difference = differ(got, one)
            if difference.ratio > 1 and one.exact and self._has_ties():
                self.tied = True
                continue
            found.append((f"output {n + 1}" if len(results) > 1 else "the output", difference))
        self.worst = max([self.worst, *(d.ratio for _, d in found)])
        return found

    def _has_ties(self) -> bool:
        """Whether the case makes values equal that were not: an index of the largest is then one of many."""
        return self.case.kind in ("dtype", "values") or self.case.layout == "expanded"

    def _equal_calls(self, one: list[tuple[str, Difference]], two: list[tuple[str, Difference]]) -> None:
        """Stop where the first call or the second, on equal inputs, is wrong."""
        wrong_one, wrong_two = worst(one), worst(two)
        if wrong_one is None and wrong_two is None:
            return
        case = self.case
        if wrong_one is not None and wrong_two is None:
            told = words.reason(
                "not-repeatable",
                f"{case.name}: the first call is wrong and the second, on equal inputs, right: {described(wrong_one)}",
                "an autotuner runs every configuration on the same tensors first: zero what atomics add to "
                "(reset_to_zero=[…]) and restore what is updated (restore_value=[…])",
            )
        elif wrong_one is None and wrong_two is not None and not wrong_two[1].poisoned:
            told = words.reason(
                "not-repeatable",
                f"{case.name}: the first call is right and the second, on equal inputs, wrong: {described(wrong_two)}",
                "start from nothing in every call: zero what is added to, keep no buffer, and let no program read "
                "what another one writes",
            )
        elif wrong_one is None and wrong_two is not None:
            when = " on the second call (on the first, trials of an autotuner had written them)"
            told = words.unwritten(case, wrong_two[0], wrong_two[1], when)
        else:
            told = self._wrong(wrong_one)  # type: ignore[arg-type]
        raise _Stop(Found(outcome="wrong", error=self.worst, reasons=[told], values=True))

    def _other_call(self, first: list[Any], last: list[Any], three: list[tuple[str, Difference]]) -> None:
        """Stop where the call on other inputs is wrong."""
        wrong = worst(three)
        if wrong is None:
            return
        pairs = [(a, b) for a, b in zip(first, last, strict=True) if isinstance(a, torch.Tensor)]
        if all(torch.equal(a, b) for a, b in pairs):
            told = words.reason(
                "output-reused",
                f"{self.case.name}: other inputs give the first call's result again",
                "compute every call from its own inputs: keep no results",
            )
        else:
            told = self._wrong(wrong)
        raise _Stop(Found(outcome="wrong", error=self.worst, reasons=[told], values=True))

    def _wrong(self, wrong: tuple[str, Difference]) -> dict[str, Any]:
        if wrong[1].poisoned:
            return words.unwritten(self.case, *wrong)
        return words.wrong(self.case, *wrong)

    def _not_reused(self, first: list[Any], prints: list[int], later: list[Any]) -> None:
        """Stop where a later call has taken the first one's memory."""
        kept = {address(one) for one in first} - {0}
        if any(address(one) in kept for one in later):
            what = "the second call gives the first one's tensor again"
        elif any(
            isinstance(one, torch.Tensor) and print_of(one) != was for one, was in zip(first, prints, strict=True)
        ):
            what = "the second call changes what the first one gave"
        else:
            return
        told = words.reason("output-reused", f"{self.case.name}: {what}", "allocate a new output in every call")
        raise _Stop(Found(outcome="wrong", reasons=[told]))


def _reset(model: Any, attempt: _Attempt) -> None:
    """Give buffers the values that they had before the first call: statistics go on from call to call."""
    if not hasattr(model, "named_buffers"):
        return
    now = dict(model.named_buffers())
    before = vars(attempt).setdefault("buffers", {name: buffer.clone() for name, buffer in now.items()})
    with torch.no_grad():
        for name, buffer in now.items():
            if name in before and before[name].shape == buffer.shape:
                buffer.copy_(before[name])
