"""The size constants of a kernel file: which may be set, to what, and the file's text with them set.

A constant is a slot: a module-level number (``rows``), or one of a tuple of numbers (``shape[0]``). Expressions of
numbers such as ``1024 * 2`` count as the number that they are.
"""

from __future__ import annotations

import ast
import itertools
import math
import symtable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

Slots = dict[str, int]
SMALL = 8
"""A constant up to this is left alone: a count of groups, a kernel's width, a stride."""
STEPS = tuple(8 << k for k in range(28))
_LAUNCH = ("num_warps", "num_stages", "num_ctas", "maxnreg")
_LARGEST = 2**62


def slots(code: str) -> Slots:
    """The whole numbers that a file assigns at its top level."""
    return {name: int(value) for name, _, value in _constants(ast.parse(code)) if isinstance(value, int)}


def scalable(code: str) -> Slots:
    """Those that make the inputs or the model's arguments and that ``Model`` itself does not read."""
    reads = _reads(code)
    made = _closure({"get_inputs", "get_init_inputs"}, reads)
    fixed = _closure({"Model"}, reads)
    return {
        slot: value
        for slot, value in slots(code).items()
        if slot.split("[")[0] in made and slot.split("[")[0] not in fixed and value > 1
    }


def resized(code: str, settings: Mapping[str, int | float]) -> str:
    """The text with these constants set; every line stays where it was. Unknown ones are left out."""
    lines = code.encode().splitlines(keepends=True)
    starts = list(itertools.accumulate((len(line) for line in lines), initial=0))
    data = code.encode()
    places = []
    for slot, node, value in _constants(ast.parse(code)):
        if slot in settings and settings[slot] != value and node.end_lineno and node.end_col_offset is not None:
            first = starts[node.lineno - 1] + node.col_offset
            last = starts[node.end_lineno - 1] + node.end_col_offset
            places.append((first, last, repr(settings[slot]) + "\n" * (node.end_lineno - node.lineno)))
    for first, last, text in sorted(places, reverse=True):
        data = data[:first] + text.encode() + data[last:]
    return data.decode()


def shared(own: Mapping[str, int], code: str) -> set[str]:
    """The slots of a problem that another file states as well, with the same value."""
    try:
        theirs = slots(code)
    except SyntaxError:
        return set()
    return {slot for slot, value in own.items() if theirs.get(slot) == value}


