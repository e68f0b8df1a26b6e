"""Which pointer arguments a compiled Triton kernel loads from and stores to, read off its TTIR text.

TTIR is Triton's first intermediate form: SSA values, one operation a line, source locations at the end of each. Roots
(the pointer arguments a value descends from) are followed through every operation except loads. Where a pointer
cannot be followed (built from an integer, passed to a function that was not inlined) the answer is "unknown", not "no".
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_ARGUMENT = re.compile(r'%(\w+): (!tt\.\w+|\S+)[^%]*?loc\((?:"(\w+)"\()?(#loc\d*)?\)')
_VALUE = re.compile(r"%[\w$.-]+(?:#\d+)?")
_DEFINES = re.compile(r"^\s*(%[\w$.-]+)(?::(\d+))? = ")
_LOCATION = re.compile(r"loc\((#loc\d*)\)\s*$")
_LOADS = ("tt.load", "tt.descriptor_load", "tt.experimental_descriptor_load", "tt.descriptor_gather")
_STORES = ("tt.store", "tt.descriptor_store", "tt.experimental_descriptor_store", "tt.descriptor_scatter")
_CARRIES = (
    "tt.addptr", "tt.splat", "tt.broadcast", "tt.expand_dims", "tt.reshape", "tt.trans", "tt.bitcast", "tt.cat",
    "tt.join", "tt.split", "tt.unsplat", "tt.make_tensor_ptr", "tt.advance", "tt.make_tensor_descriptor", "tt.return",
    "tt.experimental_make_tensor_descriptor", "arith.select", "tt.gather", "ttg.convert_layout",
)  # fmt: skip
_BOTH = ("tt.atomic_rmw", "tt.atomic_cas", "tt.descriptor_reduce")

_FOLLOWED = (*_CARRIES, *_LOADS, *_STORES, *_BOTH)


@dataclass
class Access:
    """Source lines where one argument is loaded and stored."""

    loads: set[int] = field(default_factory=set)
    stores: set[int] = field(default_factory=set)


@dataclass
class Facts:
    """What one kernel's TTIR tells."""

    arguments: dict[str, Access | None]
    """Pointer parameter → its accesses; None when it could not be followed."""
    has_dot: bool | None
    """None when there is no TTIR to tell."""
    line: int | None
    """Line of the kernel's ``def``."""


def read_ttir(text: str) -> Facts:
    """Follow every pointer argument of the one public function in ``text``."""
    lines = text.splitlines()
    places = locations(lines)
    start = next((i for i, line in enumerate(lines) if "tt.func public" in line), None)
    if start is None:
        return Facts(arguments={}, has_dot=None, line=None)
    end = next((i for i in range(start + 1, len(lines)) if lines[i].startswith("  }")), None)
    if end is None:
        return Facts(arguments={}, has_dot=None, line=None)  # cut off: what follows may touch anything
    body = _scoped(lines[start + 1 : end])
    named = _named(lines)
    roots: dict[str, frozenset[str]] = {}
    for match in _ARGUMENT.finditer(lines[start]):
        if match.group(2).startswith("!tt."):
            # the printed value is called after the variable it was last assigned to; its location keeps the parameter
            name = named.get(match.group(4) or "", "") or match.group(3) or match.group(1)
            roots[f"%{match.group(1)}"] = frozenset((name,))
    names = [name for root in roots.values() for name in root]
    before: dict[str, frozenset[str]] = {}
    while before != roots:  # a loop may hand pointers round once a trip; roots only grow, so this ends
        before = dict(roots)
        _propagate(body, roots)
    found: dict[str, Access] = {name: Access() for name in names}
    unknown: set[str] = set()
    lost = _collect(body, roots, places, found, unknown)
    arguments = {name: None if lost or name in unknown else found[name] for name in names}
    closing = _LOCATION.search(lines[end])
    define = places.get(closing.group(1)) if closing else None
    return Facts(arguments=arguments, has_dot="tt.dot" in text, line=define)


def _scoped(body: list[str]) -> list[str]:
    """The lines with a name of its own for every value: two loops after one another print the same names again."""
    scopes: list[dict[str, str]] = [{}]
    count = 0
    scoped = []
    for line in body:
        text = line.split(" loc(")[0].strip()
        if text.startswith("}") and len(scopes) > 1:
            scopes.pop()
        inner: dict[str, str] = {}
        pieces, at = [], 0
        for match in _VALUE.finditer(line):
            name, _, part = match.group().partition("#")
            first, after = not line[: match.start()].strip(), line[match.end() :].lstrip()
            if (first and _DEFINES.match(line)) or (text.startswith("^") and after.startswith(":")):
                target = scopes[-1]
            elif after.startswith("= "):
                target = inner  # what a loop hands to its body
            else:
                target = None
            if target is not None:
                count += 1
                target[name] = f"{name}${count}"
                renamed = target[name]
            else:
                renamed = next((scope[name] for scope in reversed(scopes) if name in scope), name)
            pieces += [line[at : match.start()], f"{renamed}#{part}" if part else renamed]
            at = match.end()
        scoped.append("".join(pieces) + line[at:])
        if text.endswith("{"):
            scopes.append(inner)
    return scoped


def _operation(line: str) -> str:
    rest = line.split(" = ", 1)[1] if _DEFINES.match(line) else line.strip()
    return rest.split(" ", 1)[0].split("(", 1)[0].strip('"')


