"""All that can be known of a file here: its measurement, what the compiler says, the problem, the GPU to write for."""

from __future__ import annotations

import ast
import os
from dataclasses import dataclass, replace
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from ncukit import gpus
from ncukit.collect.machine import visible_gpu
from ncukit.collect.recordings import bundled, find
from ncukit.collect.target import Target, kernel_name
from ncukit.diagnose import diagnose
from ncukit.errors import Exit, NcukitError
from ncukit.optimize.brief import Facts
from ncukit.optimize.brief.history import Repair, no_reasons, reasons_of
from ncukit.optimize.brief.measured import ROOT, find_run, other_code
from ncukit.optimize.problem import read_problem
from ncukit.read import jsonfile, read
from ncukit.source.inspect import Request, check_archs, inspect
from ncukit.source.text import LARGEST, parse, read_text

if TYPE_CHECKING:
    from ncukit.gpus import Gpu
    from ncukit.model import Report
    from ncukit.optimize.problem import Problem
    from ncukit.source.inspection import Inspection
    from ncukit.source.text import SourceText


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What a brief is wanted of, as it was typed."""

    path: str
    """A kernel file, a text with a fenced code block, or ``-``."""
    report: str | None = None
    """The measurement to use; None for the run that ``ncukit profile`` left."""
    recorded: bool = False
    """Whether to take the bundled recording instead."""
    gpu: str | None = None
    problem: str | None = None
    """Kernel file with the reference; None for the file itself."""
    compiles: bool = True
    """Whether the compiler may be asked."""
    reasons: str | None = None
    """What ``ncukit check --format json`` wrote of a refused answer."""
    answer: str | None = None
    """That answer; None when it is ``path`` itself."""
    verb: str = "brief"
    """The command that asks, for what an error says to type next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A measurement of this code, or why there is none."""

    report: Report | None = None
    note: str = ""
    """Why there is none; what is not certain of the one there is."""


def gather(ask: Ask) -> Facts:
    """Look for everything.

    Raises:
        NcukitError: the file or something that was named cannot be used, or nothing says which GPU it is about.
    """
    path = bundled(ask.path) if ask.recorded else ask.path
    asked = gpus.get(ask.gpu) if ask.gpu else None
    source = read_text(path)
    _some_code(source)
    refused = _repair(ask, source)
    problem = _problem(ask, path)
    found = _measured(ask, source, asked)
    gpu = _gpu(found.report, asked, path, ask.verb)
    inspection, why_not = _inspected(ask, source, gpu, found.report)
    notes = [found.note] if found.report is not None and found.note else []
    measured_on = found.report.environment.gpu if found.report is not None else ""
    if measured_on and gpus.find(measured_on) is None:
        notes.insert(0, f"Measured on {measured_on}, whose facts are not known; those above are of the {gpu.name}.")
    diagnosis = None
    if found.report is not None:
        diagnosis = diagnose(found.report, gpu=gpu.name, source=path, recompile=ask.compiles)
    return Facts(
        code=source.code,
        path=path,
        gpu=gpu,
        report=found.report,
        diagnosis=diagnosis,
        inspection=inspection,
        repair=refused,
        problem=problem,
        unmeasured=found.note if found.report is None else "",
        uncompiled=why_not,
        notes=tuple(notes),
    )


def _some_code(source: SourceText) -> None:
    """Refuse a file in which nothing is done: no statement, or words alone."""
    if all(isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant) for part in source.tree.body):
        raise NcukitError(
            f"{'standard input' if source.path == '-' else source.path} holds no code",
            causes=("it is empty, or has nothing but comments",),
            next_command="ls kernels/",
            exit_code=Exit.NOTHING,
        )


def _problem(ask: Ask, path: str) -> Problem | None:
    """What the answer is held to: the file that is named, else the file itself where it states a problem."""
    if ask.problem is not None:
        return read_problem(ask.problem)
    try:
        return read_problem(path) if path != "-" else None
    except NcukitError:
        return None


def _measured(ask: Ask, source: SourceText, gpu: Gpu | None) -> Found:
    if ask.report is None and not ask.recorded:
        return _own_run(source, gpu, ask.verb)
    place = ask.report if ask.report is not None else _recording(source.path, gpu)
    report = read(place, gpu=gpu.name if gpu else None)
    if ask.recorded:
        report = replace(report, environment=replace(report.environment, recorded=True))
    stale, unsure = other_code(report, source.code, source.tree, source.path)
    if stale:
        raise NcukitError(
            f"{stale}: {place} says nothing of it",
            causes=("numbers of other code would mislead whoever reads the brief",),
            next_command=f"ncukit profile {quote(source.path)}",
            exit_code=Exit.NOTHING,
        )
    return Found(report=report, note=unsure)


def _recording(path: str, gpu: Gpu | None) -> str:
    target = Target(kind="kernel", argv=(path,), name=kernel_name(Path(path)))
    place = find(target, gpu.name if gpu else "")
    return os.path.relpath(place) if place.is_relative_to(Path.cwd()) else str(place)


def _own_run(source: SourceText, gpu: Gpu | None, verb: str) -> Found:
    """The run that ``ncukit profile`` left, if it is of this code. Nobody named it, so it is no error if it is not."""
    if source.path == "-":
        return Found(note="what comes from standard input has no run")
    place = find_run(source.path, gpu.name if gpu else "", "" if gpu else _seen(), verb)
    if place is None:
        return Found(note=f"there is no run of it{f' on {gpu.name}' if gpu else ''} in {ROOT}/")
    try:
        report = read(place)
    except NcukitError as error:
        return Found(note=f"its run {place} cannot be read: {error.message}")
    stale, unsure = other_code(report, source.code, source.tree, source.path)
    return Found(note=f"{stale} ({place})") if stale else Found(report=report, note=unsure)


def _seen() -> str:
    """The GPU of this machine; empty when there is none."""
    seen = visible_gpu()
    return seen.name if seen else ""


def _gpu(report: Report | None, asked: Gpu | None, path: str, verb: str) -> Gpu:
    """The GPU to write for: what was measured on, what was asked for, or what this machine has."""
    said = report.environment.gpu if report is not None else ""
    known = gpus.find(said) if said else None
    if asked is not None:
        if known is not None and known != asked:
            raise NcukitError(
                f"it was measured on {known.name}, not on {asked.name}",
                causes=("numbers of one GPU say little of another",),
                next_command=_on(verb, path, known.name),
            )
        return asked
    found = known or (gpus.find(_seen()) if not said else None)
    if found is None:
        words = "the brief" if verb == "brief" else f"`ncukit {verb}`"
        raise NcukitError(
            f"the spec table has no GPU called '{said}'" if said else f"which GPU is {words} for?",
            causes=("its facts are not known here",) if said else ("no measurement, and no known GPU in this machine",),
            next_command=_on(verb, path, "H200"),
        )
    return found


def _on(verb: str, path: str, gpu: str) -> str:
    """The same command for a GPU; ``ncukit tune`` takes one only where it measures nothing."""
    return f"ncukit {verb} {quote(path)}{' --dry-run' if verb == 'tune' else ''} --gpu {quote(gpu)}"


def _inspected(ask: Ask, source: SourceText, gpu: Gpu, report: Report | None) -> tuple[Inspection | None, str]:
    """What the compiler says: of the recorded launches, else of those that the host code makes; or none, and why."""
    if not ask.compiles:
        return None, "--no-compile"
    if source.path == "-":
        return None, "what comes from standard input is not compiled"
    recording = report.path if report is not None and (Path(report.path) / "launches.json").is_file() else None
    try:
        request = Request(
            path=source.path,
            archs=check_archs([f"sm_{gpu.compute_capability.replace('.', '')}"]),
            gpu=gpu.name,
            problem=ask.problem if recording is None else None,
            recording=recording,
        )
        return inspect(request).inspection, ""
    except NcukitError as error:
        return None, error.message


def _repair(ask: Ask, source: SourceText) -> Repair | None:
    """The refused answer and what stands against it."""
    if ask.reasons is None:
        return None
    try:
        document = jsonfile.parse(jsonfile.load(Path(ask.reasons), ask.reasons), ask.reasons)
    except NcukitError as error:  # its advice is for measurements
        raise no_reasons(ask.reasons, error.message) from error
    found = reasons_of(document, ask.reasons)
    if ask.answer is None:
        return Repair(code=source.code, reasons=found)
    try:
        with Path(ask.answer).open("rb") as stream:
            raw = stream.read(LARGEST)
    except OSError as error:
        raise NcukitError(
            f"cannot read {ask.answer}: {error.strerror}",
            causes=("the path is wrong, or it is a folder",),
            next_command=f"ls {quote(os.path.dirname(ask.answer) or '.')}",  # noqa: PTH120 - as it was typed
        ) from error
    try:
        return Repair(code=parse(raw, ask.answer).code, reasons=found)
    except NcukitError:
        return Repair(code=raw.decode("utf-8", "replace"), reasons=found)  # no Python: shown as it came
