"""Inputs of other layouts and values, and equal ones with fences around them."""

from __future__ import annotations

import pytest
import torch

from ncukit.optimize.worker import inputs


@pytest.mark.parametrize("layout", inputs.LAYOUTS)
def test_a_layout_keeps_the_values_and_is_another_one(layout) -> None:
    x = torch.arange(2 * 3 * 4 * 5, dtype=torch.float32).view(2, 3, 4, 5)
    assert inputs.can_have(tuple(x.shape), layout)
    y = inputs.laid_out([x], layout)[0]
    assert y.shape == x.shape
    assert (y.stride(), y.data_ptr() % 16 == 0) != (x.stride(), True)
    assert torch.equal(y, x) or layout == "expanded"
    if layout == "expanded":
        assert y.stride(0) == 0


@pytest.mark.parametrize("layout", ["contiguous", *inputs.LAYOUTS])
def test_fenced_inputs_are_equal_ones_elsewhere_of_the_same_form(layout) -> None:
    x = torch.rand(2, 3, 4, 5)
    x = inputs.laid_out(x, layout) if layout != "contiguous" else x
    fenced = inputs.Fenced([x, {"n": 3, "i": torch.arange(4)}])
    y = fenced.value[0]
    assert torch.equal(y, x)
    assert y.stride() == x.stride()
    assert y.untyped_storage().data_ptr() != x.untyped_storage().data_ptr()
    assert y.data_ptr() % 16 == x.data_ptr() % 16
    assert fenced.value[1]["n"] == 3
    assert fenced.changed() == []
    assert not fenced.trespassed()


def test_a_change_is_noticed_and_so_is_a_step_beside() -> None:
    fenced = inputs.Fenced([torch.rand(64), torch.zeros(8)])
    fenced.value[1][3] = -0.0  # equal in value, not in bits
    assert fenced.changed() == [1]
    assert not fenced.trespassed()
    x = fenced.value[0]
    x.as_strided((1,), (1,), x.storage_offset() + 64).fill_(1.0)
    assert fenced.trespassed()
    assert bool(x.as_strided((1,), (1,), x.storage_offset() - 1).isnan())


def test_prints_tell_exchanged_values_apart() -> None:
    for dtype in (torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.uint8, torch.bool):
        x = torch.arange(7).to(dtype) if dtype != torch.bool else torch.arange(7) % 3 == 0
        y = x.clone()
        y[[0, 1]] = y[[1, 0]]
        assert inputs.print_of(x) == inputs.print_of(x.clone())
        assert inputs.print_of(x) != inputs.print_of(y)


def test_only_floating_tensors_get_other_values_and_types() -> None:
    value = [torch.ones(4), torch.arange(4), 7]
    for kind in inputs.VALUES:
        floating, whole, number = inputs.valued(value, kind)
        assert not torch.equal(floating, value[0])
        assert torch.equal(whole, value[1])
        assert number == 7
    floating, whole, _ = inputs.converted(value, torch.float16)
    assert (floating.dtype, whole.dtype) == (torch.float16, torch.int64)


def test_a_seed_gives_the_same_inputs_and_another_one_others() -> None:
    class Module:
        @staticmethod
        def get_inputs():
            return torch.rand(5)

        @staticmethod
        def get_init_inputs():
            return []

    first, again, other = (inputs.made(Module, seed, "cpu")[0] for seed in (0, 0, 1))
    assert torch.equal(first[0], again[0])
    assert not torch.equal(first[0], other[0])
