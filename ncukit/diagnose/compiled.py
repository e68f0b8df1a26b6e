"""What Triton's compiler makes of measured kernels: recorded launches compiled again, without a GPU.

A measurement says that lanes move one byte; the compiler says which argument kept it from joining them. It is asked
only about kernels with a finding whose rule has a use for the answer, and only where the kernel file is the one that
was measured. Nothing that a report names is run: of the file only its Triton functions and constants are taken
(``ncukit.source.skeleton``), in a process with limits. Whatever goes wrong is a reason, and changes no finding.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ncukit.collect.reference import code_of
from ncukit.diagnose.relaunch import as_recording, find
from ncukit.errors import NcukitError
from ncukit.source.inspect import Request, check_archs, inspect

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ncukit.diagnose.facts import Kernel
    from ncukit.diagnose.rules import AskingRule
    from ncukit.model import Report
    from ncukit.source.inspection import Compiled, Inspection

TIMEOUT_S = 25.0
"""Seconds for all kernels of a report; ending what takes longer takes a few more. A second try goes on from there."""
MOST = 8
"""Kernels that are compiled again."""
FAILURES = (OSError, ValueError, TypeError, LookupError, AttributeError, RuntimeError, MemoryError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """The machine code of one kernel, compiled again."""

    compiled: Compiled
    path: str
    """The kernel file."""
    triton: str
    """Version that compiled it."""
    measured: str
    """Version that it was measured with; empty when the report does not say."""
    same: bool
    """Whether it is the measured code, as far as version, registers and spills can tell."""
    assigned: Mapping[int, str]
    """Line → the variable that is assigned there."""

    @property
    def doubt(self) -> str:
        """``; compiled with Triton 3.7.1, measured with 3.6.0``; empty when it is the measured code."""
        if self.same:
            return ""
        if not self.measured:
            return f"; compiled with Triton {self.triton}, measured with an unknown version"
        if self.measured == self.triton:
            return f"; compiled again with Triton {self.triton}"
        return f"; compiled with Triton {self.triton}, measured with {self.measured}"

    def at(self, line: int | None) -> str | None:
        """``path:line``."""
        return f"{self.path}:{line}" if line else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The code, or none, and why."""

    code: Code | None = None
    note: str


def compile_again(report: Report, asked: Sequence[tuple[Kernel, Sequence[AskingRule]]]) -> list[Answer]:
    """The code of kernels, each with the rules that ask for it, those of most weight first."""
    reasons = [_reason(report, kernel) for kernel, _ in asked]
    wanted = [i for i, reason in enumerate(reasons) if not reason]
    for i in wanted[MOST:]:
        reasons[i] = f"only the {MOST} longest kernels are"
    wanted = wanted[:MOST]
    found: Inspection | None = None
    problem = ""
    if wanted:
        try:
            found = _inspected(report, [asked[i][0] for i in wanted])
        except NcukitError as error:
            problem = error.message
        except FAILURES as error:  # advice without these facts is better than none
            problem = f"{type(error).__name__}: {str(error)[:200]}"
    answers = []
    for (kernel, rules), reason in zip(asked, reasons, strict=True):
        if reason or problem or found is None:
            answers.append(Answer(note=f"not compiled again: {reason or problem}"))
        else:
            answers.append(_answer(report, kernel, rules, found))
    return answers


def _reason(report: Report, kernel: Kernel) -> str:
    """Why the kernel cannot be compiled again; empty when it can."""
    launch = kernel.triton
    if launch is None:
        return "how it was launched was not recorded"
    if kernel.source is None or kernel.function is None:
        return f"its file is not at hand ({launch.file or report.target or 'unknown'}; --source names it)"
    path, target = Path(kernel.source.path), Path(report.target.split(" ")[0])
    if launch.file and Path(launch.file).name != path.name:
        return f"it is defined in {launch.file}, not in {kernel.source.path}"
    now = code_of(path)
    if report.code and now == report.code:
        return ""
    if not now or (report.code and path.name == target.name):
        return f"{kernel.source.path} has changed since it was measured"
    # an older recording has no hash of the code, and that of a script says nothing of the files that it imports
    names = {*launch.constexprs, *(n.split(".")[0] for n in (*launch.scalars, *(t.name for t in launch.tensors)))}
    if kernel.function.line != launch.line or not names <= {*kernel.function.parameters}:
        return f"{kernel.source.path} has changed since it was measured: the kernel has another line or parameters"
    return ""


def _inspected(report: Report, kernels: Sequence[Kernel]) -> Inspection:
    """What the compiler makes of these launches.

    Raises:
        NcukitError: the GPU is none that Triton compiles for, or the process came to no end.
    """
    gpu = kernels[0].limits.gpu
    capability = report.environment.compute_capability or (gpu.compute_capability if gpu else "")
    if not capability:
        raise NcukitError(
            "the GPU it was measured on is unknown", causes=("the report does not say",), next_command="--gpu"
        )
    archs = check_archs([f"sm_{capability.replace('.', '')}"])
    path = kernels[0].source.path if kernels[0].source else ""
    launches = [k.triton for k in kernels if k.triton is not None]
    with tempfile.TemporaryDirectory(prefix="ncukit-diagnose-") as folder:
        recording = Path(folder) / "launches.json"
        recording.write_text(json.dumps(as_recording(launches)), encoding="utf-8")
        request = Request(path=path, archs=archs, recording=str(recording), compile_only=True, timeout_s=TIMEOUT_S)
        return inspect(request).inspection


def _answer(report: Report, kernel: Kernel, rules: Sequence[AskingRule], found: Inspection) -> Answer:
    launch, measured = kernel.triton, report.environment.triton_version
    compiled = find(launch, found.compiled) if launch is not None else None
    if launch is None or kernel.function is None or compiled is None:
        said = [e.message for e in found.errors if e.kernel in ("", kernel.name)] + [n.message for n in found.notes]
        return Answer(note=f"not compiled again: {(said or ['Triton gave no code for it'])[0][:400]}")
    triton = found.versions.get("triton", "of an unknown version")
    differs = [
        f"{now} {what} where {then} were recorded"
        for what, now, then in (
            ("registers", compiled.registers, launch.registers), ("words spilled", compiled.spills, launch.spills)
        )
        if then is not None and now != then
    ]  # fmt: skip
    said_of = f"compiled again for {compiled.arch} with Triton {triton}"
    if measured and measured != triton:
        said_of += f" (measured with {measured})"
    against = next((reason for rule in rules if (reason := rule.against(kernel, compiled))), "")
    if measured == triton and differs:
        against = f"the same Triton gives {' and '.join(differs)}"
    if against:
        return Answer(note=f"{said_of}, and left aside: {against}")
    known = launch.registers is not None and launch.spills is not None
    code = Code(
        compiled=compiled,
        path=kernel.source.path if kernel.source else "",
        triton=triton,
        measured=measured,
        same=measured == triton and known,
        assigned=kernel.function.assigned,
    )
    what = " and ".join(differs) or f"{compiled.registers} registers and {compiled.spills} words spilled"
    as_recorded = "" if differs or not known else ", as recorded"
    # an older recording has no hash of its file: the same line, parameters and registers are no proof
    unsure = "" if report.code else "; whether the file was another one then is not recorded"
    return Answer(code=code, note=f"{said_of}: {what}{as_recorded}{unsure}")
