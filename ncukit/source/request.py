"""What is to be inspected, and how: the request, held against the file and the table of GPUs before anything runs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ncukit import gpus
from ncukit.collect.target import LAYOUT, MODELS, constants, module_names
from ncukit.errors import NcukitError, nearest
from ncukit.source.inspection import Note
from ncukit.source.text import read_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ncukit.gpus import Gpu
    from ncukit.source.text import SourceText

ARCHS = ("sm_80", "sm_89", "sm_90", "sm_100", "sm_120")
"""What is compiled for when nothing is said: A100, Ada, Hopper, Blackwell in data centres and at desks."""
OLDEST = 8.0
"""Compute capability from which Triton supports NVIDIA GPUs."""
TIMEOUT_S = 180.0
MEMORY_GB = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to inspect, and how."""

    path: str
    archs: tuple[str, ...] = ARCHS
    gpu: str | None = None
    """The GPU that the host code believes to be on, where one architecture has several."""
    problem: str | None = None
    """File whose Model, get_inputs and get_init_inputs are used; for an answer that has only ModelNew."""
    recording: str | None = None
    """Run directory, or launches.json, whose launches are compiled instead of running the host code."""
    sizes: Mapping[str, str] | None = None
    arguments: tuple[str, ...] = ()
    """Of a script."""
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    lint_only: bool = False
    compile_only: bool = False
    """Whether the lint is left out: for who only asks what the compiler makes of the launches."""
    probe: bool = True
    """Whether launches are also compiled with other promises and stages, to say why accesses are narrow."""
    what_if: tuple[str, ...] = ()
    """Architectures for which launches are also compiled with other warps and tile sizes."""
    python: str | None = None
    timeout_s: float = TIMEOUT_S
    memory_gb: float = MEMORY_GB
    use_cache: bool = True


def check_archs(names: Sequence[str]) -> tuple[str, ...]:
    """Architectures as they are written here, each once.

    Raises:
        NcukitError: there is no GPU of one of them that Triton supports.
    """
    known = sorted({_arch(g) for g in gpus.all_gpus() if float(g.compute_capability) >= OLDEST}, key=_number)
    found = []
    for name in names:
        digits = re.fullmatch(r"(?:sm_?|compute_)?(\d{1,2})\.?(\d)[af]?", name.strip().lower())
        arch = f"sm_{digits.group(1)}{digits.group(2)}" if digits else name
        if arch not in known:
            close = nearest(arch, known)
            raise NcukitError(
                f"'{name}' is no architecture that can be compiled for",
                causes=(f"did you mean {close[0]}?" if close else "Triton starts at compute capability 8.0",),
                next_command=f"--arch {','.join(known)}",
            )
        found.append(arch)
    return tuple(dict.fromkeys(found))


def _arch(gpu: Gpu) -> str:
    return "sm_" + gpu.compute_capability.replace(".", "")


def _number(arch: str) -> int:
    return int(arch.removeprefix("sm_"))


def devices_of(request: Request) -> list[Gpu]:
    """The GPUs of the architectures, the one that is asked for first."""
    found = [g for arch in request.archs for g in gpus.all_gpus() if _arch(g) == arch]
    if request.gpu is None:
        return found
    chosen = gpus.get(request.gpu)
    if chosen not in found:
        raise NcukitError(
            f"{chosen.name} is {_arch(chosen)}, which is not among {', '.join(request.archs)}",
            causes=("--gpu says which GPU of an architecture the host code believes to be on",),
            next_command=f"--arch {_arch(chosen)} --gpu '{chosen.name}'",
        )
    return [chosen, *(g for g in found if g != chosen)]


def kind_of(request: Request, source: SourceText) -> tuple[str | None, tuple[Note, ...]]:
    """How launches are learned, or why they cannot be."""
    if request.recording is not None:
        return "recorded", ()
    defined = module_names(source.tree)
    given = module_names(read_text(request.problem).tree) if request.problem else defined
    lacking = [n for n in LAYOUT if n not in given]
    if request.problem and lacking:
        raise NcukitError(
            f"{request.problem} defines no {' and '.join(lacking)}",
            causes=("--problem names a kernel file with Model, get_inputs() and get_init_inputs()",),
            next_command=f"ncukit inspect {request.path} --problem kernels/naive/rms_norm.py",
        )
    if defined & set(MODELS) or (request.problem and "Model" in given):
        if not lacking:
            return "kernel", ()
        text = f"it has {' and '.join(sorted(defined & set(MODELS)))} but no {' and '.join(lacking)}"
        return None, (Note(code="no-inputs", message=f"{text}: no launch is known (--problem FILE gives inputs)"),)
    return "script", ()


def check_sizes(request: Request, source: SourceText) -> None:
    """Refuse a ``--size`` that nothing would read."""
    trees = [source.tree, *([read_text(request.problem).tree] if request.problem else [])]
    known = [name for tree in trees for name in constants(tree)]
    for name, value in (request.sizes or {}).items():
        if name not in known:
            close = nearest(name, known)
            raise NcukitError(
                f"{request.problem or request.path} has no module-level constant '{name}'",
                causes=(f"did you mean {close[0]}?" if close else f"it has: {', '.join(known) or 'none'}",),
                next_command=f"ncukit inspect {request.path} --size {(close or known or ['NAME'])[0]}={value}",
            )
        if not re.fullmatch(r"-?\d+(\.\d+)?", value):
            raise NcukitError(
                f"--size takes NAME=NUMBER, not '{name}={value}'",
                next_command=f"ncukit inspect {request.path} --size {name}=8",
            )
