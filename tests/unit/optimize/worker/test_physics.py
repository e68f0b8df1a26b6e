"""What a GPU tells, as far as it can be looked at without one: bytes, operations, rates and streams."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ncukit.optimize.worker import clock, physics


class Function(nn.Module):
    def __init__(self, run) -> None:
        super().__init__()
        self.run = run

    def forward(self, *inputs):
        return self.run(*inputs)


def moved(run, *inputs):
    return physics.compulsory(Function(run), list(inputs))


def test_outputs_are_written_and_what_they_hang_on_is_read() -> None:
    x, table = torch.rand(64, 32), torch.rand(1000, 32)
    assert moved(lambda x: x * 2, x) == 2 * x.nbytes
    assert moved(lambda x: x.sum(1), x) == x.nbytes + 64 * 4
    assert moved(lambda x: x[:16] + 1, x) == 2 * 16 * 32 * 4, "three quarters of it do not matter"
    assert moved(lambda x, t: t[torch.arange(8)] * x[0], x, table) == 8 * 32 * 4 * 2 + 32 * 4
    assert moved(lambda x: x[:1].expand(64, 32), x) <= 2 * x.nbytes
    assert moved(torch.nn.functional.layer_norm, x, (32,)) == 2 * x.nbytes, "also where plain sums would cancel"
    whole = torch.arange(64)
    assert moved(lambda i: i + 1, whole) == whole.nbytes, "of what has no gradient only the output counts"
    assert not x.requires_grad


def test_parameters_are_read_too() -> None:
    layer = nn.Linear(32, 16, bias=False)
    x = torch.rand(4, 32)
    assert physics.compulsory(layer, [x]) == x.nbytes + layer.weight.nbytes + 4 * 16 * 4


def test_one_dense_product_has_to_be_multiplied_and_nothing_that_has_a_shorter_way() -> None:
    a, b = torch.rand(8, 16) + 0.1, torch.rand(16, 4) + 0.1

    def counted(run, *inputs):
        return physics.products(Function(run), list(inputs))

    assert counted(torch.mm, a, b) == 2 * 8 * 16 * 4
    assert counted(lambda a, b: torch.relu(a @ b + 1), a, b) == 2 * 8 * 16 * 4
    assert counted(lambda a, b: torch.bmm(a[None], b[None]), a, b) == 2 * 8 * 16 * 4
    assert counted(lambda a, b: (a @ b).sum(0), a, b) == 0
    assert counted(lambda a, b: a @ b @ b.t(), a, b) == 0
    assert counted(lambda a, b: torch.diag(a[:, 0]) @ a, a, b) == 0, "most of it is zero"
    assert counted(lambda a, b: a * 2, a, b) == 0


class Clock:
    microseconds = 10.0

    def turns(self, calls, target_s):
        return [[self.microseconds] * 7]


@pytest.mark.parametrize(
    ("run", "microseconds", "peaks", "l2", "words"),
    [
        # 16.8 MB have to move: 1678 GB/s in 10 µs
        (lambda a: a + 1, 10.0, {"bytes_per_s": 1.5e12}, 0, "GB/s"),
        (lambda a: a + 1, 10.0, {"bytes_per_s": 1.5e12}, 1 << 23, ""),  # half of it may still lie in L2
        (lambda a: a + 1, 20.0, {"bytes_per_s": 1.5e12}, 0, ""),
        # 4.3 GFLOP: 430 TFLOP/s
        (lambda a: a @ a[:1024], 10.0, {"bytes_per_s": 1e13, "flops": 4e14}, 0, "TFLOP/s"),
        (lambda a: a @ a[:1024], 10.0, {"bytes_per_s": 1e13, "flops": 5e14}, 0, ""),
    ],
)
def test_a_rate_above_the_peak_is_refused(monkeypatch, run, microseconds, peaks, l2, words) -> None:
    monkeypatch.setattr(clock, "Clock", Clock)
    monkeypatch.setattr(Clock, "microseconds", microseconds)
    inputs = [torch.rand(2048, 1024) + 0.1]
    found, left_open, taken = physics.impossible(lambda turn: None, Function(run), inputs, peaks, {"l2_bytes": l2})
    assert [r["code"] for r in found] == (["impossible-speed"] if words else [])
    assert all(words in r["message"] for r in found)
    assert (left_open, taken) == ("", microseconds)


def test_without_known_peaks_nothing_is_refused_and_that_is_said(monkeypatch) -> None:
    monkeypatch.setattr(clock, "Clock", Clock)
    found, left_open, _ = physics.impossible(lambda turn: None, Function(lambda a: a), [torch.rand(9)], {}, {})
    assert found == []
    assert "peak rates are not known" in left_open


@pytest.mark.parametrize(
    ("seen", "codes"),
    [
        ([("marker", 7), ("fill", 7), ("my_kernel", 7)], []),
        ([("marker", 7), ("my_kernel", 13)], ["hidden-stream"]),
        ([("marker", 7), ("my_kernel", 7), ("sm90_xmma_gemm_f32", 7)], ["library-compute"]),
        ([("marker", 7), ("my_kernel_gemm", 7)], []),  # an answer may call its own what it likes
        ([("marker", 7), ("my_kernel", 7), ("my_kernel_of_cutlass_gemm", 7)], ["library-compute"]),
        ([("marker", 7), ("void at::native::elementwise", 7)], ["no-triton-kernel"]),
    ],
)
def test_kernels_and_their_streams(monkeypatch, seen, codes) -> None:
    monkeypatch.setattr(physics, "_profiled", lambda run: seen)
    monkeypatch.setattr(physics, "_outlasting", lambda run: [])
    found, left_open = physics.hidden(lambda: None, {"my_kernel", "my_kernel_gemm"}, allow_torch=False)
    assert [r["code"] for r in found] == codes
    assert left_open == ""


def test_a_profiler_that_sees_nothing_leaves_it_open(monkeypatch) -> None:
    monkeypatch.setattr(physics, "_profiled", lambda run: [])
    monkeypatch.setattr(physics, "_outlasting", lambda run: [])
    assert "saw no kernel" in physics.hidden(lambda: None, {"k"}, allow_torch=False)[1]
