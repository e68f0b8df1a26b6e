"""Running ncu: one process after the other, and several plans in turns."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ncukit.collect import failures, launches
from ncukit.collect.command import METRICS, PROGRESS, RECORD, environment, ncu_command, neutral
from ncukit.collect.process import Progress, run
from ncukit.errors import Exit, NcukitError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from ncukit.collect.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One ncu process that ended well."""

    command: list[str]
    """What ran, without this machine's paths."""
    log: Path
    """ncu's output."""
    record: Mapping[str, Any]
    """What the harness recorded; empty for a command, and for a script that ended before its record was written."""
    wall_s: float


def take_turns(
    plans: Sequence[Plan], rounds: int, folders: Sequence[Path], on_progress: Progress | None
) -> tuple[tuple[Measured, ...], ...]:
    """Measure every plan once a round: there (A B) and back (B A), so that drift meets the plans alike.

    Args:
        plans: what to measure.
        rounds: how often.
        folders: where each plan's output goes.
        on_progress: called with the harness's events, and with the name of each turn where there are several.

    Returns:
        One entry a plan: its ncu processes in the order they ran.

    Raises:
        NcukitError: a run failed; names the plan's target where there are several plans.
    """
    done: list[list[Measured]] = [[] for _ in plans]
    for turn in range(rounds):
        order = range(len(plans)) if turn % 2 == 0 else reversed(range(len(plans)))
        for index in order:
            plan = plans[index]
            if on_progress is not None and len(plans) * rounds > 1:
                on_progress({"stage": f"{turn + 1}/{rounds} {plan.target.name}"})
            # how often a kernel file runs is the harness's business, another program's repetition is ours
            times = 1 if plan.target.kind == "kernel" else plan.repeat
            for _ in range(times):
                suffix = f".{len(done[index])}" if times * rounds > 1 else ""
                with named(plan, plans):
                    done[index].append(measure(plan, folders[index], suffix, on_progress))
    return tuple(map(tuple, done))


@contextlib.contextmanager
def named(plan: Plan, plans: Sequence[Plan]) -> Iterator[None]:
    """Put the target before an error's message where it could be another plan's."""
    try:
        yield
    except NcukitError as error:
        if len(plans) > 1 and plan.target.text not in error.message:
            error.message = f"{plan.target.text}: {error.message}"
        raise


def measure(plan: Plan, folder: Path, suffix: str, on_progress: Progress | None) -> Measured:
    """Run ncu once.

    Args:
        plan: what to measure.
        folder: where ncu and the harness write.
        suffix: appended to the names of their files.
        on_progress: called with the harness's events.

    Raises:
        NcukitError: the run failed, or ended before its launches were recorded.
    """
    argv = ncu_command(plan, str(folder), suffix)
    done = run(
        argv,
        env=environment(),
        folder=folder,
        timeout_s=plan.timeout_s,
        progress_file=folder / f"{PROGRESS}{suffix}",
        on_progress=on_progress,
    )
    log_file = folder / f"{METRICS}{suffix}"
    log = log_file.read_text(encoding="utf-8", errors="replace") if log_file.exists() else ""
    record = launches.load_record(folder / f"{RECORD}{suffix}") if plan.harnessed else {}
    if "error" in record:
        raise failures.from_record(record["error"], plan.target.argv[0])
    error = failures.explain(log or done.stdout, done.stdout, done.stderr, done.exit_code)
    if error is not None:
        raise error
    if plan.target.kind == "kernel" and not record:
        raise NcukitError(
            "the program ended before its launches were recorded",
            causes=("the file or a library in it ends the process by itself (os._exit, a crash at exit)",),
            next_command=f"python {plan.target.argv[0]}   (without ncu)",
            exit_code=Exit.ENVIRONMENT,
        )
    return Measured(command=neutral(argv, str(folder)), log=log_file, record=record, wall_s=done.wall_s)
