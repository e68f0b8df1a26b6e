"""The command line: one file a verb, loaded on demand. Only this room opens files, writes and exits."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import sys
import time
from importlib import import_module
from typing import TYPE_CHECKING

import click

from ncukit import __version__
from ncukit.cli.groups import WantsCommand
from ncukit.cli.output import patient_streams, plain
from ncukit.errors import Exit, NcukitError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

VERBS = (
    "profile",
    "diagnose",
    "gate",
    "compare",
    "baseline",
    "inspect",
    "tune",
    "brief",
    "check",
    "optimize",
    "metrics",
    "gpus",
    "doctor",
    "explain",
    "config",
)
TIDYING_S = 12.0
"""Seconds that the end of a verb may take: ncu and its program get twice five to end (``ncukit.collect.process``)."""


class Verbs(WantsCommand):
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
    with _ending_in_order():
        patient_streams()
        code = run(args)
        try:
            sys.stdout.flush()
        except NcukitError as error:
            _print_error(error)
            code = int(error.exit_code)
    sys.exit(code)


@contextlib.contextmanager
def _ending_in_order() -> Iterator[None]:
    """Let Ctrl-C, a cancelled job and a closed terminal end a verb alike: ncu is stopped and temporary folders go."""
    last = -math.inf

    def end(_: int, __: FrameType | None) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last > TIDYING_S:  # an impatient second Ctrl-C must not cut the tidying short
            last = now
            raise KeyboardInterrupt

    signals = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    # what was ignored on purpose stays ignored: nohup, a job in the background
    ours = [n for n in signals if signal.getsignal(n) in (signal.default_int_handler, signal.SIG_DFL)]
    for number in ours:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)  # the verdict is made: from here on a signal just ends the process


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
    except Exception as error:
        if os.environ.get("NCUKIT_DEBUG"):
            raise
        import shlex

        _print_error(
            NcukitError(
                f"internal error: {type(error).__name__}: {str(error)[:300]}",
                causes=("this is a bug in ncukit; please report it with the output of the command below",),
                next_command=f"NCUKIT_DEBUG=1 ncukit {shlex.join(sys.argv[1:])}",
            )
        )
        return int(Exit.USAGE)
    return int(result) if isinstance(result, int) else int(Exit.OK)


def _print_error(error: NcukitError) -> None:
    click.echo(click.style("error: ", fg="red", bold=True) + plain(error.message), err=True)
    for index, cause in enumerate(error.causes):
        click.echo(f"  {'why: ' if index == 0 else '     '}{plain(cause)}", err=True)
    for index, line in enumerate(error.detail.strip().splitlines()):
        click.echo(f"  {'said:' if index == 0 else '     '} {plain(line)}", err=True)
    if error.next_command:
        click.echo(f"  next: {plain(error.next_command)}", err=True)
