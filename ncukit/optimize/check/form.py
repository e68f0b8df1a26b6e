"""Rules of form: what an answer may consist of. Its text alone is read, so nothing of it has run yet.

The child process that runs answers is no sandbox. So what could leave the rules is refused here, by lists of what is
allowed: imports and what they lead to, builtins, attributes (``roads.toml``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ncukit.optimize.check import attributes, bypass, imports, library, names, order
from ncukit.optimize.verdict import Reason

if TYPE_CHECKING:
    from ncukit.optimize.check.answer import Answer

MOST = 40
"""Reasons that are given: a repair needs no more."""


def examine(answer: Answer, *, allow_torch: bool = False) -> tuple[Reason, ...]:
    """What stands against an answer's form, by line.

    Args:
        answer: its code.
        allow_torch: whether PyTorch's kernels may do work of the answer's.
    """
    rules = [order, imports, names, attributes, bypass, *([] if allow_torch else [library])]
    try:
        found = list(dict.fromkeys(reason for rule in rules for reason in rule.check(answer)))
    except RecursionError:
        text = "its expressions are nested too deep to be read"
        return (Reason(code="too-large", line=None, message=text, instead="write plainer code"),)
    ordered = sorted(found, key=lambda r: (r.line or 0, r.code, r.message))
    return tuple(ordered[:MOST])
