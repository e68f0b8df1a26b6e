"""Joining ncu's rows to the launches that the harness recorded: by name, order and grid; never by luck."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING

from ncukit.errors import Exit, NcukitError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ncukit.model import Dim3, TritonLaunch

_WARP = 32


def join(
    kernels: Sequence[str],
    grids: Sequence[Dim3],
    blocks: Sequence[Dim3],
    launches: Sequence[TritonLaunch],
    *,
    prefix: bool = False,
    filtered: bool = True,
) -> tuple[TritonLaunch | None, ...]:
    """The recorded launch of each row of ncu's report.

    Rows whose kernel nobody recorded are not Triton's (a fill, a reduction of torch) and get None. For the
    others the sequence of names and grids must be the recorded one, without the kernels that ncu's filter
    removed.

    Args:
        kernels: ncu's kernel names, in launch order.
        grids: their grids.
        blocks: their blocks.
        launches: what was recorded, in launch order.
        prefix: ncu stopped early, so that more may have been recorded than measured.
        filtered: ncu was told to leave kernels out; else every recorded kernel has to be in its report.

    Returns:
        One entry a row.

    Raises:
        NcukitError: the sequences differ, or a block is too small for its recorded warps.
    """
    known = {launch.kernel for launch in launches}
    rows = [row for row, kernel in enumerate(kernels) if kernel in known]
    reported = {kernels[row] for row in rows}
    recorded = [launch for launch in launches if launch.kernel in reported or not filtered]
    if prefix:
        recorded = recorded[: len(rows)]
    joined: list[TritonLaunch | None] = [None] * len(kernels)
    for position, (row, launch) in enumerate(zip_longest(rows, recorded), start=1):
        measured = None if row is None else _shown(kernels[row], grids[row])
        expected = None if launch is None else _shown(launch.kernel, _grid(launch))
        if measured != expected:
            raise _mismatch(position, measured, expected)
        _check_block(position, launch, blocks[row])
        joined[row] = launch
    return tuple(joined)


def _grid(launch: TritonLaunch) -> Dim3:
    """The grid as the driver sees it: Triton launches each program of a cluster as a block of its own."""
    x, y, z = launch.grid
    return x * launch.num_ctas, y, z


def _shown(kernel: str, grid: Dim3) -> str:
    return f"{kernel} with grid {grid}"


def _check_block(position: int, launch: TritonLaunch, block: Dim3) -> None:
    threads = block[0] * block[1] * block[2]
    # More threads than warps ask for is right for warp-specialised kernels, which add warps of their own.
    if launch.num_ctas == 1 and threads < _WARP * launch.num_warps:
        raise _mismatch(
            position,
            f"{launch.kernel} with {threads} threads a block",
            f"{launch.kernel} with {launch.num_warps} warps ({_WARP * launch.num_warps} threads)",
        )


def _mismatch(position: int, measured: str | None, expected: str | None) -> NcukitError:
    return NcukitError(
        f"ncu's launches are not the recorded ones: Triton launch {position} is "
        f"{measured or 'missing'} in ncu's report and {expected or 'missing'} in launches.json",
        causes=(
            "the program does not launch the same kernels in every run",
            "ncu skipped launches (--launch-skip, an NVTX range) that were recorded",
            "metrics.csv and launches.json are from different runs",
        ),
        next_command="ncukit profile TARGET -o NEW_DIRECTORY",
        exit_code=Exit.ENVIRONMENT,
    )
