"""What the names of a kernel file may lead to when its host code is not run: Triton's language, and nothing behind it.

Triton's compiler calls the Python functions that a kernel names. ``tl.core.inspect.os`` is one way out of its language
of many, and every version has others. So a file's imports bind copies of Triton's modules that hold the language alone,
and its functions see few of Python's builtins. ``ncukit.source.skeleton`` looks at the text; this holds whatever the
text says.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import importlib
import math
import types
from functools import cache
from typing import Any

LANGUAGES = ("triton.language", "triton.experimental.gluon")
HELPERS = ("jit", "cdiv", "next_power_of_2", "constexpr_function")
"""What kernels use of ``triton`` itself."""
STUBS, LIBRARY = "triton.language.extra.libdevice", "triton.language.extra.cuda.libdevice"
"""Functions that a backend replaces, and NVIDIA's in their place."""
BUILTINS = ("abs", "bool", "float", "int", "isinstance", "len", "list", "max", "min", "range", "str", "sum", "tuple")


def fresh(name: str, file: str) -> types.ModuleType:
    """An empty module for a file's functions."""
    module = types.ModuleType(name)
    module.__file__ = file
    module.__dict__["__builtins__"] = {n: getattr(builtins, n) for n in BUILTINS}
    return module


def bind(node: ast.Import | ast.ImportFrom, names: dict[str, Any]) -> None:
    """Bind in ``names`` what an import names, as far as it is there and may be had."""
    for alias in node.names:
        with contextlib.suppress(ImportError):
            if isinstance(node, ast.ImportFrom):
                names[alias.asname or alias.name] = _member(node.module or "", alias.name)
            else:
                first = alias.name.split(".")[0]
                names[alias.asname or first] = module_of(alias.name if alias.asname else first)


def _member(module: str, name: str) -> Any:
    try:
        found = vars(module_of(module))
    except ImportError:
        found = {}
    if name.startswith("_") or name not in found:
        return module_of(f"{module}.{name}")
    value = found[name]
    return module_of(LIBRARY) if isinstance(value, types.ModuleType) and value.__name__ == STUBS else value


@cache
def module_of(name: str) -> types.ModuleType:
    """The copy of one module.

    Raises:
        ImportError: it is none of those that kernels need, or there is none.
    """
    if name == "math":
        return _filled(name, {k: v for k, v in vars(math).items() if not k.startswith("_")})
    if name == "triton":
        found = importlib.import_module(name)
        kept = {k: getattr(found, k) for k in HELPERS if hasattr(found, k)}
        return _filled(name, {**kept, "language": module_of("triton.language")})
    if not name.startswith(LANGUAGES):
        raise ImportError(name)
    return _copy(importlib.import_module(LIBRARY if name == STUBS else name))


@cache
def _copy(module: types.ModuleType) -> types.ModuleType:
    kept: dict[str, Any] = {}
    for name, value in vars(module).items():
        if name.startswith("_"):
            continue
        if isinstance(value, types.ModuleType):
            if value.__name__.startswith(LANGUAGES) and value.__name__.startswith(f"{module.__name__}."):
                kept[name] = _copy(value)
        elif _of_the_language(value):
            kept[name] = value
    return _filled(module.__name__, kept)


def takes_apart(function: Any, node: ast.FunctionDef) -> bool:
    """Whether a Triton function asks another one, or text, for its parts.

    The compiler and its options are among the first ones; ``str.format`` reads any attribute of what it is given.
    """
    from triton import language

    values = {"type", *dir(language.tensor), *dir(language.constexpr)}  # names that a kernel's values have too
    text = {name for name in (*dir(str), *dir(bytes)) if name not in ("count", "index", "join")}
    parts = ({*dir(function), "ASTSource", "CompiledKernel", "compile"} | text) - values
    return any(isinstance(n, ast.Attribute) and n.attr in parts for n in ast.walk(node))


def _filled(name: str, values: dict[str, Any]) -> types.ModuleType:
    module = types.ModuleType(name)
    module.__dict__.update(values)
    return module


def _of_the_language(value: Any) -> bool:
    """Whether it is a plain value, or made by the language's own modules."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return True
    inner = getattr(value, "fn", value)  # a function of the language that is itself compiled
    made = inner if isinstance(inner, (type, types.FunctionType)) else type(inner)
    return str(getattr(made, "__module__", "")).startswith(LANGUAGES)
