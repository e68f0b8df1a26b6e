"""The lint: rules about a kernel file's text, each with a code and a page. Nothing is imported or run.

A rule module in ``rules/`` has ``CODE``, ``NAME`` (its slug), ``SEVERITY``, ``check(module)`` and a docstring that is
its page. ``error`` is for what does not compile or computes something wrong for certain; the rest is a ``warning``.
"""

from __future__ import annotations

import ast
import contextlib
import inspect
import io
import re
import tokenize
from dataclasses import replace
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Protocol, cast

from ncukit.errors import NcukitError, nearest
from ncukit.source.inspection import Violation
from ncukit.source.lint.module import Module

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ncukit.source.inspection import Launch, Severity
    from ncukit.source.text import SourceText

SECTIONS = ("What it means", "Why it matters", "How it is found", "Instead", "When to ignore it", "Sources")
"""What every lint rule's page holds, in this order; a test holds them to it."""
_IGNORE = re.compile(r"#\s*ncukit:\s*ignore(?:\[([^\]]*)\])?(.*)$")


class Rule(Protocol):
    """One lint rule."""

    CODE: str
    NAME: str
    SEVERITY: Severity

    def check(self, module: Module) -> Iterable[Violation]:
        """Every place that breaks it."""


@cache
def every_rule() -> tuple[Rule, ...]:
    """All rules, by code. (The name ``rules`` is the package's that they live in.)"""
    package = import_module(f"{__name__}.rules")
    found = [import_module(f"{package.__name__}.{m.name}") for m in iter_modules(package.__path__)]
    return tuple(sorted((cast("Rule", m) for m in found if hasattr(m, "CODE")), key=lambda r: r.CODE))


def violation(
    rule: str,
    module: Module,
    node: ast.AST,
    message: str,
    *,
    instead: str = "",
    kernel: str | None = None,
    severity: Severity | None = None,
) -> Violation:
    """What the rule module called ``rule`` (its ``__name__``) says of ``node``; ``severity`` if not its usual one."""
    own = cast("Rule", import_module(rule))
    line, end = getattr(node, "lineno", 1), getattr(node, "end_lineno", None) or getattr(node, "lineno", 1)
    column = module.column(line, getattr(node, "col_offset", 0))
    # a whole loop or function would be marked red: its first line is enough
    last = module.column(end, getattr(node, "end_col_offset", None) or 0) if end == line else column
    return Violation(
        code=own.CODE,
        rule=own.NAME,
        severity=severity or own.SEVERITY,
        path=module.path,
        line=line,
        column=column,
        end_line=line,
        end_column=max(last, column),
        message=message,
        instead=instead,
        kernel=kernel,
    )


def lint(
    source: SourceText, launches: Sequence[Launch] = (), *, select: Sequence[str] = (), ignore: Sequence[str] = ()
) -> list[Violation]:
    """Every violation in a file, by line; those with an inline ``ignore`` carry its reason.

    Args:
        source: the file.
        launches: what is known of its launches: rules about sizes need them.
        select: codes, slugs or their beginnings that are looked at; empty for all.
        ignore: those that are not.

    Raises:
        NcukitError: a selector names no rule.
    """
    module = Module(source, tuple(launches))
    chosen = [r for r in every_rule() if (not select or _matches(r, select)) and not _matches(r, ignore)]
    _known([*select, *ignore])
    found = {v: None for rule in chosen for v in _checked(rule, module)}
    comments = _comments(source.code)
    accepted = (_accepted(v, comments) for v in found)
    return sorted(accepted, key=lambda v: (v.line, v.column, v.code, v.message))


def _checked(rule: Rule, module: Module) -> list[Violation]:
    """What a rule says; nothing where expressions are nested deeper than Python can follow."""
    try:
        return list(rule.check(module))
    except RecursionError:
        return []


def _matches(rule: Rule, selectors: Iterable[str]) -> bool:
    return any(s and (rule.CODE.startswith(s.upper()) or s.lower() == rule.NAME) for s in selectors)


def _known(selectors: Iterable[str]) -> None:
    for selector in selectors:
        if any(_matches(rule, [selector]) for rule in every_rule()):
            continue
        names = [name for rule in every_rule() for name in (rule.CODE, rule.NAME)]
        close = nearest(selector.upper(), names) or nearest(selector.lower(), names)
        raise NcukitError(
            f"no lint rule is called '{selector}'",
            causes=(
                f"did you mean {' or '.join(close)}?" if close else f"rules: {', '.join(r.CODE for r in every_rule())}",
            ),
            next_command="ncukit explain",
        )


def _comments(code: str) -> dict[int, tuple[str, bool]]:
    """Line → its comment, and whether the comment stands there alone."""
    found: dict[int, tuple[str, bool]] = {}
    if "ncukit:" not in code:
        return found
    with contextlib.suppress(tokenize.TokenError, SyntaxError, ValueError):
        for token in tokenize.generate_tokens(io.StringIO(code).readline):
            if token.type == tokenize.COMMENT:
                found[token.start[0]] = (token.string, not token.line[: token.start[1]].strip())
    return found


def _accepted(violation: Violation, comments: Mapping[int, tuple[str, bool]]) -> Violation:
    """``violation`` with the reason of a comment on its line, or alone on the line above, that accepts it."""
    above, alone = comments.get(violation.line - 1, ("", False))
    for text in (comments.get(violation.line, ("", False))[0], above if alone else ""):
        match = _IGNORE.search(text)
        if match and match.group(1):
            named = [part.strip() for part in match.group(1).split(",")]
            if any(n and (violation.code.startswith(n.upper()) or n.lower() == violation.rule) for n in named):
                return replace(violation, suppressed=match.group(2).strip(" :–-") or "no reason given")
    return violation


def codes() -> list[tuple[str, str, str]]:
    """(code, slug, title) of every rule, by code."""
    return [(r.CODE, r.NAME, (inspect.getdoc(r) or "").splitlines()[0].rstrip(".")) for r in every_rule()]


def page(code: str) -> str | None:
    """The page of one rule, by code or slug; None when there is none of that name."""
    for rule in every_rule():
        if code.lower() in (rule.CODE.lower(), rule.NAME):
            return f"{rule.CODE} {rule.NAME}\n\n{inspect.getdoc(rule)}\n"
    return None


def inside_loops(function: ast.FunctionDef) -> Iterator[tuple[ast.AST, ast.For | ast.While]]:
    """Every node that stands in a loop of ``function``, with the innermost such loop."""

    def visit(node: ast.AST, loop: ast.For | ast.While | None) -> Iterator[tuple[ast.AST, ast.For | ast.While]]:
        for child in ast.iter_child_nodes(node):
            if loop is not None:
                yield child, loop
            if isinstance(child, ast.FunctionDef | ast.Lambda):
                continue
            yield from visit(child, child if isinstance(child, ast.For | ast.While) else loop)

    yield from visit(function, None)
