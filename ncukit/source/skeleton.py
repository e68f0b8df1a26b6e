"""A kernel file without its host code: what has to run so that its Triton functions can be compiled, and nothing more.

A recording names the file that it was made of. To compile that file's kernels again, nothing of what a report could
have named may be run. So only imports of Triton and math, constants, and Triton functions stay. And since Triton's
compiler itself calls Python functions that a kernel names, a function stays only when every name in it leads to
Triton's language, to math, or to a value: not to a module from where the rest of Python can be reached. What needs
something that did not stay is left out too: to compile it would blame the file for what was taken away from it.
"""

from __future__ import annotations

import ast
import builtins
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MODULES = ("triton", "math", "__future__")
HELPERS = ("triton.jit", "triton.experimental.gluon.jit", "triton.cdiv", "triton.next_power_of_2")
"""Functions of Triton's that a kernel may name beside its language."""
AT_RUN_TIME = ("launch_metadata", "repr")
"""Arguments of the decorator that the compiled code does not depend on; they are often functions."""
LIBRARIES = (
    "triton.language.math",
    "triton.language.extra.libdevice",
    "triton.language.extra.cuda.libdevice",
    "triton.language.extra.cuda",
    "triton.experimental.gluon.language",
    "triton.experimental.gluon.language.nvidia.hopper",
    "triton.experimental.gluon.language.nvidia.blackwell",
    "math",
    "triton.language",
)
"""Modules of which a kernel may use what lies directly in them."""
INNER = (
    "core",
    "semantic",
    "standard",
    "random",
    "builtins",
    "sys",
    "os",
    "inspect",
    "importlib",
    "functools",
    "typing",
)
"""Modules that lie in those, and lead out of them."""
_CALLS = ("getattr", "setattr", "hasattr", "globals", "locals", "vars", "eval", "exec", "open", "compile", "print")
_INWARD = ("gi_", "f_", "cr_", "ag_", "tb_", "co_", "func_")
"""How the attributes of generators, frames, tracebacks and code begin."""
_COMPILER = ("handle", "builder", "get_context", "to_ir", "mro")
"""Attributes of values that lead to the compiler's own objects."""
_TEXT = {n for n in (*dir(str), *dir(bytes)) if n[0] != "_"} - {"count", "index", "join", "split"}
"""Attributes of text: `"{0.x}".format(y)` reads any attribute of y. Tensors and tuples have the others too."""
_NEVER = {
    ast.Import: "imports",
    ast.ImportFrom: "imports",
    ast.Global: "sets a global",
    ast.Nonlocal: "sets a variable of another function",
    ast.ClassDef: "defines a class",
    ast.Lambda: "defines a lambda",
    ast.GeneratorExp: "makes a generator",
    ast.Yield: "is a generator",
    ast.YieldFrom: "is a generator",
    ast.Await: "awaits",
    ast.AsyncFunctionDef: "defines a coroutine",
    ast.NamedExpr: "uses `:=`",
}
_INSIDE = "is not defined at the top of the file, but inside something that would have to run"
LONGEST = 300
"""Characters of a reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A function of the file that did not stay."""

    line: int
    """Where it is defined."""
    why: str
    """What it does or is, to be read behind its name: "uses `act`, which comes from helpers"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Skeleton:
    """What stayed of a file, and what did not."""

    module: ast.Module
    """The file with what compiling needs, on the lines where it stands."""
    left_out: Mapping[str, LeftOut]
    """Every other function of the file, by its name."""


def skeleton(tree: ast.Module) -> ast.Module:
    """``tree`` with what compiling needs, on the lines where it stands."""
    return sift(tree).module


def sift(tree: ast.Module) -> Skeleton:
    """``tree`` with what compiling needs, and why each other function of it did not stay."""
    kept: list[ast.stmt] = []
    names: dict[str, str] = {}
    why: dict[str, str] = {}
    for node in tree.body:
        found: ast.stmt | None = None
        if isinstance(node, ast.Import | ast.ImportFrom):
            found = _imported(node, names)
        elif isinstance(node, ast.FunctionDef):
            # of two functions of one name, the recording does not say which one it is about
            twice = "is defined more than once" if node.name in why or node.name in _defined(kept) else ""
            found, refused = _function(node, names)
            if twice or refused:
                why[node.name], found = twice or refused, None
                kept = [n for n in kept if not (isinstance(n, ast.FunctionDef) and n.name == node.name)]
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            found = _assignment(node, names)
        if found is not None:
            kept.append(found)
    kept = without(kept, why, origins(tree))
    functions = {n.name: n.lineno for n in reversed(list(ast.walk(tree))) if isinstance(n, ast.FunctionDef)}
    lost = {n: LeftOut(line=at, why=why.get(n, _INSIDE)) for n, at in functions.items() if n not in _defined(kept)}
    return Skeleton(module=ast.fix_missing_locations(ast.Module(body=kept, type_ignores=[])), left_out=lost)


def without(kept: Iterable[ast.stmt], why: dict[str, str], where: Mapping[str, str]) -> list[ast.stmt]:
    """``kept`` without what needs a name that is not there though the file has it; ``why`` is told of functions.

    Args:
        kept: statements that may stay.
        why: reason for each function that does not stay; those that are found are added.
        where: where each name of the file comes from, as the function ``origins`` tells it.
    """
    left = [n for n in kept if not (isinstance(n, ast.FunctionDef) and n.name in why)]
    while True:
        bound = {name for node in left for name in _binds(node)}
        star = where.get("*")
        stays = []
        for node in left:
            for name in [n for n in _uses(node) if n not in bound]:
                origin = why.get(name) or where.get(name)
                if origin is None and star is not None and not hasattr(builtins, name):
                    origin = star
                if origin is not None:
                    if isinstance(node, ast.FunctionDef):
                        why[node.name] = f"uses `{name}`, which {origin}"[:LONGEST]
                    break
            else:
                stays.append(node)
        if len(stays) == len(left):
            return left
        left = stays


def _defined(kept: Iterable[ast.stmt]) -> set[str]:
    return {n.name for n in kept if isinstance(n, ast.FunctionDef)}


def _imported(node: ast.Import | ast.ImportFrom, names: dict[str, str]) -> ast.stmt | None:
    if isinstance(node, ast.Import):
        wanted = [a for a in node.names if a.name.split(".")[0] in MODULES]
        names |= {a.asname or a.name.split(".")[0]: a.name if a.asname else a.name.split(".")[0] for a in wanted}
        return ast.copy_location(ast.Import(names=wanted), node) if wanted else None
    if node.level or (node.module or "").split(".")[0] not in MODULES:
        return None
    names |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
    return node


def _function(node: ast.FunctionDef, names: Mapping[str, str]) -> tuple[ast.FunctionDef, str]:
    """The function as it may stay, and why it may not, or nothing."""
    copied = copy(node)
    jit = [_compiled_by(d) for d in node.decorator_list if _is_jit(d, names)]
    copied.decorator_list = [d for d in jit if _plain(d)]
    if not jit:
        return copied, "has no decorator of Triton's own that compiles it"
    if not copied.decorator_list:
        return copied, "has a decorator whose arguments are no constants"
    given = [*node.args.defaults, *(d for d in node.args.kw_defaults if d is not None)]
    parameters = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs, node.args.vararg, node.args.kwarg)
    notes = [a.annotation for a in parameters if a is not None and a.annotation is not None]
    if not all(map(_constant, [*given, *notes, *([node.returns] if node.returns else [])])):
        return copied, "has defaults or annotations that are no constants"  # evaluated where the function is defined
    return copied, _refused(copied, names)


def _assignment(node: ast.Assign | ast.AnnAssign, names: Mapping[str, str]) -> ast.stmt | None:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    members = [m for t in targets for m in (t.elts if isinstance(t, ast.Tuple) else [t])]
    if node.value is None or not _constant(node.value) or not all(isinstance(m, ast.Name) for m in members):
        return None
    found: ast.Assign | ast.AnnAssign = node
    if isinstance(node, ast.AnnAssign) and (not _constant(node.annotation) or _refused(node, names)):
        # Python evaluates an annotation too, and the value does not need it
        found = ast.copy_location(ast.Assign(targets=[node.target], value=node.value), node)
    return None if _refused(found, names) else found


def origins(tree: ast.Module) -> dict[str, str]:
    """Where the names of the file's own scope come from; ``*`` for those that no import spells out."""
    found: dict[str, str] = {}
    pending: list[ast.AST] = list(reversed(tree.body))
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Import):
            found |= {a.asname or a.name.split(".")[0]: f"comes from {a.name}" for a in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            inner = f"is imported on line {node.lineno}, inside something that would have to run"
            origin = f"comes from {module}" if node in tree.body else inner
            found |= {a.asname or a.name: origin for a in node.names if a.name != "*"}
            if any(a.name == "*" for a in node.names):
                found["*"] = f"may come from {module}"
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found[node.name] = f"is defined on line {node.lineno}"
            continue
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found[node.id] = f"is set on line {node.lineno}"
        pending += reversed(list(ast.iter_child_nodes(node)))
    return found


def _binds(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef):
        return [node.name]
    if isinstance(node, ast.Import | ast.ImportFrom):
        return [a.asname or (a.name.split(".")[0] if isinstance(node, ast.Import) else a.name) for a in node.names]
    return [n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]


def _uses(node: ast.stmt) -> list[str]:
    """Names that a statement takes from around it, without those of annotations of parameters."""
    if isinstance(node, ast.Assign | ast.AnnAssign):
        return [n.id for n in ast.walk(node.value or node) if isinstance(n, ast.Name)]
    if not isinstance(node, ast.FunctionDef):
        return []
    given = [*node.args.defaults, *(d for d in node.args.kw_defaults if d is not None), *node.decorator_list]
    parts = [n for statement in node.body for n in ast.walk(statement)]
    own = {a.arg for a in ast.walk(node.args) if isinstance(a, ast.arg)}
    own |= {a.arg for a in parts if isinstance(a, ast.arg)} | {n.name for n in parts if isinstance(n, ast.FunctionDef)}
    own |= {n.id for n in parts if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}
    read = [n for n in parts if isinstance(n, ast.Name) and n.id not in own]
    read += [n for value in given for n in ast.walk(value) if isinstance(n, ast.Name)]
    return list(dict.fromkeys(n.id for n in sorted(read, key=lambda n: (n.lineno, n.col_offset))))


def _is_jit(decorator: ast.expr, names: Mapping[str, str]) -> bool:
    target = decorator.func if isinstance(decorator, ast.Call) else decorator
    dotted = _dotted(target, names)
    return dotted.startswith("triton.") and dotted.rsplit(".", 1)[-1] == "jit"


def _dotted(node: ast.expr, names: Mapping[str, str]) -> str:
    """What an expression names through an import; empty when it does not start at one."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name) or node.id not in names:
        return ""
    return ".".join([names[node.id], *reversed(parts)])


def _refused(node: ast.stmt, names: Mapping[str, str]) -> str:
    """What in a statement leads elsewhere than to Triton's language, to math or to values; empty when nothing does."""
    outer = {id(n.value) for n in ast.walk(node) if isinstance(n, ast.Attribute)}
    for part in ast.walk(node):
        if type(part) in _NEVER:
            return _NEVER[type(part)]
        if isinstance(part, ast.ListComp | ast.SetComp | ast.DictComp) and not _simple(part, names):
            return "takes members apart in a comprehension"
        if isinstance(part, ast.Name) and (part.id in _CALLS or part.id.startswith("__")):
            return f"uses `{part.id}`"
        if isinstance(part, ast.BinOp | ast.AugAssign) and isinstance(part.op, ast.Mod) and _is_text(part):
            return "formats text with `%`"
        if isinstance(part, ast.Attribute) and _leads_out(part, names):
            return f"uses `.{part.attr}`"
        if isinstance(part, ast.Attribute | ast.Name) and id(part) not in outer:
            dotted = _dotted(part, names)
            if dotted and not _allowed(dotted):
                return f"uses `{dotted}`"
    return ""


def _leads_out(part: ast.Attribute, names: Mapping[str, str]) -> bool:
    if part.attr.startswith(("_", *_INWARD)) or part.attr in _COMPILER:
        return True
    return _is_text(part.value) or (part.attr in _TEXT and not _dotted(part, names))


def _simple(comprehension: ast.expr, names: Mapping[str, str]) -> bool:
    """Whether only what is imported is asked for attributes."""
    return all(_dotted(n, names) for n in ast.walk(comprehension) if isinstance(n, ast.Attribute))


def _is_text(node: ast.AST) -> bool:
    if isinstance(node, ast.BinOp):
        return _is_text(node.left) or _is_text(node.right)
    if isinstance(node, ast.AugAssign):
        return _is_text(node.value)
    if isinstance(node, ast.IfExp):
        return _is_text(node.body) or _is_text(node.orelse)
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id == "str"
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str | bytes))


