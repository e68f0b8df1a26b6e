"""The order that the brief asks for: imports, kernels, wrappers, ``ModelNew``; and nothing that runs by itself.

Constants, lists of configurations and functions that launch nothing may stand anywhere before ``ModelNew``.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ncukit.collect.target import LAYOUT
from ncukit.optimize.check.answer import MODEL, Function
from ncukit.optimize.check.words import reason, short

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ncukit.optimize.check.answer import Answer
    from ncukit.optimize.verdict import Reason

_STAGES = ("import", "kernel", "wrapper", f"class {MODEL}")
_ORDER = "imports, @triton.jit functions, wrappers, then class ModelNew"
_TESTS = ("test_", "bench", "check_")
_LEAVE = "leave tests, timing and inputs out: the check brings its own"


def check(answer: Answer) -> Iterator[Reason]:
    """What stands in the wrong place, or does not belong into an answer."""
    yield from _model(answer)
    if answer.own:
        return
    reached, before = 0, ""
    for node in answer.tree.body:
        yield from _testing(node)
        stage = _stage(answer, node)
        if stage is None and reached == len(_STAGES) - 1 and isinstance(node, Function | ast.ClassDef):
            yield reason("order", node, f"{short(node.name)} stands after class {MODEL}", f"the order is: {_ORDER}")
        elif stage is not None and stage < reached:
            text = f"{_what(node, stage)} stands after {before}"
            yield reason("order", node, text, f"the order is: {_ORDER}")
        elif stage is not None and stage > reached:
            reached, before = stage, _what(node, stage)


def _model(answer: Answer) -> Iterator[Reason]:
    model = answer.model
    if model is None:
        text = f"there is no class {MODEL} at the top level of the code"
        yield reason(
            "no-model", answer.tree, text, f"end with class {MODEL}(nn.Module) whose forward launches the kernels"
        )
        return
    for node in answer.tree.body:
        if isinstance(node, ast.ClassDef) and node.name == MODEL and node is not model:
            yield reason("order", node, f"there are two classes {MODEL}", "give one")
    if not any(isinstance(n, ast.FunctionDef) and n.name == "forward" for n in model.body):
        yield reason("no-model", model, f"class {MODEL} has no forward of its own", "define forward in it")
    if not answer.kernels and not (answer.own and _is_gluon(answer)):
        text = "there is no @triton.jit function in the answer"
        yield reason(
            "no-triton-kernel", model, text, "write the computation as a Triton kernel and launch it in forward"
        )


def _is_gluon(answer: Answer) -> bool:
    """Whether there is a function in Triton's other language, which only an engineer's file may be in."""
    marks = (d for n in ast.walk(answer.tree) if isinstance(n, ast.FunctionDef) for d in n.decorator_list)
    return any(name.startswith("triton.experimental.") for mark in marks for name in answer.scopes.dotted(mark))


def _stage(answer: Answer, node: ast.stmt) -> int | None:
    """Index in ``_STAGES``; None for what may stand anywhere."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        return 0
    if isinstance(node, ast.Try | ast.If) and any(isinstance(n, ast.Import | ast.ImportFrom) for n in node.body):
        return 0
    if answer.is_kernel(node):
        return 1
    if node is answer.model:
        return 3
    if isinstance(node, Function | ast.ClassDef) and answer.launches([node]):
        return 2
    return None


def _what(node: ast.stmt, stage: int) -> str:
    if isinstance(node, ast.ClassDef) and node.name == MODEL:
        return _STAGES[stage]
    return (
        f"{_STAGES[stage]} {short(node.name)}" if isinstance(node, Function | ast.ClassDef) else f"the {_STAGES[stage]}"
    )


def _runs(node: ast.stmt) -> bool:
    """Whether a statement at the top level does more than define something."""
    if isinstance(node, ast.Expr):
        return not isinstance(node.value, ast.Constant)
    return isinstance(node, ast.While | ast.With | ast.Delete | ast.Raise)


def _testing(node: ast.stmt) -> Iterator[Reason]:
    if isinstance(node, ast.If) and any(isinstance(n, ast.Name) and n.id == "__name__" for n in ast.walk(node.test)):
        yield reason("testing-code", node, "there is an `if __name__` block", _LEAVE)
    elif isinstance(node, Function) and node.name in LAYOUT:
        yield reason("testing-code", node, f"{node.name} is the problem's, not the answer's", _LEAVE)
    elif isinstance(node, Function) and (node.name in ("main", "test") or node.name.startswith(_TESTS)):
        yield reason("testing-code", node, f"{short(node.name)} is testing code", _LEAVE)
    elif _runs(node):
        yield reason("testing-code", node, "something runs when the answer is loaded", _LEAVE)
    elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
        made = [n for n in ast.walk(node.value) if isinstance(n, ast.Name) and n.id == MODEL]
        if made:
            yield reason("testing-code", node, f"{MODEL} is used when the answer is loaded", _LEAVE)
