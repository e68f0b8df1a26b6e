"""``ncukit inspect``: lint a kernel file and compile its launches, without a GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ncukit.cli.output import also_files, chosen_format, emit, format_option, next_step, plain, say, wants_color, width
from ncukit.cli.profile import TargetCommand
from ncukit.cli.settings import config_option
from ncukit.errors import Exit, NcukitError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ncukit.config import Settings
    from ncukit.gate.budget import Budget
    from ncukit.gate.examined import Examined
    from ncukit.source.inspect import Request

FORMATS = {
    "console": "inspect",
    "json": "inspect_json",
    "markdown": "inspect_markdown",
    "github": "inspect_github",
    "sarif": "inspect_sarif",
}
"""Format → the module of ``ncukit.render`` that writes it."""


@click.command(cls=TargetCommand, options_metavar="[OPTIONS]", epilog="A script's arguments go after --.")
@click.argument("file", type=click.Path())
@click.option(
    "--arch", "archs", multiple=True, metavar="sm_90,…", help="Compile for these [default: 80,89,90,100,120]."
)
@click.option("--gpu", metavar="NAME", help="GPU that the host code believes to be on, such as 'H200'.")
@click.option("--problem", type=click.Path(), metavar="FILE", help="Take Model and inputs from this kernel file.")
@click.option("--launches", type=click.Path(), metavar="RUN", help="Compile the launches of this recorded run instead.")
@click.option("--size", "sizes", multiple=True, metavar="NAME=VALUE", help="Set a constant of the kernel file.")
@click.option("--max", "maximum", multiple=True, metavar="NAME=NUMBER", help="Fail above this, such as spills=0.")
@click.option("--min", "minimum", multiple=True, metavar="NAME=NUMBER", help="Fail below this, such as occupancy=50.")
@click.option("--strict/--no-strict", default=None, help="Whether a budget must hold in every autotune configuration.")
@click.option("--select", multiple=True, metavar="CODES", help="Only these lint rules, such as TRI1 or loop-exit.")
@click.option("--ignore", multiple=True, metavar="CODES", help="Not these lint rules.")
@click.option("--fail-on", type=click.Choice(["error", "warning", "never"]), default="error", show_default=True,
              help="Lint severity that fails.")  # fmt: skip
@click.option("--lint-only", is_flag=True, help="Look at the text alone: run and compile nothing.")
@click.option("--what-if", is_flag=True, help="Compile with other num_warps and tile sizes too.")
@click.option("--all-gpus", is_flag=True, help="Show occupancy and waves on every GPU of an architecture.")
@click.option("--probe/--no-probe", default=True, help="Whether to compile again to say why accesses are narrow.")
@click.option("--timeout", type=click.FloatRange(min=1), default=180.0, metavar="SECONDS", show_default=True,
              help="End the file's process after this.")  # fmt: skip
@click.option("--memory", type=click.FloatRange(min=0.5), default=8.0, metavar="GIB", show_default=True,
              help="Memory that its process may take.")  # fmt: skip
@click.option("--no-cache", is_flag=True, help="Neither use nor keep answers.")
@click.option("--python", metavar="PATH", help="Interpreter with torch and triton [default: this one].")
@click.option(
    "--also", multiple=True, callback=also_files(FORMATS), metavar="FORMAT=FILE", help="Write this format too."
)
@config_option
@format_option(*FORMATS)
@click.pass_context
def command(
    ctx: click.Context,
    /,
    file: str,
    also: tuple[tuple[str, Path], ...],
    settings: Settings,
    format_: str | None,
    output: Path | None,
    **options: Any,
) -> int:
    """Inspect FILE without a GPU.

    Lints it, learns every Triton launch by running its host code on tensors without data, and compiles each launch for
    each architecture: registers, spills, shared memory, what the machine code does in loops, occupancy and waves on
    every GPU, why accesses are narrow, and whether num_stages changes anything.

    FILE is a kernel file (Model or ModelNew, get_inputs, get_init_inputs), a Python script, a text with a fenced code
    block, or - for one of these on standard input. Its host code runs in a process of its own with limits on time and
    memory; that is no sandbox, so look before you run what you do not trust, or use --lint-only or --launches.

    \b
    ncukit inspect kernels/instance_norm.py --arch sm_90
    ncukit inspect kernels/instance_norm.py --max registers=128 --max spills=0
    ncukit inspect answer.md --problem kernels/naive/rms_norm.py --format json
    ncukit inspect kernels/naive/rms_norm.py --arch sm_90 --what-if

    A line is accepted with `# ncukit: ignore[CODE] reason`. `ncukit explain CODE` tells what a rule means. Budgets and
    defaults also come from [tool.ncukit.inspect].

    \b
    Exit codes: 0 clean · 1 a compile error, a lint error or a broken budget · 2 usage or unreadable input
                3 the file's process ran out of time or memory
                4 nothing was compiled, launches may be missing, or a budget cannot be judged
    """
    from ncukit.gate.examined import Examined
    from ncukit.gate.static import judge_static
    from ncukit.gate.static_budget import collect, measured_only
    from ncukit.source.inspect import inspect

    request, budgets = _request(file, ctx.meta["rest"], settings, options), _budgets(options, settings, collect)
    for note in dict.fromkeys(budget.note for budget in budgets if budget.note):
        say(f"note: {plain(note)}")
    inspected = inspect(request)
    inspection = inspected.inspection
    strict = settings.inspect.strict if options["strict"] is None else options["strict"]
    verdicts = judge_static(inspection, budgets, strict=strict, ignore=settings.gate.ignore)
    examined = Examined(
        inspection=inspection,
        verdicts=verdicts,
        tables=inspected.tables,
        fail_on=options["fail_on"],
        lint_only=options["lint_only"] and not budgets,
    )
    if (left := measured_only(settings)) and budgets:
        say(f"note: the gate's {', '.join(map(plain, left))} need a measurement and are not judged here")
    for extra, place in also:
        emit(_text(examined, extra, options, color=False), place)
    emit(_text(examined, chosen_format(format_, output), options, color=wants_color(output)), output)
    next_step(_next(examined))
    return int(examined.exit_code)


def _request(file: str, rest: tuple[str, ...] | None, settings: Settings, options: Mapping[str, Any]) -> Request:
    from ncukit.source.inspect import ARCHS, Request, check_archs

    archs = _split(options["archs"]) or settings.inspect.arch
    if options["gpu"] and not archs:
        archs = (_arch_of(options["gpu"]),)
    if options["lint_only"] and (clash := [n for n in ("problem", "launches", "what_if") if options[n]]):
        raise NcukitError(
            f"--lint-only compiles nothing, and --{clash[0].replace('_', '-')} is about compiling",
            next_command=f"ncukit inspect {file} --lint-only",
        )
    sizes = dict(_size(file, text) for text in options["sizes"])
    return Request(
        path=file,
        archs=check_archs(archs) if archs else ARCHS,
        gpu=options["gpu"],
        problem=options["problem"],
        recording=options["launches"],
        sizes=sizes,
        arguments=rest or (),
        select=_split(options["select"]) or settings.inspect.select,
        ignore=(*settings.inspect.ignore, *_split(options["ignore"])),
        lint_only=options["lint_only"],
        probe=options["probe"],
        what_if=(check_archs(archs) if archs else ("sm_90",)) if options["what_if"] else (),
        python=options["python"],
        timeout_s=options["timeout"],
        memory_gb=options["memory"],
        use_cache=not options["no_cache"],
    )


def _split(texts: Sequence[str]) -> tuple[str, ...]:
    return tuple(part.strip() for text in texts for part in text.split(",") if part.strip())


def _size(file: str, text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier() or not value.strip():
        raise NcukitError(
            f"--size takes NAME=NUMBER, not '{text}'", next_command=f"ncukit inspect {file} --size batch_size=8"
        )
    return name, value.strip()


def _arch_of(name: str) -> str:
    from ncukit import gpus

    return "sm_" + gpus.get(name).compute_capability.replace(".", "")


def _budgets(options: Mapping[str, Any], settings: Settings, collect: Any) -> tuple[Budget, ...]:
    from ncukit.gate.static_budget import parse

    typed = [parse(text, "min") for text in options["minimum"]] + [parse(text, "max") for text in options["maximum"]]
    if options["lint_only"] and typed:
        raise NcukitError(
            "--lint-only compiles nothing, so no budget can be judged",
            causes=("registers, spills and shared memory are the compiler's answer",),
            next_command="leave out --lint-only, or the budgets",
        )
    budgets: tuple[Budget, ...] = () if options["lint_only"] else collect(typed, settings)
    return budgets


def _text(examined: Examined, format_: str, options: Mapping[str, Any], *, color: bool) -> str:
    from importlib import import_module

    render = import_module(f"ncukit.render.{FORMATS[format_]}").render
    if format_ == "console":
        return str(render(examined, color=color, width=width(), all_gpus=options["all_gpus"]))
    from pathlib import Path

    return str(render(examined, root=Path.cwd()) if format_ in ("github", "sarif") else render(examined))


def _next(examined: Examined) -> str:
    """The next useful command: what a code means, what would let it compile, or measuring."""
    from shlex import quote

    path = quote(examined.inspection.path)
    if examined.failed_lint:
        return f"ncukit explain {examined.failed_lint[0].code}"
    if examined.inspection.path == "-":
        return ""  # what came in cannot be asked for again
    codes = {note.code for note in examined.inspection.notes}
    if examined.exit_code is Exit.NOTHING:
        if "no-triton" in codes:
            return "pip install 'ncukit[triton]'"
        if "no-inputs" in codes:
            return f"ncukit inspect {path} --problem FILE"
        return f"ncukit inspect {path} --lint-only" if not examined.inspection.compiled else ""
    if examined.failed_errors or examined.failed_verdicts:
        return f"ncukit inspect {path} --format json"
    return "" if examined.lint_only else f"ncukit profile {path}"
