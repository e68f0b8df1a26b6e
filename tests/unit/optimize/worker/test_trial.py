"""One configuration in the child: what was launched, how far its result is off, and how turns are timed."""

from __future__ import annotations

import importlib.util
import math
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")
triton = pytest.importorskip("triton")

from ncukit.optimize.worker import trial  # noqa: E402
from ncukit.optimize.worker.clock import FEWEST, MOST, Clock  # noqa: E402

KERNEL = """
import triton
import triton.language as tl

@triton.jit
def scale(x, n, turns, BLOCK: tl.constexpr = 64):
    pass

def run(n=100, turns=3, **more):
    grid = lambda meta: (triton.cdiv(meta["n"], meta["BLOCK"]), 2)
    scale[grid](None, n, turns=turns, **more)
"""


@pytest.fixture
def kernel(tmp_path, monkeypatch):
    """A kernel file whose launches reach no GPU."""
    (tmp_path / "kernel.py").write_text(KERNEL)
    spec = importlib.util.spec_from_file_location("watched_kernel", tmp_path / "kernel.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def launch(fn, *args, grid, warmup, **kwargs):
        if warmup:
            return None
        metadata = SimpleNamespace(shared=128, num_warps=kwargs.get("num_warps", 4))
        code = b"code of %d" % kwargs.get("BLOCK", 64)
        return SimpleNamespace(asm={"cubin": code}, n_regs=32, n_spills=0, metadata=metadata)

    monkeypatch.setattr("triton.runtime.jit.JITFunction.run", launch)
    return module


def watched(kernel, **more) -> dict:
    with trial._watched() as launches:
        kernel.run(**more)
    (launch,) = launches
    return launch


def test_a_launch_is_seen_with_the_grid_that_its_function_gives(kernel) -> None:
    assert watched(kernel) == {
        "kernel": "scale", "grid": [2, 2], "code": watched(kernel)["code"], "registers": 32, "spills": 0,
        "shared_bytes": 128, "num_warps": 4,
    }  # fmt: skip
    assert watched(kernel, BLOCK=32, num_warps=8)["grid"] == [4, 2]
    assert watched(kernel, BLOCK=32, num_warps=8)["num_warps"] == 8


def test_the_same_code_with_another_number_is_no_twin(kernel) -> None:
    codes = [watched(kernel, **more)["code"] for more in ({}, {"num_warps": 8}, {"turns": 4}, {"BLOCK": 32})]

    assert codes[0] == codes[1], "an option that changes nothing in the code changes nothing"
    assert len(set(codes)) == 3


def test_nothing_is_watched_afterwards(kernel) -> None:
    before = triton.runtime.jit.JITFunction.run
    with pytest.raises(TypeError), trial._watched() as launches:
        kernel.run("no number")
    kernel.run()

    assert launches == []
    assert triton.runtime.jit.JITFunction.run is before


def test_memory_that_nobody_writes_holds_nan_meanwhile() -> None:
    before = torch.are_deterministic_algorithms_enabled()
    with trial._poisoned():
        assert torch.empty(1000).isnan().all()
    assert torch.are_deterministic_algorithms_enabled() is before


@pytest.mark.parametrize(
    ("got", "distance"),
    [
        ([3.0, 4.0], 0.0),
        ([3.0, 4.5], 0.5 / math.sqrt(12.5)),
        ([3.0, float("nan")], math.inf),
        ([3.0, float("inf")], math.inf),
        ([3.0], math.inf),
        ([[3.0, 4.0]], math.inf),
    ],
)
def test_how_far_a_result_is_off(got, distance) -> None:
    assert trial._distance(torch.tensor(got), torch.tensor([3.0, 4.0])) == pytest.approx(distance)


def test_a_result_of_another_kind_is_as_wrong_as_can_be() -> None:
    assert trial._distance(None, torch.tensor([1.0])) == math.inf
    assert trial._distance(torch.zeros(2), torch.zeros(2)) == 0.0
    assert trial._distance(torch.tensor([1e-9]), torch.zeros(1)) == math.inf
    assert trial._distance(torch.tensor([1, 2]), torch.tensor([1, 2])) == 0.0
    assert trial._distance(torch.tensor([1, 3]), torch.tensor([1, 2])) == math.inf
    assert trial._distance(7, 7) == 0.0
    assert trial._distance(7, 8) == math.inf


@pytest.mark.parametrize("odd", [math.inf, -math.inf, math.nan])
def test_where_the_reference_is_no_number_the_same_has_to_stand(odd) -> None:
    expected = torch.tensor([odd, 3.0, 4.0])

    assert trial._distance(torch.tensor([odd, 3.0, 4.0]), expected) == 0.0
    assert 0 < trial._distance(torch.tensor([odd, 3.0, 4.5]), expected) < 1
    assert trial._distance(torch.tensor([0.0, 3.0, 4.0]), expected) == math.inf
    assert trial._distance(torch.tensor([odd, odd, 4.0]), expected) == math.inf
    assert trial._distance(torch.tensor([odd]), torch.tensor([odd])) == 0.0


def measured(bench, got: float, **job) -> dict:
    with torch.no_grad():
        return trial._measured({"target_s": 0.1, "known": [], **job}, None, bench, lambda _: torch.tensor([got, 1.0]))


def test_the_file_as_it_stands_may_be_less_exact_than_pytorch_and_sets_the_measure() -> None:
    def bench():
        expected = [[torch.tensor([1.0, 1.0])]] * 2
        clock = SimpleNamespace(turns=lambda calls, *_: [[3.0]] * len(calls))
        return SimpleNamespace(
            expected=expected, allowed=[1e-4, 1e-4], clock=clock, incumbent=lambda *_: lambda turn: None
        )

    exact, loose, off = bench(), bench(), bench()
    assert measured(exact, 1.00005)["right"] is True
    assert exact.allowed == [1e-4, 1e-4]
    assert measured(loose, 1.01)["right"] is True
    assert loose.allowed == pytest.approx([0.01, 0.01], rel=0.01)
    assert measured(off, 1.1)["right"] is False
    assert off.allowed == [1e-4, 1e-4]

    for one, got, times in (
        (exact, 1.009, []),
        (loose, 1.009, [[3.0], [3.0]]),
        (loose, 1.02, []),
        (loose, math.nan, []),
    ):
        assert measured(one, got, incumbent="")["times"] == times
    assert measured(loose, 1.0, incumbent="", known=[measured(loose, 1.0)["identity"]])["times"] == []


def test_the_worst_of_several_results_counts_in_what_is_allowed() -> None:
    expected = [torch.tensor([3.0, 4.0]), torch.tensor([1.0])]
    bench = SimpleNamespace(expected=[expected], allowed=[0.01])

    assert trial._error(bench, lambda _: (expected[0], torch.tensor([1.005])), 0) == pytest.approx(0.5, rel=1e-3)
    assert trial._error(bench, lambda _: {"a": expected[0], "b": [torch.tensor([1.02])]}, 0) == pytest.approx(
        2, rel=1e-3
    )
    assert trial._error(bench, lambda _: expected[0], 0) == math.inf


def test_what_is_much_slower_is_given_up_after_three_turns() -> None:
    assert not trial._hopeless([[1.0, 1.0], [9.0, 9.0]])
    assert trial._hopeless([[1.0, 1.0, 1.0], [1.3, 1.3, 0.1]])
    assert not trial._hopeless([[1.0, 1.0, 1.0], [1.2, 1.2, 9.0]])


class Made(Clock):
    """A clock without a GPU: times are given."""

    def __init__(self, *times: float) -> None:
        self.times = times
        self.order: list[int] = []

    def lead(self, call) -> float:
        return 0.0

    def once(self, call, lead_s: float) -> float:
        index = call()
        self.order.append(index)
        return self.times[index]


def test_two_calls_take_turns_there_and_back() -> None:
    clock = Made(100.0, 50.0)
    inputs: list[int] = []
    times = clock.turns([lambda turn: inputs.append(turn) or 0, lambda turn: 1], 0.0)

    assert times == [[100.0] * FEWEST, [50.0] * FEWEST]
    assert clock.order[:8] == [0, 1, 1, 0, 0, 1, 1, 0]
    assert inputs == list(range(FEWEST))


def test_as_many_turns_are_made_as_fit_the_time() -> None:
    def turns(time_us: float, target_s: float) -> int:
        return len(Made(time_us).turns([lambda _: 0], target_s)[0])

    assert turns(1e4, 0.3) == 29  # 10 ms, and 0.3 ms around it
    assert turns(1e6, 0.3) == FEWEST
    assert turns(1.0, 9.0) == MOST


def test_a_look_at_the_times_may_end_it() -> None:
    times = Made(1.0, 9.0).turns([lambda _: 0, lambda _: 1], 9.0, lambda times: len(times[0]) == 3)
    assert times == [[1.0] * 3, [9.0] * 3]
