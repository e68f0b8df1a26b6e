"""``ncukit doctor``: can this machine profile, and if not, what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ncukit.cli.output import chosen_format, emit, format_option, next_step, wants_color
from ncukit.cli.settings import config_option
from ncukit.errors import Exit

if TYPE_CHECKING:
    from pathlib import Path

    from ncukit.config import Settings


@click.command("doctor")
@config_option
@format_option("console", "json")
def command(settings: Settings, format_: str | None, output: Path | None) -> int:
    """Find what stands in the way of profiling.

    Shows the fix for each obstacle. Looks at ncu, driver and GPU and whether they fit together, at the permission
    to read counters and at who else uses them, at folders, disk and memory, and at what Triton needs to compile.
    Runs no kernel and changes nothing.

    \b
    Exit codes: 0 profiling should work · 3 something stands in the way
    """
    from ncukit.collect.doctor import examine, ready
    from ncukit.render import doctor

    checks = examine(settings.profile.ncu, settings.profile.python)
    if chosen_format(format_, output) == "json":
        text = doctor.render_json(checks)
    else:
        text = doctor.render(checks, color=wants_color(output))
    emit(text, output)
    fine = ready(checks)
    next_step("ncukit profile kernels/naive/instance_norm.py" + ("" if fine else " --recorded"))
    return int(Exit.OK if fine else Exit.ENVIRONMENT)
