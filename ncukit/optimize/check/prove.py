"""Running an answer in a child process and reading what came of it: reasons, cases, and what stayed open."""

from __future__ import annotations

import dataclasses
import math
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ncukit import gpus
from ncukit.errors import Exit, NcukitError
from ncukit.optimize.session import Ended, Session
from ncukit.optimize.verdict import Case, Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ncukit.gpus import Gpu
    from ncukit.optimize.check.request import Request

START_S = 120.0
RESTARTS = 3
"""Times that a process which hung or crashed in a case is followed by one that does the rest."""
PATIENCE = 0.85
"""Part of the time after which no new case is begun."""
LONGEST = 2000
PRETENDED = "H100"
"""What the interpreter's GPU is where no architecture is asked for."""
_OUTCOMES = ("right", "wrong", "declined", "dropped")


@dataclass(frozen=True, slots=True, kw_only=True)
class Proved:
    """What running an answer came to."""

    reasons: tuple[Reason, ...] = ()
    unproven: tuple[str, ...] = ()
    cases: tuple[Case, ...] = ()
    where: str = ""
    """Where it ran: ``NVIDIA H200``, ``Triton's interpreter``."""
    versions: Mapping[str, str] = field(default_factory=dict)
    gpu: bool = False
    """Whether it ran on a GPU."""
    microseconds: float | None = None
    """Time of one call on the problem's own inputs; None where it was not measured."""


def prove(
    request: Request, code: str, *, session: Session | None = None, on_case: Callable[[str], None] | None = None
) -> Proved:
    """Run an answer on many cases, on the GPU or in Triton's interpreter.

    Args:
        request: what is asked; ``run`` says where, and ``no`` runs nothing.
        code: the answer's Python, on the lines where it stood.
        session: a process to use instead of one of its own.
        on_case: told the name of every case as it begins.

    Raises:
        NcukitError: the process cannot be started, or the problem itself does not run.
    """
    if request.run == "no":
        return Proved(unproven=("no kernel was run: values, inputs, threads, streams and time were not looked at",))
    if session is not None:
        return _Run(request, code, session, on_case).proved()
    if request.run == "gpu" or (request.run == "auto" and _sees_gpu()):
        try:
            with Session("gpu", python=request.python, memory_gb=request.memory_gb) as own:
                return _Run(request, code, own, on_case).proved()
        except NcukitError as error:
            if request.run == "gpu" or "cannot run kernels" not in error.message:
                raise
    with Session("interpreter", python=request.python, memory_gb=request.memory_gb) as own:
        return _Run(request, code, own, on_case).proved()


def _sees_gpu() -> bool:
    """Whether there may be a GPU: starting a process to find none costs seconds."""
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return False
    return any(Path(path).exists() for path in ("/dev/nvidiactl", "/dev/nvidia0", "/dev/dxg"))


