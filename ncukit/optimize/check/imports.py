"""What an answer imports, and what it does with that: every way from an import on is on a list, or refused.

A module never becomes a value, and a class of torch's or Triton's is only called, annotated with, or derived from: so
nothing can be reached through a variable that could not be named.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ncukit.optimize.check import attributes
from ncukit.optimize.check.roads import Barrier, Road, barrier, follow, is_module
from ncukit.optimize.check.words import reason, refused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ncukit.optimize.check.answer import Answer
    from ncukit.optimize.verdict import Reason

_GENERIC = ("dict", "frozenset", "list", "set", "tuple", "type")


def check(answer: Answer) -> Iterator[Reason]:
    """Every import and use of one that is not allowed."""
    for node in ast.walk(answer.tree):
        if isinstance(node, ast.Import | ast.ImportFrom) and _in_class(answer, node):
            # it would make the module an attribute, which no list goes by
            yield reason("forbidden-import", node, "an import inside a class", "import at the top")
        if isinstance(node, ast.Import):
            for alias in node.names:
                if not is_module(alias.name, testing=answer.own):
                    yield _unwanted(node, alias.name)
        elif isinstance(node, ast.ImportFrom):
            yield from _from(answer, node)
        elif isinstance(node, ast.Name):
            yield from _use(answer, node)


def _in_class(answer: Answer, node: ast.AST) -> bool:
    scopes = (n for n in answer.around(node) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef))
    return isinstance(next(scopes, None), ast.ClassDef)


def _unwanted(node: ast.AST, name: str) -> Reason:
    found = barrier(name)
    code = found.code if found.code != "forbidden-name" else "forbidden-import"
    return reason(code, node, f"import of {name}, which {found.what}", found.instead)


def _from(answer: Answer, node: ast.ImportFrom) -> Iterator[Reason]:
    module = node.module or ""
    if node.level:
        text = f"import from {'.' * node.level}{module}: there is nothing beside an answer"
        yield reason("forbidden-import", node, text, "an answer is one file")
        return
    for alias in node.names:
        name = f"{module}.{alias.name}"
        if alias.name == "*":
            yield reason("forbidden-import", node, f"from {module} import *", "import the module, as `tl` or `nn`")
        elif isinstance(follow(name, testing=answer.own), Barrier):
            yield _unwanted(node, name)


def _use(answer: Answer, node: ast.Name) -> Iterator[Reason]:
    """A name that may be an import, with the attributes behind it."""
    top: ast.expr = node
    while isinstance(outer := answer.scopes.parents.get(top), ast.Attribute):
        top = outer
    for dotted in sorted(answer.scopes.dotted(top)):
        if not isinstance(node.ctx, ast.Load):
            continue  # the name is bound once more, which harms nobody
        if isinstance(top, ast.Attribute) and not isinstance(top.ctx, ast.Load):
            text = f"{ast.unparse(top)} is assigned: it belongs to {dotted.split('.')[0]}, not to the answer"
            yield reason("patched", top, text, "leave other modules as they are")
            continue
        dotted, at = _through_getattr(answer, top, dotted)
        road = follow(dotted, testing=answer.own)
        if isinstance(road, Barrier):
            yield refused(road, at, dotted)
            continue
        yield from _led(answer, at, dotted, road)


def _through_getattr(answer: Answer, node: ast.expr, dotted: str) -> tuple[str, ast.expr]:
    """``torch.x`` for ``getattr(torch, "x")``."""
    call = answer.scopes.parents.get(node)
    if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in ("getattr", "hasattr")):
        return dotted, node
    named = call.args[1] if call.args and call.args[0] is node and len(call.args) > 1 else None
    if isinstance(named, ast.Constant) and isinstance(named.value, str):
        return f"{dotted}.{named.value}", call
    return dotted, node


def _led(answer: Answer, node: ast.expr, dotted: str, road: Road) -> Iterator[Reason]:
    """What is wrong with the use of something that may be named."""
    if road.kind == "module":
        if not answer.scopes.is_alias(node) and not _is_asked(node):
            yield reason(
                "forbidden-name",
                node,
                f"the module {dotted} is used as a value",
                f"write out {dotted}.… where it is used",
            )
    elif road.kind == "type" and dotted.split(".")[0] in ("torch", "triton", "enum"):
        if road.rest and not _is_asked(node):
            text = f"{dotted} is an attribute of a class that is not the answer's"
            yield reason("forbidden-name", node, text, "call the method on the value itself")
        elif not _is_type(answer, node):
            text = f"the class {dotted} is used as a value"
            yield reason("forbidden-name", node, text, "call it, annotate with it, or ask isinstance")
    else:
        for name in road.rest:
            yield from attributes.problem(answer, node, name)


def _is_asked(node: ast.expr) -> bool:
    """Whether it is only asked if there is such a thing: ``hasattr(torch, "x")``."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "hasattr"


def _is_type(answer: Answer, node: ast.expr) -> bool:
    """Whether a class stands where only classes do, so that it becomes nobody's value."""
    if answer.scopes.is_alias(node):
        return True
    inner: ast.AST = node
    subscripted = False
    for outer in answer.around(node):
        if isinstance(outer, ast.Call):
            asked = isinstance(outer.func, ast.Name) and outer.func.id in ("isinstance", "issubclass")
            return outer.func is inner or (asked and inner in outer.args[1:])
        if isinstance(outer, ast.arg | ast.ExceptHandler):
            return True
        if isinstance(outer, ast.AnnAssign):
            return outer.annotation is inner
        if isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            placed = [getattr(outer, "returns", None), *outer.decorator_list, *getattr(outer, "bases", [])]
            return any(inner is one for one in placed)
        if isinstance(outer, ast.Assign):
            return subscripted and answer.scopes.is_alias(inner)
        if isinstance(outer, ast.Compare):
            rest = [side for side in (outer.left, *outer.comparators) if side is not inner]
            return all(isinstance(side, ast.Call) and _named(side.func) == "type" for side in rest)
        if isinstance(outer, ast.Subscript):
            subscripted = True
            if not _is_generic(answer, outer.value):
                return False
        elif isinstance(outer, ast.BinOp):
            subscripted = True
            if not isinstance(outer.op, ast.BitOr):
                return False
        elif not isinstance(outer, ast.Tuple | ast.List):
            return False
        inner = outer
    return False


def _is_generic(answer: Answer, node: ast.expr) -> bool:
    if isinstance(node, ast.Name) and node.id in _GENERIC:
        return answer.scopes.is_free(node)
    named = answer.scopes.dotted(node)
    return bool(named) and all(name.split(".")[0] in ("typing", "collections") for name in named)


def _named(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else ""
