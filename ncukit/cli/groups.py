"""A group of commands that is not content with no command."""

from __future__ import annotations

import click

from ncukit.errors import Exit


class WantsCommand(click.Group):
    """Without a command, show the help and fail: a pipeline whose variable is empty must not pass.

    click itself exits with 0 up to 8.1 and with 2 from 8.2 on.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Ask for a word."""
        if not args and not ctx.resilient_parsing:
            click.echo(ctx.get_help(), err=True)
            ctx.exit(int(Exit.USAGE))
        return super().parse_args(ctx, args)
