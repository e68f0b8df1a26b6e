"""What names stand for as far as the text leaves no choice: for the rules about launches, TRI2xx and TRI3xx."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ncukit.source.lint.module import Kernel, Module, Site

Scope = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.Module
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


def own(scope: Scope) -> Iterator[ast.AST]:
    """Every node of a function without those of functions inside it."""
    waiting: list[ast.AST] = list(ast.iter_child_nodes(scope))
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, _FUNCTIONS):
            waiting.extend(ast.iter_child_nodes(node))
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            waiting.extend(node.decorator_list)


def bindings(module: Module, scope: Scope) -> dict[str, list[ast.expr | None]]:
    """Name → what it is bound to in ``scope``, one entry a place; None for what is no plain assignment."""
    return module.remembered(("bindings", scope), lambda: _bindings(scope))


def _bindings(scope: Scope) -> dict[str, list[ast.expr | None]]:
    found: dict[str, list[ast.expr | None]] = {}
    plain: set[ast.AST] = set()
    nodes = sorted(own(scope), key=lambda n: (getattr(n, "lineno", 0), getattr(n, "col_offset", 0)))
    for node in nodes:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                for name, value in _pairs(target, node.value):
                    plain.add(name)
                    found.setdefault(name.id, []).append(value)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            plain.add(node.target)
            if node.value is not None:
                found.setdefault(node.target.id, []).append(node.value)
    for node in nodes:
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load) and node not in plain:
            found.setdefault(node.id, []).append(None)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.setdefault(node.name, []).append(None)
        elif isinstance(node, ast.Global | ast.Nonlocal):
            for outer in node.names:
                found.setdefault(outer, []).append(None)
    if not isinstance(scope, ast.Module):
        for argument in _arguments(scope):
            found.setdefault(argument.arg, []).insert(0, None)
    return found


def _pairs(target: ast.expr, value: ast.expr) -> Iterator[tuple[ast.Name, ast.expr | None]]:
    if isinstance(target, ast.Name):
        yield target, value
    elif isinstance(target, ast.Tuple | ast.List):
        same = isinstance(value, ast.Tuple | ast.List) and len(value.elts) == len(target.elts)
        same = same and not any(isinstance(e, ast.Starred) for e in (*target.elts, *getattr(value, "elts", ())))
        for at, inner in enumerate(target.elts):
            if same and isinstance(value, ast.Tuple | ast.List):
                yield from _pairs(inner, value.elts[at])
            else:
                yield from ((n, None) for n in ast.walk(inner) if isinstance(n, ast.Name))


def _arguments(scope: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> list[ast.arg]:
    a = scope.args
    return [*a.posonlyargs, *a.args, *a.kwonlyargs, *([a.vararg] if a.vararg else []), *([a.kwarg] if a.kwarg else [])]


def parameters(scope: Scope) -> set[str]:
    """Names of a function's parameters."""
    return set() if isinstance(scope, ast.Module) else {a.arg for a in _arguments(scope)}


def scopes(module: Module, node: ast.AST) -> Iterator[Scope]:
    """The functions around ``node``, innermost first, and the module; classes do not count."""
    for outer in module.around(node):
        if isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.Module):
            yield outer


def resolved(module: Module, node: ast.expr, depth: int = 8) -> ast.expr:
    """``node``, or what the name that it is was assigned, where there is just one assignment."""
    while isinstance(node, ast.Name) and depth > 0:
        depth -= 1
        for scope in scopes(module, node):
            bound = bindings(module, scope).get(node.id)
            if bound is None:
                continue
            if len(bound) != 1 or bound[0] is None:
                return node
            node = bound[0]
            break
        else:
            return node
    return node


def literal(module: Module, node: ast.expr, depth: int = 8) -> Any:
    """The number or text that ``node`` is for certain; None when the text does not tell."""
    node = resolved(module, node)
    if depth == 0:
        return None
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = literal(module, node.operand, depth - 1)
        return -value if isinstance(value, int | float) else None
    if isinstance(node, ast.BinOp):
        left, right = literal(module, node.left, depth - 1), literal(module, node.right, depth - 1)
        if isinstance(left, int) and isinstance(right, int) and max(abs(left), abs(right)) < 1 << 64:
            return _computed(node.op, left, right)
        return None
    if isinstance(node, ast.Call) and not node.keywords:
        given = [literal(module, a, depth - 1) for a in node.args]
        name = module.called(node)
        if all(type(g) is int for g in given) and given:
            if name in ("min", "max") and len(given) > 1:
                return min(given) if name == "min" else max(given)
            if name == "triton.cdiv" and len(given) == 2 and given[1]:
                return -(-given[0] // given[1])
            if name == "triton.next_power_of_2":
                return 1 << max(0, given[0] - 1).bit_length()
    return None


def _computed(op: ast.operator, left: int, right: int) -> int | None:
    match op:
        case ast.Add():
            return left + right
        case ast.Sub():
            return left - right
        case ast.Mult():
            return left * right
        case ast.FloorDiv() if right:
            return left // right
        case ast.Mod() if right:
            return left % right
        case ast.Pow() if 0 <= right <= 64 and abs(left) <= 64:
            return int(left**right)
        case ast.LShift() if 0 <= right <= 64:
            return left << right
    return None


def names(node: ast.AST) -> set[str]:
    """Names that ``node`` reads."""
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}


def literals(module: Module, site: Site) -> dict[str, Any]:
    """Parameter or launch option → the literal that the launch passes for it, where it is one."""
    found = {name: literal(module, value) for name, value in site.given().items()}
    return {name: value for name, value in found.items() if value is not None}


def is_entry(module: Module, kernel: Kernel) -> bool:
    """Whether a Triton function is launched, and not only called by others: by the file, or for all it looks like."""
    return any(site.kernel is kernel for site in module.sites) or any(
        module.language(n) == "program_id" for n in kernel.walk()
    )


def compact(node: ast.AST, longest: int = 60) -> str:
    """The text of an expression for a message."""
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= longest else text[: longest - 1] + "…"
