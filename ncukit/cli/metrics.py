"""``ncukit metrics``: the catalogue of short names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from ncukit.cli.output import chosen_format, emit, format_option, next_step, plain, say, wants_color
from ncukit.errors import NcukitError, nearest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ncukit.metrics import Metric


@click.command("metrics")
@click.argument("pattern", required=False)
@click.option("--chip", metavar="NAME", help="Show the names that ncu knows on this chip, such as gh100.")
@click.option("--gpu", metavar="NAME", help="The same for a GPU, such as H200.")
@format_option("console", "json")
def command(pattern: str | None, chip: str | None, gpu: str | None, format_: str | None, output: Path | None) -> None:
    """List the metrics and what ncu calls them.

    Shows short name, unit, which way is better, presets, and what ncu is asked for.

    PATTERN is a part of a short name, of an ncu name or of the description. A name in circulation that no
    chip has (nvprof's, or a misspelt one) is translated.

    \b
    ncukit metrics dram
    ncukit metrics smsp__warp_issue_stalled_memory_dependency_per_warp_active.pct --gpu H200
    """
    from ncukit.render import catalogue

    where = _chip(chip, gpu)
    chosen, notes, following = _find(pattern)
    for note in notes:
        say(f"note: {plain(note)}")
    if chosen_format(format_, output) == "json":
        emit(catalogue.metrics_json(chosen, where, notes), output)
        return
    if chosen:
        emit(
            catalogue.metrics_table(chosen, where, about=pattern is not None, color=wants_color(output)),
            output,
        )
    next_step(following)


def _chip(chip: str | None, gpu: str | None) -> str:
    if chip and gpu:
        raise click.UsageError("--chip and --gpu say the same thing: give one of them")
    if gpu:
        from ncukit import gpus

        return gpus.get(gpu).chip
    if chip and not re.fullmatch(r"[a-z]{2}\d{2}[0-9a-z]", chip.lower()):
        from ncukit import gpus

        known = sorted({one.chip for one in gpus.all_gpus()})
        raise NcukitError(
            f"'{chip}' is no chip name",
            causes=(f"names look like {', '.join(known)}",),
            next_command=f"ncukit metrics --gpu '{chip}'",
        )
    return chip.lower() if chip else ""


def _find(pattern: str | None) -> tuple[Sequence[Metric], list[str], str]:
    """The metrics that a pattern names, notes on a name that was translated, and the next command."""
    from ncukit import metrics

    entries = list(metrics.catalogue().values())
    if pattern is None:
        return entries, [], "ncukit metrics dram"
    successor = metrics.translate(pattern)
    if successor is not None:
        short = metrics.by_ncu_name().get(successor[0])
        following = f"ncukit profile KERNEL.py --metrics {short or successor[0]}"
        if short is not None:
            return [metrics.catalogue()[short]], [successor[1]], following
        return [], [successor[1], "it is outside the catalogue, and can be asked for by that name"], following
    wanted = pattern.lower()
    found = [m for m in entries if any(wanted in text.lower() for text in _searched(m))]
    if found:
        return found, [], f"ncukit profile KERNEL.py --metrics {found[0].name}"
    close = nearest(pattern, [*metrics.catalogue(), *metrics.by_ncu_name()])
    raise NcukitError(
        f"no metric matches '{pattern}'",
        causes=(f"did you mean {' or '.join(close)}?",) if close else ("the catalogue has no such word",),
        next_command="ncukit metrics",
    )


def _searched(metric: Metric) -> tuple[str, ...]:
    return (metric.name, metric.about, *metric.ncu, *metric.chips.values())
