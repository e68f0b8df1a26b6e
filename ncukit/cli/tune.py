"""``ncukit tune``: turn a kernel file's numbers and measure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ncukit.cli.output import chosen_format, emit, format_option, next_step, plain, say, wants_color
from ncukit.errors import Exit

if TYPE_CHECKING:
    from pathlib import Path

    from ncukit.optimize.problem import Problem
    from ncukit.optimize.tune import Plan, Tuned
    from ncukit.optimize.tune.advice import Advice
    from ncukit.optimize.tune.knobs import Knobs


@click.command()
@click.argument("file", type=click.Path())
@click.option("--size", "sizes", multiple=True, metavar="NAME=VALUE", help="Set a constant of the kernel file.")
@click.option("--knob", "knobs", multiple=True, metavar="NAME", help="Turn only this: BLOCK_SIZE, kernel.num_warps.")
@click.option("--report", metavar="RUN", help="Measurements of FILE to begin from [default: its run in profiles/].")
@click.option("--recorded", is_flag=True, help="Begin from the bundled recording of FILE.")
@click.option("--budget", type=click.IntRange(min=1), metavar="TRIALS", help="[default: a quarter of all settings].")
@click.option("--minutes", type=click.FloatRange(min=0.1), metavar="N", help="End the search after this.")
@click.option("--dry-run", is_flag=True, help="Show what would be searched; needs no GPU.")
@click.option("--gpu", metavar="NAME", help="GPU to compile for in a dry run [default: the one that was measured on].")
@click.option("--compile/--no-compile", "compiles", default=True, help="Whether compiling rules settings out first.")
@click.option("--record", type=click.Path(), metavar="FILE", help="[default: runs/NAME.tune.jsonl].")
@click.option("--fresh", is_flag=True, help="Start over: what the record holds is dropped.")
@click.option("--python", metavar="PATH", help="Interpreter with torch and triton [default: this one].")
@format_option("console", "json", "diff")
def command(
    file: str, sizes: tuple[str, ...], knobs: tuple[str, ...], format_: str | None, output: Path | None, **options: Any
) -> int:
    """Turn the numbers of a kernel FILE and measure.

    Turned are tile sizes, num_warps and num_stages as the launches set them (or leave them out), an autotuner's
    configurations, and whole numbers in capitals at the file's top level. Every setting is another text of the file,
    so the grid follows as the host code says, and what was measured is what the diff says.

    The search begins with what the findings suggest, leaves out what compiling rules out (spills, shared memory), and
    goes on with what a model of the measurements expects most of, until nothing better is likely or a quarter of all
    settings was tried. Each runs in a child process that may crash or hang, is checked against Model, and is timed in
    turns with the file as it stands: events on the GPU, L2 flushed, rotating inputs. In the end the best is measured
    against the file once more.

    \b
    ncukit tune kernels/naive/layer_norm.py
    ncukit tune kernel.py --size batch_size=8 --minutes 5
    ncukit tune kernel.py --format diff | patch kernel.py

    Trials are kept as they are made: after Ctrl-C the same command goes on, and after the end it shows the result again
    without measuring.

    \b
    Exit codes: 0 searched, faster or not · 2 usage, or a record of another search · 3 no GPU, or FILE does not run
                4 nothing to turn · 130 interrupted
    """
    from shlex import quote

    from ncukit.cli.progress import waiting
    from ncukit.optimize.problem import read_problem
    from ncukit.optimize.tune.prepare import Wish, knobs_of

    if options["report"] and options["recorded"]:
        raise click.UsageError("--recorded begins from a bundled recording, and --report names another measurement.")
    chosen = chosen_format(format_, output)
    if options["dry_run"] and chosen == "diff":
        raise click.UsageError("A dry run measures nothing, so there is no diff.")
    if options["gpu"] and not options["dry_run"]:
        raise click.UsageError("--gpu is for a dry run: a search measures on the GPU of this machine.")
    problem = read_problem(file, sizes)
    wish = Wish(
        only=knobs,
        budget=options["budget"],
        minutes=options["minutes"],
        compiles=options["compiles"],
        python=options["python"],
    )
    found = knobs_of(problem, wish)
    if options["dry_run"]:
        with waiting("compiling settings without a GPU"):
            plan, advice = _planned(problem, wish, options, None)
        emit(_plan_text(plan, advice, chosen, output), output)
        next_step(_again(file, sizes, knobs, options))
        return int(Exit.OK)
    tuned, advice = _tune(problem, found, wish, options)
    text = _text(tuned, advice, chosen, output)
    if text or output is not None:  # patch takes no line at all for no change, and an empty one for garbage
        emit(text, output)
    if tuned.interrupted:
        say("interrupted: what was measured is kept, the same command goes on")
        return int(Exit.INTERRUPTED)
    if tuned.race is not None and tuned.race.faster:
        next_step(f"{_again(file, sizes, knobs, options)} --format diff | patch {quote(file)}")
    else:
        next_step(f"ncukit brief {quote(file)}")
    return int(Exit.OK)


def _planned(problem: Problem, wish: Any, options: dict[str, Any], about: Any) -> tuple[Plan, Advice]:
    """The plan for the GPU that is there, or in a dry run for the one that was named or measured on."""
    from ncukit import gpus
    from ncukit.errors import NcukitError
    from ncukit.optimize.brief.gather import Ask, gather
    from ncukit.optimize.tune.prepare import prepare

    name = str(about["gpu"]) if about else options["gpu"]
    known = gpus.find(name) if name else None
    ask = Ask(
        path=problem.path,
        report=options["report"],
        recorded=options["recorded"],
        gpu=known.name if known and not about else options["gpu"],
        compiles=False,
        verb="tune",
    )
    diagnosis, unmeasured = None, ""
    try:
        facts = gather(ask)
        diagnosis, unmeasured = facts.diagnosis, facts.unmeasured
        name = name or facts.gpu.name
    except NcukitError as error:
        if not about or options["report"] or options["recorded"]:
            raise
        unmeasured = error.message
    arch = "sm_" + (str(about["compute_capability"]) if about else gpus.get(name).compute_capability).replace(".", "")
    return prepare(problem, wish, arch=arch, gpu=name, diagnosis=diagnosis, unmeasured=unmeasured)


def _tune(problem: Problem, knobs: Knobs, wish: Any, options: dict[str, Any]) -> tuple[Tuned, Advice]:
    from pathlib import Path

    from ncukit.cli.progress import waiting
    from ncukit.collect.target import kernel_name
    from ncukit.optimize.session import Session
    from ncukit.optimize.tune import Tuner
    from ncukit.optimize.tune.record import Record, header, held

    place = Path(options["record"] or f"runs/{kernel_name(Path(problem.path))}.tune.jsonl")
    with Session("gpu", python=options["python"]) as session:
        with waiting("looking at the GPU"):
            about = session.start()
        with held(place):
            record = Record(place, header(problem, about, knobs), fresh=options["fresh"])
            with waiting("diagnosing, and compiling settings without a GPU"):
                plan, advice = _planned(problem, wish, options, about)
            if record.trials:
                say(f"note: {len(record.trials)} trials of an earlier search are taken from {plain(str(place))}")
            return Tuner(plan, session, record, lambda text: say(f"  {plain(text)}")).run(), advice


def _plan_text(plan: Plan, advice: Advice, chosen: str, output: Path | None) -> str:
    if chosen == "json":
        from ncukit.render.tune_json import plan_document

        return plan_document(plan, advice)
    from ncukit.render.tune import plan_page

    return plan_page(plan, advice, color=wants_color(output))


def _text(tuned: Tuned, advice: Advice, chosen: str, output: Path | None) -> str:
    if chosen == "json":
        from ncukit.render.tune_json import render as document

        return document(tuned, advice)
    from ncukit.render.tune import diff, render

    if chosen == "diff":
        return diff(tuned.plan.problem.code, tuned.code, tuned.plan.problem.path) if tuned.better else ""
    return render(tuned, advice, color=wants_color(output))


def _again(file: str, sizes: tuple[str, ...], knobs: tuple[str, ...], options: dict[str, Any]) -> str:
    """The same command, as it would be typed."""
    from shlex import join

    words = ["ncukit", "tune", file]
    words += [word for size in sizes for word in ("--size", size)]
    words += [word for knob in knobs for word in ("--knob", knob)]
    for name in ("report", "record", "python", "budget"):
        words += [f"--{name}", str(options[name])] if options[name] is not None else []
    words += ["--recorded"] if options["recorded"] else []
    words += [] if options["compiles"] else ["--no-compile"]
    return join(words)
