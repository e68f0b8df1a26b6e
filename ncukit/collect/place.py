"""Where a run directory goes: checked before the run, and filled whole or not at all after it."""

from __future__ import annotations

import contextlib
import shutil
from typing import TYPE_CHECKING

from ncukit.errors import NcukitError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


def check_place(place: Path) -> None:
    """Refuse to replace anything that is not a run directory.

    Raises:
        NcukitError: ``place`` exists and holds something else.
    """
    if place.exists() and not (place / "run.json").is_file() and (not place.is_dir() or any(place.iterdir())):
        raise NcukitError(
            f"{place} exists and is not a run directory of ncukit",
            causes=("-o names a folder with other files, or a file",),
            next_command=f"choose a new folder: -o {place}-run",
        )


def check_places(places: Sequence[Path]) -> None:
    """Check each, and that none lies in another.

    Raises:
        NcukitError: as for :func:`check_place`, or two runs would be kept in one folder.
    """
    seen: list[Path] = []
    for place in places:
        check_place(place)
        own = place.resolve()
        for other in seen:
            if own.is_relative_to(other) or other.is_relative_to(own):
                raise NcukitError(
                    f"two runs cannot be kept in one folder: {place}",
                    causes=("both were given the same folder, or one a folder inside the other's",),
                    next_command=f"give each a folder of its own: {place}-a and {place}-b",
                )
        seen.append(own)


def put_in_place(stages: Mapping[Path, Path]) -> None:
    """Put every stage where it belongs, or none.

    Older runs stay until all new ones are complete beside them, and come back when a later one cannot be put.

    Args:
        stages: the place of each run directory → where it was staged.

    Raises:
        NcukitError: a place cannot be written.
    """
    swapped: list[Path] = []
    place = next(iter(stages))
    try:
        for place, stage in stages.items():
            place.parent.mkdir(parents=True, exist_ok=True)
            for leftover in (_beside(place, "new"), _beside(place, "old")):
                if leftover.exists():
                    shutil.rmtree(leftover)
            shutil.copytree(stage, _beside(place, "new"))
        for place in stages:
            swapped.append(place)
            if place.exists():
                place.rename(_beside(place, "old"))
            _beside(place, "new").rename(place)
    except BaseException as error:
        _take_back(stages, swapped)
        if not isinstance(error, OSError):
            raise
        raise NcukitError(
            f"cannot write {place}: {error.strerror or error}",
            causes=("the folder is read-only or the disk is full",),
            next_command="choose another folder with -o",
        ) from error
    for place in stages:
        shutil.rmtree(_beside(place, "old"), ignore_errors=True)


def _take_back(stages: Mapping[Path, Path], swapped: Sequence[Path]) -> None:
    """Undo :func:`put_in_place` as far as it came."""
    for place in swapped:
        old, new = _beside(place, "old"), _beside(place, "new")
        with contextlib.suppress(OSError):
            if place.exists() and not new.exists():
                shutil.rmtree(place)
            if old.exists():
                old.rename(place)
    for place in stages:
        shutil.rmtree(_beside(place, "new"), ignore_errors=True)


def _beside(place: Path, what: str) -> Path:
    return place.with_name(f".{place.name}.{what}")
