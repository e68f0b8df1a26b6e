"""``ncukit baseline``: what kernels measured when somebody accepted it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ncukit.cli.groups import WantsCommand
from ncukit.cli.output import chosen_format, emit, format_option, next_step, plain, say
from ncukit.cli.settings import config_option
from ncukit.errors import Exit, NcukitError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ncukit.config import Settings
    from ncukit.gate.baseline import Baseline
    from ncukit.gate.side import Side


@click.group("baseline", cls=WantsCommand)
def command() -> None:
    """Save, list, show and promote baselines.

    A baseline holds what kernels measured when somebody accepted it: profiles/baselines/NAME/GPU.json, small enough
    to be reviewed and committed. `ncukit gate --max-rise duration_us=3%` counts from it.

    \b
    ncukit baseline save profiles/h200/instance_norm
    ncukit baseline list
    ncukit baseline show main
    ncukit baseline promote profiles/h200/instance_norm --to main --reason "fused the two passes"
    """


def _name(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    """A name becomes a folder."""
    from ncukit.config import BASELINE_NAME

    if value is not None and not BASELINE_NAME.fullmatch(value):
        raise click.BadParameter(f"'{value}' is no name: letters, digits, '.', '_' and '-', at most 80")
    return value


@command.command("save")
@click.argument("reports", nargs=-1, required=True, type=click.Path())
@click.option("--name", callback=_name, metavar="NAME", help="Name of the baseline [default: gate.baseline, or main].")
@click.option("--reason", default="", help="Why this is what later runs are held against.")
@click.option("--gpu", help="GPU of a report that does not name it, such as 'RTX 4090'.")
@config_option
def save(reports: tuple[str, ...], name: str | None, reason: str, gpu: str | None, settings: Settings) -> int:
    """Save what REPORTs measured.

    Each report becomes a case of the baseline, named after its kernel file. A case that is there already is not
    replaced: that is what `promote` is for, and it asks for a reason.
    """
    name = name or settings.gate.baseline
    return _keep([_side(report, gpu, settings) for report in reports], reports, name, reason, replacing=False)


@command.command("promote")
@click.argument("source")
@click.option("--to", "name", callback=_name, metavar="NAME", help="Baseline to change [default: gate.baseline].")
@click.option("--reason", required=True, help="Why the new figures are accepted; kept in the file.")
@click.option("--gpu", help="GPU of a report that does not name it, such as 'RTX 4090'.")
@config_option
def promote(source: str, name: str | None, reason: str, gpu: str | None, settings: Settings) -> int:
    """Make SOURCE what later runs are held against.

    SOURCE is a report, or the name of another baseline, all of whose cases are taken over. What was there before
    stays in the file's history, with the reason.
    """
    from ncukit.gate import baseline
    from ncukit.gate.reference import is_there

    if not reason.strip():
        raise NcukitError(
            "--reason is empty",
            causes=("a promotion without a reason cannot be reviewed",),
            next_command=f"ncukit baseline promote {source} --reason 'fused the two passes'",
        )
    name = name or settings.gate.baseline
    if not is_there(source):
        if not baseline.others(source):
            raise baseline.missing(source)
        sides = [kept.side for one in baseline.known() if one.name == source for kept in one.cases.values()]
    else:
        sides = [_side(source, gpu, settings)]
    return _keep(sides, (source,), name, reason, replacing=True)


@command.command("list")
@format_option("console", "json")
def list_(format_: str | None, output: Path | None) -> int:
    """List baselines: names, GPUs, cases, when and why."""
    from ncukit.gate import baseline
    from ncukit.render import baseline as pages

    found = baseline.known()
    chosen = chosen_format(format_, output)
    emit(pages.list_json(found) if chosen == "json" else pages.list_page(found), output)
    next_step(f"ncukit baseline show {found[0].name}" if found else "ncukit baseline save REPORT")
    return int(Exit.OK)


@command.command("show")
@click.argument("name", callback=_name)
@click.option("--gpu", help="Only the baseline of this GPU: h200.")
@format_option("console", "json")
def show(name: str, gpu: str | None, format_: str | None, output: Path | None) -> int:
    """Show what the baseline NAME holds."""
    from ncukit.gate import baseline
    from ncukit.render import baseline as pages

    found = [one for one in baseline.known() if one.name == name and gpu in (None, one.gpu)]
    if not found:
        raise baseline.missing(name)
    chosen = chosen_format(format_, output)
    emit(pages.show_json(found) if chosen == "json" else pages.show_page(found), output)
    next_step(f"ncukit gate REPORT --against {name} --max-rise duration_us=3%")
    return int(Exit.OK)


def _side(report: str, gpu: str | None, settings: Settings) -> Side:
    from ncukit.gate.baseline import trimmed
    from ncukit.gate.budget import configured
    from ncukit.gate.compare import measured
    from ncukit.read import read

    found = read(report, gpu=gpu)
    side = measured(found)
    why = "launches are lost" if found.incomplete else side.broken or ("" if side.entries else "it holds no launch")
    if why:
        raise NcukitError(
            f"{report} is no measurement to keep: {why}",
            causes=("a baseline of a part would let the rest through",),
            next_command=f"ncukit profile {found.target or 'KERNEL.py'}",
            exit_code=Exit.NOTHING,
        )
    if report == "-":
        raise NcukitError(
            "standard input has no name under which a baseline could keep it",
            causes=("a case is called after its kernel file or its report",),
            next_command="save it to a file first: ncukit baseline save report.csv",
        )
    if "gpu" not in side.identity:
        raise NcukitError(
            f"{report} does not name its GPU, and baselines are kept by GPU",
            next_command=f"ncukit baseline save {report} --gpu H200",
        )
    return trimmed(side, (budget.metric for budget in configured(settings)))


def _keep(sides: Sequence[Side], reports: Sequence[str], name: str, reason: str, *, replacing: bool) -> int:
    """Write the sides into the baseline of their GPUs, all of a GPU at once."""
    from datetime import UTC, datetime
    from shlex import quote

    from ncukit.gate import baseline

    today = datetime.now(UTC).date().isoformat()
    by_gpu: dict[str, list[Side]] = {}
    for side in sides:
        by_gpu.setdefault(baseline.empty(name, side.identity["gpu"]).gpu, []).append(side)
        if side.recorded:
            say(f"note: {plain(side.case)} is a recording, not a measurement of now")
    with baseline.locked(name):
        files: list[tuple[Baseline, list[Side]]] = []
        for mine in by_gpu.values():
            one = baseline.of(name, mine[0].identity["gpu"]) or baseline.empty(name, mine[0].identity["gpu"])
            for side in mine:
                if side.case in one.cases and not replacing:
                    raise NcukitError(
                        f"the baseline '{name}' already holds {side.case}",
                        causes=("saving over it would let a regression become the measure",),
                        next_command=f"ncukit baseline promote {quote(reports[0])} --to {name} --reason 'why'",
                    )
                one = baseline.with_case(one, side, today, reason)
            files.append((one, mine))
        for one, mine in files:
            path = baseline.path_of(one)
            emit(baseline.dumped(one), path)
            say(f"kept in {path}: {', '.join(plain(side.case) for side in mine)}")
    target = quote(reports[0]) if len(reports) == 1 and reports[0] != "-" else "REPORT"
    next_step(f"git add {baseline.FOLDER}; ncukit gate {target} --against {name} --max-rise duration_us=3%")
    return int(Exit.OK)
