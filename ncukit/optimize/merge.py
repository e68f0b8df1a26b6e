"""One kernel file out of an answer and its problem: the answer's code, and of the problem what states it.

Text is moved, never rewritten: whole top-level statements, chosen by the names that they bind and read. What the two
files mean by one name must be the same, or there is no merged file: then the reason says which name.
"""

from __future__ import annotations

import ast
import builtins
import itertools
import re
import symtable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ncukit.collect.reference import PARTS, reference
from ncukit.collect.target import constants
from ncukit.optimize.verdict import Reason
from ncukit.source.text import lines_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ncukit.optimize.problem import Problem


_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Unit:
    """Top-level statements that share no line with another: nearly always one."""

    first: int
    """Its first line, decorators included, from 1."""
    last: int
    nodes: tuple[ast.stmt, ...]
    binds: frozenset[str]
    writes: frozenset[str]
    """Names of the module that its functions bind when they are called: ``global N``."""
    changes: frozenset[str]
    """Names whose value it may change in place, where it is no definition: ``D["n"] = 5``, ``D.append(3)``."""
    reads: frozenset[str]
    """Names that it takes from the module, at any depth."""

    @property
    def imports(self) -> bool:
        return all(isinstance(node, ast.Import | ast.ImportFrom) for node in self.nodes)

    @property
    def guarded(self) -> bool:
        """Whether it only runs when the file is started as a program."""
        return all(isinstance(n, ast.If) and re.search(r"\b__name__\b", ast.unparse(n.test)) for n in self.nodes)


def merge(problem: Problem, code: str, header: str = "") -> str | Reason:
    """A complete kernel file: ``code``, and the problem's ``Model``, ``get_inputs`` and ``get_init_inputs``.

    Args:
        problem: states what is computed; what its three parts use comes along.
        code: Python of an answer that was checked.
        header: a comment for the first line.

    Returns:
        The file's text; or why there can be none, which an answer can mend.
    """
    ours, theirs = lines_of(code.lstrip("\ufeff")), lines_of(problem.code.lstrip("\ufeff"))
    tree = ast.parse("\n".join(ours))
    answer = [unit for unit in _units(tree, ours) if not unit.guarded]
    stated = _needed(_units(problem.tree, theirs))
    kept = [unit for unit in answer if not unit.binds or not unit.binds <= set(PARTS)]
    clash = _clash(problem, tree, kept, stated)
    if clash is not None:
        return clash
    there = frozenset().union(*(unit.binds for unit in kept))
    said = frozenset().union(*(_dumped(unit) for unit in kept if not unit.binds))
    missing = [u for u in stated if not (u.binds <= there - set(PARTS) if u.binds else _dumped(u) <= said)]
    text = _written(kept, ours, missing, problem, header)
    if reference(ast.parse(text)) != reference(problem.tree):
        return Reason(
            code="name-clash",
            line=None,
            message="the answer defines the problem's own names in a way that hides them",
            instead=f"define neither {', '.join(PARTS)} nor anything of these names",
        )
    return text


def _units(tree: ast.Module, lines: Sequence[str]) -> list[_Unit]:
    """The statements of a file, grouped where one line holds several."""
    groups: list[tuple[int, int, list[ast.stmt]]] = []
    for node in tree.body:
        first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
        last = node.end_lineno or node.lineno
        if groups and first <= groups[-1][1]:
            start, end, nodes = groups[-1]
            groups[-1] = (start, max(end, last), [*nodes, node])
        else:
            groups.append((first, last, [node]))
    return [_unit(first, last, nodes, "\n".join(lines[first - 1 : last])) for first, last, nodes in groups]


def _unit(first: int, last: int, nodes: list[ast.stmt], text: str) -> _Unit:
    binds, writes, reads = _names(text)
    changes = frozenset().union(*(_changes(node) for node in nodes))
    return _Unit(first=first, last=last, nodes=tuple(nodes), binds=binds, writes=writes, changes=changes, reads=reads)


def _names(text: str) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    """What statements bind in the module, what their functions bind there later, and what they read of it."""
    top = symtable.symtable(text, "<unit>", "exec")
    binds = {s.get_name() for s in top.get_symbols() if s.is_assigned() or s.is_imported()}
    reads = {s.get_name() for s in top.get_symbols() if s.is_referenced()}
    writes: set[str] = set()
    pending = top.get_children()
    while pending:
        table = pending.pop()
        pending += table.get_children()
        inside = table.get_type() == "class"  # its body reads a name of the module before it has one of its own
        reads |= {s.get_name() for s in table.get_symbols() if s.is_global() or (inside and s.is_referenced())}
        declared = [s for s in table.get_symbols() if s.is_declared_global()]
        writes |= {s.get_name() for s in declared if s.is_assigned() or s.is_imported()}
    return frozenset(binds), frozenset(writes), frozenset(reads)


