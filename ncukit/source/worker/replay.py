"""Recorded launches made again, on tensors of the recorded types and sizes: the file's host code is not run."""

from __future__ import annotations
import __future__

import ast
import contextlib
import math
import sys
from typing import TYPE_CHECKING, Any

import torch

from ncukit.source.skeleton import LONGEST, LeftOut, origins, sift, without
from ncukit.source.worker import namespace

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

OPTIONS: Mapping[str, type] = {
    "maxnreg": int,
    "enable_fp_fusion": bool,
    "launch_cooperative_grid": bool,
    "launch_pdl": bool,
}
"""Launch options that a recording may set, and their types: others name files or rewrite the compiler's output."""


def replay(record: Mapping[str, Any], target: Path, notes: list[dict[str, Any]] | None = None) -> list[dict[str, Any]]:
    """Launch what ``launches.json`` holds of the kernels that ``target`` defines.

    Args:
        record: what ``ncukit.source.recording`` let through.
        target: the file.
        notes: where the answer is put too, so that it is had when this raises.

    Returns:
        One note for each recorded kernel that was not launched: its code, message, line and kernel.

    Raises:
        LookupError: the file defines none of them, or not in a way that can be had without running it.
        Exception: what Triton said of the first launch that it would not take; the others have been made.
    """
    notes = [] if notes is None else notes
    functions, lost = _functions(target)
    made, missed, failed = set(), set(), []
    for launch in record["launches"]:
        kernel = record["kernels"][launch["kernel"]]
        name = str(kernel["name"])
        if name not in functions:
            if name not in missed:
                missed.add(name)
                notes.append(_note(name, lost.get(name), target))
            continue
        made.add(name)
        try:
            _launch(functions[name], launch, kernel)
        except Exception as error:  # one launch that cannot be made again does not take the others along
            failed.append(error)
    if missed and not made:
        raise LookupError("; ".join(note["message"] for note in notes)[:LONGEST])
    if failed:
        raise failed[0]
    return notes


def _note(name: str, lost: LeftOut | None, target: Path) -> dict[str, Any]:
    if lost is None:
        text = f"{name[:LONGEST]} was recorded, and {target.name} does not define it"
        return {"code": "elsewhere", "message": text, "line": None, "kernel": name}
    text = f"{name} cannot be taken out of {target.name} without running the file: it {lost.why}"
    return {"code": "left-out", "message": text, "line": lost.line, "kernel": name}


def _functions(target: Path) -> tuple[dict[str, Any], dict[str, LeftOut]]:
    """The Triton functions of a file that can be had without running it, and all its other functions."""
    module = namespace.fresh("_inspected", str(target))
    sys.modules[module.__name__] = module
    tree = ast.parse(target.read_bytes(), filename=str(target))
    sifted = sift(tree)
    body, names, why = sifted.module.body, module.__dict__, {}
    found: dict[str, Any] = {}
    for node in body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            namespace.bind(node, names)
        elif not isinstance(node, ast.FunctionDef):
            with contextlib.suppress(Exception):  # of something that is not in this version of Triton, for one
                _run(node, target, names)
        elif reason := _found(node, target, names):
            why[node.name] = reason
        else:
            found[node.name] = names[node.name]
    lines = {node.name: node.lineno for node in body if isinstance(node, ast.FunctionDef)}
    without(body, why, origins(tree))
    lost = {name: LeftOut(line=lines[name], why=reason) for name, reason in why.items()}
    return {n: f for n, f in found.items() if n not in why}, {**sifted.left_out, **lost}


def _found(node: ast.FunctionDef, target: Path, names: dict[str, Any]) -> str:
    """Have a function's name in ``names``; why it may not be there, or nothing."""
    try:
        _run(node, target, names)
        made = names.pop(node.name)
        if not _same(made, node):
            return "is not, for Triton, the text that stands there"
        if namespace.takes_apart(made, node):
            return "asks a value or a function for its parts"
    except Exception as error:
        return f"cannot be defined: {type(error).__name__}: {error}"[:LONGEST]
    names[node.name] = made
    return ""


def _run(node: ast.stmt, target: Path, names: dict[str, Any]) -> None:
    """Run one statement that ``sift`` let through, without what this file imports from the future."""
    alone = ast.Module([node], [])
    try:
        exec(compile(alone, str(target), "exec", flags=0, dont_inherit=True), names)  # noqa: S102 - see above
    except NameError:  # an annotation of something that was left out; Triton reads the text of one as well
        flag = __future__.annotations.compiler_flag
        exec(compile(alone, str(target), "exec", flags=flag, dont_inherit=True), names)  # noqa: S102 - see above


def _same(function: Any, node: ast.FunctionDef) -> bool:
    """Whether Triton will compile what was looked at: it finds a function's text in the file by itself, by pattern."""
    compiled = function.parse().body[0]
    parts = ("name", "args", "body", "returns")
    return hasattr(function, "arg_names") and all(
        ast.dump(_node(getattr(compiled, part))) == ast.dump(_node(getattr(node, part))) for part in parts
    )


def _node(value: Any) -> ast.AST:
    if isinstance(value, list):
        return ast.Module(value, [])
    return value if isinstance(value, ast.AST) else ast.Constant(value)


def _launch(function: Any, launch: Mapping[str, Any], kernel: Mapping[str, Any]) -> None:
    options = {k: int(kernel[k]) for k in ("num_warps", "num_stages", "num_ctas") if kernel.get(k)}
    recorded = kernel.get("options") or {}
    options |= {name: recorded[name] for name, kind in OPTIONS.items() if type(recorded.get(name)) is kind}
    values = _values(launch, kernel)
    given = {name: _argument(name, values) for name in function.arg_names}
    function[tuple(launch["grid"])](**given, **options)


def _argument(name: str, values: Mapping[str, Any]) -> Any:
    """A parameter's value. A tuple's members were recorded one by one: ``x.0``, ``x.1``."""
    if name in values:
        return values[name]
    members = {key.removeprefix(f"{name}.").split(".")[0] for key in values if key.startswith(f"{name}.")}
    if not members:
        return None
    return tuple(_argument(f"{name}.{i}", values) for i in range(len(members)))


def _values(launch: Mapping[str, Any], kernel: Mapping[str, Any]) -> dict[str, Any]:
    constants = {name: _constant(value) for name, value in kernel["constexprs"].items()}
    return {**launch["scalars"], **constants, **{t["name"]: _tensor(t) for t in launch["tensors"]}}


def _constant(value: Any) -> Any:
    """A recorded constant; a type was recorded by its name."""
    from triton import language

    if isinstance(value, str) and value in (*language.dtype.SINT_TYPES, *language.dtype.UINT_TYPES):
        return language.dtype(value)
    return language.dtype(value) if isinstance(value, str) and value in language.dtype.FP_TYPES else value


def _tensor(recorded: Mapping[str, Any]) -> Any:
    dtype = getattr(torch, str(recorded["dtype"]).replace("torch.", ""), None)
    if not isinstance(dtype, torch.dtype):
        raise LookupError(f"the recorded type {recorded['dtype']!s:.60} is none of torch's")
    shape = tuple(int(n) for n in recorded["shape"])
    if recorded.get("aligned") is not False:
        return torch.empty(shape, dtype=dtype)
    return torch.empty(math.prod(shape) + 1, dtype=dtype)[1:].view(shape)  # one element behind a multiple of 16 bytes
