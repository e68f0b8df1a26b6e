"""Ways round the kernel that the text shows: falling back, calling the reference, remembering results."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ncukit.optimize.check.answer import MODEL, called
from ncukit.optimize.check.words import reason, short

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ncukit.optimize.check.answer import Answer
    from ncukit.optimize.verdict import Reason

_REFERENCE = "Model"
_LOOKUPS = ("get", "setdefault", "pop")
_IDENTITIES = ("data_ptr", "id", "hash")


def check(answer: Answer) -> Iterator[Reason]:
    """Everything of that kind."""
    yield from _fallbacks(answer)
    yield from _references(answer)
    yield from _remembered(answer)


def _fallbacks(answer: Answer) -> Iterator[Reason]:
    """``try`` around a launch whose handler goes on: a kernel that fails must be seen to fail."""
    for node in ast.walk(answer.tree):
        if not isinstance(node, ast.Try) or (all(map(_raises, node.handlers)) and not _leaves(node.finalbody)):
            continue
        # a generator's try goes round whatever its user does, as in a context manager
        inside = answer.launches(node.body) or any(isinstance(n, ast.Yield) for s in node.body for n in ast.walk(s))
        if inside:
            text = "a launch stands in a try whose handler goes on without it"
            yield reason("fallback", node, text, "launch without try: an error of the kernel has to be seen")


def _raises(handler: ast.ExceptHandler) -> bool:
    """Whether a handler ends in ``raise``, whatever way is taken through it."""
    return bool(handler.body) and isinstance(handler.body[-1], ast.Raise) and not _leaves(handler.body)


def _leaves(body: list[ast.stmt]) -> bool:
    """Whether statements may be left with the error forgotten: in ``finally`` too, each of these drops it."""
    return any(isinstance(n, ast.Return | ast.Break | ast.Continue) for s in body for n in ast.walk(s))


def _references(answer: Answer) -> Iterator[Reason]:
    """The problem's own ``Model``, called or built by ``ModelNew``."""
    model = answer.model
    bases = [n for base in model.bases for n in ast.walk(base)] if model else []
    for node in answer.host:
        if (
            isinstance(node, ast.Name)
            and node.id == _REFERENCE
            and isinstance(node.ctx, ast.Load)
            and node not in bases
        ):
            if not answer.scopes.imported(node):
                text = f"{MODEL} uses {_REFERENCE}, which is the reference"
                yield reason("reference-called", node, text, "compute the result in the kernels")
        elif isinstance(node, ast.Attribute) and node.attr == "forward" and _is_super(node.value):
            yield reason(
                "reference-called", node, "super().forward is another's computation", "launch the kernels instead"
            )


def _is_super(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and called(node) == "super"


def _remembered(answer: Answer) -> Iterator[Reason]:
    """Results kept by an input's address or identity, which another input may have later."""
    for function in ast.walk(answer.tree):
        if not isinstance(function, ast.FunctionDef):
            continue
        if any(_is_cache(answer, d) for d in function.decorator_list) and _takes_tensor(function):
            text = f"{short(function.name)} remembers results by the tensors that it was called with"
            yield reason("cached-result", function, text, "compute the result in every call")
        names = {
            target.id
            for node in ast.walk(function)
            if isinstance(node, ast.Assign) and _is_identity(node.value)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for node in ast.walk(function):
            key = _key(node)
            if (
                key is not None
                and any(_identifies(n, names) for n in ast.walk(key))
                and answer.function(node) is function
            ):
                text = f"{short(ast.unparse(node))} looks something up by the address of a tensor"
                yield reason("cached-result", node, text, "compute the result in every call: addresses are used again")


def _key(node: ast.AST) -> ast.expr | None:
    """What something is looked up by."""
    if isinstance(node, ast.Subscript):
        return node.slice
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _LOOKUPS:
        return node.args[0] if node.args else None
    if isinstance(node, ast.Compare) and any(isinstance(op, ast.In | ast.NotIn) for op in node.ops):
        return node.left
    return None


def _is_identity(node: ast.expr) -> bool:
    """An address as it is, or in a tuple: ``x.data_ptr() % 16`` asks for something else."""
    if isinstance(node, ast.Tuple | ast.List):
        return any(_is_identity(element) for element in node.elts)
    return isinstance(node, ast.Call) and called(node) in _IDENTITIES


def _identifies(node: ast.AST, names: set[str]) -> bool:
    return (isinstance(node, ast.Call) and called(node) in _IDENTITIES) or (
        isinstance(node, ast.Name) and node.id in names
    )


def _is_cache(answer: Answer, decorator: ast.expr) -> bool:
    target = decorator.func if isinstance(decorator, ast.Call) else decorator
    return bool(answer.scopes.dotted(target) & {"functools.cache", "functools.lru_cache"})


def _takes_tensor(function: ast.FunctionDef) -> bool:
    notes = [a.annotation for a in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)]
    return any(note is not None and "Tensor" in ast.unparse(note) for note in notes)
