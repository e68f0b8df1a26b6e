"""The job ``race``: two kernel files timed in turns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ncukit.optimize.worker.clock import Clock
from ncukit.optimize.worker.load import load
from ncukit.optimize.worker.rivals import Inputs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def race(job: dict[str, Any], folder: Path, tell: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Time ``before`` and ``after``.

    Args:
        job: ``problem``, ``before`` and ``after`` (texts), ``sizes``, ``beside``, ``target_s``.
        folder: the session's.
        tell: told which of them is being prepared.

    Returns:
        ``times``: microseconds of both, an entry a turn.
    """
    inputs = Inputs(job, folder)
    calls = []
    for role in ("before", "after"):
        tell({"preparing": role})
        module = load(job[role], role, folder, job["sizes"], job.get("beside", ""))
        calls.append(inputs.caller(inputs.model(module)))
        calls[-1](0)
    tell({"preparing": ""})
    return {"times": Clock().turns(calls, float(job["target_s"]))}
