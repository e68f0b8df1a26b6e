"""How the rules of form make a reason of a place in the code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ncukit.optimize.verdict import Reason

if TYPE_CHECKING:
    import ast

    from ncukit.optimize.check.roads import Barrier

_LONGEST = 80


def reason(code: str, node: ast.AST, message: str, instead: str = "") -> Reason:
    """A reason at the line of ``node``."""
    return Reason(code=code, line=getattr(node, "lineno", None), message=message, instead=instead)


def refused(barrier: Barrier, node: ast.AST, name: str) -> Reason:
    """What is said of a name that may not be used."""
    return reason(barrier.code, node, f"{short(name)} {barrier.what}", barrier.instead)


def short(name: str) -> str:
    """A name of the answer's, no longer than a line."""
    return name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…"
