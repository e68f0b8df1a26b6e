"""Baselines: what kernels measured when somebody accepted it, in ``profiles/baselines/NAME/GPU.json``.

One file a name and GPU, with one case for each thing that was measured.
"""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ncukit.collect.session import gpu_slug
from ncukit.errors import Exit, NcukitError, nearest
from ncukit.gate.baseline_format import Baseline, Kept, dumped, load, rounded
from ncukit.gate.match import WEIGHT

try:
    import fcntl
except ImportError:  # Windows: no lock, as before
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ncukit.gate.side import Side

__all__ = ["FOLDER", "Baseline", "Kept", "dumped", "load"]  # and what is defined here

FOLDER = Path("profiles") / "baselines"
KEPT = (
    "duration_us",
    "sm_elapsed_cycles",
    "dram_bytes",
    "dram_pct",
    "dram_gbps",
    "useful_dram_pct",
    "traffic_ratio",
    "gain_left",
    "l2_pct",
    "l2_sectors",
    "l2_read_sectors",
    "l2_read_hit_pct",
    "l1_pct",
    "l1_wavefronts",
    "load_sector_use_pct",
    "store_sector_use_pct",
    "local_load_sectors",
    "local_store_sectors",
    "shared_load_conflicts",
    "shared_store_conflicts",
    "instructions",
    "issue_pct",
    "fp64_pct",
    "tensor_pct",
    "xu_pct",
    "stall_long_scoreboard_pct",
    "stall_short_scoreboard_pct",
    "stall_barrier_pct",
    "registers",
    "spills",
    "shared_bytes",
)
"""What a baseline keeps of each kernel, beside the metrics of configured budgets: enough to say that and why something
changed, and short enough to be read in a review."""


KEPT_OF_LIGHT = ("duration_us", "dram_bytes", "registers", "spills")
"""The same of a kernel that takes next to no time."""


def known() -> tuple[Baseline, ...]:
    """Every baseline below the working directory, by name and GPU."""
    return tuple(load(path) for path in sorted(FOLDER.glob("*/*.json")))


def of(name: str, gpu: str) -> Baseline | None:
    """The baseline of a name on a GPU; None when there is none.

    Args:
        name: as in ``--against`` or ``--name``.
        gpu: the GPU's name as a report has it.
    """
    path = FOLDER / name / f"{gpu_slug(gpu)}.json"
    return load(path) if path.is_file() else None


def is_baseline(path: Path) -> bool:
    """Whether a JSON file is a baseline, not ncu's metrics: it names the columns of its readings."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            head = file.read(200)
    except OSError:
        return False
    return '"schema_version"' in head and '"columns"' in head


def others(name: str) -> tuple[str, ...]:
    """The GPUs for which a baseline of this name exists."""
    return tuple(sorted(path.stem for path in (FOLDER / name).glob("*.json")))


def missing(name: str) -> NcukitError:
    """The error for a name of which there is no baseline at all."""
    names = sorted({path.parent.name for path in FOLDER.glob("*/*.json")})
    close = nearest(name, names)
    command = f"ncukit baseline show {close[0]}" if close else f"ncukit baseline save REPORT --name {name}"
    hint = f"did you mean {' or '.join(close)}?" if close else f"there are {', '.join(names)}" if names else ""
    return NcukitError(
        f"there is no baseline '{name}' in {FOLDER}",
        causes=tuple(filter(None, (hint, "baselines are looked for below the working directory"))),
        next_command=command,
        exit_code=Exit.NOTHING,
    )


def path_of(baseline: Baseline) -> Path:
    """Where its file stands, from the working directory."""
    return FOLDER / baseline.name / f"{baseline.gpu}.json"


def trimmed(side: Side, more: Iterable[str] = ()) -> Side:
    """The side with the readings that a baseline keeps.

    Args:
        side: see ``ncukit.gate.compare.measured``.
        more: metrics of budgets that count from it.
    """
    wanted = tuple(more)
    heavy, light = {*KEPT, *wanted}, {*KEPT_OF_LIGHT, *wanted}
    entries = []
    for entry in side.entries:
        kept = light if entry.time_us is not None and entry.time_us < WEIGHT * side.total_us else heavy
        entries.append(replace(entry, readings={name: r for name, r in entry.readings.items() if name in kept}))
    return replace(side, entries=tuple(entries))


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Keep others from changing the baselines of a name: two jobs that save at once must not lose each other's cases.

    Raises:
        NcukitError: the folder cannot be made.
    """
    folder = FOLDER / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise NcukitError(
            f"cannot write {folder}: {error.strerror}",
            causes=("the folder is read-only or full, or a file is in its place",),
            next_command=f"ls -ld {folder}",
        ) from error
    try:
        if fcntl is not None:
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)  # which also lets the lock go
        with suppress(OSError):
            folder.rmdir()  # a refused save leaves no empty folder
        with suppress(OSError):
            FOLDER.rmdir()


def empty(name: str, gpu: str) -> Baseline:
    """A baseline without cases.

    Args:
        name: its name.
        gpu: the GPU's name as a report has it.
    """
    return Baseline(name=name, gpu=gpu_slug(gpu))


def with_case(baseline: Baseline, side: Side, saved: str, reason: str) -> Baseline:
    """The baseline with one more case, or with a case replaced, which its history then tells."""
    before = baseline.cases.get(side.case)
    line = {
        "case": side.case,
        "saved": saved,
        "reason": reason,
        "total_us": [None if before is None else rounded(before.side.total_us), rounded(side.total_us)],
    }
    kept = Kept(side=side, saved=saved, reason=reason)
    return replace(baseline, cases={**baseline.cases, side.case: kept}, history=(*baseline.history, line))
