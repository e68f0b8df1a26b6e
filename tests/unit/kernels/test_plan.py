"""What the fast InstanceNorm decides, from shapes and device figures alone."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")
triton = pytest.importorskip("triton")

KERNELS = Path(__file__).parents[3] / "kernels"


def load(file: str):
    spec = importlib.util.spec_from_file_location("planned_" + file[:-3], KERNELS / file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Seen:
    """A tensor's outside: what plan() looks at, without its gigabytes."""

    is_cuda, device = True, "cuda"

    def __init__(self, shape: tuple[int, ...], channels_last: bool = False) -> None:
        self.shape = shape
        _, c, p = shape
        self._stride = (c * p, 1, c) if channels_last else (c * p, p, 1)

    def stride(self, dim: int) -> int:
        return self._stride[dim]

    def element_size(self) -> int:
        return 4


@pytest.fixture
def norm(monkeypatch: pytest.MonkeyPatch):
    module = load("instance_norm.py")
    if not isinstance(module.cooperative_kernel, triton.JITFunction):
        pytest.skip("triton was imported in interpreter mode")
    return module


def on(monkeypatch: pytest.MonkeyPatch, sms: int, threads: int = 2048) -> None:
    device = SimpleNamespace(
        multi_processor_count=sms, max_threads_per_multi_processor=threads, regs_per_multiprocessor=65536
    )
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: device)


def test_the_benchmark_shape_cooperates(norm, monkeypatch) -> None:
    on(monkeypatch, 132)
    chosen = norm.plan(Seen((1, 7168, 262144)))
    assert (chosen.way, chosen.parts, chosen.block, chosen.warps) == ("cooperative", 32, 8192, 4)
    assert (chosen.grid, chosen.maxnreg, chosen.even) == (660, 96, True)
    assert "\n" not in str(chosen)
    assert "reads x 1x" in str(chosen)


@pytest.mark.parametrize("sms", [1, 7, 8, 16, 82, 128, 132, 148])
@pytest.mark.parametrize("p", [1, 49, 1024, 16385, 32768, 50176, 262144, 262145, 4_000_001, 2**31 + 5])
@pytest.mark.parametrize("channels_last", [False, True])
def test_nobody_waits_for_a_program_that_cannot_run(norm, monkeypatch, sms, p, channels_last) -> None:
    on(monkeypatch, sms, 1536)
    chosen = norm.plan(Seen((2, 24, p), channels_last))
    assert chosen.parts * chosen.span >= p
    assert (chosen.parts - 1) * chosen.span < p
    if chosen.way == "cooperative":
        assert chosen.parts <= sms * norm.CTAS_PER_SM, "a program would wait for itself"
        assert chosen.grid <= sms * norm.CTAS_PER_SM
        assert chosen.maxnreg * 32 * chosen.warps * norm.CTAS_PER_SM <= 65536
    elif chosen.way == "one tile":
        assert chosen.block >= p


def test_a_device_of_four_sms_streams(norm, monkeypatch) -> None:
    on(monkeypatch, 4)
    assert norm.plan(Seen((1, 64, 262144))).way == "streaming"


def test_no_cooperation_beyond_the_threads_of_an_sm(norm, monkeypatch) -> None:
    on(monkeypatch, 132, 1024)
    assert norm.plan(Seen((1, 64, 262144)), values=16, warps=16, ctas=4).way == "streaming"


def test_rms_tiles() -> None:
    rms = load("rms_norm.py")
    chosen = rms.plan(Seen((112, 64, 262144)))
    assert (chosen.way, chosen.channels, chosen.block, chosen.warps) == ("one tile", 64, 256, 8)
    assert rms.plan(Seen((1, 1024, 4096))).way == "one tile"
    assert rms.plan(Seen((1, 4096, 4096))).way == "streaming"
    assert rms.plan(Seen((1, 4096, 4096), channels_last=True)).way == "one tile"
    for c, p in ((1, 1), (3, 7), (65, 50176), (32768, 3), (40000, 5)):
        for channels_last in (False, True):
            chosen = rms.plan(Seen((2, c, p), channels_last))
            values = chosen.channels * chosen.block / (32 * chosen.warps)
            assert values <= 64
            assert chosen.blocks * chosen.block >= p
            assert chosen.way == "streaming" or chosen.channels >= c
