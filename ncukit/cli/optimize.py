"""``ncukit optimize``: let a program rewrite a kernel, round by round, and keep what was measured to be faster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ncukit.cli.output import as_path, emit, next_step, plain, say, wants_color, width
from ncukit.cli.settings import config_option

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from ncukit.model import Report
    from ncukit.optimize.journal import Limits, Outcome, Settings
    from ncukit.optimize.problem import Problem


@click.command()
@click.argument("file", type=click.Path())
@click.option("--agent", required=True, metavar="CMD", help="Program that reads a brief and prints an answer.")
@click.option("--rounds", type=click.IntRange(1, 999), default=8, show_default=True, help="Ask it this often.")
@click.option(
    "--minutes", type=click.FloatRange(min=0.1), default=30.0, show_default=True, help="Begin no round after these."
)
@click.option("--agent-timeout", type=click.FloatRange(min=1), default=300.0, metavar="SECONDS", show_default=True,
              help="End the program after this.")  # fmt: skip
@click.option("--repairs", type=click.IntRange(0, 99), default=2, show_default=True,
              help="Send a refused answer back this often, with the reasons; each is a round.")  # fmt: skip
@click.option("-o", "--output", type=click.Path(), callback=as_path, help="Run folder [default: runs/NAME].")
@click.option("--size", "sizes", multiple=True, metavar="NAME=VALUE", help="Set a constant of the kernel file.")
@click.option("--max-tokens", type=click.IntRange(min=500), help="Keep each brief below this.")
@click.option("--scope", type=click.Choice(["own", "wide"]), default="wide", show_default=True,
              help="Check answers on the file's own inputs, or on other sizes, dtypes and layouts too.")  # fmt: skip
@click.option("--no-profile", is_flag=True, help="Leave ncu out: briefs without metrics.")
@click.option("--python", metavar="PATH", help="Interpreter with torch and triton [default: this one].")
@click.option("--format", "format_", type=click.Choice(["console", "json"]), default="console", show_default=True)
@config_option
def command(file: str, agent: str, output: Path | None, format_: str, **options: Any) -> int:
    """Make FILE faster with the help of the program CMD.

    Each round profiles and diagnoses the best kernel so far, writes a brief, gives it to CMD on standard input and
    takes the answer from its standard output. The answer is checked as `ncukit check` does it, and only then raced
    against the best, in turns on the GPU. A refused answer goes back with the reasons. FILE (Model, get_inputs,
    get_init_inputs) is never changed.

    \b
    ncukit optimize kernels/naive/instance_norm.py --agent 'claude -p'
    ncukit optimize kernels/naive/rms_norm.py --agent 'codex exec -' --rounds 12 --minutes 60

    Every brief, answer, verdict, timing and profile is kept in the run folder; best.py there is a whole kernel file. A
    run that was stopped goes on with the same command; --rounds and --minutes may grow. The loop ends when they are
    used up, when the ladder of limits leaves nothing to win, or after three rounds in a row without an answer. CMD runs
    with your rights and without a shell: give it no tools.

    \b
    Exit codes: 0 ended, with a gain or without · 2 usage, or FILE was changed · 3 no GPU, no torch and Triton
                4 no answer could be measured · 130 interrupted
    """
    import shlex
    from pathlib import Path

    from ncukit.collect.target import kernel_name
    from ncukit.errors import NcukitError
    from ncukit.optimize import real
    from ncukit.optimize.agent import command_of
    from ncukit.optimize.folder import check_folder
    from ncukit.optimize.journal import ANSWERLESS
    from ncukit.optimize.loop import optimize
    from ncukit.optimize.problem import read_problem
    from ncukit.optimize.tools import Known, Moment

    if file == "-":
        raise NcukitError(
            "the kernel to optimize must be a file",
            causes=("the run goes on from it, and its gain is shown against it",),
            next_command="ncukit optimize FILE.py --agent CMD",
        )
    words = command_of(agent)
    problem = read_problem(file, options["sizes"])
    if problem.fenced or "\ufffd" in problem.code:
        raise NcukitError(
            f"{file} is no file that a kernel could be measured from",
            causes=("it has to be Python alone, in UTF-8: it is profiled and timed as it stands",),
            next_command="ncukit optimize kernels/naive/layer_norm.py --agent CMD",
        )
    place = output or Path("runs") / kernel_name(Path(file))
    settings, limits = _settings(file, agent, problem, options)
    going_on = check_folder(place, settings)
    python = options["python"] or options["settings"].profile.python
    here = real.machine(python)
    measure = None if options["no_profile"] else _measure(options, python)
    tools = real.tools(
        problem, here, agent=words, scope=options["scope"], max_tokens=options["max_tokens"], python=python,
        measure=measure,
    )  # fmt: skip
    if options["max_tokens"] and not going_on:  # told before anything is measured
        tools.brief(Moment(code=problem.code, path=file, known=Known()))
    try:
        outcome = optimize(problem, place, _on(settings, here), limits, tools, lambda line: say(plain(line)))
    except (NcukitError, KeyboardInterrupt):
        if place.exists():
            say(f"kept in {plain(str(place))}; the same command goes on from there")
        raise
    _show(outcome, place, format_)
    if outcome.stop.code == "interrupted":
        say("interrupted")
    elif outcome.best:
        next_step(f"git diff --no-index {shlex.quote(file)} {shlex.quote(str(place / 'best.py'))}")
    elif outcome.entries:
        last = place / f"round-{len(outcome.entries):02d}"
        if outcome.entries[-1].round.outcome in ANSWERLESS:  # there is nothing to check
            next_step(f"cat {shlex.quote(str(last / 'stderr.txt'))}")
        else:
            next_step(f"ncukit check {shlex.quote(str(last / 'answer.md'))} --problem {shlex.quote(file)}")
    return int(outcome.exit_code)


def _settings(file: str, agent: str, problem: Problem, options: Mapping[str, Any]) -> tuple[Settings, Limits]:
    import hashlib
    from pathlib import Path

    from ncukit.optimize.journal import Limits, Settings

    settings = Settings(
        file=file,
        sha256=hashlib.sha256(Path(file).read_bytes()).hexdigest(),
        agent=agent,
        sizes=dict(problem.sizes),
        scope=options["scope"],
        repairs=options["repairs"],
        max_tokens=options["max_tokens"],
        profile=not options["no_profile"],
    )
    limits = Limits(rounds=options["rounds"], minutes=options["minutes"], agent_timeout_s=options["agent_timeout"])
    return settings, limits


def _on(settings: Settings, here: Any) -> Settings:
    """The settings with the machine that they turned out to be for."""
    from dataclasses import replace

    return replace(settings, gpu=here.gpu, versions=dict(here.versions))


def _measure(options: Mapping[str, Any], python: str | None) -> Callable[[Path, Path], Report]:
    """Profiling as ``ncukit profile`` does it, into a folder of the run."""
    from ncukit.cli.plan import build_plan
    from ncukit.cli.progress import progress

    def measure(kernel: Path, place: Path) -> Report:
        from ncukit.collect.session import profile
        from ncukit.collect.target import resolve

        target = resolve(str(kernel), None, _sizes_of(kernel, options["sizes"]))
        plan, gpu, notes = build_plan(settings=options["settings"], target=target, python=python)
        with progress() as on_progress:
            return profile(plan, gpu=gpu, output=place, notes=notes, on_progress=on_progress)[1]

    return measure


def _sizes_of(kernel: Path, sizes: tuple[str, ...]) -> tuple[str, ...]:
    """Those settings whose constant the kernel file still has: what only the old kernel used may be gone."""
    import ast

    from ncukit.collect.target import constants

    known = constants(ast.parse(kernel.read_bytes()))
    return tuple(setting for setting in sizes if setting.partition("=")[0] in known)


def _show(outcome: Outcome, place: Path, format_: str) -> None:
    from ncukit.render import optimize_json, optimize_plot, optimize_text

    emit(optimize_plot.render(outcome), place / "plot.svg")
    emit(optimize_json.render(outcome), place / "result.json")
    if format_ == "json":
        emit(optimize_json.render(outcome), None)
    else:
        emit(optimize_text.render(outcome, color=wants_color(None), width=width()), None)
