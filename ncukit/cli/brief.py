"""``ncukit brief``: what a language model needs to make a kernel faster, in one text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ncukit.cli.output import chosen_format, emit, format_option, next_step, plain, say
from ncukit.errors import Exit

if TYPE_CHECKING:
    from pathlib import Path

    from ncukit.optimize.brief import Facts


@click.command()
@click.argument("file", type=click.Path())
@click.option("--report", metavar="RUN", help="Measurements of FILE [default: its run in profiles/, if there is one].")
@click.option("--recorded", is_flag=True, help="Take the bundled recording of FILE instead.")
@click.option("--gpu", metavar="NAME", help="GPU to write for [default: the one it was measured on].")
@click.option("--problem", type=click.Path(), metavar="FILE", help="Kernel file with the Model that FILE is held to.")
@click.option(
    "--stage",
    type=click.Choice(["auto", "grid", "tiling", "memory", "advanced"]),
    default="auto",
    show_default=True,
    help="What to work on; auto goes by the findings.",
)
@click.option("--max-tokens", type=click.IntRange(min=1), metavar="N", help="Leave out the least useful parts.")
@click.option("--repair", type=click.Path(), metavar="REASONS.json", help="Ask for a refused answer once more.")
@click.option("--answer", type=click.Path(), metavar="FILE", help="The answer that was refused [default: FILE].")
@click.option(
    "--compile/--no-compile",
    "compiles",
    default=True,
    help="Whether to compile FILE without a GPU for its facts (needs Triton).",
)
@format_option("text", "json")
def command(
    file: str,
    report: str | None,
    recorded: bool,
    format_: str | None,
    output: Path | None,
    **options: Any,
) -> int:
    """Write a brief for a language model.

    One text with all that is known of FILE: the target GPU's facts, the stage to work on with its metrics, targets
    and exit criterion, the code, what ncu measured, the ladder of limits, findings with their evidence, compulsory
    traffic, what will not help, what the compiler says, and strict rules for the answer. FILE is a kernel file, or a
    text with a fenced code block. `ncukit check` holds an answer to the rules.

    Numbers are only shown when they were measured on this very code; without any, the brief says why and goes by the
    code and the compiler. Where there is no run, FILE's host code runs in a process of its own to learn its launches,
    as in `ncukit inspect`; --no-compile leaves that out.

    \b
    ncukit brief kernels/naive/instance_norm.py --recorded
    ncukit brief kernel.py --report profiles/h200/kernel --max-tokens 4000
    ncukit brief kernel.py --gpu 'RTX 4090' --stage memory -o brief.txt
    ncukit brief kernel.py --repair reasons.json --answer answer.md

    Tokens are an estimate (a third of the bytes). What --max-tokens leaves out is said on stderr and in the JSON.
    """
    from ncukit.cli.progress import waiting
    from ncukit.optimize.brief import brief
    from ncukit.optimize.brief.gather import Ask, gather

    if report is not None and recorded:
        raise click.UsageError("--recorded shows a bundled recording, and --report names another measurement.")
    if file == "-" and report == "-":
        raise click.UsageError("FILE and --report cannot both come from standard input.")
    if options["answer"] and not options["repair"]:
        raise click.UsageError("--answer is the answer that was refused; --repair names the reasons.")
    markdown = output is not None and output.suffix.lower() in (".md", ".txt") and format_ is None
    chosen = "text" if markdown else chosen_format(format_, output, "text")
    ask = Ask(
        path=file,
        report=report,
        recorded=recorded,
        gpu=options["gpu"],
        problem=options["problem"],
        compiles=options["compiles"],
        reasons=options["repair"],
        answer=options["answer"],
    )
    with waiting("diagnosing, and compiling without a GPU"):
        facts = gather(ask)
    made = brief(
        facts, stage=None if options["stage"] == "auto" else options["stage"], max_tokens=options["max_tokens"]
    )
    if chosen == "json":
        from ncukit.render.brief_json import render

        emit(render(made, facts, options["max_tokens"]), output)
    else:
        emit(made.text, output)
    if facts.report is None:
        say(f"note: nothing was measured: {plain(facts.unmeasured)}")
    if made.left_out:
        say(f"note: left out to stay within {options['max_tokens']:,} tokens: {plain(', '.join(made.left_out))}")
    if made.nothing_left:
        say(f"note: nothing is left that the measurements know of: {plain(made.nothing_left)}")
    next_step(_next(file, facts))
    return int(Exit.OK)


def _next(file: str, facts: Facts) -> str:
    from shlex import quote

    if file == "-":
        return ""
    if facts.report is None and facts.problem is not None and facts.problem.path == facts.path:
        return f"ncukit profile {quote(file)}"
    return f"ncukit check ANSWER --problem {quote(facts.problem.path) if facts.problem else 'FILE'}"
