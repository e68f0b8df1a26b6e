"""From a kernel file to the plan of its search."""

from __future__ import annotations

from dataclasses import dataclass, replace
from shlex import quote
from typing import TYPE_CHECKING

from ncukit.errors import Exit, NcukitError
from ncukit.optimize.tune import Plan
from ncukit.optimize.tune.advice import Advice, advise
from ncukit.optimize.tune.facts import Facts, facts_of
from ncukit.optimize.tune.knobs import find_knobs
from ncukit.optimize.tune.problem_names import problem_names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ncukit.model import Diagnosis
    from ncukit.optimize.problem import Problem
    from ncukit.optimize.tune.knobs import Knobs


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the search may do."""

    only: tuple[str, ...] = ()
    """Knobs to turn (``BLOCK_SIZE``, ``kernel.num_warps``); empty for all."""
    budget: int | None = None
    minutes: float | None = None
    compiles: bool = True
    """Whether settings are compiled beforehand to rule some out."""
    python: str | None = None


def knobs_of(problem: Problem, wish: Wish) -> Knobs:
    """The knobs that a search of this file turns.

    Raises:
        NcukitError: there is nothing to turn, or no file that a diff could change.
    """
    if problem.path == "-" or problem.fenced or "\ufffd" in problem.code:
        raise NcukitError(
            f"{'standard input' if problem.path == '-' else problem.path} is no file that a diff could change",
            causes=("it has to be Python alone, in UTF-8: what is found is said as a diff of it",),
            next_command="ncukit tune kernels/naive/layer_norm.py",
        )
    # what --size sets is the same whatever the text says
    given = problem_names(problem.tree) | problem.sizes.keys()
    knobs = find_knobs(problem.code, problem.tree, frozenset(given))
    knobs = _only(knobs, wish.only, problem.path) if wish.only else knobs
    if not knobs.groups:
        whys = "; ".join(dict.fromkeys(f"{f.kernel}: {f.name} (line {f.line}): {f.why}" for f in knobs.fixed))
        raise NcukitError(
            f"{problem.path} has no number that could be turned",
            causes=(whys[:1500] or "it launches no Triton kernel of its own",),
            next_command=f"ncukit brief {quote(problem.path)}",
            exit_code=Exit.NOTHING,
        )
    return knobs


def prepare(
    problem: Problem, wish: Wish, *, arch: str, gpu: str, diagnosis: Diagnosis | None, unmeasured: str = ""
) -> tuple[Plan, Advice]:
    """Find the knobs, compile their settings, and put them in order.

    Args:
        problem: the kernel file.
        wish: what the search may do.
        arch: architecture to compile for, such as ``sm_90``.
        gpu: name of the GPU.
        diagnosis: of a measurement of this code; None without one.
        unmeasured: why there is none.

    Raises:
        NcukitError: there is nothing to turn.
    """
    knobs = knobs_of(problem, wish)
    advice = advise(knobs, diagnosis, unmeasured)
    nothing: Sequence[Facts] = [Facts(note="not asked for")] * len(knobs.groups)
    facts = facts_of(problem, knobs.groups, arch, gpu, wish.python) if wish.compiles else nothing
    seconds = wish.minutes * 60 if wish.minutes is not None else None
    return (
        Plan(
            problem=problem,
            knobs=knobs,
            facts=tuple(facts),
            suggested=advice.suggested,
            order=advice.order,
            budget=wish.budget,
            seconds=seconds,
        ),
        advice,
    )


def _only(knobs: Knobs, names: Sequence[str], path: str) -> Knobs:
    """The knobs of these names; the others keep their numbers."""
    groups, found = [], set()
    for group in knobs.groups:
        kept = []
        for index, knob in enumerate(group.knobs):
            pairs = [(kernel, name) for kernel, called in knob.names.items() for name in called]
            known = {knob.name, *(name for _, name in pairs), *(f"{kernel}.{name}" for kernel, name in pairs)}
            if known & set(names):
                found |= known & set(names)
                kept.append(index)
        if kept and group.configs is not None:
            groups.append(group)  # an autotuner's configuration is one piece of text
        elif kept:
            turned = tuple(group.knobs[i] for i in kept)
            groups.append(replace(group, knobs=turned, own=tuple(knob.value for knob in turned)))
    missing = [name for name in names if name not in found]
    if missing:
        there = sorted({knob.name for group in knobs.groups for knob in group.knobs})
        left = [f for f in knobs.fixed if missing[0] in (f.name, f"{f.kernel}.{f.name}")]
        raise NcukitError(
            f"{path} has no number '{missing[0]}' that could be turned",
            causes=(*(f"{f.kernel}: line {f.line}: {f.why}" for f in left[:5]), f"it has {', '.join(there) or 'none'}"),
            next_command=f"ncukit tune {quote(path)} --dry-run",
        )
    return replace(knobs, groups=tuple(groups))
