"""``ncukit gate``: budgets against a report, and an exit code that a pipeline can trust."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ncukit.cli.output import chosen_format, emit, format_option, next_step, plain, say, wants_color
from ncukit.cli.settings import config_option
from ncukit.errors import Exit

if TYPE_CHECKING:
    from pathlib import Path

    from ncukit.config import Settings

EXIT_CODES = {"pass": Exit.OK, "fail": Exit.FAILED, "unjudged": Exit.NOTHING}


@click.command("gate")
@click.argument("report", type=click.Path())
@click.option("--min", "minimum", multiple=True, metavar="NAME=NUMBER", help="Fail below this value.")
@click.option("--max", "maximum", multiple=True, metavar="NAME=NUMBER", help="Fail above this value.")
@click.option("-k", "--kernel", "kernels", multiple=True, metavar="NAME", help="Judge this kernel, or regex:EXPR.")
@click.option("--gpu", help="GPU of a report that does not name it, such as 'RTX 4090'.")
@config_option
@format_option("console", "json")
def command(
    report: str,
    minimum: tuple[str, ...],
    maximum: tuple[str, ...],
    kernels: tuple[str, ...],
    gpu: str | None,
    settings: Settings,
    format_: str | None,
    output: Path | None,
) -> int:
    """Fail when a kernel breaks a budget.

    REPORT is anything readable: a run directory, .csv, .ncu-rep, metrics .json, or - for standard input.
    Launches of one kernel with the same grid and block are one entry, judged by their median.

    \b
    ncukit gate report.csv --min dram_pct=70 --max duration_us=6000
    ncukit gate profiles/h200/instance_norm --min useful_dram_pct=80 -k regex:norm --format json

    Budgets also come from [tool.ncukit.gate] (min = {dram_pct = 70}); the command line overrides them by
    metric. `ncukit metrics` lists the names.

    \b
    Exit codes: 0 every budget holds · 1 one is broken · 2 usage, no budget or unreadable report
                4 nothing is broken, but something could not be judged: a metric is missing, no kernel matched
    """
    from ncukit import gate
    from ncukit.read import read
    from ncukit.render import gate as console
    from ncukit.render import gate_json

    budgets = gate.collect(minimum, maximum, settings, report)
    for budget in budgets:
        if budget.note:
            say(f"note: {plain(budget.note)}")
    judgement = gate.judge(read(report, gpu=gpu), budgets, kernels)
    if chosen_format(format_, output) == "json":
        text = gate_json.render(judgement)
    else:
        text = console.render(judgement, color=wants_color(output))
    emit(text, output)
    # the reader of standard input cannot be asked again
    from shlex import quote

    again = f"ncukit diagnose {quote(report)}" if report != "-" else ""
    code = EXIT_CODES[judgement.status.value]
    next_step(plain((code is Exit.NOTHING and judgement.collect_command) or again))
    return int(code)
