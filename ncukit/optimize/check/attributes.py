"""Attributes of values: those that torch, Triton and Python's containers are used by, and the answer's own.

Whatever a value is, nothing behind it leads out of the rules: no name that begins with an underscore unless the answer
gave it to something itself, and none that is not known to be harmless.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from ncukit.optimize.check import roads
from ncukit.optimize.check.words import reason, short

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ncukit.optimize.check.answer import Answer
    from ncukit.optimize.verdict import Reason

_CODES = {
    "record_stream": "hidden-stream",
    "as_subclass": "lazy-tensor",
    "_make_subclass": "lazy-tensor",
    "_make_wrapper_subclass": "lazy-tensor",
    "compile": "library-compute",
}
_SPECIAL = ("__name__", "__version__", "__doc__")
_METHODS = (
    "__init__", "__post_init__", "__call__", "__repr__", "__str__", "__len__", "__iter__", "__next__",
)  # fmt: skip
_NAMED = ("__all__", "__slots__", "__constants__", "__version__", "__author__")
_SETTABLE = ("block_shape", "data", "grad", "requires_grad")
"""Set on anything: by a configuration's hook on a descriptor, as Triton's tutorials do, and on parameters."""
_TUPLE = ("_asdict", "_fields", "_make", "_replace")


def check(answer: Answer) -> Iterator[Reason]:
    """Every attribute that may not be read or set, and every special name that may not be given."""
    for node in ast.walk(answer.tree):
        if isinstance(node, ast.Attribute):
            if not isinstance(node.ctx, ast.Load):
                yield from _set(answer, node)
            elif not answer.scopes.dotted(node):  # what begins with an import is judged as a whole
                yield from _read(answer, node)
        elif isinstance(node, ast.MatchClass):
            for name in node.kwd_attrs:
                yield from problem(answer, node, name)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("getattr", "hasattr"):
            yield from _asked(answer, node)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if _special(node.name) and node.name not in _METHODS:
                code = "lazy-tensor" if "torch" in node.name else "forbidden-attribute"
                yield reason(code, node, f"{short(node.name)} changes what Python itself does", "leave it out")
        elif isinstance(node, ast.Name) and _special(node.id):
            allowed = ("__name__",) if isinstance(node.ctx, ast.Load) else _NAMED
            if node.id not in allowed:
                yield reason("forbidden-name", node, f"{short(node.id)} leads into Python itself", "leave it out")


_TORCHS = re.compile(r"^_.*(hook|state_dict|parameters|buffers|modules)")
"""Names that torch's own objects keep to themselves: an answer's class that has one too does not open theirs."""


def problem(answer: Answer, node: ast.AST, name: str) -> Iterator[Reason]:
    """Why an attribute may not be used, if it may not."""
    if name in roads.listed("never"):
        code = _CODES.get(name, "forbidden-attribute")
        yield reason(code, node, f"`.{short(name)}` reaches what is not the answer's", "leave it out")
    elif _special(name):
        if name not in _SPECIAL:
            yield reason("forbidden-attribute", node, f"`.{short(name)}` leads into Python itself", "leave it out")
    elif name in ("format", "format_map"):
        text = f"`.{name}` reads any attribute that its text names"
        yield reason("forbidden-attribute", node, text, "write an f-string")
    elif name not in roads.listed("attributes") and (name not in own(answer) or _TORCHS.search(name)):
        instead = "use methods of tensors, and attributes that the answer's classes set themselves"
        yield reason("forbidden-attribute", node, f"`.{short(name)}` is no attribute that an answer may use", instead)


def own(answer: Answer) -> frozenset[str]:
    """Attributes that the answer itself gives to something."""
    return answer.module.remembered("own attributes", lambda: frozenset(_own(answer.tree)))


def _own(tree: ast.Module) -> Iterator[str]:
    yield from _TUPLE
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr
        elif isinstance(node, ast.ClassDef):
            for inner in node.body:
                if isinstance(inner, ast.FunctionDef | ast.ClassDef):
                    yield inner.name
                for target in getattr(inner, "targets", [getattr(inner, "target", None)]):
                    yield from (n.id for n in ast.walk(target) if isinstance(n, ast.Name)) if target else ()
        elif isinstance(node, ast.Call) and _is_factory(node):
            for text in (n.value for n in ast.walk(node) if isinstance(n, ast.Constant)):
                yield from text.replace(",", " ").split() if isinstance(text, str) else ()


def _is_factory(node: ast.Call) -> bool:
    """Whether names of attributes stand in a call as text."""
    called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    return called in ("namedtuple", "NamedTuple", "register_buffer", "register_parameter", "add_module")


def _special(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")


def _read(answer: Answer, node: ast.Attribute) -> Iterator[Reason]:
    base, outer = node.value, answer.scopes.parents.get(node)
    if node.attr == "__init__" and isinstance(base, ast.Call) and _name(base.func) == "super":
        return
    if node.attr == "__init__" and isinstance(base, ast.Name) and _is_class(answer, base):
        return
    if node.attr == "__class__" and isinstance(outer, ast.Attribute) and outer.attr == "__name__":
        return
    yield from problem(answer, node, node.attr)


def _is_class(answer: Answer, base: ast.Name) -> bool:
    return any(isinstance(n, ast.ClassDef) and n.name == base.id for n in answer.tree.body)


def _set(answer: Answer, node: ast.Attribute) -> Iterator[Reason]:
    """Setting is for a class's own attributes: ``self.eps = eps``."""
    if answer.scopes.dotted(node) or node.attr in _SETTABLE:
        return  # the first is said of the import
    names = {f.args.args[0].arg for f in answer.around(node) if _is_method(answer, f) and f.args.args}  # type: ignore[attr-defined]
    root: ast.expr = node.value
    while isinstance(root, ast.Attribute | ast.Subscript):
        root = root.value
    if not (isinstance(root, ast.Name) and root.id in names):
        text = f"{short(ast.unparse(node))} is set from outside of its class"
        yield reason("patched", node, text, "set attributes of self alone, in methods of ModelNew")
    elif _special(node.attr) or node.attr in roads.listed("never"):
        yield reason("patched", node, f"{short(ast.unparse(node))} changes what is not the answer's", "leave it out")


def _is_method(answer: Answer, node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef) and isinstance(answer.scopes.parents.get(node), ast.ClassDef)


def _asked(answer: Answer, node: ast.Call) -> Iterator[Reason]:
    """``getattr`` with a name that stands there is that attribute; with any other it could be all of them."""
    named = node.args[1] if len(node.args) > 1 else None
    if not (isinstance(named, ast.Constant) and isinstance(named.value, str)):
        text = f"{short(ast.unparse(node))} takes a name that is computed"
        yield reason("forbidden-name", node, text, "write the attribute out")
    elif not answer.scopes.dotted(node.args[0]):
        yield from problem(answer, node, named.value)


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else ""
