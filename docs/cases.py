"""Kernels whose cause is known, each with its cure, and healthy ones: where their files and recordings are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
CLINIC, RECORDED, GOLDEN = ROOT / "kernels" / "clinic", ROOT / "profiles" / "h200", ROOT / "tests" / "golden"
NAIVE = {
    "instance_norm": "fusion",
    "group_norm": "fusion",
    "rms_norm": "excess-traffic",
    "l1_norm": "excess-traffic",
    "l2_norm": "excess-traffic",
    "layer_norm": "small-grid",
}
"""The textbook kernels and what is wrong with them. BatchNorm and the Frobenius norm have to read twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A kernel file and its recording."""

    source: Path
    recording: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A kernel with one planted cause, and the same work without it."""

    name: str
    cause: str
    sick: Program
    cured: Program
    nvidia: Path
    """Details page of `ncu --set full` of the sick kernel; not every case has one."""


def clinic() -> list[Case]:
    """One pair a cause, and the textbook kernels, as far as both halves are recorded."""
    pairs = []
    for sick in sorted((CLINIC / "sick").glob("*.py")):
        stem = sick.stem
        ill, well = (
            Program(source=CLINIC / half / sick.name, recording=RECORDED / f"clinic_{half}_{stem}")
            for half in ("sick", "cured")
        )
        pairs.append((stem, stem.replace("_", "-"), ill, well, f"clinic_sick_{stem}"))
    for stem, cause in NAIVE.items():
        naive = Program(source=ROOT / "kernels" / "naive" / f"{stem}.py", recording=RECORDED / f"naive_{stem}")
        cured = Program(source=ROOT / "kernels" / f"{stem}.py", recording=RECORDED / stem)
        pairs.append((f"naive_{stem}", cause, naive, cured, f"naive_{stem}"))
    return [_case(*pair) for pair in pairs if pair[2].recording.is_dir() and pair[3].recording.is_dir()]


def heldout() -> list[Case]:
    """The pairs written by somebody who had not seen the rules."""
    pairs = []
    for folder in sorted((GOLDEN / "heldout").glob("[0-9]*")):
        sick, cured = (Program(source=folder / f"{half}.py", recording=folder / half) for half in ("sick", "cure"))
        cause = (folder / "cause.txt").read_text(encoding="utf-8").split()[0]
        pairs.append(_case(folder.name, cause, sick, cured, f"heldout_{folder.name}"))
    return pairs


def healthy() -> list[Program]:
    """The kernels of the held-out set that have nothing wrong with them."""
    folders = sorted((GOLDEN / "heldout").glob("healthy_*"))
    return [Program(source=folder / "kernel.py", recording=folder / "kernel") for folder in folders]


def _case(name: str, cause: str, sick: Program, cured: Program, nvidia: str) -> Case:
    return Case(name=name, cause=cause, sick=sick, cured=cured, nvidia=GOLDEN / "nvidia" / f"{nvidia}.csv")
