"""Which configuration Triton's own autotuner takes in the child."""

from __future__ import annotations

import pytest

from ncukit.optimize.worker.tuned import chosen

triton = pytest.importorskip("triton")


class Kernel:
    """Runs nothing and remembers what it was to run with."""

    arg_names = ("x", "n", "BLOCK")

    def __init__(self) -> None:
        self.ran: list[int] = []

    @staticmethod
    def fn(x, n, BLOCK):
        pass

    def run(self, *args, BLOCK, **options):
        if BLOCK in self.too_large:
            raise triton.runtime.errors.OutOfResources(2, 1, "shared memory")
        self.ran.append(BLOCK)

    too_large: tuple[int, ...] = ()


def tuner(kernel):
    configs = [triton.Config({"BLOCK": size}, num_warps=4) for size in (16, 32, 64)]
    return triton.runtime.Autotuner(kernel, list(kernel.arg_names), configs, ["n"], None, None)


def launch(tuned, n=1):
    tuned.fn.ran.clear()
    tuned.run(None, n, grid=(1,))
    return [*tuned.fn.ran]


def test_every_configuration_can_be_taken_without_running_the_others() -> None:
    with chosen() as choice:
        tuned = tuner(Kernel())
        taken = []
        for number in (0, 1, 2, 3):
            choice.take(number)
            taken.append(launch(tuned))
        assert taken == [[16], [32], [64], [16]]
        assert choice.count == 3
        assert choice.describe() == "BLOCK: 16, num_warps: 4, num_stages: 3"


def test_trials_run_first_on_the_same_tensors_and_only_once() -> None:
    with chosen() as choice:
        tuned = tuner(Kernel())
        choice.take(1, trials=True)
        assert launch(tuned) == [16, 32, 64, 32]
        assert launch(tuned) == [32], "it has chosen"
        assert launch(tuned, n=2) == [16, 32, 64, 32], "another key is tuned anew"


def test_what_does_not_fit_the_device_is_not_taken() -> None:
    with chosen() as choice:
        kernel = Kernel()
        kernel.too_large = (32,)
        tuned = tuner(kernel)
        choice.take(1, trials=True)
        assert launch(tuned) == [16, 64, 64]


def test_triton_measures_again_once_it_is_over() -> None:
    autotuner = triton.runtime.Autotuner
    before = autotuner._bench
    with chosen():
        assert autotuner._bench is not before
    assert autotuner._bench is before
