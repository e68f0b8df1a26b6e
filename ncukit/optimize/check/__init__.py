"""Whether an answer may be believed: form, lint, compile, and running it; each step only when none before refused it.

Until the rules of form have read all of an answer, nothing of it is run.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from ncukit.optimize.check import static
from ncukit.optimize.check.form import examine
from ncukit.optimize.check.prove import Proved, prove
from ncukit.optimize.check.reading import read
from ncukit.optimize.check.request import LEAST_S, MEMORY_GB, TIMEOUT_S, Request
from ncukit.optimize.verdict import Checked, Reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from ncukit.optimize.verdict import Verdict

__all__ = ["MEMORY_GB", "TIMEOUT_S", "Request", "check"]


def check(request: Request, on_step: Callable[[str], None] | None = None) -> Checked:
    """Check one answer.

    Args:
        request: the answer, its problem, and how far to go.
        on_step: told in words what is being done.

    Raises:
        NcukitError: the answer cannot be read, an option is wrong, or the machine lacks what it takes.
    """
    deadline = time.monotonic() + request.timeout_s
    tell = on_step or (lambda _: None)
    answer = read(request)
    if isinstance(answer, Reason):
        return Checked(path=request.path, verdict="refused", reasons=(answer,))
    # the lint runs nothing, so a refused form does not keep its words from whoever mends the answer
    reasons = (*examine(answer, allow_torch=request.allow_torch), *static.linted(answer, request))
    if reasons:
        return Checked(path=request.path, verdict="refused", reasons=_once(reasons), code=answer.code)
    tell("compiling without a GPU")
    compiled = static.compiled(answer, request)
    proved = Proved()
    if not compiled.reasons:
        left = replace(request, timeout_s=max(LEAST_S, deadline - time.monotonic()))
        proved = prove(left, answer.code, on_case=lambda name: tell(f"trying {name}"))
    reasons = (*compiled.reasons, *proved.reasons)
    # what ran on a GPU did compile there; what else was asked for stays open
    compiling = compiled.unproven if request.archs or not proved.gpu else ()
    unproven = tuple(dict.fromkeys([*compiling, *proved.unproven]))
    return Checked(
        path=request.path,
        verdict=_verdict(reasons, unproven, on_gpu=proved.gpu),
        reasons=_once(reasons),
        unproven=unproven,
        cases=proved.cases,
        code=answer.code,
        where=proved.where,
        versions={**compiled.versions, **proved.versions},
    )


def _verdict(reasons: tuple[Reason, ...], unproven: tuple[str, ...], *, on_gpu: bool) -> Verdict:
    if reasons:
        return "refused"
    return "accepted" if on_gpu and not unproven else "unproven"


def _once(reasons: tuple[Reason, ...]) -> tuple[Reason, ...]:
    """Each reason once, by line; what has no line first."""
    return tuple(sorted(dict.fromkeys(reasons), key=lambda r: (r.line or 0, r.code)))
