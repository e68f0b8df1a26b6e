"""What an answer may not do while it runs."""

from __future__ import annotations

import threading
import time

import pytest
import torch

from ncukit.optimize.worker import guards
from ncukit.optimize.worker.guards import Identities, TooLongError, Work, at_most, poisoned, watched_threads


def worked(run, largest=4096, *, exact=True):
    work, x, h = Work("test_guards"), torch.rand(64, 64), torch.rand(64, 64).half()
    with torch.no_grad(), work:
        run(x, h)
    return work.large(largest, exact=exact)


@pytest.mark.parametrize(
    "run",
    [
        lambda x, h: torch.empty_like(x).view(-1).copy_(x.t().contiguous().view(-1)),
        lambda x, h: h.float() if x.is_contiguous() else x.half(),
        lambda x, h: torch.nn.functional.pad(x, (0, 3)).reshape(-1)[3:].as_strided((5, 5), (2, 1)),
        lambda x, h: x.new_zeros(64, 64).fill_(1.0).expand(3, 64, 64).permute(2, 1, 0),
        lambda x, h: torch.cat([x, x]).zero_(),
        lambda x, h: x[0].sum() + x[:, 1].amax(),  # 64 values: small
        lambda x, h: x[0, 0].item(),
    ],
)
def test_moving_and_allocating_is_free_and_so_are_small_sums(run) -> None:
    assert worked(run) is None


@pytest.mark.parametrize(
    ("run", "name"),
    [
        (lambda x, h: x @ x, "mm"),
        (lambda x, h: torch.relu(x), "relu"),
        (lambda x, h: x.mul_(2), "mul_"),
        (lambda x, h: torch.nn.functional.layer_norm(x, (64,)), "native_layer_norm"),
        (lambda x, h: x.sum(1), "sum"),
        (lambda x, h: h.softmax(1), "_softmax"),
    ],
)
def test_computing_on_the_problems_tensors_is_found_with_its_line(run, name) -> None:
    found = worked(run)
    assert found is not None
    assert found[:2] == (name, 4096)
    assert found[2] is not None


def test_work_in_many_small_pieces_is_work() -> None:
    pieces = lambda x, h: [row * 2 for _ in range(4) for row in x]  # noqa: E731
    assert worked(pieces, largest=1 << 14) is not None


def test_at_smaller_sizes_small_tensors_are_not_as_small() -> None:
    partial = lambda x, h: x[:16].sum(0)  # noqa: E731
    assert worked(partial, largest=1 << 13) is None
    assert worked(partial, largest=1 << 14, exact=False) is None


def test_what_went_through_a_kernel_is_known_however_it_was_moved() -> None:
    work = Work("test_guards")
    with torch.no_grad(), work:
        y, other = torch.empty(4, 4), torch.empty(4)
        work.touch(y)
        moved = y.t().contiguous().half()
    assert work.has_touched([moved])
    assert not work.has_touched([other])


def test_a_patched_function_is_named(monkeypatch) -> None:
    identities = Identities()
    assert identities.changed() == []
    monkeypatch.setattr(torch, "allclose", lambda *_: True)
    monkeypatch.setattr(time, "perf_counter", lambda: 0.0)
    monkeypatch.setattr(guards, "at_most", None)
    assert set(identities.changed()) == {
        "torch.allclose", "time.perf_counter", "ncukit.optimize.worker.guards.at_most"
    }  # fmt: skip


def test_fresh_memory_is_poisoned_and_settings_come_back() -> None:
    before = torch.are_deterministic_algorithms_enabled()
    with poisoned() as switched:
        assert bool(torch.empty(3).isnan().all())
        assert torch.empty(2, dtype=torch.int32).tolist() == [2**31 - 1] * 2
    assert switched == []
    with poisoned() as switched:
        torch._C._set_deterministic_algorithms(False)
        torch.set_default_dtype(torch.float64)
    assert switched == ["torch.use_deterministic_algorithms", "torch.set_default_dtype"]
    assert torch.are_deterministic_algorithms_enabled() == before
    assert torch.get_default_dtype() == torch.float32


def test_threads_are_seen_also_when_they_have_ended() -> None:
    with watched_threads() as started:
        pass
    assert started == []
    with watched_threads() as started:
        thread = threading.Thread(target=int, name="hidden")
        thread.start()
        thread.join()
    assert started == ["hidden"]


def test_python_that_takes_too_long_is_stopped() -> None:
    def stubborn():
        while True:
            try:
                time.sleep(0.01)
            except Exception:
                continue

    with pytest.raises(TooLongError), at_most(0.05):
        stubborn()
    with at_most(5):
        pass
    time.sleep(0.06)
