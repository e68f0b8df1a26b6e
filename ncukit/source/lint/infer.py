"""Follows a kernel's statements as Triton's compiler does: what each name is, where names end, where types change.

The compiler goes through a loop's body once with the types that names have before it, and keeps from the loop only
names that were there before; of an ``if`` at run time it keeps only names that both branches have. So does this.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ncukit.source.lint.expressions import Expressions, TooMuch, known_truth
from ncukit.source.lint.kinds import UNKNOWN, Change, Kinds, Lost, Value, assigned, conflict, join
from ncukit.source.lint.parameters import parameters

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ncukit.source.lint.module import Kernel, Module

_LOOPS = ("range", "triton.language.range", "triton.language.core.range")
_UNROLLED = ("triton.language.static_range", "triton.language.core.static_range")


def infer(module: Module, kernel: Kernel, constants: Mapping[str, object] | None = None) -> Kinds:
    """What is known of ``kernel``; nothing when it is nested too deep or would take too long."""
    walk = _Walk(module, kernel, constants)
    try:
        walk.body(kernel.node.body)
    except (TooMuch, RecursionError):
        return Kinds(complete=False)
    return walk.kinds


class _Walk(Expressions):
    def __init__(self, module: Module, kernel: Kernel, constants: Mapping[str, object] | None) -> None:
        super().__init__(module, kernel)
        self.env = parameters(module, kernel, constants)
        self.assigned: dict[str, ast.stmt] = {}
        """Name → its last assignment, where messages point."""
        self._later = _assignments(module, kernel)
        self.lost = {name: Lost(how="later", node=node) for name, node in self._later.items() if name not in self.env}

    def body(self, statements: list[ast.stmt]) -> None:
        for statement in statements:
            self._statement(statement)
            if isinstance(statement, ast.Return):
                break

    def _statement(self, node: ast.stmt) -> None:
        match node:
            case ast.Assign():
                found = assigned(self.value(node.value), node)
                for target in node.targets:
                    self._assign(target, found, node)
            case ast.AnnAssign():
                self._annotated(node)
            case ast.AugAssign():
                old = self.value(_loaded(node.target))
                found = assigned(self._binary(node.op, old, self.value(node.value)), node)
                self._assign(node.target, found, node)
            case ast.For():
                self._for(node)
            case ast.While():
                self._while(node)
            case ast.If():
                self._if(node)
            case ast.With():
                for item in node.items:
                    self.value(item.context_expr)
                    if item.optional_vars is not None:
                        self.bind(item.optional_vars, UNKNOWN)
                self.body(node.body)
            case ast.Expr() | ast.Return():
                self.value(node.value)
            case ast.Assert():
                self.value(node.test)
                self.value(node.msg)
            case _:
                # not Triton's language: what it binds may be anything
                for inner in ast.walk(node):
                    if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
                        self.bind(inner, UNKNOWN)
                    elif isinstance(inner, ast.FunctionDef | ast.ClassDef):
                        self.env[inner.name] = UNKNOWN
                    elif isinstance(inner, ast.Import | ast.ImportFrom):
                        for alias in inner.names:
                            self.env[alias.asname or alias.name.split(".")[0]] = UNKNOWN

    def _assign(self, target: ast.expr, found: Value, node: ast.stmt) -> None:
        if isinstance(target, ast.Subscript | ast.Attribute):
            self.value(target.value)
            if isinstance(target, ast.Subscript) and not isinstance(target.slice, ast.Slice):
                self.value(target.slice)
            return
        self.bind(target, found)
        for name in (n for n in ast.walk(target) if isinstance(n, ast.Name)):
            self.assigned[name.id] = node

    def _annotated(self, node: ast.AnnAssign) -> None:
        found = self.value(node.value) if node.value is not None else UNKNOWN
        note = ast.unparse(node.annotation).rsplit(".", 1)[-1].strip("'\"")
        if note in ("tensor", "int", "float", "bool", "dtype"):
            found = assigned(found, node)
        elif note != "constexpr":
            found = UNKNOWN  # an alias of constexpr, for all that is known
        if node.value is not None:
            self._assign(node.target, found, node)
        elif isinstance(node.target, ast.Name):
            self.lost.pop(node.target.id, None)
            self.env[node.target.id] = UNKNOWN

    # loops

    def _for(self, node: ast.For) -> None:
        called = self.outside(node.iter.func) if isinstance(node.iter, ast.Call) else ""
        bounds = [self.value(a) for a in node.iter.args] if isinstance(node.iter, ast.Call) else []
        if isinstance(node.iter, ast.Call):
            for keyword in node.iter.keywords:
                self.value(keyword.value)
            self.value(node.iter.func)
        else:
            self.value(node.iter)
        if called in _UNROLLED:
            self.bind(node.target, Value(form="constexpr", dtype="int32"))
            self._repeated(node)
        elif called in _LOOPS:
            wide = all(b.dtype == "int32" for b in bounds)
            self.bind(node.target, Value(form="scalar", dtype="int32" if wide else "int"))
            self._carried(node)
        else:
            self.bind(node.target, UNKNOWN)
            self._repeated(node)

    def _while(self, node: ast.While) -> None:
        self.value(node.test)
        self._carried(node)
        self.value(node.test)

    def _carried(self, node: ast.For | ast.While) -> None:
        """A loop of the machine: types stay, names that begin in it end with it."""
        before, starts, lost = dict(self.env), dict(self.assigned), dict(self.lost)
        own = {n.id for n in ast.walk(node.target) if isinstance(n, ast.Name)} if isinstance(node, ast.For) else set()
        self.body(node.body)
        after, ends = self.env, self.assigned
        self.env, self.assigned, self.lost = {}, starts, lost
        for name, value in before.items():
            changed = ends.get(name) is not starts.get(name)
            if changed and name not in own and conflict(value, after[name]):
                self.kinds.changes.append(
                    Change(
                        name=name,
                        node=node,
                        before=value,
                        after=after[name],
                        assigned=ends[name],
                        start=starts.get(name),
                    )
                )
                self.env[name] = after[name]
            else:
                self.env[name] = join((value, after[name])) if changed else value
        for name in after.keys() - before.keys():
            self.lost[name] = Lost(how="loop", node=node)

    def _repeated(self, node: ast.For) -> None:
        """A loop that is unrolled: names may change from trip to trip, and stay."""
        for _ in range(3):
            before = dict(self.env)
            self.body(node.body)
            self.env = {
                name: join((before[name], value)) if name in before else value for name, value in self.env.items()
            }
            if self.env == before:
                break
        else:
            for name, value in self.env.items():
                if value != before.get(name):
                    self.env[name] = UNKNOWN
            self.body(node.body)
        self.body(node.orelse)

    # branches

    def _if(self, node: ast.If) -> None:
        test = self.value(node.test)
        truth = known_truth(test)
        if truth is not None:
            for statement in node.orelse if truth else node.body:
                self.kinds.dead.update(ast.walk(statement))
            self.body(node.body if truth else node.orelse)
            return
        before, lost, starts = dict(self.env), dict(self.lost), dict(self.assigned)
        self.body(node.body)
        then, then_lost, then_ends = self.env, self.lost, self.assigned
        self.env, self.lost, self.assigned = dict(before), dict(lost), dict(starts)
        self.body(node.orelse)
        other, other_lost = self.env, self.lost
        if test.is_tensor:
            self._compare_branches(node, (then, other), (starts, then_ends, self.assigned))
        self.assigned = {**self.assigned, **{k: v for k, v in then_ends.items() if v is not starts.get(k)}}
        self.env, self.lost = {}, {**lost, **{k: v for k, v in then_lost.items() if k in other_lost}}
        for name in then.keys() | other.keys():
            sides = [side[name] for side in (then, other) if name in side]
            if test.is_tensor and name not in before and (len(sides) == 1 or _constant(sides)):
                self.lost[name] = Lost(how="branch", node=node)
                continue
            self.env[name] = join(sides) if len(sides) == 2 else UNKNOWN
            self.lost.pop(name, None)

    def _compare_branches(
        self, node: ast.If, sides: tuple[dict[str, Value], ...], at: tuple[dict[str, ast.stmt], ...]
    ) -> None:
        """A branch at run time leaves every name with one type, whichever side was taken."""
        then, other = sides
        starts, then_ends, other_ends = at
        for name in then.keys() & other.keys():
            touched = [ends for ends in (then_ends, other_ends) if ends.get(name) is not starts.get(name)]
            if touched and conflict(then[name], other[name]):
                last = touched[-1] is other_ends
                change = Change(
                    name=name,
                    node=node,
                    before=then[name] if last else other[name],
                    after=other[name] if last else then[name],
                    assigned=touched[-1][name],
                    start=(then_ends if last else starts).get(name),
                )
                self.kinds.changes.append(change)


def _constant(sides: list[Value]) -> bool:
    """Whether both branches annotate the name as a constant, which ends with the branch."""
    return all(side.form == "constexpr" for side in sides)


def _loaded(target: ast.expr) -> ast.expr:
    """The target of ``x += 1`` as it is read."""
    if isinstance(target, ast.Name):
        return ast.copy_location(ast.Name(id=target.id, ctx=ast.Load()), target)
    return target


def _assignments(module: Module, kernel: Kernel) -> dict[str, ast.stmt]:
    """Name → its first assignment in the text."""
    found: dict[str, ast.stmt] = {}
    for node in module.nodes(kernel):
        targets: list[ast.expr] = []
        if isinstance(node, ast.Assign):
            targets = list(node.targets)
        elif isinstance(node, ast.AnnAssign | ast.AugAssign | ast.For):
            targets = [node.target]
        for target in targets:
            for name in (n for n in ast.walk(target) if isinstance(n, ast.Name)):
                if isinstance(name.ctx, ast.Store) and isinstance(node, ast.stmt):
                    old = found.get(name.id)
                    found[name.id] = node if old is None or node.lineno < old.lineno else old
    return found
