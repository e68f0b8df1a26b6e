"""Where a kernel's constants and launch options come from in the text of its file."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ncukit.source.syntax import is_jit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ncukit.optimize.tune.edits import Span, Text
    from ncukit.optimize.tune.knobs import Fixed

Found = tuple["int | None", "tuple[Span, ...]", int, str]
"""Value, where it stands, a line, and why there is no value (empty where it is just not said)."""
_PIPELINED = ("dot", "dot_scaled", "make_tensor_descriptor", "load_tensor_descriptor")
_CONFIG = ("num_warps", "num_stages", "num_ctas", "maxnreg", "pre_hook")
"""What ``triton.Config`` takes by position, after its constants."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """One of an autotuner's configurations."""

    made: str
    """What makes it, as the file calls it: ``triton.Config``."""
    numbers: Mapping[str, int]
    options: Mapping[str, int]
    """``num_warps`` and ``num_stages``, where they are given."""


class Places:
    """One file's launches and their arguments.

    Args:
        tree: the file.
        text: its text.
        problem_names: constants of the problem: their values are the data's, not the kernel's.
    """

    def __init__(self, tree: ast.Module, text: Text, problem_names: frozenset[str]) -> None:
        self._tree = tree
        self._text = text
        self._problem = problem_names
        self.kernels = {
            node.name: node
            for node in tree.body
            if isinstance(node, ast.FunctionDef) and any(is_jit(d) for d in node.decorator_list)
        }
        self.fixed: list[Fixed] = []
        self._scopes: dict[int, list[ast.AST]] = {}
        self.launched: dict[str, tuple[ast.Call, ...]] = {}
        """Kernel → its launches, in the order of the file."""
        for call, scopes in _calls(tree, []):
            name = _launched(call)
            if name in self.kernels:
                self.launched[name] = (*self.launched.get(name, ()), call)
                self._scopes[id(call)] = scopes
        self.first = {name: calls[0].lineno for name, calls in self.launched.items()}

    def autotuner(self, kernel: str) -> ast.Call | None:
        """The ``@triton.autotune(…)`` of a kernel."""
        for decorator in self.kernels[kernel].decorator_list:
            if isinstance(decorator, ast.Call) and _last(decorator.func) == "autotune":
                return decorator
        return None

    def tiles(self, kernel: str) -> dict[str, int]:
        """Constants that bound a ``tl.arange``, and how many sides of a tile each is."""
        node = self.kernels[kernel]
        constants = [
            a.arg
            for a in (*node.args.args, *node.args.kwonlyargs)
            if a.annotation and "constexpr" in ast.unparse(a.annotation)
        ]
        broad = any(
            isinstance(part, ast.Subscript)
            and isinstance(part.slice, ast.Tuple)
            and any(isinstance(e, ast.Constant) and e.value is None for e in part.slice.elts)
            for part in ast.walk(node)
        )
        found = {name: count for name, count in self._bounds(node).items() if name in constants}
        most = 2 if broad and len(found) == 1 else 1
        return {name: min(most, count) for name, count in found.items()}

    def pipelined(self, kernel: str) -> bool:
        """Whether ``num_stages`` at the launch may change what is compiled."""
        calls = (part for node in self._with_helpers(kernel) for part in ast.walk(node) if isinstance(part, ast.Call))
        return any(_last(call.func) in _PIPELINED for call in calls)

    def _with_helpers(self, kernel: str) -> Iterator[ast.FunctionDef]:
        """A kernel and the Triton functions of the file that it calls."""
        waiting, seen = [kernel], {kernel}
        while waiting:
            node = self.kernels[waiting.pop()]
            yield node
            names = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)} & self.kernels.keys()
            waiting += names - seen
            seen |= names

    def _bounds(self, node: ast.FunctionDef, depth: int = 4) -> dict[str, int]:
        """Names that bound a ``tl.arange`` in a function, or in a helper that they are passed to, and how often."""
        found: dict[str, int] = {}
        for part in (p for p in ast.walk(node) if isinstance(p, ast.Call)):
            if _last(part.func) == "arange":
                names = [bound.id for bound in part.args if isinstance(bound, ast.Name)]
            elif isinstance(part.func, ast.Name) and part.func.id in self.kernels and depth:
                helper = self.kernels[part.func.id]
                inside = self._bounds(helper, depth - 1)
                given = dict(zip(_parameters(helper), part.args, strict=False))
                given |= {k.arg: k.value for k in part.keywords if k.arg}
                names = [v.id for n, v in given.items() if n in inside and isinstance(v, ast.Name)]
            else:
                continue
            for name in names:
                found[name] = found.get(name, 0) + 1
        return found

    def constant(self, kernel: str, name: str) -> Found:
        """What the launches give for a constant of the kernel."""
        node = self.kernels[kernel]
        order = [a.arg for a in node.args.args]
        found: list[Found] = []
        for call in self.launched[kernel]:
            given = next((k.value for k in call.keywords if k.arg == name), None)
            starred = any(isinstance(a, ast.Starred) for a in call.args)
            if given is None and not starred and name in order[: len(call.args)]:
                given = call.args[order.index(name)]
            if given is not None:
                found.append(self._resolved(given, self._scopes[id(call)]))
            elif starred or any(k.arg is None for k in call.keywords):
                found.append((None, (), call.lineno, "it is passed in *arguments or **keywords"))
            else:
                found.append(self._default(node, name))
        value, spans, line, why = _together(found)
        if value is None:
            return value, spans, line, why
        known = {span.start: span for span in spans}
        for divisor in self._divisors(kernel, value):
            if divisor is None:
                return None, (), line, "its grid is rounded up by hand, where triton.cdiv(n, BLOCK) would follow it"
            known[divisor.start] = divisor
        return value, tuple(known.values()), line, why

    def _divisors(self, kernel: str, value: int) -> Iterator[Span | None]:
        """Where the same number divides a size on its way to a launch's grid, which has to follow the tile.

        None for a division that another number beside it belongs to: ``(n + 1023) // 1024``.
        """
        for node in (part for call in self.launched[kernel] for part in self._grid(call)):
            divisor, divided = None, None
            if isinstance(node, ast.Call) and _last(node.func) == "cdiv" and len(node.args) == 2:
                divisor = node.args[1]
            elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.FloorDiv):
                divisor, divided = node.right, node.left
            if isinstance(divisor, ast.Constant) and divisor.value == value:
                beside = isinstance(divided, ast.BinOp) and isinstance(divided.op, ast.Add | ast.Sub)
                yield None if beside else self._text.span(divisor)

    def _grid(self, call: ast.Call) -> Iterator[ast.AST]:
        """A launch's grid, and what the names in it are assigned."""
        scopes = [*reversed(self._scopes[id(call)]), self._tree]
        waiting: list[ast.AST] = [call.func.slice] if isinstance(call.func, ast.Subscript) else []
        seen: set[str] = set()
        while waiting:
            for node in ast.walk(waiting.pop()):
                yield node
                if isinstance(node, ast.Name) and node.id not in seen:
                    seen.add(node.id)
                    waiting += next((found for s in scopes if (found := list(_assignments(s, node.id)))), [])

    def staged(self, kernel: str) -> Iterator[tuple[int, Span]]:
        """The numbers of ``tl.range(…, num_stages=N)`` in a kernel, and where they stand."""
        for part in ast.walk(self.kernels[kernel]):
            if isinstance(part, ast.Call) and _last(part.func) == "range":
                for keyword in part.keywords:
                    value = keyword.value
                    if keyword.arg == "num_stages" and isinstance(value, ast.Constant) and type(value.value) is int:
                        yield value.value, self._text.span(value)

    def option(self, kernel: str, name: str) -> Found:
        """What the launches give for ``num_warps`` or ``num_stages``; neither value nor reason where none says it."""
        found: list[Found] = []
        for decorator in self.kernels[kernel].decorator_list:
            if isinstance(decorator, ast.Call) and _last(decorator.func) == "heuristics" and name in _texts(decorator):
                return None, (), decorator.lineno, "a heuristic computes it"
        for call in self.launched[kernel]:
            value = next((k.value for k in call.keywords if k.arg == name), None)
            if value is not None:
                found.append(self._resolved(value, self._scopes[id(call)]))
            elif any(k.arg is None for k in call.keywords):
                found.append((None, (), call.lineno, "it may be passed in **keywords"))
            else:
                found.append((None, (), call.lineno, ""))
        if len(found) > 1 and any(f[0] is None and not f[3] for f in found) and any(f[0] is not None for f in found):
            return None, (), found[0][2], "its launches say it differently"
        return _together(found)

    def configurations(self, tuner: ast.Call) -> tuple[list[Configuration], Span | None, str]:
        """An autotuner's configurations and where their list stands, or why they cannot be turned."""
        value = next((k.value for k in tuner.keywords if k.arg == "configs"), tuner.args[0] if tuner.args else None)
        if isinstance(value, ast.Name):
            assigned = list(_assignments(self._tree, value.id))
            value = assigned[0] if len(assigned) == 1 else None
        if not isinstance(value, ast.List):
            return [], None, "its configurations are computed"
        found = []
        for element in value.elts:
            if not (isinstance(element, ast.Call) and element.args and isinstance(element.args[0], ast.Dict)):
                return [], None, "its configurations are computed"
            given, rest = element.args[0], zip(_CONFIG, element.args[1:], strict=False)
            numbers = _numbers(zip(given.keys, given.values, strict=True))
            keywords = [*rest, *((k.arg, k.value) for k in element.keywords)]
            options = _numbers((ast.Constant(value=name), value) for name, value in keywords)
            if numbers is None or options is None or set(options) - {"num_warps", "num_stages"}:
                return [], None, "its configurations hold more than numbers"
            found.append(Configuration(made=ast.unparse(element.func), numbers=numbers, options=options))
        return found, self._text.span(value), "" if found else "it has no configuration"

    def _default(self, node: ast.FunctionDef, name: str) -> Found:
        arguments = node.args
        paired = dict(zip([a.arg for a in arguments.args][::-1], arguments.defaults[::-1], strict=False))
        paired |= {a.arg: d for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if d is not None}
        if name not in paired:
            return None, (), node.lineno, "no launch passes it"
        return self._resolved(paired[name], [])

    def _resolved(self, value: ast.expr, scopes: list[ast.AST]) -> Found:
        """The number behind an argument: itself, or what a name is assigned once."""
        if isinstance(value, ast.Constant) and type(value.value) is int:
            return value.value, (self._text.span(value),), value.lineno, ""
        if not isinstance(value, ast.Name):
            return None, (), value.lineno, "it is computed"
        for scope in [*reversed(scopes), self._tree]:
            assigned = list(_assignments(scope, value.id))
            given = isinstance(scope, ast.FunctionDef) and value.id in _parameters(scope)
            if len(assigned) + given > 1:
                return None, (), assigned[0].lineno, "it is assigned more than once"
            if assigned:
                if scope is self._tree and value.id in self._problem:
                    return None, (), assigned[0].lineno, "it is a size of the problem"
                return (
                    self._resolved(assigned[0], scopes)
                    if not isinstance(assigned[0], ast.Name)
                    else (None, (), assigned[0].lineno, "it is computed")
                )
            if isinstance(scope, ast.FunctionDef) and given:
                return self._parameter(scope, value.id)
        return None, (), value.lineno, "it is computed"

    def _parameter(self, function: ast.FunctionDef, name: str) -> Found:
        """A host function's own parameter: its default, where nobody passes it."""
        passed = any(
            isinstance(node, ast.Call) and _last(node.func) == function.name and _passes(node, function, name)
            for node in ast.walk(self._tree)
        )
        if passed:
            return None, (), function.lineno, "its function's callers pass it"
        return self._default(function, name)