def _allowed(dotted: str) -> bool:
    if dotted in HELPERS:
        return True
    module, _, name = dotted.rpartition(".")
    # the whole of `tl` as a value could be handed on and taken apart
    return module in LIBRARIES and name not in INNER and dotted not in LIBRARIES


def _compiled_by(decorator: ast.expr) -> ast.expr:
    """The decorator without what the compiled code does not depend on."""
    if not isinstance(decorator, ast.Call):
        return decorator
    copied = copy(decorator)
    copied.keywords = [k for k in decorator.keywords if k.arg not in AT_RUN_TIME]
    return copied


def _plain(decorator: ast.expr) -> bool:
    """Whether the decorator's own arguments are literals."""
    if not isinstance(decorator, ast.Call):
        return True
    return not decorator.args and all(_constant(k.value) for k in decorator.keywords)


def _constant(value: ast.expr) -> bool:
    """Literals, arithmetic on them and on names, ``tl.constexpr(…)`` of such, and names of types."""
    if isinstance(value, ast.Call):
        called = value.func.attr if isinstance(value.func, ast.Attribute) else getattr(value.func, "id", "")
        plain = _constant(value.func) and all(map(_constant, value.args)) and not value.keywords
        return called == "constexpr" and plain
    if isinstance(value, ast.Tuple | ast.List):
        return all(map(_constant, value.elts))
    if isinstance(value, ast.BinOp):
        endless = isinstance(value.op, ast.Pow | ast.LShift)  # 9**9**9 never ends
        return not endless and _constant(value.left) and _constant(value.right)
    if isinstance(value, ast.UnaryOp):
        return _constant(value.operand)
    if isinstance(value, ast.Attribute):
        return _constant(value.value)
    return isinstance(value, ast.Constant | ast.Name)
