"""``ncukit diagnose``: which limit holds each kernel, what a change is worth, and what to change."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

import click

from ncukit.cli.output import chosen_format, emit, format_option, next_step, say, wants_color, width
from ncukit.errors import Exit

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@click.argument("report")
@click.option("--gpu", metavar="NAME", help="GPU the report is from, when it does not say (such as 'RTX 4090').")
@click.option("--source", metavar="FILE", help="Kernel file, for file:line [default: the one that was profiled].")
@click.option("--explain", is_flag=True, help="Also say why each other rule is silent.")
@click.option("--nvidia", is_flag=True, help="Also show what NVIDIA's own rules say, where the report carries it.")
@click.option(
    "--compile/--no-compile",
    "recompile",
    default=True,
    help="Whether to compile kernels again, without a GPU, where that says why (needs Triton; kept for the next time).",
)
@click.option(
    "--fail-on",
    type=click.FloatRange(min=1.0),
    metavar="GAIN",
    help="Exit 1 when a finding is worth this factor or more.",
)
@format_option("console", "json", "sarif")
def command(
    report: str,
    gpu: str | None,
    source: str | None,
    explain: bool,
    nvidia: bool,
    recompile: bool,
    fail_on: float | None,
    format_: str | None,
    output: Path | None,
) -> int:
    """Say which limit holds each kernel, and what to change.

    For each kernel of REPORT: the ladder of limits, what removing a cause is worth, and where in the code. REPORT is
    anything that holds ncu's readings: a run directory, a .csv of either page (with ncu's chatter in it), a
    .ncu-rep, a metrics .json, or - for standard input.

    Where the kernel file is at hand as it was measured, and Triton is installed, the compiler is asked why accesses are
    narrow, which values spill, and what loops hold: the recorded launches are compiled again. Of the file only its
    Triton functions are taken; its host code is not run. --explain says what came of it, or why nothing did.

    SARIF is for code scanning: one result a finding, at the kernel's line. Its paths count from the folder that
    ncukit is started in, which should be the checkout's root.
    """
    from ncukit.cli.progress import waiting
    from ncukit.diagnose import diagnose
    from ncukit.read import read

    chosen = chosen_format(format_, output)
    measured = read(report, gpu=gpu)
    with waiting("diagnosing; kernels are compiled again the first time") if recompile else nullcontext():
        diagnosis = diagnose(measured, gpu=gpu, source=source, recompile=recompile)
    if chosen == "json":
        from ncukit.render.json import render

        emit(render(diagnosis), output)
    elif chosen == "sarif":
        from pathlib import Path

        from ncukit.render import sarif

        emit(sarif.render(diagnosis, sarif.places_of(measured, source), Path.cwd()), output)
    else:
        from ncukit.render.console import diagnosis_page

        page = diagnosis_page(diagnosis, color=wants_color(output), width=width(), explain=explain, nvidia=nvidia)
        emit(page, output)
    if nvidia and not any(kernel.opinions for kernel in diagnosis.kernels):
        from ncukit.render.opinions import HOW_TO_GET

        say(HOW_TO_GET)
    silent = all(k.bound == "unknown" and not k.findings for k in diagnosis.kernels) and not diagnosis.pipeline
    if silent:
        next_step(f"ncukit profile {diagnosis.target or 'FILE.py'} --preset default")
        timed = any(k.duration_us is not None for k in diagnosis.kernels)
        return int(Exit.OK if timed else Exit.NOTHING)
    findings = [f for k in diagnosis.kernels for f in k.findings] + list(diagnosis.pipeline)
    tune = [f for f in findings if f.severity == "tune"]
    best = max(tune, key=lambda f: f.gain.best if f.gain else 0.0, default=None)
    unsure = next((f.next_command for f in findings if f.next_command), "")
    if best is not None and not best.next_command:
        next_step(f"ncukit explain {best.code}")
    elif unsure:
        next_step(unsure.split("   ")[0])
    elif report != "-":
        from shlex import quote

        roof = [k.name for k in diagnosis.kernels if any(f.cause == "dram-roof" for f in k.findings)]
        # a kernel at the roof is worth a gate, those beside it are not; where nothing was found, the reasons are
        only = [f"-k {quote(name)}" for name in dict.fromkeys(roof)] if len(roof) < len(diagnosis.kernels) else []
        gate = " ".join([f"ncukit gate {quote(report)} --min dram_pct=70", *only])
        next_step(gate if roof else f"ncukit diagnose {quote(report)} --explain")
    if fail_on is not None and any(f.gain and f.gain.best >= fail_on for f in tune):
        return int(Exit.FAILED)
    return int(Exit.OK)
