"""What the verbs that measure decide before ncu starts; their options win over the configuration."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from ncukit.collect.machine import GpuSeen
    from ncukit.collect.plan import Plan
    from ncukit.collect.target import Target
    from ncukit.config import Settings


def build_plan(
    *,
    settings: Settings,
    target: Target,
    kernel: str | None = None,
    launches: int | None = None,
    preset: str | None = None,
    metrics: str | None = None,
    repeat: int = 1,
    timeout: float | None = None,
    clock_control: str | None = None,
    cache_control: str | None = None,
    python: str | None = None,
    dry_run: bool = False,
) -> tuple[Plan, GpuSeen | None, tuple[str, ...]]:
    """Complete a plan.

    Only ``target`` belongs to the target: to measure another one alike, ``dataclasses.replace`` it in the plan.

    Args:
        settings: the configuration; it holds where an option is None.
        target: what to measure.
        kernel: ncu's ``-k`` word.
        launches: stop after this many measured launches.
        preset: which metrics to collect.
        metrics: short or ncu names, with commas between them, in place of a preset.
        repeat: how often to measure.
        timeout: seconds after which ncu is ended.
        clock_control: ncu's ``--clock-control``.
        cache_control: ncu's ``--cache-control``.
        python: the interpreter that runs kernel files.
        dry_run: only the command is wanted, so that it need not be possible to run it here.

    Returns:
        The plan, the GPU that will run it if the driver names one, and notes on translated metrics.

    Raises:
        NcukitError: no such metric, or no usable ncu.
    """
    from ncukit import gpus
    from ncukit.collect import names
    from ncukit.collect.machine import find_ncu, visible_gpu
    from ncukit.collect.plan import Plan
    from ncukit.errors import NcukitError
    from ncukit.metrics import presets, request

    defaults = settings.profile
    if repeat > 1 and (launches or defaults.launches):
        raise NcukitError(
            "--repeat and --launches do not go together",
            causes=("a measurement that stops early holds parts of runs, which nothing can be held against",),
            next_command="choose kernels with -k, or leave one of the two out",
        )
    gpu = visible_gpu()
    chip = gpus.chip_of(gpu.compute_capability) if gpu else ""
    preset = preset or defaults.preset
    asked = metrics.split(",") if metrics else presets()[preset]
    wanted = request([name.strip() for name in asked if name.strip()], chip)
    if not wanted.names:
        raise NcukitError("--metrics names no metric", next_command="ncukit metrics")
    ncu_path, version = "ncu", cast("tuple[int, ...]", ())
    try:
        found = find_ncu(defaults.ncu)
        ncu_path, version = str(found.path), tuple(found.version)
    except NcukitError:
        if not dry_run:  # a dry run shows the command also where there is no ncu
            raise
    if wanted.unchecked and version:
        names.check(wanted.unchecked, names.offered(ncu_path, chip), chip)
    plan = Plan(
        target=target,
        request=wanted,
        preset="" if metrics else preset,
        kernel=kernel,
        launches=launches or defaults.launches,
        repeat=repeat,
        clock_control=clock_control or defaults.clock_control,
        cache_control=cache_control or defaults.cache_control,
        timeout_s=timeout or defaults.timeout_s,
        python=python or defaults.python or sys.executable,
        ncu=ncu_path,
        ncu_version=version,
    )
    return plan, gpu, wanted.notes
