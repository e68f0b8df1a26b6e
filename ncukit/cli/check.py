"""``ncukit check``: whether a model's answer, or an engineer's kernel file, may be believed."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import click

from ncukit.cli.output import chosen_format, emit, format_option, next_step, wants_color, width
from ncukit.cli.settings import config_option
from ncukit.errors import Exit, NcukitError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from ncukit.config import Settings
    from ncukit.optimize.check import Request
    from ncukit.optimize.problem import Problem
    from ncukit.optimize.verdict import Checked


@click.command()
@click.argument("answer", type=click.Path())
@click.option("--problem", type=click.Path(), metavar="FILE", help="Kernel file whose Model the answer is held to.")
@click.option("--size", "sizes", multiple=True, metavar="NAME=VALUE", help="Set a constant of the problem.")
@click.option("--scope", type=click.Choice(["own", "wide"]), default="wide", show_default=True,
              help="Try the problem's own inputs, or other sizes, dtypes, layouts and values too.")  # fmt: skip
@click.option(
    "--arch", "archs", multiple=True, metavar="sm_90,…", help="Compile for these [default: the GPU in sight]."
)
@click.option("--run", type=click.Choice(["auto", "gpu", "interpreter", "no"]), default="auto", show_default=True,
              help="Where to run it; auto takes the GPU if there is one.")  # fmt: skip
@click.option("--allow-torch", is_flag=True, help="Accept work of PyTorch's and vendors' kernels.")
@click.option("--select", multiple=True, metavar="CODES", help="Only these lint rules.")
@click.option("--ignore", multiple=True, metavar="CODES", help="Not these lint rules.")
@click.option("--timeout", type=click.FloatRange(min=1), default=300.0, metavar="SECONDS", show_default=True,
              help="Time for all of it.")  # fmt: skip
@click.option("--memory", type=click.FloatRange(min=0.5), default=16.0, metavar="GIB", show_default=True,
              help="Host memory that its process may take.")  # fmt: skip
@click.option("--python", metavar="PATH", help="Interpreter with torch and triton [default: this one].")
@config_option
@format_option("console", "json", "github")
def command(answer: str, settings: Settings, format_: str | None, output: Path | None, **options: Any) -> int:
    """Refuse ANSWER, or say what speaks for it.

    ANSWER is what a model wrote, prose and all, or a kernel file; - reads it from standard input. It must hold
    class ModelNew; Model, get_inputs and get_init_inputs come from --problem, or from ANSWER where it has them.

    \b
    Four steps; nothing is compiled or run that the first two refuse:
      form      order of the brief; nothing that leaves the rules: imports, attributes, streams, fallbacks, caches
      lint      the rules of `ncukit inspect`; a comment in the answer cannot switch one off
      compile   every launch on the problem's inputs, without a GPU
      run       in a process of its own with limits: values against float64 on many sizes, dtypes, layouts and ranges,
                poisoned outputs, fresh inputs, inputs unchanged, no work elsewhere, no impossible speed

    Without a GPU, Triton's interpreter runs it, and the verdict is at best `unproven`, with what is open.

    \b
    ncukit check answer.md --problem kernels/naive/rms_norm.py
    ncukit check kernels/rms_norm.py --scope own
    agent < brief.txt | ncukit check - --problem kernels/naive/rms_norm.py --format json

    The process is no sandbox: form refuses what could reach the machine, but kernels run with your rights.

    \b
    Exit codes: 0 nothing stands against it (accepted or unproven) · 1 refused · 2 usage or unreadable input
                3 no torch and Triton, or --run gpu without one
    """
    from importlib import import_module

    from ncukit.optimize.check import check

    problem = _problem(answer, options["problem"], options["sizes"])
    request = _request(answer, problem, settings, options)
    with _telling() as tell:
        checked = check(request, tell)
    chosen = chosen_format(format_, output)
    names = {"console": "check_text", "json": "check_json", "github": "check_github"}
    render = import_module(f"ncukit.render.{names[chosen]}").render
    page = {"color": wants_color(output), "width": width()} if chosen == "console" else {}
    emit(render(checked, problem.path, **page), output)
    next_step(_next(checked, problem.path))
    return int(Exit.FAILED if checked.verdict == "refused" else Exit.OK)


def _problem(answer: str, problem: str | None, sizes: Sequence[str]) -> Problem:
    from ncukit.optimize.problem import read_problem

    if problem is None and answer == "-":
        raise NcukitError(
            "an answer on standard input needs a problem that it answers",
            next_command="ncukit check - --problem kernels/naive/rms_norm.py",
        )
    try:
        return read_problem(problem or answer, tuple(sizes))
    except NcukitError as error:
        if problem is not None:
            raise
        raise NcukitError(
            error.message,
            causes=("--problem FILE names the kernel file that the answer is held to", *error.causes),
            next_command=f"ncukit check {answer} --problem kernels/naive/rms_norm.py",
        ) from error


def _request(answer: str, problem: Problem, settings: Settings, options: Mapping[str, Any]) -> Request:
    from ncukit.optimize.check import Request
    from ncukit.source.inspect import check_archs

    return Request(
        path=answer,
        problem=problem,
        scope=options["scope"],
        archs=check_archs(_split(options["archs"])),
        run=options["run"],
        allow_torch=options["allow_torch"],
        select=_split(options["select"]) or settings.inspect.select,
        ignore=(*settings.inspect.ignore, *_split(options["ignore"])),
        timeout_s=options["timeout"],
        memory_gb=options["memory"],
        python=options["python"] or settings.profile.python,
    )


def _split(texts: Sequence[str]) -> tuple[str, ...]:
    return tuple(part.strip() for text in texts for part in text.split(",") if part.strip())


@contextlib.contextmanager
def _telling() -> Iterator[Callable[[str], None]]:
    """What is being done, on one line of a terminal's stderr; nothing where it is none."""
    import sys

    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.text import Text

    from ncukit.render.text import visible

    with Console(stderr=True).status("reading") as status:
        yield lambda what: status.update(Text(visible(what)[:100]))


def _next(checked: Checked, problem: str) -> str:
    """The next useful command: what a rule means, a machine that can prove more, or measuring."""
    from shlex import quote

    rules = [reason.code for reason in checked.reasons if reason.code.startswith("TRI")]
    if checked.verdict == "refused":
        return f"ncukit explain {rules[0]}" if rules else ""
    if checked.path == "-":
        return ""  # what came in cannot be asked for again
    held = "" if checked.path == problem else f" --problem {quote(problem)}"
    if checked.verdict == "unproven":
        return f"on a machine with a GPU: ncukit check {quote(checked.path)}{held} --run gpu"
    return f"ncukit profile {quote(checked.path)}" if not held else ""
