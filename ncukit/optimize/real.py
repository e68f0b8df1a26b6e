"""The loop's tools as they really are: the agent's program, the check, the race, ncu, the compiler, the brief."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ncukit import gpus
from ncukit.errors import NcukitError
from ncukit.optimize.tools import Asked, DoesNotRun, Known, Tools

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ncukit.gpus import Gpu
    from ncukit.model import Diagnosis, Report
    from ncukit.optimize.agent import Answer
    from ncukit.optimize.problem import Problem
    from ncukit.optimize.timing import Race
    from ncukit.optimize.tools import Moment
    from ncukit.optimize.verdict import Checked
    from ncukit.source.inspection import Inspection


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Where kernels run."""

    gpu: str
    """As CUDA names it."""
    compute_capability: str
    versions: Mapping[str, str]


def machine(python: str | None) -> Machine:
    """The GPU, and the versions that will be used.

    Raises:
        NcukitError: there is no GPU, or no torch and Triton.
    """
    from ncukit.optimize.session import Session

    with Session("gpu", python=python) as session:
        about = session.start()
        return Machine(
            gpu=str(about.get("gpu", "")),
            compute_capability=str(about.get("compute_capability", "")),
            versions={str(name): str(version) for name, version in dict(about.get("versions", {})).items()},
        )


def tools(
    problem: Problem,
    here: Machine,
    *,
    agent: Sequence[str],
    scope: Literal["own", "wide"],
    max_tokens: int | None,
    python: str | None,
    measure: Callable[[Path, Path], Report] | None,
) -> Tools:
    """The loop's tools.

    Args:
        problem: what kernels are held to.
        here: the machine.
        agent: program and arguments.
        scope: how widely answers are checked.
        max_tokens: of a brief.
        python: interpreter with torch and triton; None for this one.
        measure: profiles a kernel file into a folder; None when that is not wanted.

    Raises:
        NcukitError: the GPU is not in the spec table.
    """
    gpu = gpus.get(here.gpu)
    arch = "sm_" + here.compute_capability.replace(".", "")

    def ask(brief: str, seconds: float) -> Answer:
        from ncukit.optimize import agent as program

        return program.ask(agent, brief, timeout_s=seconds)

    def check(path: Path) -> Checked:
        from ncukit.optimize.check import check
        from ncukit.optimize.check.request import Request

        asked = Request(path=str(path), problem=problem, scope=scope, archs=(arch,), run="gpu", python=python)
        return check(asked)

    def race(before: str, after: str) -> Race:
        from ncukit.optimize.race import race
        from ncukit.optimize.session import Session

        with Session("gpu", python=python) as session:  # a process of its own: nothing of an earlier answer is left
            try:
                return race(session, problem, before, after)
            except NcukitError as error:
                if before != after and any(who in error.message for who in ("the new kernel", "one of the two")):
                    raise DoesNotRun(error.message) from error
                raise

    def study(kernel: Path, place: Path) -> Known:
        report, diagnosis, unmeasured = _measured(kernel, place, measure, gpu)
        inspection, uncompiled = _compiled(kernel, problem, arch, gpu, python, report)
        notes = [f"going on without metrics: {unmeasured}"] if measure is not None and unmeasured else []
        notes += [f"going on without what the compiler says: {uncompiled}"] if uncompiled else []
        return Known(
            report=report,
            diagnosis=diagnosis,
            inspection=inspection,
            unmeasured=unmeasured,
            uncompiled=uncompiled,
            notes=tuple(notes),
        )

    def left(known: Known) -> str:
        from ncukit.optimize.brief import nothing_left

        # rounds without success are no reason to stop before the budget does, so they are not handed over
        return nothing_left(known.diagnosis)

    def brief(moment: Moment) -> Asked:
        from ncukit.optimize.brief import Facts, Repair, brief

        facts = Facts(
            code=moment.code,
            path=moment.path,
            gpu=gpu,
            report=moment.known.report,
            diagnosis=moment.known.diagnosis,
            inspection=moment.known.inspection,
            rounds=moment.rounds,
            repair=Repair(code=moment.repair[0], reasons=moment.repair[1]) if moment.repair else None,
            problem=problem,
            unmeasured=moment.known.unmeasured,
            uncompiled=moment.known.uncompiled,
        )
        made = brief(facts, stage=moment.stage, max_tokens=max_tokens)
        return Asked(text=made.text, stage=made.stage.slug, tokens=made.tokens)

    return Tools(ask=ask, check=check, race=race, study=study, left=left, brief=brief)


def _measured(
    kernel: Path, place: Path, measure: Callable[[Path, Path], Report] | None, gpu: Gpu
) -> tuple[Report | None, Diagnosis | None, str]:
    """A kernel's profile, what is said of it, and why it could not be had; of a run that goes on, the one it has."""
    if measure is None:
        return None, None, "profiling was switched off"
    from ncukit.diagnose import diagnose
    from ncukit.read import read

    try:
        report = read(str(place)) if (place / "run.json").is_file() else measure(kernel, place)
        return report, diagnose(report, gpu=gpu.name, source=str(kernel), recompile=True), ""
    except NcukitError as error:
        return None, None, error.message


def _compiled(
    kernel: Path, problem: Problem, arch: str, gpu: Gpu, python: str | None, report: Report | None
) -> tuple[Inspection | None, str]:
    """What the compiler makes of a kernel, of its measured launches where there are any; or why it could not be had."""
    from ncukit.source.inspect import Request, inspect

    sizes = {name: value for name, value in problem.sizes.items() if name in _constants(kernel)}
    try:
        recorded = report is not None and (Path(report.path) / "launches.json").is_file()
        asked = Request(
            path=str(kernel),
            archs=(arch,),
            gpu=gpu.name,
            recording=report.path if report is not None and recorded else None,
            sizes=None if recorded else sizes,
            python=python,
        )
        return inspect(asked).inspection, ""
    except NcukitError as error:
        return None, error.message


def _constants(kernel: Path) -> set[str]:
    import ast

    from ncukit.collect.target import constants

    return set(constants(ast.parse(kernel.read_bytes())))
