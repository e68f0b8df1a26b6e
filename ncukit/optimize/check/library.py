"""PyTorch's operators and layers on the inputs themselves, as far as the text leaves no doubt.

What depends on sizes is seen when the answer runs: computing on a few values is nobody's concern.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ncukit.optimize.check import roads
from ncukit.optimize.check.answer import MODEL, called
from ncukit.optimize.check.words import reason, short

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ncukit.optimize.check.answer import Answer
    from ncukit.optimize.verdict import Reason

_MOVES = ("torch.nn.functional.pad", "torch.nn.functional.one_hot", "torch.nn.functional.unfold")
_FRESH = ("empty_like", "full_like", "new_empty", "new_full", "new_zeros", "ones_like", "rand_like", "zeros_like")
_SCALARS = ("int", "float", "bool", "str", "Optional[int]", "Optional[float]")
_NO_LAYERS = ("Parameter", "Buffer", "ParameterList", "ParameterDict", "Identity", "Module")
_INSTEAD = "do it in a Triton kernel; --allow-torch accepts work of PyTorch's kernels"


def check(answer: Answer) -> Iterator[Reason]:
    """Every such call that ``ModelNew`` reaches."""
    layers = _layers(answer)
    for function in answer.host:
        if not isinstance(function, ast.FunctionDef) or function.name in ("__init__", "reset_parameters", "backward"):
            continue
        tainted = _tainted(answer, function)
        for node in ast.walk(function):
            if answer.function(node) is function and not _is_dead(answer, node):
                name = _name(answer, node, tainted, layers)
                if name:
                    yield reason("library-compute", node, f"{short(name)} computes on the inputs of {MODEL}", _INSTEAD)


def _name(answer: Answer, node: ast.AST, tainted: set[str], layers: frozenset[str]) -> str:
    """What computes here, if something does."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
        return "@" if _carries(answer, node.left, tainted) or _carries(answer, node.right, tainted) else ""
    if not isinstance(node, ast.Call):
        return ""
    given = [*node.args, *(k.value for k in node.keywords)]
    own = isinstance(node.func, ast.Attribute) and _carries(answer, node.func.value, tainted)
    if own and called(node) in roads.listed("library"):
        return f".{called(node)}"
    if not any(_carries(answer, one, tainted) for one in given):
        return ""
    for dotted in answer.scopes.dotted(node.func):
        functional = dotted.startswith("torch.nn.functional.") and dotted not in _MOVES
        if functional or (dotted.startswith("torch.") and dotted.rsplit(".", 1)[-1] in roads.listed("library")):
            return dotted
    if isinstance(node.func, ast.Attribute) and node.func.attr in layers:
        return ast.unparse(node.func)
    made = node.func if isinstance(node.func, ast.Call) else None
    return ast.unparse(node.func) if made is not None and _is_layer(answer, made) else ""


def _layers(answer: Answer) -> frozenset[str]:
    """Attributes that hold layers of PyTorch's."""
    return frozenset(
        target.attr
        for node in ast.walk(answer.tree)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and _is_layer(answer, node.value)
        for target in node.targets
        if isinstance(target, ast.Attribute)
    )


def _is_layer(answer: Answer, call: ast.Call) -> bool:
    names = [d.removeprefix("torch.nn.") for d in answer.scopes.dotted(call.func) if d.startswith("torch.nn.")]
    return any(name[:1].isupper() and name not in _NO_LAYERS for name in names)


def _tainted(answer: Answer, function: ast.FunctionDef) -> set[str]:
    """Names that hold an input, or what plain tensor operations make of it."""
    method = isinstance(answer.scopes.parents.get(function), ast.ClassDef)
    arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    found = {a.arg for a in arguments[method:] if a.annotation is None or ast.unparse(a.annotation) not in _SCALARS}
    if function.args.vararg:
        found.add(function.args.vararg.arg)
    assigned = [
        (node.value, {name for target in node.targets for name in _bound(target)})
        for node in ast.walk(function)
        if isinstance(node, ast.Assign)
    ]
    while True:
        more = {
            name for value, names in assigned if not names <= found and _carries(answer, value, found) for name in names
        }
        if more <= found:
            return found
        found |= more


def _bound(target: ast.expr) -> Iterator[str]:
    yield from (n.id for n in ast.walk(target) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store))


def _carries(answer: Answer, node: ast.AST, tainted: set[str]) -> bool:
    """Whether an expression's value comes from an input's values."""
    if isinstance(node, ast.Name):
        return node.id in tainted
    if isinstance(node, ast.Attribute):
        return node.attr not in roads.listed("about") and _carries(answer, node.value, tainted)
    if isinstance(node, ast.Compare):
        return False
    if isinstance(node, ast.Call):
        name = called(node)
        own = isinstance(node.func, ast.Name) and not answer.scopes.imported(node.func)
        if own or name in _FRESH or name in roads.listed("about") or answer.is_launch(node):
            return False  # what the answer's own functions give may be a few values
    return any(_carries(answer, child, tainted) for child in ast.iter_child_nodes(node))


def _is_dead(answer: Answer, node: ast.AST) -> bool:
    """Whether this runs only where the inputs are not on a GPU."""
    inner = node
    for outer in answer.around(node):
        if isinstance(outer, ast.If):
            where = _asks_for_gpu(outer.test)
            if where is not None and (inner in outer.orelse if where else inner in outer.body):
                return True
        inner = outer
    return False


def _asks_for_gpu(test: ast.expr) -> bool | None:
    """True for ``x.is_cuda``, False for ``not x.is_cuda`` and ``x.device.type == "cpu"``; None for anything else."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        inner = _asks_for_gpu(test.operand)
        return None if inner is None else not inner
    if isinstance(test, ast.Attribute) and test.attr in ("is_cuda", "is_cpu"):
        return test.attr == "is_cuda"
    if isinstance(test, ast.Call) and ast.unparse(test) == "torch.cuda.is_available()":
        return True
    if isinstance(test, ast.Compare) and len(test.ops) == 1 and ast.unparse(test.left).endswith(".device.type"):
        asked = getattr(test.comparators[0], "value", None)
        if asked in ("cuda", "cpu") and isinstance(test.ops[0], ast.Eq | ast.NotEq):
            return bool((asked == "cuda") == isinstance(test.ops[0], ast.Eq))
    return None
