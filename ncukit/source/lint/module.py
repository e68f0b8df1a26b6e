"""A kernel file as the lint rules see it: Triton functions, launches, the names it gives to Triton's modules."""

from __future__ import annotations

import ast
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from ncukit.source.text import lines_of

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Mapping

    from ncukit.source.inspection import Launch
    from ncukit.source.text import SourceText

_T = TypeVar("_T")
DECORATORS = ("jit", "autotune", "heuristics")


@dataclass(frozen=True, slots=True)
class Autotune:
    """``@triton.autotune(...)`` of one kernel, as far as the text tells."""

    node: ast.Call
    configs: tuple[ast.Call, ...] | None
    """``triton.Config(...)`` calls; None when the list is computed."""
    meta: frozenset[str]
    """Meta-parameters that the visible configurations set."""
    options: frozenset[str]
    """Launch options that they set: ``num_warps`` and its kin."""
    resets: bool
    """Whether ``reset_to_zero``, ``restore_value`` or a hook puts memory back between trials."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """One ``@triton.jit`` function."""

    node: ast.FunctionDef
    name: str
    parameters: tuple[str, ...]
    constexprs: frozenset[str]
    """Parameters annotated ``tl.constexpr``."""
    defaults: Mapping[str, ast.expr]
    autotune: Autotune | None
    heuristics: frozenset[str]
    """Meta-parameters that ``@triton.heuristics`` computes."""

    def walk(self) -> Iterator[ast.AST]:
        """Every node of the body."""
        for statement in self.node.body:
            yield from ast.walk(statement)


@dataclass(frozen=True, slots=True)
class Site:
    """One ``kernel[grid](...)`` in the host code."""

    kernel: Kernel
    call: ast.Call
    grid: ast.expr
    scope: ast.FunctionDef | ast.Module
    """The innermost function around it."""

    def given(self) -> dict[str, ast.expr]:
        """Parameter or option → the expression passed for it; starred arguments end the positional ones."""
        found: dict[str, ast.expr] = {}
        for name, value in zip(self.kernel.parameters, self.call.args, strict=False):
            if isinstance(value, ast.Starred):
                break
            found[name] = value
        return {**found, **{k.arg: k.value for k in self.call.keywords if k.arg}}


@dataclass
class Module:
    """The whole file."""

    source: SourceText
    launches: tuple[Launch, ...] = ()
    """What is known of real launches; empty when the host code was not run."""
    _parents: dict[ast.AST, ast.AST] = field(default_factory=dict)
    _memory: dict[Hashable, Any] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """The file, as the user named it."""
        return self.source.path

    @property
    def tree(self) -> ast.Module:
        """Its syntax tree."""
        return self.source.tree

    def remembered(self, key: Hashable, compute: Callable[[], _T]) -> _T:
        """``compute()``, the first time that anybody asks for ``key``: rules share what is slow to find out."""
        if key not in self._memory:
            self._memory[key] = compute()
        found: _T = self._memory[key]
        return found

    @cached_property
    def lines(self) -> list[str]:
        """The text, a string a line."""
        return lines_of(self.source.code)

    def column(self, line: int, offset: int) -> int:
        """Column from 1 in characters, of an offset in UTF-8 bytes as syntax trees have it."""
        text = self.lines[line - 1] if 0 < line <= len(self.lines) else ""
        return len(text.encode()[:offset].decode("utf-8", "replace")) + 1

    @cached_property
    def names(self) -> dict[str, str]:
        """Name in the file → dotted name of what was imported: ``tl`` → ``triton.language``."""
        found: dict[str, str] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    name = alias.asname or alias.name.split(".")[0]
                    found[name] = alias.name if alias.asname else alias.name.split(".")[0]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                for alias in node.names:
                    found[alias.asname or alias.name] = f"{node.module}.{alias.name}"
        return found

    def dotted(self, node: ast.AST) -> str:
        """What an expression names, imports resolved: ``triton.language.load`` for ``tl.load``; empty if no name."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return ""
        return ".".join([self.names.get(node.id, node.id), *reversed(parts)])

    def called(self, node: ast.AST) -> str:
        """``dotted`` of what a call calls; empty when ``node`` is no call."""
        return self.dotted(node.func) if isinstance(node, ast.Call) else ""

    def language(self, node: ast.AST) -> str | None:
        """``load`` for a call of ``tl.load``, whatever the file calls Triton's language; None for anything else."""
        name = self.called(node)
        return name.removeprefix("triton.language.") if name.startswith("triton.language.") else None

    @cached_property
    def kernels(self) -> dict[str, Kernel]:
        """Name → Triton function, in the order of the file."""
        found = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.FunctionDef) and any(self._decorates(d, "jit") for d in node.decorator_list):
                found[node.name] = self._kernel(node)
        return found

    def nodes(self, kernel: Kernel) -> list[ast.AST]:
        """Every node of a kernel's body, found once for all rules."""
        return self.remembered(("nodes", kernel.node), lambda: list(kernel.walk()))

    @cached_property
    def sites(self) -> tuple[Site, ...]:
        """Launches as the host code writes them."""
        found = []
        for node in ast.walk(self.tree):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Subscript)):
                continue
            name = node.func.value
            kernel = self.kernels.get(name.id) if isinstance(name, ast.Name) else None
            if kernel is not None:
                found.append(Site(kernel, node, node.func.slice, self.scope(node)))
        return tuple(found)

    @cached_property
    def constants(self) -> dict[str, Any]:
        """Module-level name → its value, where it is assigned one literal and nothing else."""
        values: dict[str, Any] = {}
        for node in self.tree.body:
            if isinstance(node, ast.Assign) and len(node.targets) == 1:
                for target, value in _pairs(node.targets[0], node.value):
                    if isinstance(target, ast.Name) and isinstance(value, ast.Constant):
                        values[target.id] = value.value
        names = (n for n in ast.walk(self.tree) if isinstance(n, ast.Name))
        stores = Counter(n.id for n in names if isinstance(n.ctx, ast.Store))
        return {name: value for name, value in values.items() if stores[name] == 1}

    def parent(self, node: ast.AST) -> ast.AST | None:
        """The node around ``node``."""
        if not self._parents:
            for outer in ast.walk(self.tree):
                for inner in ast.iter_child_nodes(outer):
                    self._parents[inner] = outer
        return self._parents.get(node)

    def around(self, node: ast.AST) -> Iterator[ast.AST]:
        """The nodes around ``node``, innermost first."""
        outer = self.parent(node)
        while outer is not None:
            yield outer
            outer = self.parent(outer)

    def scope(self, node: ast.AST) -> ast.FunctionDef | ast.Module:
        """The innermost function around ``node``, or the module."""
        return next((n for n in self.around(node) if isinstance(n, ast.FunctionDef)), self.tree)

    def _decorates(self, decorator: ast.expr, name: str) -> bool:
        target = decorator.func if isinstance(decorator, ast.Call) else decorator
        dotted = self.dotted(target)
        # Gluon, in triton.experimental, is another language
        ours = dotted.startswith("triton.") and not dotted.startswith("triton.experimental.")
        return ours and dotted.rsplit(".", 1)[-1] == name

    def _kernel(self, node: ast.FunctionDef) -> Kernel:
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        late = [*node.args.posonlyargs, *node.args.args]
        defaults = dict(
            zip([a.arg for a in late[len(late) - len(node.args.defaults) :]], node.args.defaults, strict=True)
        )
        defaults |= {a.arg: d for a, d in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True) if d}
        tuned = [d for d in node.decorator_list if isinstance(d, ast.Call) and self._decorates(d, "autotune")]
        computed: set[str] = set()
        for decorator in node.decorator_list:
            if isinstance(decorator, ast.Call) and self._decorates(decorator, "heuristics"):
                values = next((k.value for k in decorator.keywords if k.arg == "values"), None)
                table = values or (decorator.args[0] if decorator.args else None)
                if isinstance(table, ast.Dict):
                    computed |= {
                        k.value for k in table.keys if isinstance(k, ast.Constant) and isinstance(k.value, str)
                    }
        return Kernel(
            node=node,
            name=node.name,
            parameters=tuple(a.arg for a in arguments),
            constexprs=frozenset(a.arg for a in arguments if a.annotation is not None and _is_constexpr(a.annotation)),
            defaults=defaults,
            autotune=self._autotune(tuned[0]) if tuned else None,
            heuristics=frozenset(computed),
        )

    def _autotune(self, call: ast.Call) -> Autotune:
        given = {k.arg: k.value for k in call.keywords}
        listed = given.get("configs", call.args[0] if call.args else None)
        if isinstance(listed, ast.Name):
            listed = self._assigned(listed.id)
        configs: tuple[ast.Call, ...] | None = None
        if isinstance(listed, ast.List | ast.Tuple) and all(isinstance(e, ast.Call) for e in listed.elts):
            configs = tuple(e for e in listed.elts if isinstance(e, ast.Call))
        # a comprehension writes one Config for all of them
        calls = [n for n in ast.walk(listed) if isinstance(n, ast.Call)] if listed is not None else []
        calls = [n for n in calls if self.called(n).endswith("Config")]
        meta: set[str] = set()
        options: set[str] = set()
        for config in calls:
            table = next(
                (k.value for k in config.keywords if k.arg == "kwargs"), config.args[0] if config.args else None
            )
            if isinstance(table, ast.Dict):
                meta |= {k.value for k in table.keys if isinstance(k, ast.Constant) and isinstance(k.value, str)}
            options |= {k.arg for k in config.keywords if k.arg and k.arg not in ("kwargs", "pre_hook")}
        hooks = any(k.arg == "pre_hook" for c in calls for k in c.keywords)
        resets = hooks or any(
            given.get(n) is not None for n in ("reset_to_zero", "restore_value", "pre_hook", "post_hook")
        )
        return Autotune(call, configs, frozenset(meta), frozenset(options), resets)

    def _assigned(self, name: str) -> ast.expr | None:
        """The one expression that a module-level name is assigned."""
        values = [
            n.value
            for n in self.tree.body
            if isinstance(n, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in n.targets)
        ]
        return values[0] if len(values) == 1 else None


def _pairs(target: ast.expr, value: ast.expr) -> list[tuple[ast.expr, ast.expr]]:
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
        return list(zip(target.elts, value.elts, strict=True))
    return [(target, value)]


def _is_constexpr(annotation: ast.expr) -> bool:
    text = annotation.value if isinstance(annotation, ast.Constant) else ast.unparse(annotation)
    return isinstance(text, str) and text.split(".")[-1] == "constexpr"
