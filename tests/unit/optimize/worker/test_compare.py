"""What counts as right: close to float64 by the scale of the result, and nothing unwritten."""

from __future__ import annotations

import math

import pytest
import torch

from ncukit.optimize.worker.compare import all_zero_passes, differ, expect

torch.manual_seed(0)
PRECISE = torch.randn(8, 16, dtype=torch.float64)


def wanted(dtype=torch.float32, precise=PRECISE):
    return expect(precise.to(dtype), precise)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_a_rounded_result_is_right_and_a_slightly_larger_one_wrong(dtype) -> None:
    one = wanted(dtype)
    assert differ(PRECISE.to(dtype), one).ratio <= 1
    off = PRECISE.to(dtype).clone()
    off[3, 5] += 0.3 if dtype == torch.bfloat16 else 0.05
    found = differ(off, one)
    assert found.ratio > 1
    assert (found.index, found.wrong, found.total, found.poisoned) == ((3, 5), 1, 128, 0)
    assert found.expected == pytest.approx(PRECISE[3, 5].item())
    assert found.error > found.allowed


def test_tiny_results_are_held_to_their_own_scale() -> None:
    one = wanted(precise=PRECISE * 1e-6)
    assert not all_zero_passes([one])
    assert differ(torch.zeros(8, 16), one).ratio > 100
    assert differ((PRECISE * 1.01e-6).float(), one).ratio > 1


def test_what_pytorch_itself_gets_wrong_is_allowed_and_if_that_is_all_the_case_tells_nothing() -> None:
    noisy = expect((PRECISE + 0.01).float(), PRECISE)
    assert differ((PRECISE - 0.05).float(), noisy).ratio <= 1
    assert differ((PRECISE - 0.5).float(), noisy).ratio > 1
    hopeless = expect((PRECISE + 1).float(), PRECISE)
    assert all_zero_passes([hopeless])
    assert all_zero_passes([expect(torch.zeros(4), torch.zeros(4, dtype=torch.float64))])


def test_cancellation_far_from_zero_is_no_rounding() -> None:
    """E[x^2] - E[x]^2 at a mean of 1000 against PyTorch's own variance."""
    x = torch.rand(4, 4096) + 1000
    exact = x.double()
    precise = (exact - exact.mean(1, keepdim=True)) / torch.sqrt(exact.var(1, correction=0, keepdim=True) + 1e-5)
    plain = (x - x.mean(1, keepdim=True)) / torch.sqrt(x.var(1, correction=0, keepdim=True) + 1e-5)
    naive = (x - x.mean(1, keepdim=True)) / torch.sqrt(
        ((x * x).mean(1, keepdim=True) - x.mean(1, keepdim=True) ** 2).abs() + 1e-5
    )
    one = expect(plain, precise)
    assert differ(plain, one).ratio <= 1
    assert differ(naive, one).ratio > 1


def test_unwritten_memory_is_told_from_a_nan_that_was_computed() -> None:
    found = PRECISE.float().clone()
    found[2:] = math.nan
    difference = differ(found, wanted())
    assert (difference.ratio, difference.wrong, difference.poisoned) == (math.inf, 96, 96)
    assert difference.first_wrong == 32
    computed = PRECISE.float().clone()
    computed[0, 0] = torch.zeros(1)[0] / torch.zeros(1)[0] * -1
    bits = computed[0, 0].view(torch.int32).item()
    assert bits != torch.full((1,), math.nan).view(torch.int32).item()
    assert differ(computed, wanted()).poisoned == 0
    assert differ(computed, wanted()).ratio == math.inf


def test_one_factor_is_recognised() -> None:
    assert differ((PRECISE * 2).float(), wanted()).factor == pytest.approx(2, rel=1e-6)
    assert differ(PRECISE.float().roll(1), wanted()).factor is None


def test_whole_numbers_and_truths_are_exact() -> None:
    counts = torch.arange(10, dtype=torch.int32)
    one = expect(counts, counts)
    assert one.exact
    assert differ(counts.clone(), one).ratio == 0
    off = counts.clone()
    off[4] += 1
    found = differ(off, one)
    assert (found.ratio, found.index, found.wrong) == (math.inf, (4,), 1)
    off[4] = torch.iinfo(torch.int32).max
    assert differ(off, one).poisoned == 1
    assert all_zero_passes([expect(torch.zeros(3, dtype=torch.bool), None)])


def test_a_reference_that_is_not_finite_is_of_no_use() -> None:
    assert not expect(torch.tensor([1.0, math.inf]), torch.tensor([1.0, math.inf], dtype=torch.float64)).usable
    assert not expect(torch.tensor([math.inf]).half(), torch.tensor([1e6], dtype=torch.float64)).usable
    assert expect(torch.tensor([1.0]), torch.tensor([1.0], dtype=torch.float64)).usable