def _changes(node: ast.stmt) -> frozenset[str]:
    """Names whose value a statement may change without binding them."""
    if isinstance(node, _DEFINITIONS):
        return frozenset()
    found: list[ast.expr] = []
    for part in ast.walk(node):
        if isinstance(part, ast.Attribute | ast.Subscript) and not isinstance(part.ctx, ast.Load):
            found.append(part)
        elif isinstance(part, ast.Call):
            found += [part.func] if isinstance(part.func, ast.Attribute) else []
            found += [] if isinstance(node, ast.Assign | ast.AnnAssign) else part.args  # random.shuffle(D)
    roots = []
    for part in found:
        while isinstance(part, ast.Attribute | ast.Subscript | ast.Starred):
            part = part.value
        roots.append(part)
    return frozenset(root.id for root in roots if isinstance(root, ast.Name))


def _needed(units: Sequence[_Unit]) -> list[_Unit]:
    """What the problem's parts are made of, in the file's order; its kernels and ``ModelNew`` are not."""
    units = [unit for unit in units if not unit.guarded]
    kept = {unit for unit in units if any(_is_star(node) for node in unit.nodes)}
    kept |= _closure(units, frozenset(PARTS))
    while more := {unit for unit in units if unit not in kept and unit.changes & _own(kept)}:
        pulled = {unit: _closure(units, unit.reads) for unit in more}
        of_parts = {unit for unit in more if not any("ModelNew" in one.binds for one in pulled[unit])}
        if not of_parts:
            break
        kept |= of_parts.union(*(pulled[unit] for unit in of_parts))
    known = set().union(*(unit.binds for unit in kept))
    kept |= {unit for unit in units if not unit.binds and unit.reads and unit.reads <= known}  # torch.set_…(…)
    return [unit for unit in units if unit in kept and not _is_future(unit)]


def _closure(units: Sequence[_Unit], names: frozenset[str]) -> set[_Unit]:
    """The statements that bind these names, and all that they read."""
    kept: set[_Unit] = set()
    while more := {unit for unit in units if unit not in kept and unit.binds & names}:
        kept |= more
        names = names.union(*(unit.reads for unit in more))
    return kept


def _own(units: Iterable[_Unit]) -> set[str]:
    """Names with a value that can be changed in place: of no import, which others share, and no number."""
    nodes = [node for unit in units if not unit.imports for node in unit.nodes]
    numbers = constants(ast.Module(body=nodes, type_ignores=[]))
    return set().union(*(unit.binds for unit in units if not unit.imports)) - numbers.keys()


def _clash(problem: Problem, tree: ast.Module, answer: Sequence[_Unit], stated: Sequence[_Unit]) -> Reason | None:
    """A name that would come to mean something else in one file."""
    ours = frozenset().union(*(unit.binds | unit.writes for unit in answer))
    theirs = frozenset().union(*(unit.binds | unit.writes for unit in stated))
    own = constants(tree), constants(problem.tree)
    for name in sorted(ours & theirs):
        same = name in own[0] and name in own[1] and _value(own[0][name]) == _value(own[1][name])
        once = len(_bindings(name, answer)) == len(_bindings(name, stated)) == 1
        if not (same and once) and _meanings(name, answer) != _meanings(name, stated):
            return _reason(name, answer, f"and so does {problem.path}, where {_users(name, stated)} needs it")
    parts = {node.name: node for node in problem.tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)}
    for name in PARTS:
        own_part = next((n for n in tree.body if getattr(n, "name", None) == name), None)
        readers = [unit for unit in answer if name in unit.reads]
        if readers and (own_part is None or name not in parts or ast.dump(own_part) != ast.dump(parts[name])):
            return _reason(name, readers, f"which is the problem's own: {problem.path} defines it", verb="uses")
    # what one file takes from Python itself, and the other binds
    for name in sorted((frozenset().union(*(u.reads for u in stated)) - theirs) & ours):
        return _reason(name, answer, f"and {problem.path} takes that name from Python or a library")
    for name in sorted((frozenset().union(*(u.reads for u in answer)) - ours - set(PARTS)) & theirs):
        if hasattr(builtins, name):
            return _reason(name, answer, f"and {problem.path} gives that name another meaning", verb="uses")
    return None


def _reason(name: str, units: Sequence[_Unit], why: str, verb: str = "defines") -> Reason:
    named = [unit for unit in units if name in (unit.binds | unit.writes if verb == "defines" else unit.reads)]
    line = named[-1].first if named else None
    return Reason(
        code="name-clash",
        line=line,
        message=f"the answer {verb} {name}, {why}",
        instead=f"use another name than {name}, or define it exactly as the problem does",
    )


