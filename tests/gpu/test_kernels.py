"""The bundled kernels on a real GPU: against float64, on poisoned memory, repeated, and beside other work."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
triton = pytest.importorskip("triton")

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]

KERNELS = Path(__file__).parents[2] / "kernels"
FILES = ("instance_norm.py", "rms_norm.py", "naive/instance_norm.py", "naive/rms_norm.py")
SHAPES = (
    (2, 3, 16, 32),
    (1, 1, 1, 1),
    (3, 5, 1, 1),
    (4, 7, 33, 17),
    (2, 64, 56, 56),
    (1, 3, 128, 256),  # the largest even slice of one program
    (1, 3, 181, 181),  # odd, more than one program
    (2, 8, 224, 224),
    (2, 4, 512, 512),
    (1, 2, 513, 511),
    (1, 1, 1024, 2048),
    (1, 2, 3000, 3001),  # more than the programs of any present GPU can hold: streamed
    (2, 1500, 9, 9),
    (2, 5000, 8, 8),
    (0, 3, 4, 4),
    (2, 3, 37),
    (2, 3, 4, 5, 6),
)
LAYOUTS = ("contiguous", "channels_last", "sliced", "transposed", "channel slice")


def load(file: str):
    spec = importlib.util.spec_from_file_location("gpu_" + file.replace("/", "_")[:-3], KERNELS / file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MODULES = {file: load(file) for file in FILES}


def norm(file: str):
    return getattr(MODULES[file], "instance_norm" if "instance" in file else "rms_norm")


def exact(file: str, x):
    d = x.double()
    if "rms" in file:
        return d / torch.sqrt(d.square().mean(1, keepdim=True) + 1e-5)
    var, mean = torch.var_mean(d, tuple(range(2, d.dim())), correction=0, keepdim=True)
    return (d - mean) / torch.sqrt(var + 1e-5)


def theirs(file: str, x):
    if "rms" in file:
        return MODULES[file].Model(x.shape[1])(x)
    return torch.instance_norm(x, None, None, None, None, True, 0.1, 1e-5, False)


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
    """Leaves NaN where the allocator will place the next tensors: a value never written then shows."""
    junk = [torch.full((max(256, nbytes) // 4,), float("nan"), device="cuda") for _ in range(3)]
    torch.cuda.synchronize()
    del junk


def check(file: str, x, **tunables: int) -> None:
    before = x.clone()
    poison(x.numel() * x.element_size())
    y = norm(file)(x, **tunables)
    assert y.shape == x.shape
    assert y.dtype == x.dtype
    assert y.stride() == torch.empty_like(x).stride()
    assert torch.equal(x, before), "the input was changed"
    if x.numel() == 0:
        return
    wanted = exact(file, x)
    error = (y.double() - wanted).abs().max().item()
    assert error == error, "values were never written"
    allowed = 2 * (theirs(file, x).double() - wanted).abs().max().item()
    rounding = {torch.float32: 2e-6, torch.float16: 2**-10, torch.bfloat16: 2**-7}[x.dtype]
    assert error <= allowed + rounding * max(1.0, wanted.abs().max().item()), MODULES[file].explain(x)


@pytest.mark.parametrize("mean", [0.0, 1000.0])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("file", FILES)
def test_shapes(file: str, shape: tuple[int, ...], mean: float) -> None:
    check(file, make(shape, mean=mean))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("file", FILES)
def test_dtypes_and_layouts(file: str, dtype, layout: str) -> None:
    for shape in ((2, 5, 33, 17), (2, 64, 64, 64), (1, 3, 256, 300)):
        check(file, make(shape, dtype, layout))


@pytest.mark.parametrize("special", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("file", FILES)
def test_nan_and_infinity_spread_as_in_pytorch(file: str, special: float) -> None:
    x = make((2, 4, 256, 256))
    x[1, 2, 100, 7] = special
    y, wanted = norm(file)(x), exact(file, x)
    assert torch.equal(torch.isnan(y), torch.isnan(wanted))
    ours, good = y[~torch.isnan(y)].double(), wanted[~torch.isnan(wanted)]
    assert (ours - good).abs().max().item() < 1e-5


def test_the_benchmark_shape_is_read_once() -> None:
    fast = MODULES["instance_norm.py"]
    said = fast.explain(make((2, 64, 512, 512)))
    assert said.startswith("cooperative") or torch.cuda.get_device_properties(0).multi_processor_count < 8
    assert "\n" not in said


TUNABLES = [
    {"warps": warps, "ctas": ctas, "values": values}
    for values, warps, ctas in (
        *((64, 4, ctas) for ctas in (1, 4, 5)),
        (64, 8, 1),
        (64, 16, 1),
        (64, 2, 8),
        (32, 8, 2),
        (32, 8, 3),
    )
]


@pytest.mark.parametrize("tunables", TUNABLES, ids=str)
@pytest.mark.parametrize("shape", [(1, 1, 512, 512), (1, 7, 512, 512), (3, 11, 300, 301)], ids=str)
def test_every_split_gives_the_same_answer(shape: tuple[int, ...], tunables: dict[str, int]) -> None:
    check("instance_norm.py", make(shape, mean=100.0), **tunables)


@pytest.mark.parametrize("shape", [(1, 1, 256, 256), (1, 40, 256, 256), (2, 33, 512, 512), (1, 5, 300, 301)], ids=str)
@pytest.mark.parametrize("file", FILES)
def test_a_hundred_calls_agree(file: str, shape: tuple[int, ...]) -> None:
    """A race between the programs of a slice, or a counter not reset, shows as one call that differs."""
    x = make(shape, mean=10.0)
    first = norm(file)(x)
    for call in range(100):
        again = norm(file)(x)
        assert torch.equal(first, again), f"call {call} differs"
    check(file, x)


@pytest.mark.parametrize("file", FILES)
def test_beside_other_work(file: str) -> None:
    """A busy second stream takes SMs away; waiting programs must still all get to run."""
    x = make((4, 32, 512, 512), mean=1.0)
    wanted = exact(file, x)
    a = torch.rand(4096, 4096, device="cuda")
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    torch.cuda.synchronize()
    for _ in range(10):
        with torch.cuda.stream(side):
            for _ in range(5):
                a = torch.nn.functional.normalize(a @ a)
        y = norm(file)(x)
        with torch.cuda.stream(side):
            z = norm(file)(x)
        assert (y.double() - wanted).abs().max().item() < 1e-5
        side.synchronize()
        assert torch.equal(y, z)
    torch.cuda.synchronize()


@pytest.mark.parametrize("file", ["instance_norm.py", "rms_norm.py"])
def test_in_a_cuda_graph(file: str) -> None:
    x = make((2, 8, 512, 512))
    norm(file)(x)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        y = norm(file)(x)
    for seed in range(3):
        torch.manual_seed(seed)
        x.copy_(torch.rand(x.shape, device="cuda") + seed)
        graph.replay()
        torch.cuda.synchronize()
        assert (y.double() - exact(file, x)).abs().max().item() < 1e-5


@pytest.mark.parametrize("file", FILES)
def test_offsets_past_two_to_the_31(file: str) -> None:
    shape = (2, 132, 8192, 1024)  # 2.2e9 values in bf16: 4.4 GB in, 4.4 GB out
    if torch.cuda.mem_get_info()[0] < 16e9:
        pytest.skip("needs 16 GB of free GPU memory")
    x = torch.empty(shape, dtype=torch.bfloat16, device="cuda").uniform_()
    y = norm(file)(x)
    part = (slice(1, 2), slice(128, None)) if "instance" in file else (slice(1, 2), slice(None), slice(8190, None))
    wanted = exact(file, x[part])
    assert (y[part].double() - wanted).abs().max().item() <= 2**-7 * wanted.abs().max().item()
