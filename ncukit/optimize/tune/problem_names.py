"""Which of a file's constants belong to its problem."""

from __future__ import annotations

import ast

PARTS = ("Model", "get_inputs", "get_init_inputs")


def problem_names(tree: ast.Module) -> frozenset[str]:
    """Names that the reference or what makes its inputs reads: to turn one would be to solve another problem."""
    return frozenset(
        node.id
        for part in tree.body
        if getattr(part, "name", "") in PARTS
        for node in ast.walk(part)
        if isinstance(node, ast.Name)
    )
