"""``ncukit compare``: two runs side by side, or two kernel files measured in turns and then compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ncukit.cli.output import as_path, chosen_format, emit, format_option, next_step, say, wants_color
from ncukit.cli.progress import progress
from ncukit.cli.settings import config_option
from ncukit.errors import Exit, NcukitError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ncukit.config import Settings
    from ncukit.gate.compare import Comparison
    from ncukit.gate.side import Side
    from ncukit.model import Report

FAIL_ON = {"worse": ("worse",), "ambiguous": ("worse", "ambiguous")}


@click.command()
@click.argument("before", metavar="A")
@click.argument("after", metavar="B")
@click.option("--allow", multiple=True, metavar="WORD", help="Compare although this differs: gpu, ncu, clocks, …")
@click.option("--all", "everything", is_flag=True, help="Show every metric that moved, and every kernel.")
@click.option("--fail-on", type=click.Choice(list(FAIL_ON)), help="Exit 1 when the total time came to this.")
@click.option("--gpu", help="GPU of reports that do not name it, such as 'RTX 4090'.")
@click.option("--run", is_flag=True, help="A and B are kernel files: measure them in turns, then compare.")
@click.option("--repeat", type=click.IntRange(1, 100), default=5, show_default=True, help="Rounds of --run.")
@click.option("--size", "sizes", multiple=True, metavar="NAME=VALUE", help="Set a constant of both files (--run).")
@click.option("--preset", type=click.Choice(["quick", "default", "full"]), help="What to collect (--run).")
@click.option("--timeout", type=click.FloatRange(min=1), metavar="SECONDS", help="For each measurement (--run).")
@click.option("--clock-control", type=click.Choice(["base", "none", "reset"]), help="ncu's (--run).")
@click.option("--cache-control", type=click.Choice(["all", "none"]), help="ncu's (--run).")
@click.option("--python", metavar="PATH", help="Interpreter with torch and triton (--run).")
@click.option(
    "--keep", type=click.Path(), callback=as_path, help="Folder for the runs of --run [default: profiles/compare]."
)
@config_option
@format_option("console", "json", "markdown")
def command(
    before: str,
    after: str,
    gpu: str | None,
    run: bool,
    settings: Settings,
    format_: str | None,
    output: Path | None,
    **options: Any,
) -> int:
    """Show what changed from A to B.

    For each kernel: time, the metrics that moved, whether for better or worse, and causes that went or came. Kernels
    that were fused or split are compared as a group. A and B are anything readable; A may be the name of a baseline.

    \b
    ncukit compare profiles/h200/naive_instance_norm profiles/h200/instance_norm
    ncukit compare main profiles/h200/instance_norm
    ncukit compare --run old/norm.py new/norm.py --repeat 5

    With --run, both files are measured alternately (A B, B A, …) in one job, so that a shared machine's drift meets
    both alike. Every word rests on intervals: same, better, worse, or ambiguous with the reason.

    \b
    Exit codes: 0 compared · 1 the total came to what --fail-on names · 2 usage or unreadable report
                3 --run cannot measure here · 4 the two cannot be compared (another GPU, size, …; see --allow)
    """
    from ncukit.cli.gate import allowed
    from ncukit.gate.compare import compare, measured

    _check(before, after, run)
    words = allowed((*options["allow"], *settings.gate.allow))
    if run:
        one, two = _measured(before, after, settings, options)
        comparison = compare(measured(one), measured(two), words)
    else:
        from ncukit.read import read

        second = read(after, gpu=gpu)
        comparison = compare(_first(before, second, gpu), measured(second), words)
    emit(_text(comparison, chosen_format(format_, output), wants_color(output), options["everything"]), output)
    return _end(comparison, options["fail_on"], settings)


RUN_ONLY = ("sizes", "preset", "timeout", "clock_control", "cache_control", "python", "keep", "repeat")


def _check(before: str, after: str, run: bool) -> None:
    """Options of ``--run`` mean nothing without it, and kernel files are no reports."""
    context = click.get_current_context()
    given = click.core.ParameterSource.COMMANDLINE
    for name in RUN_ONLY if not run else ():
        if context.get_parameter_source(name) is given:
            option = "--size" if name == "sizes" else f"--{name.replace('_', '-')}"
            raise click.UsageError(f"{option} is for --run, which measures; reports are what they are.")
    if not run and (before.endswith(".py") or after.endswith(".py")):
        raise click.UsageError("A kernel file is no report: --run measures A and B, and then compares them.")


def _first(word: str, second: Report, gpu: str | None) -> Side:
    """The side that A names: a report, or the case of a baseline that B is of."""
    from pathlib import Path

    from ncukit.gate import baseline
    from ncukit.gate.compare import measured
    from ncukit.gate.reference import is_there
    from ncukit.gate.side import case_of
    from ncukit.read import read

    if is_there(word):
        path = Path(word)
        found = baseline.load(path) if path.suffix == ".json" and baseline.is_baseline(path) else None
        if found is None:
            return measured(read(word, gpu=gpu))
    else:
        found = baseline.of(word, second.environment.gpu)
        elsewhere = baseline.others(word)
        if found is None and not elsewhere:
            raise baseline.missing(word)
        if found is None:
            raise NcukitError(
                f"the baseline '{word}' is of {', '.join(elsewhere)}, not of this GPU",
                next_command=f"ncukit compare {baseline.FOLDER / word}/{elsewhere[0]}.json B --allow gpu",
                exit_code=Exit.NOTHING,
            )
    case = case_of(second)
    if case not in found.cases:
        raise NcukitError(
            f"the baseline '{found.name}' does not hold {case}",
            causes=(f"it holds {', '.join(list(found.cases)[:5]) or 'nothing'}",),
            next_command=f"ncukit baseline show {found.name}",
            exit_code=Exit.NOTHING,
        )
    return found.cases[case].side


def _measured(before: str, after: str, settings: Settings, options: Mapping[str, Any]) -> tuple[Report, Report]:
    """Both files, measured in turns and kept."""
    from dataclasses import replace
    from pathlib import Path

    from ncukit.cli.plan import build_plan
    from ncukit.collect import target as targets
    from ncukit.collect.session import in_turns

    first, second = (targets.resolve(file, None, options["sizes"]) for file in (before, after))
    wanted = ("preset", "timeout", "clock_control", "cache_control", "python")
    plan, gpu, notes = build_plan(settings=settings, target=first, **{name: options[name] for name in wanted})
    for note in notes:
        say(f"note: {note}")
    folder = options["keep"] or Path("profiles") / "compare"
    places = (folder / f"a-{first.name}", folder / f"b-{second.name}")
    with progress() as on_progress:
        (_, one), (_, two) = in_turns(
            (plan, replace(plan, target=second)),
            options["repeat"],
            gpu=gpu,
            outputs=places,
            notes=notes,
            on_progress=on_progress,
        )
    say(f"kept in {places[0]} and {places[1]}")
    return one, two


def _text(comparison: Comparison, format_: str, color: bool, everything: bool) -> str:
    if format_ == "json":
        from ncukit.render.compare_json import render as to_json

        return to_json(comparison)
    if format_ == "markdown":
        from ncukit.render.compare_markdown import render as to_markdown

        return to_markdown(comparison)
    from ncukit.render.compare import render

    return render(comparison, color=color, everything=everything)


def _end(comparison: Comparison, fail_on: str | None, settings: Settings) -> int:
    """The exit code, and the next useful command."""
    from shlex import quote

    from ncukit.gate.noise import Word

    if comparison.blocked is not None:
        next_step("")
        return int(Exit.NOTHING)
    if comparison.word is None:
        next_step(f"ncukit profile {comparison.after.target or 'FILE.py'}")
        return int(Exit.NOTHING)
    if comparison.word is Word.AMBIGUOUS:
        files = [side.target if side.target.endswith(".py") else "" for side in (comparison.before, comparison.after)]
        next_step(f"ncukit compare --run {' '.join(map(quote, files))} --repeat 10" if all(files) else "")
    elif comparison.after.path != "-":
        reason = "--reason 'why'"
        known = comparison.before.path.endswith(".json")
        promote = f"ncukit baseline promote {quote(comparison.after.path)} --to {settings.gate.baseline} {reason}"
        better = known and comparison.word is Word.BETTER
        next_step(promote if better else f"ncukit diagnose {quote(comparison.after.path)}")
    failing = fail_on is not None and comparison.word.value in FAIL_ON[fail_on]
    return int(Exit.FAILED if failing else Exit.OK)