def _numbers(pairs: Iterable[tuple[ast.expr | None, ast.expr]]) -> dict[str, int] | None:
    """Names and whole numbers; None when there is anything else among them."""
    found: dict[str, int] = {}
    for key, value in pairs:
        named = isinstance(key, ast.Constant) and isinstance(key.value, str) and key.value.isidentifier()
        if not named or not isinstance(value, ast.Constant) or type(value.value) is not int:
            return None
        found[str(key.value)] = value.value  # type: ignore[union-attr]
    return found


def _texts(node: ast.AST) -> set[str]:
    return {part.value for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str)}


def _last(function: ast.expr) -> str:
    """``cdiv`` of ``triton.cdiv``."""
    return ast.unparse(function).split(".")[-1]


def _together(found: list[Found]) -> Found:
    """One answer of several launches."""
    for one in found:
        if one[0] is None:
            return one
    if len({one[0] for one in found}) > 1:
        return None, (), found[0][2], "its launches say it differently"
    spans = {span.start: span for one in found for span in one[1]}
    return found[0][0], tuple(spans.values()), found[0][2], ""


def _calls(node: ast.AST, scopes: list[ast.AST]) -> Iterator[tuple[ast.Call, list[ast.AST]]]:
    """Every call with the functions it stands in, outermost first."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Call):
            yield child, scopes
        inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
        yield from _calls(child, [*scopes, child] if inside else scopes)


def _launched(call: ast.Call) -> str:
    target: Any = call.func
    return target.value.id if isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name) else ""


def _assignments(scope: ast.AST, name: str) -> Iterator[ast.expr]:
    """What is assigned to a name in a scope, functions inside it left out; an expression for each time."""
    waiting = list(getattr(scope, "body", []))
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        if isinstance(node, ast.Assign):
            for target in node.targets:
                yield from _value(target, node.value, name)
        elif isinstance(node, ast.AnnAssign | ast.AugAssign) and node.value is not None:
            yield from _value(node.target, node.value if isinstance(node, ast.AnnAssign) else node.target, name)
        elif isinstance(node, ast.For | ast.AsyncFor):
            yield from _value(node.target, node.iter, name)
        inner = ast.stmt | ast.ExceptHandler | ast.match_case
        waiting += [child for child in ast.iter_child_nodes(node) if isinstance(child, inner)]


def _value(target: ast.expr, value: ast.expr, name: str) -> Iterator[ast.expr]:
    if isinstance(target, ast.Name) and target.id == name:
        yield value
    elif isinstance(target, ast.Tuple):
        paired = isinstance(value, ast.Tuple) and len(value.elts) == len(target.elts)
        for index, element in enumerate(target.elts):
            yield from _value(element, value.elts[index] if paired and isinstance(value, ast.Tuple) else value, name)


def _parameters(function: ast.FunctionDef) -> list[str]:
    return [a.arg for a in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)]


def _passes(call: ast.Call, function: ast.FunctionDef, name: str) -> bool:
    """Whether a call of the function may give this parameter."""
    names = [a.arg for a in (*function.args.posonlyargs, *function.args.args)]
    if isinstance(call.func, ast.Attribute) and names[:1] in (["self"], ["cls"]):
        names = names[1:]
    starred = any(isinstance(a, ast.Starred) for a in call.args)
    return starred or name in names[: len(call.args)] or any(k.arg in (name, None) for k in call.keywords)
