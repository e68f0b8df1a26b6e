"""What compiling tells of settings before any of them runs: which of them cannot be the best one."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ncukit.errors import NcukitError
from ncukit.optimize.tune.knobs import OPTIONS
from ncukit.source.fit import fits_of
from ncukit.source.inspect import Request, vary

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ncukit.optimize.problem import Problem
    from ncukit.optimize.tune.knobs import Group, Setting
    from ncukit.source.collected import Variation

MORE_SPILLS = 16
"""Words a thread that may be spilled beyond what the file as it stands spills."""
MOST_COMPILED = 240
"""Settings that are compiled beforehand; of a larger space those nearest the file's own."""

_Plan = dict["Setting", dict[str, dict[str, Any]]]
"""Setting → kernel → what differs from its launch."""
NOTHING = "nothing is compiled beforehand: these are an autotuner's configurations, or numbers of the host code"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known without running anything."""

    ruled_out: Mapping[Setting, str] = field(default_factory=dict)
    """Setting → why it is not measured."""
    note: str = ""
    """Why nothing is known; empty otherwise."""


def facts_of(problem: Problem, groups: Sequence[Group], arch: str, gpu: str, python: str | None) -> list[Facts]:
    """Compile every group's settings for one architecture.

    Args:
        problem: the kernel file.
        groups: its knobs.
        arch: ``sm_90``.
        gpu: name of the GPU.
        python: interpreter with torch and triton.

    Returns:
        An entry a group.
    """
    plans = [_plan(group) if group.configs is None else {} for group in groups]
    asked: dict[str, list[dict[str, Any]]] = {}
    for kernel, override in (pair for plan in plans for by_kernel in plan.values() for pair in by_kernel.items()):
        rows = asked.setdefault(kernel, [])
        if override not in rows:
            rows.append(override)
    if not asked:
        return [Facts(note=NOTHING) for _ in groups]
    request = Request(
        path=problem.path,
        archs=(arch,),
        gpu=gpu,
        what_if=(arch,),
        sizes=dict(problem.sizes),
        probe=False,
        compile_only=True,
        python=python,
    )
    try:
        found, variations = vary(request, asked)
    except NcukitError as error:  # what is not ruled out is measured
        return [Facts(note=f"nothing could be compiled: {error.message}") for _ in groups]
    if not found.compiled:
        why = found.errors[0].message if found.errors else "; ".join(n.message for n in found.notes)
        return [Facts(note=f"nothing could be compiled: {why or 'no launch was found'}") for _ in groups]
    spilled: dict[str, int] = {}
    for one in found.compiled:
        spilled[one.launch.kernel] = max(spilled.get(one.launch.kernel, 0), one.spills)
    against: dict[tuple[str, str], str] = {}
    for row in variations:
        key = row.launch.kernel, repr(dict(row.override))
        against[key] = against.get(key) or _against(row, spilled.get(row.launch.kernel, 0))
    return [_ruled_out(plan, against) for plan in plans]


def _ruled_out(plan: _Plan, against: Mapping[tuple[str, str], str]) -> Facts:
    ruled_out: dict[Setting, str] = {}
    for setting, by_kernel in plan.items():
        whys = (against.get((kernel, repr(override)), "") for kernel, override in by_kernel.items())
        why = next((w for w in whys if w), "")
        if why:
            ruled_out[setting] = why
    return Facts(ruled_out=ruled_out, note="" if any(plan.values()) else NOTHING)


def _plan(group: Group) -> _Plan:
    """Setting → kernel → what differs from the launch, for the settings nearest the file's own."""
    own = group.own or ()
    nearest = sorted(group.settings, key=lambda s: _steps(s, own))
    found: _Plan = {}
    for setting in nearest[: MOST_COMPILED + 1]:
        if setting == group.own:
            continue
        found[setting] = {}
        for kernel in group.kernels:
            options: dict[str, int] = {}
            constants: dict[str, int] = {}
            for knob, value in zip(group.knobs, setting, strict=True):
                for name in knob.names.get(kernel, ()) if value != knob.value else ():
                    (options if name in OPTIONS else constants)[name] = value
            parts = {"options": options, "constexprs": constants}
            override = {name: values for name, values in parts.items() if values}
            if override:
                found[setting][kernel] = override
    return found


def _steps(one: Setting, other: Setting) -> int:
    """Doublings between two settings."""
    return sum(abs(a.bit_length() - b.bit_length()) for a, b in zip(one, other, strict=True))


def _against(variation: Variation, own_spills: int) -> str:
    """Why a compiled setting is not worth a measurement; empty when nothing speaks against it."""
    if variation.compiled is None:
        return f"it does not compile: {variation.message}"
    return _unfit(variation) or (
        f"it spills {variation.compiled.spills} words a thread, the file as it stands {own_spills}"
        if variation.compiled.spills > own_spills + MORE_SPILLS
        else ""
    )


def _unfit(variation: Variation) -> str:
    compiled = variation.compiled
    if compiled is None:
        return ""
    warps = variation.override.get("options", {}).get("num_warps", compiled.launch.num_warps)
    fits = fits_of(replace(compiled, launch=replace(compiled.launch, num_warps=warps)))
    return fits[0].problem if fits else ""
