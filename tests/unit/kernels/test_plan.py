"""What the fast kernels decide, from shapes and device figures alone."""

from __future__ import annotations

import functools
import importlib.util
from pathlib import Path
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")
triton = pytest.importorskip("triton")

KERNELS = Path(__file__).parents[3] / "kernels"


@functools.cache
def load(file: str):
    spec = importlib.util.spec_from_file_location("planned_" + file[:-3], KERNELS / file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Seen:
    """A tensor's outside: what plan() looks at, without its gigabytes."""

    is_cuda, device = True, "cuda"

    def __init__(self, shape: tuple[int, ...], channels_last: bool = False, size: int = 4) -> None:
        self.shape, self.size = shape, size
        c, p = shape[-2:]
        self._stride = (c * p, 1, c) if channels_last else (c * p, p, 1)

    def stride(self, dim: int) -> int:
        return self._stride[dim]

    def element_size(self) -> int:
        return self.size


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
    assert (chosen.grid, chosen.maxnreg, chosen.even, chosen.near) == (396, 168, True, 32)
    assert "\n" not in str(chosen)
    assert "reads x 1x" in str(chosen)
    assert norm.plan(Seen((1, 7168, 262144), size=2)).parts == 16


COOPERATIVE = ("instance_norm.py", "group_norm.py", "l1_norm.py", "l2_norm.py")


def plan_of(file: str, size: int, itemsize: int = 4):
    """The plan for 48 sets of `size` values."""
    module = load(file)
    if file == "group_norm.py":
        return module, module.plan(Seen((6, 8, size), size=itemsize), 8)
    shape = (2, 24, size) if file == "instance_norm.py" else (48, size)
    return module, module.plan(Seen(shape, size=itemsize))


@pytest.mark.parametrize("sms", [1, 2, 7, 16, 82, 132, 148])
@pytest.mark.parametrize("size", [1, 49, 1024, 16385, 32768, 50176, 65535, 262144, 262145, 6_488_064, 2**31 + 5])
@pytest.mark.parametrize("itemsize", [4, 2])
@pytest.mark.parametrize("file", COOPERATIVE)
def test_nobody_waits_for_a_program_that_cannot_run(norm, monkeypatch, file, itemsize, size, sms) -> None:
    """Each program holds two parts before it waits: a set has no more parts than all programs hold."""
    on(monkeypatch, sms, 1536)
    module, chosen = plan_of(file, size, itemsize)
    assert chosen.parts * chosen.span >= size
    assert (chosen.parts - 1) * chosen.span < size
    if chosen.way == "cooperative":
        assert chosen.parts <= 2 * sms * module.CTAS, "programs would wait for one another for ever"
        assert chosen.grid == min(sms * module.CTAS, 48 * chosen.parts)
        assert chosen.maxnreg * 32 * chosen.warps * module.CTAS <= 65536
        assert chosen.parts % chosen.near == 0
    elif chosen.way == "one tile":
        assert chosen.block >= size


@pytest.mark.parametrize("file", COOPERATIVE)
def test_a_set_of_more_parts_than_are_held_streams(norm, monkeypatch, file) -> None:
    on(monkeypatch, 4)
    held = 2 * 4 * load(file).CTAS * 8192
    assert plan_of(file, held)[1].way == "cooperative"
    assert plan_of(file, held + 8192)[1].way == "streaming"


def test_channels_last_images_stream(norm, monkeypatch) -> None:
    on(monkeypatch, 132)
    chosen = norm.plan(Seen((2, 64, 262144), channels_last=True))
    assert (chosen.way, chosen.cols) == ("streaming", 32)


def test_no_cooperation_beyond_the_threads_of_an_sm(norm, monkeypatch) -> None:
    on(monkeypatch, 132, 1024)
    assert norm.plan(Seen((1, 64, 262144)), warps=16, ctas=4).way == "streaming"


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
