"""Python's own names: which builtins an answer may use, how, and which classes it may derive from."""

from __future__ import annotations

import ast
import builtins
from typing import TYPE_CHECKING

from ncukit.optimize.check import roads
from ncukit.optimize.check.words import reason, short

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ncukit.optimize.check.answer import Answer
    from ncukit.optimize.verdict import Reason

_CALLED = ("getattr", "hasattr", "super", "type")
"""Builtins that are only called where they stand, never handed on."""
_EXITS = ("exit", "quit", "SystemExit", "KeyboardInterrupt", "GeneratorExit", "BaseException")
_BASES = (
    "torch.nn.", "torch.autograd.Function", "torch.autograd.function.Function", "typing.NamedTuple", "typing.Protocol",
    "typing.Generic", "typing.TypedDict", "enum.",
)  # fmt: skip
_TENSORS = ("Tensor", "Parameter", "Buffer")


def check(answer: Answer) -> Iterator[Reason]:
    """Builtins that are not for answers, coroutines, and classes that are more than classes."""
    for node in ast.walk(answer.tree):
        if isinstance(node, ast.Name) and answer.scopes.is_free(node):
            yield from _builtin(answer, node)
        elif isinstance(node, ast.AsyncFunctionDef | ast.AsyncFor | ast.AsyncWith | ast.Await):
            yield reason("thread", node, "coroutines let work go on elsewhere", "write plain functions")
        elif isinstance(node, ast.ClassDef):
            yield from _class(answer, node)


def _builtin(answer: Answer, node: ast.Name) -> Iterator[Reason]:
    if node.id in roads.listed("python"):
        yield from _handed_on(answer, node) if node.id in _CALLED else ()
    elif node.id in _EXITS:
        text = f"{node.id} could end the process that holds the answer to the reference"
        yield reason("forbidden-name", node, text, "raise ValueError or TypeError for what is not supported")
    elif hasattr(builtins, node.id) and not node.id.startswith("__"):
        text = f"the builtin {node.id} is not among what an answer may use"
        yield reason("forbidden-name", node, text, "an answer needs torch, triton and plain Python")


def _handed_on(answer: Answer, node: ast.Name) -> Iterator[Reason]:
    """``super`` and its kin in another place than a call, and ``type(x)`` where it is more than a question."""
    call = answer.scopes.parents.get(node)
    if isinstance(call, ast.Subscript):  # type[int]
        return
    if not isinstance(call, ast.Call) or call.func is not node:
        yield reason("forbidden-name", node, f"{node.id} is used as a value", f"call {node.id} where it is needed")
        return
    outer = answer.scopes.parents.get(call)
    if node.id == "type":
        named = isinstance(outer, ast.Attribute) and outer.attr == "__name__"
        if len(call.args) != 1 or call.keywords or not (named or isinstance(outer, ast.Compare | ast.FormattedValue)):
            text = f"{short(ast.unparse(call))} makes or hands on a class"
            yield reason("forbidden-name", node, text, "compare types, or use isinstance")
    elif node.id == "super" and not isinstance(outer, ast.Attribute):
        yield reason("forbidden-name", node, "super() is used as a value", "call super().__init__()")


def _class(answer: Answer, node: ast.ClassDef) -> Iterator[Reason]:
    for base in node.bases:
        named = answer.scopes.dotted(base)
        if any(name.startswith("torch.") and name.rsplit(".", 1)[-1].endswith(_TENSORS) for name in named):
            text = f"class {short(node.name)} is a tensor that decides itself when it computes"
            yield reason("lazy-tensor", node, text, "return plain tensors that the kernels have written")
        elif named:
            if not all(name.startswith(_BASES) for name in named):
                yield _base(node, base)
        elif isinstance(base, ast.Name) and answer.scopes.is_free(base):
            if base.id != "object" and not base.id.endswith(("Error", "Exception", "Warning")):
                yield _base(node, base)
        elif not isinstance(base, ast.Name) and not _is_namedtuple(answer, base):
            yield _base(node, base)
    for keyword in node.keywords:
        if keyword.arg != "total":
            text = f"class {short(node.name)} is made with {keyword.arg or '**'}"
            yield reason("forbidden-name", node, text, "derive ModelNew from nn.Module alone")


def _base(node: ast.ClassDef, base: ast.expr) -> Reason:
    text = f"class {short(node.name)} derives from {short(ast.unparse(base))}"
    return reason("forbidden-name", node, text, "derive ModelNew from nn.Module alone")


def _is_namedtuple(answer: Answer, base: ast.expr) -> bool:
    if isinstance(base, ast.Subscript):  # Generic[T]
        base = base.value
        return bool(answer.scopes.dotted(base) & {"typing.Generic", "typing.Protocol"})
    named = answer.scopes.dotted(base.func) if isinstance(base, ast.Call) else frozenset()
    return bool(named & {"collections.namedtuple", "typing.NamedTuple"})
