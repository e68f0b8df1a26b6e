"""``stand_in.py optimize …``: the command with stand-ins for what needs a GPU; everything else is the real thing.

The race takes its times from the texts: a kernel's ``BLOCK_SIZE`` tells. The check is the real one in Triton's
interpreter where STAND_IN_CHECK is ``real``, and else tells the answers of this folder apart by their words.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from ncukit.optimize import real
from ncukit.optimize.timing import Race, Timing
from ncukit.optimize.verdict import Case, Checked, Reason

if TYPE_CHECKING:
    from pathlib import Path

    from ncukit.optimize.tools import Tools

GPU = "NVIDIA H200"
VERSIONS = {"python": "3.11.9", "torch": "2.11.0", "triton": "3.6.0"}
RIGHT = Case(name="own sizes, float32", outcome="right", error=0.01)


def main() -> None:
    """Replace, and run."""
    actual = real.tools
    real.machine = lambda _: real.Machine(gpu=GPU, compute_capability="9.0", versions=VERSIONS)

    def tools(problem, here, **rest) -> Tools:
        check = real_check(problem) if os.environ.get("STAND_IN_CHECK") == "real" else looked_at
        return replace(actual(problem, here, **rest), check=check, race=race)

    real.tools = tools
    if "STAND_IN_COMPILES" not in os.environ:
        leave_the_compiler_out()
    from ncukit.__main__ import main

    main()


def leave_the_compiler_out() -> None:
    """It takes seconds, and most tests are about other things."""
    import ncukit.diagnose as room

    diagnose = room.diagnose
    room.diagnose = lambda *words, **options: diagnose(*words, **{**options, "recompile": False})
    real._compiled = lambda *_: (None, "")


def real_check(problem):
    from ncukit.optimize.check import check
    from ncukit.optimize.check.request import Request

    def on_a_cpu(path: Path) -> Checked:
        found = check(Request(path=str(path), problem=problem, scope="own", archs=("sm_90",), run="interpreter"))
        seen = any(case.outcome == "right" for case in found.cases)
        return replace(found, where=GPU) if seen else found

    return on_a_cpu


def looked_at(path: Path) -> Checked:
    text = path.read_text(encoding="utf-8")
    fenced = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    code = text if path.suffix == ".py" else ""
    if fenced:
        code = "\n" * text[: fenced.start(1)].count("\n") + fenced[1]
    found = Checked(path=str(path), verdict="refused", code=code)
    if "class ModelNew" not in code:
        return replace(found, reasons=(Reason(code="no-model", line=None, message="there is no class ModelNew"),))
    line = code[: code.rfind("size // 2")].count("\n") + 1
    if "size // 2" in code:
        reason = Reason(code="wrong-values", line=line, message="half of the values are not written")
        return replace(found, reasons=(reason,))
    if "nn.functional" in code:
        reason = Reason(code="library-compute", line=line, message="torch computes the result", instead="write it")
        return replace(found, reasons=(reason,))
    return replace(found, verdict="accepted", where=GPU, cases=(RIGHT,))


def race(before: str, after: str) -> Race:
    times = [time_of(before), time_of(after)]
    ratio = times[0] / times[1]
    first, second = (Timing(median_us=us, low_us=us, high_us=us, runs=9) for us in times)
    return Race(
        before=first, after=second, ratio=ratio, low=ratio * 0.998, high=ratio * 1.002, gpu=GPU, versions=VERSIONS
    )


def time_of(code: str) -> float:
    if "compute_moments_kernel" in code:
        return 5580.0
    return {"2048": 3570.0, "1024": 4100.0, "256": 6000.0}[re.search(r"BLOCK_SIZE=(\d+)", code)[1]]


if __name__ == "__main__":
    main()
