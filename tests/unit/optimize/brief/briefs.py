"""Facts from real recordings, and the briefs that are kept as goldens; run this file to write them anew.

Nothing here compiles: what the compiler says comes from recorded inspections, so the texts hold for every Triton.
"""

from __future__ import annotations

import json
from contextlib import chdir
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from ncukit import gpus
from ncukit.diagnose import diagnose
from ncukit.optimize.brief import Facts, Repair, brief
from ncukit.optimize.problem import read_problem
from ncukit.optimize.verdict import Reason, Round
from ncukit.read import read
from ncukit.source import codec
from ncukit.source.inspection import Inspection

if TYPE_CHECKING:
    from ncukit.model import Diagnosis, Report

ROOT = Path(__file__).parents[4]
GOLDEN = ROOT / "tests" / "golden" / "brief"
SEED = GOLDEN / "seed"
NAIVE = "kernels/naive/instance_norm.py"
RUNS = sorted(run.parent.name for run in (ROOT / "profiles" / "h200").glob("*/run.json"))


@cache
def recording(name: str) -> Report:
    """A bundled run, called as it is in the checkout."""
    return read(ROOT / "profiles" / "h200" / name)


@cache
def diagnosed(name: str) -> Diagnosis:
    """Its diagnosis, without asking the compiler."""
    with chdir(ROOT):  # so that places are told as in the checkout, wherever that is
        return diagnose(recording(name))


@cache
def recorded(name: str) -> Facts:
    """What a brief of a bundled run is made of."""
    report = recording(name)
    code = (ROOT / report.target).read_text(encoding="utf-8")
    return Facts(
        code=code, path=report.target, gpu=gpus.get(report.environment.gpu), report=report, diagnosis=diagnosed(name)
    )


def inspection(name: str) -> Inspection:
    """A recorded inspection."""
    text = (ROOT / "tests" / "golden" / "inspect" / f"{name}.json").read_text(encoding="utf-8")
    return codec.decode(Inspection, json.loads(text))


def seed() -> Facts:
    """The inputs of the document that the project grew from: its GPU, its code, its metrics."""
    report = read(SEED / "metrics.json", gpu="4090")
    code = (SEED / "instance_norm.py").read_text(encoding="utf-8")
    with chdir(SEED):
        diagnosis = diagnose(report, gpu="4090", source="instance_norm.py")
    return Facts(code=code, path="instance_norm.py", gpu=gpus.get("4090"), report=report, diagnosis=diagnosis)


def rounds() -> tuple[Round, ...]:
    """Three rounds, as the loop keeps them."""
    wrong = Reason(code="wrong-values", line=7, message="3 of 4 values are wrong", instead="mask the last tile")
    return (
        Round(number=1, stage="grid", outcome="no faster", ratio=0.97, summary="I split each slice over 4 programs."),
        Round(number=2, stage="advanced", outcome="refused", reasons=(wrong,), summary="One cooperative kernel."),
        Round(number=3, stage="advanced", outcome="late"),
    )


def kept() -> dict[str, str]:
    """Name of a golden → its text."""
    whole = recorded("naive_instance_norm")
    problem = read_problem(str(ROOT / NAIVE))
    answer = "import torch\n\n\ndef forward(x):\n    return x\n"
    reasons = (Reason(code="no-model", line=4, message="it defines no ModelNew", instead="add class ModelNew"),)
    facts = {
        "seed": seed(),
        "recorded": Facts(
            code=whole.code, path=whole.path, gpu=whole.gpu, report=whole.report, diagnosis=whole.diagnosis,
            inspection=inspection("naive_instance_norm"), rounds=rounds(), problem=problem,
        ),
        "unmeasured": Facts(
            code=answer, path="answer.md", gpu=gpus.get("RTX 4090"), problem=problem, unmeasured="there is no GPU here",
            uncompiled="this Python has no triton",
        ),
        "repair": Facts(
            code=whole.code, path=whole.path, gpu=whole.gpu, repair=Repair(code=answer, reasons=reasons),
            unmeasured="no ncu",
        ),
    }  # fmt: skip
    return {name: brief(one).text for name, one in facts.items()}


if __name__ == "__main__":
    for name, text in kept().items():
        (GOLDEN / f"{name}.txt").write_text(text, encoding="utf-8")