class _Run:
    """One answer on one process, and its followers."""

    def __init__(self, request: Request, code: str, session: Session, on_case: Callable[[str], None] | None) -> None:
        self.request, self.code, self.session, self.on_case = request, code, session, on_case
        self.until = time.monotonic() + request.timeout_s
        self.reasons: list[Reason] = []
        self.unproven: list[str] = []
        self.cases: list[Case] = []
        self.base: Mapping[str, Any] | None = None
        self.who = "reference"
        self.case: Mapping[str, Any] | None = None
        self.microseconds: float | None = None
        self.ran = False
        """Whether any of the answer's code has run."""

    def proved(self) -> Proved:
        """Run it to the end."""
        self.session.ask({"do": "hello", "mode": self.session.mode}, START_S)
        about = dict(self.session.about)
        skip: list[str] = []
        for turn in range(RESTARTS + 1):
            left = self.until - time.monotonic()
            if left <= 0:
                self.unproven.append(f"out of time after {self.request.timeout_s:g} s: other cases were not tried")
                break
            try:
                self._answered(self.session.ask(self._job(about, skip, left), left, self._event))
                break
            except Ended as ended:
                name = str(self.case["name"]) if self.case else ""
                if not self._survived(ended):
                    break
                skip = [*(case.name for case in self.cases), name]
                if turn == RESTARTS:
                    self.unproven.append("the process ended too often: other cases were not tried")
        self._declined()
        return Proved(
            reasons=tuple(self.reasons),
            unproven=tuple(dict.fromkeys([*self.unproven, *self._open()])),
            cases=tuple(self.cases),
            where=str(about.get("where", "")),
            versions={str(k): str(v) for k, v in dict(about.get("versions", {})).items()},
            gpu=self.session.mode == "gpu",
            microseconds=self.microseconds,
        )

    def _job(self, about: Mapping[str, Any], skip: list[str], left: float) -> dict[str, Any]:
        problem = self.request.problem
        job: dict[str, Any] = {
            "do": "prove",
            "problem": problem.code,
            "answer": self.code,
            "sizes": dict(problem.sizes),
            "beside": str(Path(problem.path).resolve().parent) if problem.path != "-" else "",
            "mode": self.session.mode,
            "scope": self.request.scope,
            "allow_torch": self.request.allow_torch,
            "gpu": _figures(_pretended(self.request.archs)),
            "peaks": _peaks(str(about.get("gpu", ""))),
            "about": {"l2_bytes": about.get("l2_bytes", 0)},
            "seconds": left * PATIENCE,
            "skip": skip,
        }
        return job if self.base is None else {**job, "base": dict(self.base)}

    # what the child tells ---------------------------------------------------------------------------------------

    def _event(self, event: Mapping[str, Any]) -> None:
        if "runs" in event:
            self.who = str(event["runs"])
            self.ran = self.ran or self.who != "reference"
        if isinstance(event.get("base"), dict):
            self.base = event["base"]
        if "unproven" in event:
            self.unproven.append(_short(event["unproven"]))
        if isinstance(event.get("microseconds"), int | float):
            self.microseconds = float(event["microseconds"]) or None
        if isinstance(event.get("reason"), dict):
            self._reason(event["reason"])
        case = event.get("case")
        if isinstance(case, dict):
            self._case(case)

    def _reason(self, told: Mapping[str, Any]) -> None:
        line = told.get("line")
        found = Reason(
            code=_short(told.get("code", "")),
            line=line if isinstance(line, int) else None,
            message=_short(told.get("message", "")),
            instead=_short(told.get("instead", "")),
        )
        if found not in self.reasons:
            self.reasons.append(found)

    def _case(self, told: Mapping[str, Any]) -> None:
        if told.get("state") == "begins":
            self.case = dict(told)
            if self.on_case is not None:
                self.on_case(_short(told.get("name", "")))
            return
        self.case = None
        outcome = told.get("outcome")
        error = told.get("error")
        if outcome in _OUTCOMES:
            self.cases.append(
                Case(
                    name=_short(told.get("name", "")),
                    outcome=outcome,
                    error=float(error) if isinstance(error, int | float) and math.isfinite(error) else None,
                    note=_short(told.get("note", "")),
                )
            )

    def _answered(self, answer: Mapping[str, Any]) -> None:
        if answer.get("fatal"):
            self.session.stop()
        if "problem" in answer:
            raise NcukitError(
                f"{self.request.problem.path} does not run as a problem: {_short(answer['problem'])}",
                causes=("get_inputs, get_init_inputs or Model of the problem itself raises",),
                next_command=f"python {self.request.problem.path}",
            )
        error = answer.get("error")
        if isinstance(error, dict):
            if not self.ran:
                raise NcukitError(
                    f"{self.request.problem.path} cannot be tried: {_short(error.get('message', ''))}",
                    causes=("the problem needs more than this machine has, or this is a fault of ncukit's",),
                    next_command="ncukit doctor",
                    exit_code=Exit.ENVIRONMENT,
                )
            self.unproven.append(f"trying it broke off: {_short(error.get('message', ''))[:300]}")

    # what a process's end means ---------------------------------------------------------------------------------

    def _survived(self, ended: Ended) -> bool:
        """Note why the process ended; whether another one has cases left to do."""
        name = str(self.case["name"]) if self.case else ""
        own = self.case is None or self.case.get("kind") == "own"
        if not self.ran:
            raise NcukitError(
                f"{self.request.problem.path} cannot be tried: {ended.message} while its reference ran",
                causes=("the reference is too large or too slow here", "its own code crashes"),
                next_command=f"ncukit check ANSWER --problem {self.request.problem.path} --size NAME=NUMBER",
                exit_code=Exit.ENVIRONMENT,
                detail=ended.detail,
            )
        interpreter = self.session.mode == "interpreter"
        where = name or ("loading it" if self.who == "loading" else "the last step")
        if ended.how == "crashed":
            scaled = interpreter and own and self.request.scope == "own" and "scaled down" in name
            if scaled:
                self.unproven.append(f"{where}: {ended.message}; the sizes are not the problem's own")
            else:
                self._against("crashed", f"{where}: {ended.message}", "keep every access inside its tensor: mask the "
                              "tail of every load and store")  # fmt: skip
            self._closed(name, "wrong" if not scaled else "declined", ended.message)
            return not own and not scaled
        code = "out-of-time" if ended.how == "late" else "out-of-memory"
        if own and (not interpreter or self.who == "loading" or ended.how == "memory"):
            instead = (
                "let every loop end, and wait for no program that may not be running"
                if ended.how == "late"
                else "allocate the output and small buffers only"
            )
            self._against(code, f"{where}: {ended.message}", instead)
        else:
            self.unproven.append(f"{where}: {ended.message}")
        self._closed(name, "declined", ended.message)
        return not own and ended.how == "memory"

    def _against(self, code: str, message: str, instead: str) -> None:
        self._reason({"code": code, "line": None, "message": message, "instead": instead})

    def _closed(self, name: str, outcome: str, note: str) -> None:
        if name:
            self._case({"state": "ends", "name": name, "outcome": outcome, "note": note})

    # what stays open --------------------------------------------------------------------------------------------

    def _declined(self) -> None:
        declined = [case for case in self.cases if case.outcome == "declined" and case.note]
        told = [case for case in declined if not any(case.note in text for text in self.unproven)]
        if told and not self.reasons:
            rest = f" (and {len(told) - 1} more)" if len(told) > 1 else ""
            self.unproven.append(f"not decided: {told[0].name}: {told[0].note}{rest}")

    def _open(self) -> list[str]:
        if self.session.mode == "gpu":
            return []
        return ["it ran in Triton's interpreter, one program after another: races, streams, speed and what only the "
                "compiled kernel does need a GPU"]  # fmt: skip


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _pretended(archs: tuple[str, ...]) -> Gpu:
    """The GPU that the interpreter stands in for."""
    for arch in archs:
        digits = "".join(c for c in arch if c.isdigit())
        found = gpus.by_compute_capability(f"{digits[:-1]}.{digits[-1:]}") if len(digits) > 1 else ()
        if found:
            return found[0]
    return gpus.get(PRETENDED)


def _figures(gpu: Gpu) -> dict[str, Any]:
    kept = ("name", "compute_capability", "sm_count", "memory_gb", "l2_bytes", "max_threads_per_sm",
            "registers_per_sm", "max_threads_per_block", "shared_per_sm", "shared_per_block")  # fmt: skip
    values = {f.name: getattr(gpu, f.name) for f in dataclasses.fields(gpu)}
    return {name: values[name] for name in kept}


def _peaks(name: str) -> dict[str, float]:
    """Rates that no kernel passes on a GPU; empty where it is not in the spec table."""
    gpu = gpus.find(name) if name else None
    if gpu is None:
        return {}
    rates = (gpu.fp32_tflops, gpu.tf32_tflops, gpu.fp16_tflops, gpu.bf16_tflops, gpu.fp8_tflops)
    return {"bytes_per_s": gpu.dram_gbps * 1e9, "flops": max(rate for rate in rates if rate is not None) * 1e12}
