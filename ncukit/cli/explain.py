"""``ncukit explain``: what a finding's code means."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ncukit.cli.output import chosen_format, emit, format_option, next_step

if TYPE_CHECKING:
    from pathlib import Path


@click.command("explain")
@click.argument("code", required=False)
@format_option("console", "json")
def command(code: str | None, format_: str | None, output: Path | None) -> None:
    """Explain a finding by its code or cause.

    Tells what it means, how it is measured, and what to change.

    CODE is a code such as FUS601 or a cause such as fusion, in any case; without it, all are listed.
    """
    import json

    from ncukit.diagnose import rules

    as_json = chosen_format(format_, output) == "json"
    known = rules.codes()
    if code is None:
        if as_json:
            entries = [{"code": c, "cause": cause, "title": title} for c, cause, title in known]
            emit(json.dumps({"schema_version": 1, "rules": entries}, indent=2), output)
            return
        from ncukit.render.text import columns

        emit("\n".join(columns(known, "<<<")), output)
        next_step(f"ncukit explain {known[0][0]}" if known else "")
        return
    wanted = code.strip().lower()
    exact = next((c for c, cause, _ in known if wanted in (c.lower(), cause.lower())), code)
    page = rules.page(exact)
    if as_json:
        entry = next(({"code": c, "cause": cause, "title": title} for c, cause, title in known if c == exact), {})
        emit(json.dumps({"schema_version": 1, **entry, "page": page}, indent=2), output)
    else:
        emit(page, output)
