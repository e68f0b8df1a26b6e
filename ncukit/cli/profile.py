"""``ncukit profile``: measure a kernel file, a script or a command with Nsight Compute."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from ncukit.cli.output import as_path, emit, next_step, say, wants_color, width
from ncukit.cli.plan import build_plan
from ncukit.cli.progress import progress
from ncukit.cli.settings import config_option

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ncukit.collect.target import Target
    from ncukit.model import Report


class TargetCommand(click.Command):
    """Keeps what stands after ``--`` apart from the options before it."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Split at the first ``--``."""
        head, rest = (args[: args.index("--")], args[args.index("--") + 1 :]) if "--" in args else (args, [])
        ctx.meta["rest"] = tuple(rest) if "--" in args else None
        return super().parse_args(ctx, head)


@click.command(cls=TargetCommand, options_metavar="[OPTIONS]", epilog="A command to profile goes after --.")
@click.argument("target", required=False)
@click.option("-k", "--kernel", metavar="NAME|regex:EXPR", help="Only these kernels; passed to ncu -k as it is.")
@click.option("--launches", type=click.IntRange(min=1), help="Stop after this many measured launches.")
@click.option("--size", "sizes", multiple=True, metavar="NAME=VALUE", help="Set a constant of the kernel file.")
@click.option("--preset", type=click.Choice(["quick", "default", "full"]), help="What to collect [default: default].")
@click.option("--metrics", metavar="A,B,…", help="Collect these instead: short names or ncu names.")
@click.option("--repeat", type=click.IntRange(1, 1000), default=1, show_default=True, help="Measure this often.")
@click.option("--timeout", type=click.FloatRange(min=1), metavar="SECONDS", help="Give up after [default: 600].")
@click.option("--clock-control", type=click.Choice(["base", "none", "reset"]), help="ncu's [default: base].")
@click.option("--cache-control", type=click.Choice(["all", "none"]), help="ncu's [default: all].")
@click.option("--python", metavar="PATH", help="Interpreter with torch and triton [default: this one].")
@click.option(
    "-o", "--output", type=click.Path(), callback=as_path, help="Run directory [default: profiles/GPU/TARGET]."
)
@click.option(
    "--recorded", is_flag=False, flag_value="any", metavar="[GPU]", help="Show the bundled recording instead."
)
@click.option("--dry-run", is_flag=True, help="Print the exact ncu command and stop.")
@click.option("--format", "format_", type=click.Choice(["console", "json"]), default="console", show_default=True)
@config_option
@click.option("--as-recording", is_flag=True, hidden=True)
@click.pass_context
def command(ctx: click.Context, /, target: str | None, **options: Any) -> int:
    """Measure TARGET with Nsight Compute.

    The result is kept as a run directory, whole or not at all. TARGET is a kernel file (Model or ModelNew,
    get_inputs, get_init_inputs), a Python script, or, after --, any command:

    \b
      ncukit profile kernels/instance_norm.py
      ncukit profile bench.py -- --n 4096
      ncukit profile -- ./a.out

    A kernel file is compiled, autotuned and warmed up outside the profiled range; only the final launches are measured.
    """
    from ncukit.collect import target as targets

    if options["recorded"] and target:
        from ncukit.collect.recordings import bundled

        target = bundled(target)
    resolved = targets.resolve(target, ctx.meta["rest"], options["sizes"])
    if options["recorded"]:
        return _show_recording(resolved, options)
    asked = ("kernel", "launches", "preset", "metrics", "repeat", "timeout", "clock_control", "cache_control", "python")
    plan, gpu, notes = build_plan(
        settings=options["settings"],
        target=resolved,
        dry_run=options["dry_run"],
        **{name: options[name] for name in asked},
    )
    for note in notes:
        say(f"note: {note}")
    if options["dry_run"]:
        from ncukit.collect.command import shown

        emit(shown(plan), None)
        return 0
    from shlex import quote

    from ncukit.collect.session import profile

    with progress() as on_progress:
        place, report = profile(
            plan,
            gpu=gpu,
            output=options["output"],
            notes=notes,
            recording=options["as_recording"],
            on_progress=on_progress,
        )
    _show(report, options["format_"])
    say(f"kept in {place}")
    next_step(f"ncukit diagnose {quote(str(place))}")
    return 0


def _show_recording(target: Target, options: Mapping[str, Any]) -> int:
    from dataclasses import replace
    from pathlib import Path
    from shlex import quote

    from ncukit.collect.recordings import find
    from ncukit.errors import NcukitError
    from ncukit.read import read

    fixed = [name for name in ("kernel", "launches", "metrics", "preset", "output") if options[name]]
    if fixed or target.sizes or options["repeat"] > 1:
        raise NcukitError(
            f"a recording is what it is: --recorded does not go with --{(fixed or ['size'])[0]}",
            causes=("it was made once, at the sizes and with the metrics that its run.json names",),
            next_command="leave that option out, or profile live",
        )
    place = find(target, "" if options["recorded"] == "any" else options["recorded"])
    report = read(place)
    report = replace(report, environment=replace(report.environment, recorded=True))
    _show(report, options["format_"])
    shown = os.path.relpath(place) if place.is_relative_to(Path.cwd()) else str(place)
    next_step(f"ncukit diagnose {quote(shown)}")
    return 0


def _show(report: Report, format_: str) -> None:
    from ncukit.render import profile as render

    if format_ == "json":
        emit(render.to_json(report), None)
    else:
        emit(render.to_text(report, color=wants_color(None), width=width()), None)
