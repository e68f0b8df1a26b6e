"""The command line: one file a verb, loaded on demand. Only this room opens files, writes and exits."""

from __future__ import annotations

import os
import sys
from importlib import import_module

import click

from ncukit import __version__
from ncukit.errors import Exit, NcukitError

VERBS = ("profile", "diagnose", "gate", "metrics", "gpus", "doctor", "explain", "config")


class Verbs(click.Group):
    """A group whose commands live in ``ncukit.cli.<verb>`` and are imported when they are named or listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs, in the order of the work they do."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command object of one verb."""
        if cmd_name not in VERBS:
            return None
        command: click.Command = import_module(f"ncukit.cli.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Name the nearest verb when one is misspelt."""
        from ncukit.errors import nearest

        if args and args[0] not in VERBS and not args[0].startswith("-"):
            close = nearest(args[0], VERBS)
            hint = f" Did you mean '{close[0]}'?" if close else ""
            raise click.UsageError(f"No such verb '{args[0]}'.{hint}", ctx)
        return super().resolve_command(ctx, args)


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="ncukit")
def root() -> None:
    """From a Triton kernel to a measured, explained and gated result.

    \b
    ncukit profile kernels/naive/instance_norm.py      measure with Nsight Compute (or --recorded, without a GPU)
    ncukit diagnose profiles/h200/naive_instance_norm  which limit holds it, and what to change
    ncukit gate report.csv --min dram_pct=70           pass or fail, for CI

    \b
    Exit codes: 0 fine · 1 gate failed · 2 usage or unreadable input · 3 environment (no ncu, GPU, permission)
                4 nothing to judge · 130 interrupted
    """


def main(args: list[str] | None = None) -> None:
    """Run the command line and exit with one of ``ncukit.errors.Exit``."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # an ASCII terminal gets ? for µ, not a traceback
    code = run(args)
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        # the reader went away (`| head`): what it wanted it has; the verdict's exit code stands
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


def run(args: list[str] | None = None) -> int:
    """Run one verb and return its exit code; every foreseen failure is printed here and nowhere else."""
    try:
        result = root.main(args=args, prog_name="ncukit", standalone_mode=False)
    except NcukitError as error:
        _print_error(error)
        return int(error.exit_code)
    except click.UsageError as error:
        error.show()
        return int(Exit.USAGE)
    except click.ClickException as error:
        # click would exit with 1 here, which is this tool's word for "the gate failed"
        error.show()
        return int(Exit.USAGE)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return int(Exit.INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(Exit.OK)
    except Exception as error:
        if os.environ.get("NCUKIT_DEBUG"):
            raise
        _print_error(
            NcukitError(
                f"internal error: {type(error).__name__}: {str(error)[:300]}",
                causes=("this is a bug in ncukit; please report it with the output of the command below",),
                next_command=f"NCUKIT_DEBUG=1 ncukit {' '.join(sys.argv[1:])}",
            )
        )
        return int(Exit.USAGE)
    return int(result) if isinstance(result, int) else int(Exit.OK)


def _print_error(error: NcukitError) -> None:
    from ncukit.cli.output import plain

    click.echo(click.style("error: ", fg="red", bold=True) + plain(error.message), err=True)
    for index, cause in enumerate(error.causes):
        click.echo(f"  {'why: ' if index == 0 else '     '}{plain(cause)}", err=True)
    for index, line in enumerate(error.detail.strip().splitlines()):
        click.echo(f"  {'said:' if index == 0 else '     '} {plain(line)}", err=True)
    if error.next_command:
        click.echo(f"  next: {plain(error.next_command)}", err=True)
