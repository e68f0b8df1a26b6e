"""``ncukit gpus``: the limits of known GPUs, with a source for each number."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ncukit.cli.output import chosen_format, emit, format_option, next_step, wants_color

if TYPE_CHECKING:
    from pathlib import Path


@click.command("gpus")
@click.argument("name", required=False)
@format_option("console", "json")
def command(name: str | None, format_: str | None, output: Path | None) -> None:
    """List the GPUs whose limits are known.

    With NAME, one GPU is shown with every number and its source. NAME is loosely written: 'NVIDIA GeForce
    RTX 4090', rtx4090 and 4090 are the same.
    """
    from ncukit import gpus
    from ncukit.render import catalogue

    chosen = (gpus.get(name),) if name is not None else gpus.all_gpus()
    if chosen_format(format_, output) == "json":
        emit(catalogue.gpus_json(chosen), output)
        return
    color = wants_color(output)
    emit(
        catalogue.gpus_table(chosen, color=color) if name is None else catalogue.gpu_page(chosen[0], color=color),
        output,
    )
    if name is None and chosen:
        from shlex import quote

        next_step(f"ncukit gpus {quote(chosen[-1].name)}")
