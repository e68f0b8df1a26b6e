"""What a kernel file computes, and its code, as short hashes of the syntax: comments and formatting do not count."""

from __future__ import annotations

import ast
import hashlib
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

PARTS = ("Model", "get_inputs", "get_init_inputs")
"""The reference and what makes its inputs; ``ModelNew``, the kernels and the sizes are not part of it."""
DIGITS = 16
MOST_BYTES = 8 * 2**20

_SKIPPED = ("type_params", "type_comment", "kind")
_DEFINITIONS = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def reference(tree: ast.Module) -> str:
    """Hash of ``PARTS`` as they stand in the file, equal for two files that solve one problem in different ways.

    Empty when the file defines none of them. Comments, formatting, docstrings and the order of the definitions do not
    change it. The text hashed is our own: ``ast.dump`` prints new fields (``type_params``) in 3.12 and leaves out
    empty lists in 3.13, and ``ast.unparse`` quotes f-strings differently since 3.12, so that each would tell one file
    from itself under another Python.
    """
    found = [
        node
        for name in PARTS
        for node in tree.body
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name
    ]
    return _hash(found) if found else ""


def code(tree: ast.Module) -> str:
    """Hash of everything that the file does: a measurement is of this code, and of no other."""
    return _hash([tree])


def code_of(path: Path) -> str:
    """The same of a file; empty when there is none, or it is too large to be one. What is no Python is other code."""
    try:
        facts = path.stat()
        if not stat.S_ISREG(facts.st_mode) or facts.st_size > MOST_BYTES:  # never wait for a pipe, or read a device
            return ""
        text = path.read_bytes()
    except (OSError, ValueError):
        return ""
    try:
        return code(ast.parse(text))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return "not Python"


def _hash(nodes: Iterable[ast.AST]) -> str:
    digest = hashlib.sha256()
    for node in nodes:
        for token in _tokens(node):
            digest.update(f"{token}\n".encode())
    return digest.hexdigest()[:DIGITS]


def _tokens(root: ast.AST) -> Iterator[str]:
    """A syntax tree as lines, parents first; without recursion, which a long chain of operators would exhaust."""
    pending = [root]
    while pending:
        node = pending.pop()
        yield type(node).__name__
        children = []
        for name, value in ast.iter_fields(node):
            if value is None or name in _SKIPPED:
                continue
            for part in _body(node) if name == "body" else value if isinstance(value, list) else [value]:
                if isinstance(part, ast.AST):
                    children.append(part)
                yield f"{name}:{'' if isinstance(part, ast.AST) else _constant(part)}"
        pending += reversed(children)


def _body(node: ast.AST) -> list[ast.AST]:
    """The statements of a node without its docstring; the one expression of a lambda."""
    body = getattr(node, "body", [])
    if not isinstance(body, list):
        return [body]
    documented = isinstance(node, _DEFINITIONS) and ast.get_docstring(node, clean=False) is not None
    return body[1:] if documented else body


def _constant(value: object) -> str:
    # Python refuses to write a number of thousands of digits in decimal, and what repr escapes differs by version
    return f"{type(value).__name__} {hex(value) if type(value) is int else ascii(value)}"
