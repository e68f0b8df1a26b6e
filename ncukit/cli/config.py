"""``ncukit config``: the settings that hold here, and where each comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ncukit.cli.output import chosen_format, emit, format_option, plain, say
from ncukit.cli.settings import config_option

if TYPE_CHECKING:
    from pathlib import Path

    from ncukit.config import Settings


@click.command("config")
@config_option
@format_option("console", "json")
def command(settings: Settings, format_: str | None, output: Path | None) -> None:
    """Show the settings and where each is from.

    Settings stand in [tool.ncukit.profile], [tool.ncukit.gate] and [tool.ncukit.inspect] of the nearest pyproject.toml,
    or without the tool.ncukit prefix in the nearest ncukit.toml. Options on the command line override them. Budgets
    are checked here as gate and inspect check them: an unknown metric or cause is an error.
    """
    from ncukit.gate import static_budget
    from ncukit.gate.budget import configured
    from ncukit.render import settings as pages

    budgets = (*configured(settings), *static_budget.collect([], settings))
    for note in dict.fromkeys(budget.note for budget in budgets if budget.note):
        say(f"note: {plain(note)}")
    text = pages.render_json(settings) if chosen_format(format_, output) == "json" else pages.render(settings)
    emit(text, output)