def shrunk(own: Mapping[str, int], largest: int) -> Slots:
    """Every constant halved until it is at most ``largest``: divisors stay divisors for as long as that can be.

    The first one, most often a batch, comes down further: there is a program for each of them, and the interpreter
    runs one after another.
    """
    first = next((slot for slot, value in own.items() if value > SMALL), "") if len(own) > 1 else ""
    return {slot: _halved(v, max(SMALL, largest // 8) if slot == first else largest) for slot, v in own.items()}


def _halved(value: int, largest: int) -> int:
    if value <= SMALL:
        return value
    while value > largest and value % 2 == 0:
        value //= 2
    if value > largest:  # odd, and to stay so
        value = largest - 1 + largest % 2
    return value


def fitting(own: Mapping[str, int], fits: Callable[[Slots], bool]) -> Slots | None:
    """The constants as they are if they fit, else the largest shrunk ones that do; None when none do."""
    found = None
    for largest in STEPS:  # from below: to try what is far too large may take all memory
        tried = shrunk(own, largest)
        if not fits(tried):
            break
        found = tried
        if tried == own:
            break
    return found


def faithful(own: Mapping[str, int], code: str, fits: Callable[[Slots], bool]) -> Slots | None:
    """The smallest constants that stand to every number in ``code`` as the file's own do, if they fit.

    What divides a constant, or the product of neighbours, still does; what equals one still does. A kernel that is
    wrong at these would be wrong at the file's own sizes.
    """
    numbers = _numbers(code, shared(own, code))
    runs = [names for n in range(1, len(own) + 1) for names in _neighbours(list(own), n)]
    for largest in STEPS:
        tried = {slot: _multiple(value, largest, numbers) for slot, value in own.items()}
        if all(_alike(names, own, tried, numbers) for names in runs):
            return tried if fits(tried) else None
        if tried == own:
            break
    return None


def _multiple(value: int, largest: int, numbers: set[int]) -> int:
    if value <= SMALL or value in numbers:
        return value
    unit = math.lcm(*(n for n in numbers if value % n == 0))
    count = max(1, largest // unit)
    while count > 1 and value % (unit * count):
        count -= 1
    return min(value, unit * count)


def _alike(names: tuple[str, ...], own: Mapping[str, int], tried: Mapping[str, int], numbers: set[int]) -> bool:
    before, after = (math.prod(each[name] for name in names) for each in (own, tried))
    return all(after % n == 0 for n in numbers if before % n == 0) and (before not in numbers or before == after)


def _neighbours(names: list[str], count: int) -> Iterator[tuple[str, ...]]:
    for first in range(len(names) - count + 1):
        yield tuple(names[first : first + count])


def _numbers(code: str, without: set[str]) -> set[int]:
    """Whole numbers above 1 that a file states, apart from these constants and launch options."""
    tree = ast.parse(code)
    apart = {id(inner) for slot, node, _ in _constants(tree) if slot in without for inner in ast.walk(node)}
    apart |= {id(k.value) for call in ast.walk(tree) if isinstance(call, ast.Call) for k in call.keywords
              if k.arg in _LAUNCH}  # fmt: skip
    found = (_folded(node) for node in ast.walk(tree) if isinstance(node, ast.expr) and id(node) not in apart)
    return {n for n in found if isinstance(n, int) and 1 < n < 2**40}


def _constants(tree: ast.Module) -> Iterator[tuple[str, ast.expr, int | float]]:
    """Slot, expression, value."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target, value = node.targets[0], node.value
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            target, value = node.target, node.value
        else:
            continue
        pairs: list[tuple[str, ast.expr]] = []
        if isinstance(target, ast.Name) and isinstance(value, ast.Tuple | ast.List):
            pairs = [(f"{target.id}[{n}]", member) for n, member in enumerate(value.elts)]
        elif isinstance(target, ast.Name):
            pairs = [(target.id, value)]
        elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
            both = zip(target.elts, value.elts, strict=True)
            pairs = [(name.id, member) for name, member in both if isinstance(name, ast.Name)]
        for slot, expression in pairs:
            number = _folded(expression)
            if number is not None:
                yield slot, expression, number


def _folded(node: ast.expr) -> int | float | None:
    """The number that an expression of numbers is; None for anything else."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, int | float) and not isinstance(node.value, bool) else None
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inner = _folded(node.operand)
        return None if inner is None else -inner
    if not isinstance(node, ast.BinOp):
        return None
    left, right = _folded(node.left), _folded(node.right)
    if not isinstance(left, int) or not isinstance(right, int):
        return None
    value = _computed(node.op, left, right)
    return value if value is not None and abs(value) < _LARGEST else None


def _computed(operator: ast.operator, left: int, right: int) -> int | None:
    if isinstance(operator, ast.Add):
        return left + right
    if isinstance(operator, ast.Sub):
        return left - right
    if isinstance(operator, ast.Mult):
        return left * right
    if isinstance(operator, ast.FloorDiv) and right:
        return left // right
    small = 0 <= right < 62 and abs(left) < 2**20
    if isinstance(operator, ast.Pow) and small and abs(left) ** right < _LARGEST:
        return int(left**right)
    return left << right if isinstance(operator, ast.LShift) and small else None


def _reads(code: str) -> dict[str, set[str]]:
    """What each definition of the top level reads of the others."""
    reads: dict[str, set[str]] = {}
    for table in symtable.symtable(code, "problem", "exec").get_children():
        reads.setdefault(table.get_name(), set()).update(_globals(table))
    for node in ast.parse(code).body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            used = {n.id for n in ast.walk(node.value) if isinstance(n, ast.Name)}
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for name in (n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name)):
                reads.setdefault(name, set()).update(used)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            outside = [d for n in ast.walk(node) if isinstance(n, ast.FunctionDef)
                       for d in (*n.args.defaults, *n.args.kw_defaults) if d is not None]  # fmt: skip
            used = {n.id for d in outside for n in ast.walk(d) if isinstance(n, ast.Name)}
            reads.setdefault(node.name, set()).update(used)
    return reads


def _globals(table: symtable.SymbolTable) -> set[str]:
    own = {s.get_name() for s in table.get_symbols() if s.is_global() and s.is_referenced()}
    return own.union(*(_globals(child) for child in table.get_children()))


def _closure(names: set[str], reads: Mapping[str, set[str]]) -> set[str]:
    found, queue = set(names), list(names)
    while queue:
        for name in reads.get(queue.pop(), set()) - found:
            found.add(name)
            queue.append(name)
    return found
