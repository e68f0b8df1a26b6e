"""A variable has one type when a loop begins and another at the end of its body, or another in each branch.

What it means
    A variable that a loop changes has one type and shape for all trips: the one that it has before the loop. So has one
    that an ``if`` on a run-time value changes, whichever branch is taken.

Why it matters
    The kernel does not compile: ``Loop-carried variable acc has initial type int32 but is re-assigned to
    <['64'], fp32> in loop!``, or ``Mismatched type for acc between then block and else block``.

How it is found
    The body is followed as the compiler does it, with what is certain of each value: ``0`` is an int32 scalar, ``0.0``
    an fp32 scalar, ``tl.zeros((BLOCK,), tl.float32)`` a block; a quotient is a float, a comparison an int1. What a load
    from a parameter gives is not known, so many changes of type stay unseen. Unrolled loops and constexpr branches may
    change types.

Instead
    Begin with the type that the loop ends with: ``acc = tl.zeros((BLOCK,), dtype=tl.float32)`` or ``acc = 0.0``, or
    convert in the loop with ``.to(...)``.

When to ignore it
    Never: no version accepts it.

Sources
    10 of 804 failed candidates of a public optimisation run. Compiled with Triton 3.6.0, 3.7.1 and 3.9.0.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ncukit.source.lint import violation
from ncukit.source.lint.kinds import Change, Value, family, kinds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ncukit.source.inspection import Severity, Violation
    from ncukit.source.lint.module import Module

CODE = "TRI107"
NAME = "loop-carried-type"
SEVERITY: Severity = "error"

_NAMES = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16", "fp64": "float64"}


def check(module: Module) -> Iterator[Violation]:
    """Every such variable, at the assignment in the loop."""
    for kernel in module.kernels.values():
        found = kinds(module, kernel)
        told: set[tuple[str, ast.AST]] = set()
        for change in found.changes:
            if (change.name, change.node) in told:
                continue
            told.add((change.name, change.node))
            yield violation(
                __name__,
                module,
                change.assigned,
                _message(change),
                instead=_instead(change),
                kernel=kernel.name,
            )


def _message(change: Change) -> str:
    name, before, after, line = change.name, _described(change.before), _described(change.after), change.node.lineno
    if isinstance(change.node, ast.If):
        return (
            f"`{name}` is {after} after one way through the `if` of line {line} and {before} after the other: a branch "
            "at run time cannot change a variable's type"
        )
    return (
        f"`{name}` is {before} before the loop of line {line} and {after} after its body: a loop cannot change a "
        "variable's type"
    )


def _described(value: Value) -> str:
    """``an int32 scalar``, ``a block of fp32``."""
    dtype = {"float": "floating-point", "int": "integer"}.get(value.dtype or "", value.dtype or "")
    if value.form == "none":
        return "None"
    if value.form == "constexpr":
        return "a constexpr"
    if value.form == "block":
        dims = ""
        if value.dims:
            dims = f" [{', '.join('?' if d is None else str(d) for d in value.dims)}]"
        return f"a block{dims}" + (f" of {dtype}" if dtype else "")
    if value.form == "unknown":
        return f"of type {dtype}" if dtype else "something else"
    article = "an" if dtype[:1] in ("i", "u") and not dtype.startswith("uint") else "a"
    return f"{article} {dtype} scalar" if dtype else "a scalar"


def _instead(change: Change) -> str:
    before, after, name = change.before, change.after, change.name
    place = "the `if`" if isinstance(change.node, ast.If) else "the loop"
    line = f" in line {change.start.lineno}" if change.start is not None else f" before {place}"
    if before.form in ("constexpr", "none"):
        if before.form == "constexpr":
            return f"another name: `{name}_ = {name}` before {place}, changed in its place"
        return f"begin with a value of the type that it gets later{line}"
    if after.form == "block":
        if after.dims and None not in after.dims:
            dtype = _NAMES.get(after.dtype or "", after.dtype if family(after.dtype) == "int" else "float32")
            shape = ", ".join(str(d) for d in after.dims) + ("," if len(after.dims) == 1 else "")
            return f"`{name} = tl.zeros(({shape}), dtype=tl.{dtype})`{line}"
        if before.form == "block":
            return f"keep one shape, or another name for the new one; `{name}` is made{line}"
        return f"begin with a block of that shape, `tl.zeros(shape, dtype=tl.float32)`,{line}"
    if before.form == "block":
        return f"another name for the result: `{name}` stays the block that it is{line}"
    if family(after.dtype) == "float" and family(before.dtype) == "int" and isinstance(change.start, ast.Assign):
        value = change.start.value
        if isinstance(value, ast.Constant) and isinstance(value.value, int):
            return f"`{name} = {float(value.value)}`{line}"
    wanted = _NAMES.get(before.dtype or "", before.dtype)
    if wanted in ("float", "int", "pointer", None):
        return f"one type in both places: convert with `.to(…)`{line}"
    return f"convert with `.to(tl.{wanted})` in line {change.assigned.lineno}, or begin with the other type{line}"
