"""``ncukit gate``: budgets against a report, and an exit code that a pipeline can trust."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from ncukit.cli.output import also_files, chosen_format, emit, format_option, next_step, plain, say, wants_color
from ncukit.cli.settings import config_option
from ncukit.errors import Exit, NcukitError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from ncukit.config import Settings
    from ncukit.gate.answer import Judgement
    from ncukit.gate.budget import Budget
    from ncukit.gate.judge import Policy
    from ncukit.gate.reference import Reference
    from ncukit.model import Report

EXIT_CODES = {"pass": Exit.OK, "fail": Exit.FAILED, "unjudged": Exit.NOTHING}
FORMATS = {
    "console": "gate",
    "json": "gate_json",
    "markdown": "gate_markdown",
    "github": "gate_github",
    "junit": "gate_junit",
    "gitlab": "gate_gitlab",
    "openmetrics": "gate_openmetrics",
    "bencher": "gate_bencher",
    "github-action-benchmark": "gate_benchmark_action",
}
"""Format → the module of ``ncukit.render`` that writes it."""


@click.command("gate")
@click.argument("reports", nargs=-1, required=True, metavar="REPORT…", type=click.Path())
@click.option("--min", "minimum", multiple=True, metavar="NAME=NUMBER", help="Fail below this value.")
@click.option("--max", "maximum", multiple=True, metavar="NAME=NUMBER", help="Fail above this value.")
@click.option("--max-drop", multiple=True, metavar="NAME=NUMBER[%]", help="Fail this far below the baseline.")
@click.option("--max-rise", multiple=True, metavar="NAME=NUMBER[%]", help="Fail this far above the baseline.")
@click.option("--forbid", multiple=True, metavar="CAUSE", help="Fail when the diagnosis finds this cause.")
@click.option("--warn", is_flag=True, help="Budgets of this command line only warn.")
@click.option("--ignore", multiple=True, metavar="KERNEL[:METRIC]=REASON", help="Leave this out, for a reason.")
@click.option("-k", "--kernel", "kernels", multiple=True, metavar="NAME", help="Judge this kernel, or regex:EXPR.")
@click.option("--against", metavar="NAME|REPORT", help="Baseline or report that drops and rises count from.")
@click.option("--allow", multiple=True, metavar="WORD", help="Accept that this differs from the baseline, or lacks.")
@click.option("--all-cases/--not-all-cases", default=None, help="Whether no case may be without a report.")
@click.option("--strict/--no-strict", default=None, help="Whether what is ambiguous fails.")
@click.option("--gpu", help="GPU of a report that does not name it, such as 'RTX 4090'.")
@click.option(
    "--also", multiple=True, callback=also_files(FORMATS), metavar="FORMAT=FILE", help="Write this format too."
)
@config_option
@format_option(*FORMATS)
def command(
    reports: tuple[str, ...],
    kernels: tuple[str, ...],
    gpu: str | None,
    also: tuple[tuple[str, Path], ...],
    settings: Settings,
    format_: str | None,
    output: Path | None,
    **options: Any,
) -> int:
    """Fail when a kernel breaks a budget.

    A REPORT is anything readable: a run directory, .csv, .ncu-rep, metrics .json, or - for standard input. Several are
    judged one by one; with --all-cases, every case that a budget or the baseline names has to be among them.

    Launches of one kernel with the same grid and block are one entry, judged by their median.

    \b
    ncukit gate report.csv --min dram_pct=70 --max duration_us=6000
    ncukit gate profiles/h200/instance_norm --max-rise duration_us=3% --forbid local-memory
    ncukit gate run --min 'normalize_*:useful_dram_pct=80' --also junit=gate.xml

    Before a name may stand a glob over kernels, KERNEL:, or over kernels and cases, KERNEL@CASE:. A kernel that takes
    under 1 % of the longest one's time is judged only when a budget or -k names it. Budgets also come from
    [tool.ncukit.gate]; the command line overrides them by metric. `ncukit metrics` lists the names.

    Drops and rises count from a baseline (`ncukit baseline save`) or from another report, and fail only when they are
    larger than the noise. A baseline of another GPU, ncu, clock mode (clocks), cache mode (caches), input (size) or
    reference (problem) is not compared, unless --allow names that word; --allow no-baseline accepts a first run. Nor is
    a report judged whose kernel file has changed since (source).

    \b
    Exit codes: 0 every budget holds · 1 one is broken · 2 usage, no budget or unreadable report
                4 nothing is broken, but something could not be judged: a metric is missing, no kernel matched,
                  no baseline, or one that cannot be compared
    """
    from ncukit.gate.answer import overall
    from ncukit.gate.budget import collect, parse_ignore
    from ncukit.gate.judge import Policy

    if len({os.path.normpath(report) for report in reports}) < len(reports):
        raise NcukitError("one report is named twice", next_command="name each report once")
    places = [str(place) for place in (*(place for _, place in also), output) if place is not None]
    if len({os.path.normpath(place) for place in places}) < len(places):
        raise NcukitError("two outputs go to one file", next_command="give --also and -o a file each")
    budgets = collect(_typed(options, options["minimum"], options["maximum"]), settings, reports[0])
    for note in dict.fromkeys(budget.note for budget in budgets if budget.note):
        say(f"note: {plain(note)}")
    allow = allowed((*options["allow"], *settings.gate.allow))
    strict = settings.gate.strict if options["strict"] is None else options["strict"]
    every = settings.gate.all_cases if options["all_cases"] is None else options["all_cases"]
    ignore = (*settings.gate.ignore, *map(parse_ignore, options["ignore"]))
    policy = Policy(strict=strict, ignore=ignore, allow=allow)
    name = options["against"] or settings.gate.baseline
    asked = options["against"] is not None or any(budget.against_baseline for budget in budgets)
    find_ = partial(_reference, name, options["against"], budgets, allow, gpu)
    judgements = [_judged(report, budgets, kernels, policy, find_, asked=asked, gpu=gpu) for report in reports]
    judgements += _missing(judgements, budgets, name, by_name=options["against"] is None) if every else []
    texts = [(_text(judgements, extra, color=False), place) for extra, place in also]
    for text, place in texts:
        emit(text, place)
    emit(_text(judgements, chosen_format(format_, output), color=wants_color(output)), output)
    code = EXIT_CODES[overall(judgements).value]
    next_step(plain(_next(judgements, code)))
    return int(code)


def _judged(
    report: str,
    budgets: Sequence[Budget],
    kernels: Sequence[str],
    policy: Policy,
    find_: Callable[[Report], Reference],
    *,
    asked: bool,
    gpu: str | None,
) -> Judgement:
    """The answer on one report. A baseline that nobody asked for is used when it is there, and else not missed."""
    from ncukit.gate.judge import judge
    from ncukit.read import read

    measured = read(report, gpu=gpu)
    reference = find_(measured)
    wanted = asked or reference.side is not None
    return judge(measured, budgets, kernels, reference=reference if wanted else None, policy=policy)


def _reference(
    name: str,
    against: str | None,
    budgets: Sequence[Budget],
    allow: tuple[str, ...],
    gpu: str | None,
    report: Report,
) -> Reference:
    """What to count from: what ``--against`` names, or the configured baseline, whatever files are called like it."""
    from ncukit.gate.judge import needed
    from ncukit.gate.reference import find

    return find(name, report, needed(budgets), allow, gpu, by_name=against is None)


def _missing(
    judgements: Sequence[Judgement], budgets: Sequence[Budget], name: str, *, by_name: bool
) -> list[Judgement]:
    """The answer on cases that no report is of; the cases are those of the baseline, by its name or its file."""
    from pathlib import Path

    from ncukit.gate import baseline
    from ncukit.gate.judge import absent

    if by_name or not Path(name).exists():
        kept = baseline.of(name, judgements[0].environment.gpu)
    else:
        kept = baseline.load(Path(name)) if baseline.is_baseline(Path(name)) else None
    answer = absent(judgements, budgets, kept.cases if kept is not None else ())
    return [answer] if answer is not None else []


def _typed(options: Mapping[str, Any], minimum: Sequence[str], maximum: Sequence[str]) -> list[Budget]:
    """The budgets of the command line."""
    from ncukit.gate.budget import parse

    level = "warn" if options["warn"] else "error"
    given = {
        "min": minimum,
        "max": maximum,
        "max-drop": options["max_drop"],
        "max-rise": options["max_rise"],
        "forbid": options["forbid"],
    }
    return [parse(text, bound, level) for bound, texts in given.items() for text in texts]  # type: ignore[arg-type]


def allowed(words: Sequence[str]) -> tuple[str, ...]:
    """The words of ``--allow``, which may be given one by one or with commas."""
    from ncukit.config import ALLOWED
    from ncukit.errors import nearest

    found = tuple(dict.fromkeys(word.strip() for text in words for word in text.split(",") if word.strip()))
    for word in found:
        if word not in ALLOWED:
            close = nearest(word, ALLOWED, 1)
            raise NcukitError(
                f"--allow knows no '{word}'",
                causes=((f"did you mean {close[0]}?",) if close else (f"known are {', '.join(ALLOWED)}",)),
                next_command="ncukit gate --help",
            )
    return found


def _text(judgements: Sequence[Judgement], format_: str, *, color: bool) -> str:
    from importlib import import_module

    render: Callable[..., str] = import_module(f"ncukit.render.{FORMATS[format_]}").render
    return render(*judgements, color=color) if format_ == "console" else render(*judgements)


def _next(judgements: Sequence[Judgement], code: Exit) -> str:
    """The next useful command: measure what is missing, save the first baseline, or look into a kernel."""
    from shlex import quote

    if code is Exit.NOTHING and (command := next((j.collect_command for j in judgements if j.collect_command), "")):
        return command
    saves = [judgement.against.save_command for judgement in judgements if judgement.against is not None]
    if code is Exit.NOTHING and any(saves):  # never after a failure: that is no measure for later runs
        return next(filter(None, saves))
    # the reader of standard input cannot be asked again
    worst = next((j for j in judgements if EXIT_CODES[j.status.value] is code), judgements[0])
    again = worst.report_path in ("-", "(no report)")
    return "" if again else f"ncukit diagnose {quote(worst.report_path)}"
