"""What the lint and Triton's compiler have against an answer, without a GPU.

The compile step runs the answer's host code on tensors without data to learn its launches, so it comes after the rules
of form.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ncukit.collect.machine import visible_gpu
from ncukit.errors import NcukitError
from ncukit.optimize.check.request import LEAST_S
from ncukit.optimize.check.words import short
from ncukit.optimize.verdict import Reason
from ncukit.source import request as inspecting
from ncukit.source.inspect import inspect
from ncukit.source.lint import lint

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ncukit.optimize.check.answer import Answer
    from ncukit.optimize.check.request import Request
    from ncukit.source.inspection import Inspection, Violation

ARCHS = ("sm_80", "sm_90")
"""What is compiled for where no GPU is in sight."""
LONGEST_S = 180.0
_BROKEN = {
    "no result after": "out-of-time",
    "wants more than": "out-of-memory",
    "and no answer": "crashed",
    "cannot be read": "crashed",
}
"""What the inspection says when the answer's host code broke it → the code of the reason."""
_MENDED = {
    "out-of-time": "let every loop end, and tune over few configurations",
    "out-of-memory": "keep data in tensors: the host code needs next to no memory",
    "crashed": "leave the process alone: no native code, no endless recursion",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """What compiling came to."""

    reasons: tuple[Reason, ...] = ()
    unproven: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)


def linted(answer: Answer, request: Request) -> tuple[Reason, ...]:
    """The lint's errors.

    Raises:
        NcukitError: a selector names no rule.
    """
    return _errors(lint(answer.source, select=request.select, ignore=request.ignore), answer, request)


def compiled(answer: Answer, request: Request) -> Compiled:
    """What Triton's compiler says of every launch on the problem's inputs.

    Raises:
        NcukitError: the problem or the interpreter cannot be used.
    """
    with tempfile.TemporaryDirectory(prefix="ncukit-check-", ignore_cleanup_errors=True) as folder:
        # the very code that the rules have read: the file may hold more, and may change
        place, problem = Path(folder) / "answer.py", Path(folder) / "problem.py"
        place.write_text(answer.code, encoding="utf-8")
        problem.write_text(request.problem.code, encoding="utf-8")
        asked = inspecting.Request(
            path=str(place),
            archs=request.archs or _seen() or ARCHS,
            problem=str(problem),
            sizes=dict(request.problem.sizes),
            select=request.select,
            ignore=request.ignore,
            probe=False,
            python=request.python,
            timeout_s=min(LONGEST_S, request.timeout_s),
            memory_gb=min(inspecting.MEMORY_GB, request.memory_gb),
            use_cache=False,  # no answer comes twice from the same place
        )
        try:
            found = inspect(asked).inspection
        except NcukitError as error:
            return _broken(error, answer, asked.timeout_s)
    return Compiled(
        reasons=(*_launched(found, answer), *_compile_errors(found), *_errors(found.lint, answer, request)),
        unproven=tuple(_open(found)),
        versions=found.versions,
    )


def _seen() -> tuple[str, ...]:
    gpu = visible_gpu()
    digits = gpu.compute_capability.replace(".", "") if gpu else ""
    return (f"sm_{digits}",) if digits.isdigit() and int(digits) >= 10 * inspecting.OLDEST else ()


def _errors(violations: Iterable[Violation], answer: Answer, request: Request) -> tuple[Reason, ...]:
    """Errors of the lint. An answer cannot accept its own faults by a comment; a file that is its own problem can."""
    accepts = answer.own and answer.code == request.problem.code
    return tuple(
        Reason(code=v.code, line=v.line, message=v.message, instead=v.instead)
        for v in violations
        if v.severity == "error" and not (accepts and v.suppressed is not None)
    )


def _compile_errors(found: Inspection) -> list[Reason]:
    """One reason an error: what one architecture rejects, others mostly reject too."""
    reasons: dict[tuple[int | None, str], Reason] = {}
    for error in found.errors:
        if error.kernel and not error.tolerated:
            text = f"{short(error.kernel)} does not compile for {error.arch}: {error.message}"
            reason = Reason(code="compile-error", line=error.line, message=text, instead=error.instead)
            reasons.setdefault((error.line, error.message), reason)
    return list(reasons.values())


def _launched(found: Inspection, answer: Answer) -> list[Reason]:
    """That nothing is launched, where the host code came to its end on the problem's inputs."""
    ended = not found.notes and not any(not error.kernel for error in found.errors)
    if found.launches or found.compiled or found.errors or not ended or not found.source:
        return []
    text = "forward launches no Triton function on the problem's inputs"
    line = answer.model.lineno if answer.model else None
    return [Reason(code="no-triton-kernel", line=line, message=text, instead="launch the kernels in forward")]


def _open(found: Inspection) -> list[str]:
    """What was not compiled, and why: an error of host code that has no real tensors is not held against it."""
    said = [f"{n.message}{f' (line {n.line})' if n.line else ''}" for n in found.notes]
    said += [e.message for e in found.errors if not e.kernel]
    return [f"not all of it was compiled: {text}" for text in dict.fromkeys(said)]


def _broken(error: NcukitError, answer: Answer, seconds: float) -> Compiled:
    code = next((code for words, code in _BROKEN.items() if words in error.message), None)
    if code is None:
        raise error
    if code == "out-of-time" and seconds < LEAST_S:
        return Compiled(unproven=(f"not all of it was compiled: {seconds:g} s are too short for loading torch alone",))
    if code == "out-of-time" and any(kernel.autotune for kernel in answer.kernels.values()):
        text = f"not all of it was compiled: its configurations take more than {seconds:g} s here"
        return Compiled(unproven=(text,))
    text = {
        "out-of-time": f"neither its host code nor the compiler came to an end in {seconds:g} s",
        "out-of-memory": "its host code takes all memory that it may have, on tensors without data",
        "crashed": "its host code ended the process that ran it on tensors without data",
    }[code]
    return Compiled(reasons=(Reason(code=code, line=None, message=text, instead=_MENDED[code]),))
