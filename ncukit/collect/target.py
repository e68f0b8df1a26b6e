"""What the user wants to profile: a kernel file, a script or a command. Decided from the text, nothing is imported."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ncukit.collect.reference import code, reference
from ncukit.errors import Exit, NcukitError, nearest

MODELS = ("ModelNew", "Model")
LAYOUT = ("get_inputs", "get_init_inputs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One thing to profile."""

    kind: Literal["kernel", "script", "command"]
    argv: tuple[str, ...]
    """Path and arguments, or the command line."""
    name: str
    """Short name for folders: ``naive_instance_norm``."""
    sizes: tuple[tuple[str, str], ...] = ()
    """``--size`` settings that the harness applies to the file's module-level constants."""
    reference: str = ""
    """For a kernel file: hash of the problem that it solves, see ``ncukit.collect.reference``."""
    code: str = ""
    """For a kernel file or script: hash of the code that is measured."""

    @property
    def text(self) -> str:
        """The target as the user would type it."""
        return " ".join(self.argv)


def resolve(argument: str | None, rest: tuple[str, ...] | None, sizes: tuple[str, ...] = ()) -> Target:
    """Classify what was typed.

    Args:
        argument: the word before ``--``, a path to a Python file, or None when only a command was given.
        rest: the words after ``--``: the script's arguments, or the command; None when no ``--`` was typed.
        sizes: ``NAME=VALUE`` settings for a kernel file's module-level constants.

    Raises:
        NcukitError: no target, no such file, a syntax error, ``--size`` without a constant of that name.
    """
    if argument is None:
        if not rest:
            raise NcukitError(
                "nothing to profile",
                causes=("give a kernel file, a script, or a command after --",),
                next_command="ncukit profile kernels/naive/instance_norm.py",
            )
        _no_sizes(sizes, "a command")
        return Target(kind="command", argv=rest, name=slug(Path(rest[0]).name))
    path = Path(argument)
    tree = _parse(path)
    defined = module_names(tree)
    model = any(name in defined for name in MODELS)
    if model and all(name in defined for name in LAYOUT) and rest is None:
        return Target(
            kind="kernel",
            argv=(argument,),
            name=kernel_name(path),
            sizes=parse_sizes(str(path), tree, sizes),
            reference=reference(tree),
            code=code(tree),
        )
    if model and rest is None:
        lacking = [name for name in LAYOUT if name not in defined]
        raise NcukitError(
            f"{path} defines {'ModelNew' if 'ModelNew' in defined else 'Model'} but not {' and '.join(lacking)}",
            causes=("a kernel file needs Model or ModelNew, get_inputs() and get_init_inputs() at module level",),
            next_command=f"add {lacking[0]}() to {path}, or profile it as a script: ncukit profile {path} -- ",
        )
    _no_sizes(sizes, "a script")
    return Target(kind="script", argv=(argument, *(rest or ())), name=kernel_name(path), code=code(tree))


def slug(text: str) -> str:
    """``text`` as a folder name: lower case letters, digits, ``_`` and ``-``."""
    return re.sub(r"[^a-z0-9_-]+", "_", text.lower()).strip("_") or "target"


def kernel_name(path: Path) -> str:
    """Name of a kernel file: its path below a ``kernels`` folder joined by ``_``, or else its stem."""
    parts = list(path.with_suffix("").parts)
    if "kernels" in parts[:-1]:
        parts = parts[len(parts) - 1 - parts[::-1].index("kernels") + 1 :]
        return slug("_".join(parts))
    return slug(parts[-1])


def _parse(path: Path) -> ast.Module:
    try:
        text = path.read_bytes()
    except OSError as error:
        raise NcukitError(
            f"cannot read {path}: {error.strerror}",
            causes=("the path is wrong, or it is a folder",),
            next_command="ls kernels/  (a command to profile goes after --: ncukit profile -- ./a.out)",
        ) from error
    try:
        return ast.parse(text, filename=str(path))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None)
        where = f"{path}:{line}" if line else str(path)
        raise NcukitError(
            f"{where} is not a Python file: {getattr(error, 'msg', None) or error}",
            causes=("the file has a syntax error, or it is a program: a program goes after --",),
            next_command=f"python -m py_compile {path}",
        ) from error


def module_names(tree: ast.Module) -> set[str]:
    """Names of a file's top level that may be a model or a function of its layout."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node in tree.body:
            names.add(node.name)
    for node in tree.body:
        if isinstance(node, ast.ImportFrom | ast.Import):
            names.update(alias.asname or alias.name for alias in node.names)
        elif isinstance(node, ast.Assign):
            names.update(t.id for t in node.targets if isinstance(t, ast.Name))
    return names


def constants(tree: ast.Module) -> dict[str, ast.Constant]:
    """Module-level names that are assigned one int or float: what ``--size`` can set."""
    found = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            name, value = node.targets[0], node.value
        elif isinstance(node, ast.AnnAssign):
            name, value = node.target, node.value  # type: ignore[assignment]
        else:
            continue
        if isinstance(name, ast.Tuple) and isinstance(value, ast.Tuple) and len(name.elts) == len(value.elts):
            pairs = list(zip(name.elts, value.elts, strict=True))
        else:
            pairs = [(name, value)] if value is not None else []
        for left, right in pairs:
            if isinstance(left, ast.Name) and isinstance(right, ast.Constant) and type(right.value) in (int, float):
                found[left.id] = right
    return found


def parse_sizes(path: str, tree: ast.Module, sizes: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """``NAME=NUMBER`` settings, held against the constants of a kernel file.

    Raises:
        NcukitError: a setting has another form, or the file has no such constant.
    """
    known = list(constants(tree))
    parsed = []
    for setting in sizes:
        name, equals, value = setting.partition("=")
        if not equals or not re.fullmatch(r"-?\d+(\.\d+)?", value):
            raise NcukitError(
                f"--size takes NAME=NUMBER, not '{setting}'",
                next_command=f"ncukit profile {path} --size batch_size=8",
            )
        if name not in known:
            close = nearest(name, known)
            raise NcukitError(
                f"{path} has no module-level constant '{name}'",
                causes=(f"did you mean {close[0]}?" if close else f"it has: {', '.join(known) or 'none'}",),
                next_command=f"ncukit profile {path} --size {(close or known or ['NAME'])[0]}={value}",
            )
        parsed.append((name, value))
    return tuple(parsed)


def _no_sizes(sizes: tuple[str, ...], what: str) -> None:
    if sizes:
        raise NcukitError(
            f"--size sets the constants of a kernel file, and this is {what}",
            causes=("a kernel file has Model or ModelNew, get_inputs() and get_init_inputs()",),
            next_command="pass sizes as arguments after --",
            exit_code=Exit.USAGE,
        )
