"""Joining by name, order and grid: exactly, or not at all."""

import pytest

from ncukit.errors import Exit, NcukitError
from ncukit.model import TritonLaunch
from ncukit.read import join

BLOCK = (128, 1, 1)


def recorded(kernel: str, x: int = 8, *, num_warps: int = 4, num_ctas: int = 1) -> TritonLaunch:
    return TritonLaunch(
        kernel=kernel, grid=(x, 1, 1), num_warps=num_warps, num_stages=3, num_ctas=num_ctas, registers=None,
        spills=None, shared_bytes=0,
    )  # fmt: skip


def joined(
    rows: list[tuple[str, int]], launches: list[TritonLaunch], **options: bool
) -> tuple[TritonLaunch | None, ...]:
    return join([k for k, _ in rows], [(x, 1, 1) for _, x in rows], [BLOCK] * len(rows), launches, **options)


def test_rows_of_other_programs_get_none() -> None:
    launches = [recorded("a"), recorded("b", 16)]

    assert joined([("fill", 1), ("a", 8), ("reduce", 2), ("b", 16)], launches) == (
        None,
        launches[0],
        None,
        launches[1],
    )


def test_a_filter_may_have_removed_whole_kernels() -> None:
    launches = [recorded("a"), recorded("b"), recorded("a", 9)]

    assert joined([("a", 8), ("a", 9)], launches) == (launches[0], launches[2])


def test_the_first_difference_is_shown() -> None:
    with pytest.raises(NcukitError) as caught:
        joined([("a", 8), ("a", 7)], [recorded("a"), recorded("a", 9)])

    assert "launch 2 is a with grid (7, 1, 1)" in caught.value.message
    assert "a with grid (9, 1, 1) in launches.json" in caught.value.message
    assert caught.value.exit_code == Exit.ENVIRONMENT


@pytest.mark.parametrize(
    ("rows", "launches"),
    [
        ([("a", 8)], [recorded("a"), recorded("a")]),
        ([("a", 8), ("a", 8)], [recorded("a")]),
        ([("b", 8), ("a", 8)], [recorded("a"), recorded("b")]),
    ],
    ids=["fewer rows", "more rows", "another order"],
)
def test_a_difference_is_an_error_and_never_a_guess(rows: list[tuple[str, int]], launches: list[TritonLaunch]) -> None:
    with pytest.raises(NcukitError, match="not the recorded ones"):
        joined(rows, launches)


def test_a_prefix_is_enough_when_ncu_stopped_early() -> None:
    launches = [recorded("a"), recorded("b"), recorded("a", 9)]

    assert joined([("a", 8), ("b", 8)], launches, prefix=True) == (launches[0], launches[1])
    with pytest.raises(NcukitError):
        joined([("b", 8), ("a", 8)], launches, prefix=True)
    with pytest.raises(NcukitError, match="launch 2"):
        joined([("a", 8), ("a", 8)], [recorded("a")], prefix=True)


def test_blocks_must_hold_the_recorded_warps() -> None:
    with pytest.raises(NcukitError, match="128 threads a block"):
        joined([("a", 8)], [recorded("a", num_warps=8)])


def test_warp_specialised_kernels_and_clusters_have_blocks_of_their_own() -> None:
    assert joined([("a", 8)], [recorded("a", num_warps=2)])[0] is not None
    assert joined([("a", 16)], [recorded("a", num_warps=8, num_ctas=2)])[0] is not None  # Triton launches both blocks


def test_nothing_recorded_leaves_every_row_alone() -> None:
    assert joined([("a", 8)], []) == (None,)
