"""Which measurement a brief may show: the run of this very code, or none and the reason."""

from __future__ import annotations

import ast
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from ncukit.collect import reference
from ncukit.collect.session import gpu_slug
from ncukit.collect.target import kernel_name
from ncukit.errors import NcukitError
from ncukit.optimize.brief.words import both, line, listed, name
from ncukit.optimize.tune.edits import Text
from ncukit.optimize.tune.places import Places

if TYPE_CHECKING:
    from ncukit.model import Report, TritonLaunch

ROOT = Path("profiles")
"""Where ``ncukit profile`` keeps runs."""
NO_RUNS = ("baselines", "compare")
"""Folders beside those of the GPUs."""
AGREES = "The run does not say which code it measured; kernel names, lines and parameters are those of this file."
NAMES_AGREE = "The report does not say which code it measured; its kernels' names stand in this file."


def find_run(path: str, gpu: str = "", seen: str = "", verb: str = "brief") -> Path | None:
    """The run directory that ``ncukit profile`` would have written for a kernel file.

    Args:
        path: the file.
        gpu: the GPU that it must be of; empty for any.
        seen: the GPU of this machine, which is taken where there are runs of several.
        verb: the command that asks.

    Raises:
        NcukitError: there are runs of several GPUs, and nothing says which one counts.
    """
    run = kernel_name(Path(path))
    places = [p.parent for p in sorted(ROOT.glob(f"*/{run}/run.json")) if p.parent.parent.name not in NO_RUNS]
    if gpu:
        return next((place for place in places if place.parent.name == gpu_slug(gpu)), None)
    if len(places) > 1 and seen:
        places = [place for place in places if place.parent.name == gpu_slug(seen)] or places
    if len(places) > 1:
        raise NcukitError(
            f"{path} was measured on several GPUs",
            causes=(f"there are {listed(str(place) for place in places)}",),
            next_command=f"ncukit {verb} {quote(path)} --report {places[0]}",
        )
    return places[0] if places else None


def other_code(report: Report, code: str, tree: ast.Module, path: str) -> tuple[str, str]:
    """(why the report cannot be of this code, what is not certain where it can); one of them may be empty.

    Args:
        report: what was measured.
        code: the code.
        tree: its syntax.
        path: its file, as the user named it.
    """
    if report.code:
        same = report.code == reference.code(tree)
        return "" if same else f"{path} is not the code that was measured, or has changed since", ""
    functions = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    mine = [x for x in report.launches if x is not None and _in_this_file(x, path)]
    if mine:
        wrong = [x.kernel for x in mine if not _same(x, functions.get(x.kernel))]
        kernels = listed(dict.fromkeys(map(name, wrong)), 3)
        why = f"{path} has changed since it was measured: {kernels} had another line or other parameters"
        if wrong:
            return why, ""
        if turned := _other_numbers(report, mine, code, tree):
            return f"{path} has changed since it was measured: {turned}", ""
        return "", AGREES
    measured = [str(kernel) for kernel in dict.fromkeys(report.frame["kernel"])]
    if not set(measured) & set(functions):
        return f"{path} defines none of the kernels that were measured ({listed(map(name, measured), 3)})", ""
    return "", NAMES_AGREE


def _in_this_file(launch: TritonLaunch, path: str) -> bool:
    return launch.file is None or Path(launch.file).name == Path(path).name


def _same(launch: TritonLaunch, function: ast.FunctionDef | None) -> bool:
    """Whether the recorded launch can be one of this function."""
    if function is None or (launch.line is not None and launch.line != function.lineno):
        return False
    parameters = {a.arg for a in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)}
    names = {*launch.constexprs, *(n.split(".")[0] for n in (*launch.scalars, *(t.name for t in launch.tensors)))}
    return names <= parameters


def _other_numbers(report: Report, launches: list[TritonLaunch], code: str, tree: ast.Module) -> str:
    """The first launch that the file makes with other numbers, in words; empty when there is none."""
    try:
        places = Places(tree, Text(code), frozenset(_sizes(report)))
        return next(filter(None, (_turned(launch, places) for launch in launches)), "")
    except RecursionError:  # a long chain of operators somewhere in the file
        return ""


def _sizes(report: Report) -> list[str]:
    """Constants of the file that the run set to something else."""
    return [setting.partition("=")[0].strip() for setting in report.problem.get("sizes", "").split(",")]


def _turned(launch: TritonLaunch, places: Places) -> str:
    """What the launch ran with and the file says otherwise; empty where it says the same, or computes it."""
    if launch.kernel not in places.launched or places.autotuner(launch.kernel) is not None:
        return ""
    ran = {key: value for key, value in launch.constexprs.items() if type(value) is int}
    said = {key: places.constant(launch.kernel, key)[0] for key in ran}
    for key, value in (("num_warps", launch.num_warps), ("num_stages", launch.num_stages)):
        ran[key], said[key] = value, places.option(launch.kernel, key)[0]
    other = [key for key in ran if said[key] is not None and said[key] != ran[key]]
    words = both([f"{line(key, 60)}={ran[key]} (here {said[key]})" for key in other])
    return f"{name(launch.kernel)} ran with {words}" if other else ""
