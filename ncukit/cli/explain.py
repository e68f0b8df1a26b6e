"""``ncukit explain``: what a code of a finding or of the lint means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ncukit.cli.output import chosen_format, emit, format_option, next_step

if TYPE_CHECKING:
    from pathlib import Path


@click.command("explain")
@click.argument("code", required=False)
@format_option("console", "json")
def command(code: str | None, format_: str | None, output: Path | None) -> None:
    """Explain a finding, or a lint rule, by its code or name.

    Tells what it means, how it is found, and what to change.

    CODE is a code such as FUS601 or TRI101, or a name such as fusion or loop-exit, in any case; without it, all are
    listed: the causes that diagnose finds, and the rules of inspect.
    """
    as_json = chosen_format(format_, output) == "json"
    if code is None:
        emit(_listing(as_json), output)
        if not as_json:
            from ncukit.diagnose import rules

            next_step(f"ncukit explain {rules.codes()[0][0]}")
        return
    emit(_page(code.strip(), as_json), output)


def _listing(as_json: bool) -> str:
    import json

    from ncukit.diagnose import rules
    from ncukit.render.text import columns
    from ncukit.source import lint

    known = rules.codes()
    if as_json:
        entries = [{"code": c, "cause": cause, "title": title} for c, cause, title in known]
        return json.dumps({"schema_version": 1, "rules": entries, "lint": _lint_entries()}, indent=2)
    parts = [["causes that diagnose finds", *_indented(columns(known, "<<<"))]]
    rows = [(c, slug, severity, title) for (c, slug, title), severity in zip(lint.codes(), _severities(), strict=True)]
    if rows:
        parts.append(["rules of the lint, which inspect runs", *_indented(columns(rows, "<<<<"))])
    return "\n\n".join("\n".join(part) for part in parts)


def _indented(lines: list[str]) -> list[str]:
    return [f"  {line}" for line in lines]


def _severities() -> list[str]:
    from ncukit.source import lint

    return [rule.SEVERITY for rule in lint.every_rule()]


def _lint_entries() -> list[dict[str, Any]]:
    from ncukit.source import lint

    return [
        {"code": code, "rule": slug, "severity": severity, "title": title}
        for (code, slug, title), severity in zip(lint.codes(), _severities(), strict=True)
    ]


def _page(word: str, as_json: bool) -> str:
    """The page of one code; as JSON with what the listing says of it."""
    import json

    from ncukit.diagnose import rules
    from ncukit.errors import NcukitError, nearest
    from ncukit.source import lint

    entries: list[dict[str, Any]] = [{"code": c, "cause": cause, "title": title} for c, cause, title in rules.codes()]
    entries += _lint_entries()
    entry = next((e for e in entries if word.lower() in (e["code"].lower(), e.get("cause"), e.get("rule"))), None)
    if entry is None:
        known = [name for e in entries for name in (e["code"], e.get("cause") or e["rule"])]
        close = nearest(word.upper(), known) or nearest(word.lower(), known)
        codes = ", ".join(e["code"] for e in entries)
        raise NcukitError(
            f"no rule is called '{word}'",
            causes=(f"did you mean {' or '.join(close)}?" if close else f"rules: {codes}",),
            next_command="ncukit explain",
        )
    page = lint.page(entry["code"]) if "rule" in entry else rules.page(entry["code"])
    return json.dumps({"schema_version": 1, **entry, "page": page}, indent=2) if as_json else str(page)