def _operands(line: str) -> list[str]:
    rest = line.split(" = ", 1)[1] if _DEFINES.match(line) else line
    return _VALUE.findall(rest)


def _propagate(body: list[str], roots: dict[str, frozenset[str]]) -> None:
    none: frozenset[str] = frozenset()
    regions: list[tuple[str, int, list[str]]] = []  # results and loop-carried names of each open region

    def merge(name: str, more: frozenset[str]) -> None:
        if more:
            roots[name] = roots.get(name, none) | more

    passed: list[str] = []  # what the last loop condition hands to the loop's body
    for line in body:
        operation = _operation(line)
        defined = _DEFINES.match(line)
        if operation == "scf.condition":
            passed = _operands(line)[1:]
        elif operation.startswith("^"):
            for name, operand in zip(re.findall(r"(%[\w$.-]+):", line), passed, strict=False):
                merge(name, roots.get(operand, none))
            passed = []  # the blocks of a reduction inside take values of their own
            continue
        if operation in ("scf.yield", "scf.condition") and regions:
            operands = _operands(line)[1:] if operation == "scf.condition" else _operands(line)
            result, count, carried = regions[-1]
            for position, operand in enumerate(operands):
                more = roots.get(operand, none)
                if result:
                    merge(result if count <= 1 else f"{result}#{position}", more)
                if position < len(carried):
                    merge(carried[position], more)
        elif "iter_args(" in line or operation == "scf.while":
            pairs = re.findall(r"(%[\w$.-]+) = (%[\w$.-]+(?:#\d+)?)", line.split("(", 1)[1] if "(" in line else "")
            result = defined.group(1) if defined else ""
            for position, (name, initial) in enumerate(pairs):
                merge(name, roots.get(initial, none))
                if result:
                    merge(result if len(pairs) == 1 else f"{result}#{position}", roots.get(initial, none))
        elif defined and operation not in _LOADS + _BOTH:
            merge(defined.group(1), frozenset().union(*(roots.get(o, none) for o in _operands(line))))
        text = line.split(" loc(")[0].rstrip()
        if text.endswith("{"):
            carried = [
                name for name, _ in re.findall(r"(%[\w$.-]+) = (%[\w$.-]+(?:#\d+)?)", line.split("iter_args(")[-1])
            ]
            result = defined.group(1) if defined else (regions[-1][0] if "else" in line and regions else "")
            count = int(defined.group(2) or 1) if defined else 1
            if "} else {" in line or "} do {" in line:
                previous = regions.pop() if regions else ("", 1, [])
                regions.append(previous)
            else:
                regions.append((result, count, carried if "iter_args(" in line or operation == "scf.while" else []))
        elif text.strip().startswith("}") and regions:
            regions.pop()


def _collect(
    body: list[str],
    roots: dict[str, frozenset[str]],
    places: dict[str, int],
    found: dict[str, Access],
    unknown: set[str],
) -> bool:
    """Fill ``found`` and ``unknown``; True when some access could not be traced to any argument."""
    lost = False
    for line in body:
        operation = _operation(line)
        operands = _operands(line)
        if operation not in _FOLLOWED and not operation.startswith(("scf.", "^")):
            # a call, inline assembly, a cast to an integer: what becomes of the pointer is not to be seen here
            unknown.update(*(roots.get(o, frozenset()) for o in operands))
        if operation not in _LOADS + _STORES + _BOTH or not operands:
            continue
        origin = roots.get(operands[0], frozenset())
        lost = lost or not origin
        location = _LOCATION.search(line)
        number = places.get(location.group(1), 0) if location else 0
        for name in origin:
            if operation not in _STORES:
                found[name].loads.add(number)
            if operation not in _LOADS:
                found[name].stores.add(number)
    return lost


def _named(lines: list[str]) -> dict[str, str]:
    """Location alias → the innermost name it carries: the parameter, where a value was renamed on the way."""
    raw = dict(re.findall(r'^(#loc\d*) = loc\("(\w+)"\(', "\n".join(lines), flags=re.MULTILINE))
    inner = dict(re.findall(r'^(#loc\d*) = loc\("\w+"\((#loc\d*)\)\)', "\n".join(lines), flags=re.MULTILINE))
    found = {}
    for alias in raw:
        deepest = alias
        for _ in range(20):  # deeper than Triton nests; a circle in damaged text ends here
            deepest = inner[deepest] if inner.get(deepest) in raw else deepest
        found[alias] = raw[deepest]
    return found


def locations(lines: list[str]) -> dict[str, int]:
    """Location alias → source line; a named location is its inner one, an inlined call counts at the call."""
    raw = {}
    for line in lines:
        match = re.match(r"^(#loc\d*) = loc\((.*)\)\s*$", line)
        if match:
            raw[match.group(1)] = match.group(2)
    resolved: dict[str, int] = {}

    def resolve(text: str, depth: int = 0) -> int:
        direct = re.match(r'^".*":(\d+):\d+(?: to .*)?$', text)
        if direct:
            return int(direct.group(1))
        call = re.match(r"^callsite\((.*) at (.*)\)$", text)
        inner = call.group(2) if call else text
        aliases = re.findall(r"#loc\d*", inner)
        if depth > 50 or not aliases:
            return 0
        return resolve(raw.get(aliases[0], ""), depth + 1)

    for alias, text in raw.items():
        resolved[alias] = resolve(text)
    return resolved