def _bindings(name: str, units: Sequence[_Unit]) -> list[ast.stmt]:
    """The statements that bind a name, at once or when they are called."""
    nodes = itertools.chain.from_iterable(unit.nodes for unit in units if name in unit.binds | unit.writes)
    return [node for node in nodes if name in frozenset().union(*_names(ast.unparse(node))[:2])]


def _meanings(name: str, units: Sequence[_Unit]) -> list[str]:
    """Every statement that the value rests on, so that equal texts mean the same; an import by what it names.

    Where the name is bound several times, it depends on the moment who sees which value: readers are told then, too.
    """
    found, bindings = [], _bindings(name, units)
    imported = all(isinstance(node, ast.Import | ast.ImportFrom) for node in bindings)
    for node in bindings:
        if isinstance(node, ast.Import):
            found += [
                f"import {alias.name if alias.asname else alias.name.partition('.')[0]}"
                for alias in node.names
                if (alias.asname or alias.name.partition(".")[0]) == name
            ]
        elif isinstance(node, ast.ImportFrom):
            where = "." * node.level + (node.module or "")
            found += [f"import {where}.{a.name}" for a in node.names if (a.asname or a.name) == name]
        else:
            found.append(ast.dump(node))
    if imported:
        return list(dict.fromkeys(found))
    for node in itertools.chain.from_iterable(unit.nodes for unit in units if name in unit.reads):
        seen = len(bindings) > 1 and not isinstance(node, _DEFINITIONS)
        if node not in bindings and (seen or name in _changes(node)):
            found.append(ast.dump(node))
    return found


def _dumped(unit: _Unit) -> set[str]:
    return {ast.dump(node) for node in unit.nodes}


def _users(name: str, units: Iterable[_Unit]) -> str:
    """Who of the problem reads a name, for people."""
    named = sorted({part for unit in units if name in unit.reads for part in unit.binds & set(PARTS)})
    return named[0] if named else "its reference"


def _value(node: ast.Constant) -> tuple[type, object]:
    return type(node.value), node.value


def _is_star(node: ast.stmt) -> bool:
    return isinstance(node, ast.ImportFrom) and node.names[0].name == "*"


def _is_future(unit: _Unit) -> bool:
    return all(isinstance(node, ast.ImportFrom) and node.module == "__future__" for node in unit.nodes)


def _written(
    answer: Sequence[_Unit], ours: Sequence[str], missing: Sequence[_Unit], problem: Problem, header: str
) -> str:
    """The file: the answer with the problem's imports below its own, then the rest of the problem."""
    theirs = lines_of(problem.code.lstrip("\ufeff"))
    words = list(itertools.takewhile(_is_text, answer))
    imports = list(itertools.takewhile(lambda unit: unit.imports, answer[len(words) :]))
    rest = answer[len(words) + len(imports) :]
    features = _features(problem.tree.body) - _features(node for unit in answer for node in unit.nodes)
    top = [
        *(f"from __future__ import {feature}" for feature in sorted(features)),
        *([_run(imports, ours)] if imports else []),
        *(_run([unit], theirs) for unit in missing if unit.imports),
    ]
    tail = [unit for unit in missing if not unit.imports]
    opening = "\n\n".join(part for part in (_run(words, ours), "\n".join(top)) if part)
    blocks = [opening, _run(rest, ours), _run(tail, theirs)]
    text = "\n\n\n".join(block for block in blocks if block) + "\n"
    return f"# {header}\n{text}" if header else text


def _run(units: Sequence[_Unit], lines: Sequence[str]) -> str:
    """Statements as they stand, with the comments directly above them; of blank lines, two at most."""
    out: list[str] = []
    last = 0
    for unit in units:
        first = unit.first
        while first - 1 > last and lines[first - 2].lstrip().startswith("#"):
            first -= 1
        if out:
            blank = first - 1 > last and not lines[first - 2].strip()
            wide = blank and first - 2 > last and not lines[first - 3].strip()
            out += [""] * (blank + wide)
        out += lines[first - 1 : unit.last]
        last = unit.last
    return "\n".join(out)


def _features(nodes: Iterable[ast.stmt]) -> set[str]:
    """What ``from __future__`` switches on."""
    return {
        alias.name
        for node in nodes
        if isinstance(node, ast.ImportFrom) and node.module == "__future__"
        for alias in node.names
    }


def _is_text(unit: _Unit) -> bool:
    return all(isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant) for n in unit.nodes)
