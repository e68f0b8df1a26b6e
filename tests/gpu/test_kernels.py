"""The bundled kernels on a real GPU: against float64, on poisoned memory, repeated, crowded and beside other work."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
triton = pytest.importorskip("triton")

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
    pytest.mark.timeout(120),  # programs that wait for one that never runs would wait for ever
]

ROOT = Path(__file__).parents[2]
spec = importlib.util.spec_from_file_location("gpu_norms", ROOT / "tests" / "norms.py")
norms = importlib.util.module_from_spec(spec)
spec.loader.exec_module(norms)
NORMS = norms.NORMS

FAST = [f"{name}.py" for name in NORMS]
FILES = FAST + [f"naive/{name}.py" for name in NORMS]
COOPERATIVE = ["instance_norm.py", "group_norm.py", "l1_norm.py", "l2_norm.py"]
MODULES = {file: norms.load(ROOT / "kernels" / file) for file in FILES}

SHAPES = (
    (2, 3, 16, 32),
    (2, 1, 1, 2),
    (4, 7, 33, 17),
    (2, 64, 56, 56),
    (1, 3, 181, 181),  # odd, more than one program
    (2, 8, 512, 512),
    (1, 8, 513, 511),
    (1, 2, 3000, 3001),  # more than the programs of any present GPU can hold: streamed
    (2, 5000, 8, 8),
    (3, 65535),
    (2, 70001, 3),
    (0, 3, 4, 4),
    (2, 3, 4, 5, 6),
)
FEW = SHAPES[2:4] + SHAPES[9:10]
LAYOUTS = ("contiguous", "channels_last", "sliced", "transposed", "channel slice")


def norm_of(file: str):
    return NORMS[Path(file).stem]


def make(shape: tuple[int, ...], dtype=torch.float32, layout: str = "contiguous", mean: float = 0.0):
    torch.manual_seed(sum(shape))
    wide = [n + 2 for n in shape] if layout == "sliced" else list(shape)
    if layout == "channel slice":
        wide[1] += 3
    x = (torch.rand(wide, device="cuda") + mean).to(dtype)
    if layout == "channels_last":
        return x.contiguous(memory_format=torch.channels_last)
    if layout == "sliced":
        return x[tuple(slice(1, n - 1) for n in wide)]
    if layout == "transposed":
        return x.transpose(-1, -2)
    return x[:, 1 : 1 + shape[1]] if layout == "channel slice" else x


def poison(nbytes: int) -> None:
    """Leaves NaN where the allocator will place the next tensors: a value never written then shows. Small ones too, for
    partial results come from another pool."""
    sizes = (max(256, nbytes), *(2**power for power in range(9, 21)))
    junk = [torch.full((size // 4,), float("nan"), device="cuda") for size in sizes for _ in range(3)]
    torch.cuda.synchronize()
    del junk


def check(file: str, x, **tunables: int) -> None:
    norm, module = norm_of(file), MODULES[file]
    if norm.name == "instance_norm" and x.dim() < 3:
        pytest.skip("PyTorch's InstanceNorm has at least three dimensions")
    parameters = norm.parameters(x)
    before = x.clone()
    poison(x.numel() * x.element_size())
    y = norm.ours(module, x, parameters, **tunables)
    assert y.shape == x.shape
    assert y.dtype == x.dtype
    assert y.stride() == torch.empty_like(x).stride()
    assert torch.equal(x, before), "the input was changed"
    if x.numel() == 0:
        return
    wanted = norm.exact(x, parameters)
    error = (y.double() - wanted).abs().max().item()
    assert error == error, "values were never written"
    allowed = 2 * (norm.theirs(x, parameters).double() - wanted).abs().max().item()
    rounding = {torch.float32: 2e-6, torch.float16: 2**-10, torch.bfloat16: 2**-7}[x.dtype]
    assert error <= allowed + rounding * wanted.abs().max().item(), norm.explain(module, x, **tunables)


@pytest.mark.parametrize("mean", [0.0, 1000.0])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("file", FAST)
def test_shapes(file: str, shape: tuple[int, ...], mean: float) -> None:
    check(file, make(shape, mean=mean))


@pytest.mark.parametrize("shape", FEW, ids=str)
@pytest.mark.parametrize("file", FILES[len(FAST) :])
def test_shapes_of_the_plain_kernels(file: str, shape: tuple[int, ...]) -> None:
    if file == "naive/rms_norm.py" and shape[1] > 5000:
        pytest.skip("it adds up a position's channels one after the other, which loses digits over 65535 of them")
    check(file, make(shape, mean=1000.0))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("file", FAST)
def test_dtypes_and_layouts(file: str, dtype, layout: str) -> None:
    for shape in ((2, 5, 33, 17), (1, 8, 256, 300)):
        check(file, make(shape, dtype, layout))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("file", COOPERATIVE)
def test_the_benchmark_shapes_are_read_once(file: str, dtype) -> None:
    shape = NORMS[Path(file).stem].shape
    x = make((12 if len(shape) > 2 else 512, *shape[1:]), dtype)
    said = norm_of(file).explain(MODULES[file], x)
    assert said.startswith("cooperative: reads x 1x") or torch.cuda.get_device_properties(0).multi_processor_count < 48
    assert "\n" not in said
    check(file, x)


@pytest.mark.parametrize("special", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("file", FILES)
def test_nan_and_infinity_spread_as_in_pytorch(file: str, special: float) -> None:
    x = make((2, 16, 256, 256) if "l1" not in file and "l2" not in file else (16, 65535))
    x.view(-1)[7] = special
    y, wanted = norm_of(file).ours(MODULES[file], x), norm_of(file).exact(x)
    assert torch.equal(torch.isnan(y), torch.isnan(wanted))
    ours, good = y[~torch.isnan(y)].double(), wanted[~torch.isnan(wanted)]
    assert ours.numel() == 0 or (ours - good).abs().max().item() < 1e-5


@pytest.mark.parametrize("file", COOPERATIVE)
def test_a_nan_of_all_ones_is_no_missing_message(file: str) -> None:
    """Slots hold all ones until told. Arithmetic gives another NaN, whatever NaN goes in."""
    x = make((2, 8, 256, 256) if "norm" in file and "l1" not in file and "l2" not in file else (8, 65535))
    x.view(torch.int32).view(-1)[5] = -1
    y = norm_of(file).ours(MODULES[file], x)
    torch.cuda.synchronize()
    assert torch.equal(torch.isnan(y), torch.isnan(norm_of(file).exact(x)))


@pytest.mark.parametrize("sms", [1, 2, 7])
@pytest.mark.parametrize("file", COOPERATIVE)
def test_no_wait_without_end_on_a_smaller_gpu(file: str, sms: int, monkeypatch) -> None:
    """As many programs as `sms` SMs hold, and sets of as many parts as those can just keep: the worst case."""
    module = MODULES[file]
    real = torch.cuda.get_device_properties(0)

    class Smaller:
        multi_processor_count = sms

        def __getattr__(self, name: str):
            return getattr(real, name)

    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda *_: Smaller())
    parts = 2 * module.CTAS * sms
    shape = (9, parts * 8192) if file in ("l1_norm.py", "l2_norm.py") else (3, 1, parts * 8192)
    x = make(shape, mean=10.0)
    said = norm_of(file).explain(module, x)
    assert said.startswith("cooperative")
    assert f"{parts} part(s)" in said
    assert f"grid {parts // 2}" in said
    for _ in range(20):
        check(file, x)
    bigger = make((*shape[:-1], shape[-1] + 8192 * 8))
    assert norm_of(file).explain(module, bigger).startswith("streaming")
    check(file, bigger)


TUNABLES = [
    {"width": width, "warps": warps, "ctas": ctas, "near": near}
    for width, warps, ctas, near in (
        (256, 4, 1, 32),
        (256, 4, 3, 1),
        (256, 4, 2, 8),
        (256, 8, 1, 4),
        (128, 4, 4, 32),
        (128, 8, 2, 64),
        (256, 2, 6, 2),
    )
]


@pytest.mark.parametrize("tunables", TUNABLES, ids=str)
@pytest.mark.parametrize("file", COOPERATIVE)
def test_every_split_gives_the_same_answer(file: str, tunables: dict[str, int]) -> None:
    for dtype in (torch.float32, torch.bfloat16):
        rows = file in ("l1_norm.py", "l2_norm.py")
        for shape in ((5, 65535), (40, 131072)) if rows else ((1, 8, 512, 512), (3, 8, 300, 301)):
            check(file, make(shape, dtype, mean=0.0 if rows else 4.0), **tunables)


@pytest.mark.parametrize("shape", [(1, 1, 256, 256), (2, 33, 512, 512), (1, 8, 300, 301), (70, 65535)], ids=str)
@pytest.mark.parametrize("file", FAST)
def test_a_hundred_calls_agree(file: str, shape: tuple[int, ...]) -> None:
    """A race between the programs of a set, or a slot read too early, shows as one call that differs."""
    x = make(shape, mean=10.0)
    norm, module = norm_of(file), MODULES[file]
    first = norm.ours(module, x)
    for call in range(100):
        assert torch.equal(
            first,
            norm.ours(module, x),
        ), f"call {call} differs"
    check(file, x)


@pytest.mark.parametrize("file", FAST)
def test_beside_other_work(file: str) -> None:
    """A busy second stream takes SMs away; waiting programs must still all get to run."""
    x = make((128, 131070) if file in ("l1_norm.py", "l2_norm.py") else (4, 32, 512, 512), mean=1.0)
    norm, module = norm_of(file), MODULES[file]
    wanted = norm.exact(x)
    a = torch.rand(4096, 4096, device="cuda")
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    torch.cuda.synchronize()
    for _ in range(10):
        with torch.cuda.stream(side):
            for _ in range(5):
                a = torch.nn.functional.normalize(a @ a)
        y = norm.ours(module, x)
        with torch.cuda.stream(side):
            z = norm.ours(module, x)
        assert (y.double() - wanted).abs().max().item() < 1e-5 * wanted.abs().max().item()
        side.synchronize()
        assert torch.equal(y, z)
    torch.cuda.synchronize()


@pytest.mark.parametrize("file", FAST)
def test_in_a_cuda_graph(file: str) -> None:
    x = make((64, 65535) if file in ("l1_norm.py", "l2_norm.py") else (2, 8, 512, 512))
    norm, module = norm_of(file), MODULES[file]
    norm.ours(module, x)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        y = norm.ours(module, x)
    for seed in range(3):
        torch.manual_seed(seed)
        x.copy_(torch.rand(x.shape, device="cuda") + seed)
        graph.replay()
        torch.cuda.synchronize()
        wanted = norm.exact(x)
        assert (y.double() - wanted).abs().max().item() < 1e-5 * wanted.abs().max().item()


def last_values(file: str, x):
    """The exact results for the last 4096 values, from no more of a large tensor than their set."""
    tail = x.view(-1)[-4096:].double()
    if file == "frobenius_norm.py":
        return tail / math.sqrt(math.fsum(part.double().square().sum().item() for part in x.view(-1).chunk(64)))
    if file == "layer_norm.py":
        parts = [part.double() for part in x[-1].view(-1).split(2**24)]
        mean = math.fsum(part.sum().item() for part in parts) / x[-1].numel()
        var = math.fsum((part - mean).square().sum().item() for part in parts) / x[-1].numel()
        return (tail - mean) / math.sqrt(var + norms.EPS)
    own_set = {
        "batch_norm.py": lambda: x[:, -1:],
        "instance_norm.py": lambda: x[-1:, -1:],
        "group_norm.py": lambda: x[-1:, -(x.shape[1] // 8) :].reshape(1, 1, -1),  # one group, seen as one channel
        "rms_norm.py": lambda: x[-1:, :, -4:],
    }.get(file, lambda: x[-1:])()
    norm = NORMS["instance_norm"] if file == "group_norm.py" else norm_of(file)
    return norm.exact(own_set.contiguous()).view(-1)[-4096:]


@pytest.mark.parametrize("file", FAST)
def test_offsets_past_two_to_the_31(file: str) -> None:
    """2.2e9 values in bf16: 4.5 GB in, 4.5 GB out."""
    if torch.cuda.mem_get_info()[0] < 24e9:
        pytest.skip("needs 24 GB of free GPU memory")
    rows = file in ("l1_norm.py", "l2_norm.py")
    x = torch.empty((34000, 65535) if rows else (2, 136, 8192, 1024), dtype=torch.bfloat16, device="cuda").uniform_()
    assert x.numel() > 2**31
    poison(x.nbytes)
    y = norm_of(file).ours(MODULES[file], x)
    wanted = last_values(file, x)
    assert not any(torch.isnan(part).any() for part in y.view(-1).split(2**28)), "values were never written"
    assert (y.view(-1)[-4096:].double() - wanted).abs().max().item() <= 2**-7 * wanted.abs().max().item()


def test_batch_norm_keeps_pytorchs_running_statistics() -> None:
    module = MODULES["batch_norm.py"]
    x = make((6, 24, 40, 40), mean=3.0)
    theirs, ours = torch.nn.BatchNorm2d(24).cuda(), module.ModelNew(24).cuda()
    for _ in range(3):
        wanted, found = theirs(x), ours(x)
        assert (wanted - found).abs().max().item() < 1e-5
    for name, value in theirs.state_dict().items():
        assert torch.allclose(value, ours.state_dict()[f"bn.{name}"], rtol=1e-5, atol=1e-6), name
    assert (theirs.eval()(x) - ours.eval()(x)).abs().max().item() < 1e-5
