"""Which of a file's constants belong to its problem."""

from __future__ import annotations

import ast

PARTS = ("Model", "get_inputs", "get_init_inputs")


def _is_main(part: ast.stmt) -> bool:
    return isinstance(part, ast.If) and "__name__" in ast.unparse(part.test)


def problem_names(tree: ast.Module) -> frozenset[str]:
    """Names that the reference or what makes its inputs reads, by way of other names of the file too.

    To turn one would be to solve another problem.
    """
    reads: dict[str, set[str]] = {}
    for part in tree.body:
        names = [node for node in ast.walk(part) if isinstance(node, ast.Name)]
        loaded = {name.id for name in names if isinstance(name.ctx, ast.Load)}
        if isinstance(part, ast.FunctionDef | ast.ClassDef):
            defined = {part.name}
        elif isinstance(part, ast.Assign | ast.AnnAssign):
            defined = {name.id for name in names if isinstance(name.ctx, ast.Store)}
        elif isinstance(part, ast.Import | ast.ImportFrom) or _is_main(part):
            continue
        else:  # what a loop, a condition or a call does may change any name in it
            defined = {name.id for name in names}
        for one in defined:
            reads.setdefault(one, set()).update(loaded)
    found: set[str] = set()
    waiting = list(PARTS)
    while waiting:
        new = reads.get(waiting.pop(), set()) - found
        found |= new
        waiting += new
    return frozenset(found)
