"""How rules quote the user's code: short, on one line, without what a terminal would act on."""

from __future__ import annotations

import ast

LONGEST = 72
"""Characters of code in a message."""


def shown(node: ast.AST, longest: int = LONGEST) -> str:
    """``node`` as code on one line; cut where it is long."""
    try:
        text = " ".join(ast.unparse(node).split())
    except RecursionError:
        return "…"
    text = "".join(c if c.isprintable() else "?" for c in text)
    return text if len(text) <= longest else text[: longest - 1] + "…"


def opposite(condition: ast.expr) -> str:
    """The condition that holds when ``condition`` does not, as code."""
    flipped = {ast.Eq: "!=", ast.NotEq: "=="}
    if isinstance(condition, ast.UnaryOp) and isinstance(condition.op, ast.Not):
        return shown(condition.operand)
    if isinstance(condition, ast.Compare) and len(condition.ops) == 1 and type(condition.ops[0]) in flipped:
        return f"{shown(condition.left)} {flipped[type(condition.ops[0])]} {shown(condition.comparators[0])}"
    return f"not ({shown(condition)})"


def listed(names: list[str], most: int = 4) -> str:
    """``a, b and c``; the rest is counted."""
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
