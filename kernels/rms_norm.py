"""RMSNorm over the channels in one read and one write, out of registers.

x / sqrt(mean(x*x over channels) + eps). At 112x64x512x512 fp32 7.52 GB go in and 7.52 GB come out,
and those 15.03 GB are all that has to move: the values one sum needs are few (64 channels), just far
apart (1 MiB, a channel plane). So a program loads a tile, all channels by a run of positions, adds
up the squares down the channels and scales the tile it still holds.

The tile is 64 channels x 256 positions = 16384 values, 64 fp32 registers for each of 256 threads:
rows of 1 KiB that fill whole DRAM bursts, and two such programs fit an SM at a time, so that one
loads while the other stores. More values a thread would spill; narrower tiles are no faster until
rows drop below 128 bytes, the line that memory moves. 16-bit values stay two to a register; their
tile has half as many threads and positions, so that eight programs fit an SM: on an H200 that took
1.82 ms, a tile as wide as that of fp32 2.36, a copy 1.76.

Where channels are the contiguous dimension (channels_last) the same tile is read by its strides, no
copy. A tile that would need more than 64 registers a thread at the narrowest useful row is streamed
instead: two walks over the channels, 2 reads. That is C > 512 (a power of two needs no masks: > 1024)
in fp32, half of it in 16 bits, and C > 16384 (32768) in channels_last.
The forward pass only, no gradients.
"""

from typing import NamedTuple

import torch
import torch.nn as nn
import triton
import triton.language as tl

batch_size, features, dim1, dim2 = 112, 64, 512, 512

VALUES = 64  # fp32 values a thread keeps in the one-read kernel
WARPS = {4: 8, 2: 4}  # warps of a program that holds a full tile, by bytes of a value; up to 16 where channels are many


@triton.jit
def tile_at(ptr, n, c0, p0, sn, sc, sp, CHANNELS: tl.constexpr, BLOCK: tl.constexpr):
    """Pointers to a [channels, positions] tile, in 64 bits: 64 channels may span any distance."""
    corner = ptr + n.to(tl.int64) * sn + c0 * sc + p0 * sp
    rows = tl.arange(0, CHANNELS)[:, None].to(tl.int64)
    return corner + (rows * sc + tl.arange(0, BLOCK)[None, :].to(tl.int64) * sp)


@triton.jit
def wide(x):
    """To fp32. bf16 is its upper half; said in integers, it is one instruction on the packed register."""
    if x.dtype == tl.bfloat16:
        x = (x.to(tl.int16, bitcast=True).to(tl.int32) << 16).to(tl.float32, bitcast=True)
    return x.to(tl.float32)


@triton.jit
def rms_norm_tile_kernel(
    x_ptr, y_ptr, eps, blocks, C, P, xn, xc, xp, yn, yc, yp,
    CHANNELS: tl.constexpr, BLOCK: tl.constexpr, EVEN: tl.constexpr, PACKED: tl.constexpr,
):  # fmt: skip
    """All channels of BLOCK positions: one load, one store. EVEN promises that no mask is needed;
    the row numbers of a mask would cost a register a value. PACKED keeps 16-bit values two to a
    register between the sum and the store: the compiler cannot see that they are the same values."""
    n = tl.program_id(0) // blocks
    p0 = (tl.program_id(0) % blocks).to(tl.int64) * BLOCK
    c0 = tl.zeros((), tl.int64)
    live = tl.full((CHANNELS, BLOCK), True, tl.int1)
    if not EVEN:
        left = tl.minimum(P - p0, BLOCK).to(tl.int32)
        live = (tl.arange(0, CHANNELS) < C)[:, None] & (tl.arange(0, BLOCK) < left)[None, :]
    x_at = tile_at(x_ptr, n, c0, p0, xn, xc, xp, CHANNELS, BLOCK)
    x = tl.load(x_at, mask=live, other=0.0)
    scale = 1.0 / tl.sqrt_rn(tl.sum(wide(x) * wide(x), axis=0) / C + eps)
    if PACKED:
        x = tl.inline_asm_elementwise("mov.b32 $0, $1;", "=r,r", [x], dtype=x.dtype, is_pure=False, pack=2)
    tl.store(tile_at(y_ptr, n, c0, p0, yn, yc, yp, CHANNELS, BLOCK), wide(x) * scale[None, :], mask=live)


@triton.jit
def rms_norm_stream_kernel(
    x_ptr, y_ptr, eps, blocks, C, P, xn, xc, xp, yn, yc, yp,
    CHANNELS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """CHANNELS channels at a time, twice: for any C."""
    n = tl.program_id(0) // blocks
    p0 = (tl.program_id(0) % blocks).to(tl.int64) * BLOCK
    rows = tl.arange(0, CHANNELS)[:, None]
    inside = (p0 + tl.arange(0, BLOCK) < P)[None, :]
    c0 = tl.zeros((), tl.int64)
    squares = tl.zeros((CHANNELS, BLOCK), tl.float32)
    for c in range(0, C, CHANNELS):
        x_at = tile_at(x_ptr, n, c0 + c, p0, xn, xc, xp, CHANNELS, BLOCK)
        x = tl.load(x_at, mask=(rows < C - c) & inside, other=0.0).to(tl.float32)
        squares += x * x
    scale = 1.0 / tl.sqrt_rn(tl.sum(squares, axis=0) / C + eps)
    for c in range(0, C, CHANNELS):
        x_at = tile_at(x_ptr, n, c0 + c, p0, xn, xc, xp, CHANNELS, BLOCK)
        y_at = tile_at(y_ptr, n, c0 + c, p0, yn, yc, yp, CHANNELS, BLOCK)
        x = tl.load(x_at, mask=(rows < C - c) & inside, other=0.0).to(tl.float32)
        tl.store(y_at, x * scale[None, :], mask=(rows < C - c) & inside)


class Plan(NamedTuple):
    way: str  # "one tile" or "streaming"
    channels: int  # rows of a tile
    block: int  # positions in a tile
    even: bool  # tiles cover the tensor exactly: no masks
    blocks: int  # tiles along the positions of one sample
    warps: int
    grid: int

    def __str__(self) -> str:
        return (
            f"{self.way}: reads x {2 if self.way == 'streaming' else 1}x; tile {self.channels} "
            f"channels x {self.block} positions, {self.warps} warps, grid {self.grid}"
        )


def plan(x: torch.Tensor, values: int = VALUES, warps: int = 0) -> Plan:
    """The way for an input seen as (N, C, P). A tile holds `values` a thread, half if masked."""
    n, c, p = x.shape
    warps = warps or WARPS[x.element_size()]
    c2, p2 = triton.next_power_of_2(c), triton.next_power_of_2(p)
    # A row along the positions should fill a line; along the channels the tile's columns do.
    narrowest = min(p2, 128 // x.element_size()) if x.stride(2) == 1 else 1
    for tried in sorted({warps, 2 * warps, 16}):
        block = min(p2, values * 32 * tried // c2)
        even = c == c2 and block > 0 and p % block == 0
        if not even:
            block = min(p2, values * 16 * tried // c2)
        if block >= narrowest:
            blocks = triton.cdiv(p, block)
            fitting = min(tried, max(1, c2 * block // 1024))
            return Plan("one tile", c2, block, even, blocks, fitting, n * blocks)
    block = min(p2, 128) if x.stride(2) == 1 else 1
    blocks = triton.cdiv(p, block)
    return Plan("streaming", min(c2, 4096 // block), block, False, blocks, 8, n * blocks)


def views(x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor] | None:
    """Both tensors as (N, C, P) without a copy, or None where strides do not allow it."""
    n, c, p = x.shape[0], x.shape[1], x.shape[2:].numel()
    try:
        x, y = x.view(n, c, p), y.view(n, c, p)
    except RuntimeError:
        return None
    if all(t.stride(0) == p * t.stride(2) for t in (x, y)):  # samples continue one another
        x, y = (t.as_strided((1, c, n * p), (0, t.stride(1), t.stride(2))) for t in (x, y))
    if any(min(t.stride(1), t.stride(2)) != 1 for t in (x, y)):
        return None  # nothing to load side by side
    return x, y


def rms_norm(x: torch.Tensor, eps: float = 1e-5, **tunables: int) -> torch.Tensor:
    """(N, C, ...) to the same shape, dtype and memory format. `tunables` go to `plan`."""
    if x.dtype not in (torch.float32, torch.float16, torch.bfloat16):
        raise TypeError(f"rms_norm takes float32, float16 or bfloat16, not {x.dtype}")
    y = torch.empty_like(x)
    if x.numel() == 0:
        return y
    seen = views(x, y)
    if seen is None:  # strides of no use: work on a contiguous copy
        return y.copy_(rms_norm(x.clone(memory_format=torch.contiguous_format), eps, **tunables))
    xv, yv = seen
    way, channels, block, even, blocks, warps, grid = plan(xv, **tunables)
    args = (xv, yv, eps, blocks, *xv.shape[1:], *xv.stride(), *yv.stride(), channels, block)
    with torch.cuda.device_of(x):
        if way == "one tile":
            packed = even and x.element_size() == 2 and channels * block >= 4096
            packed = packed and isinstance(rms_norm_tile_kernel, triton.JITFunction)  # no assembly in the interpreter
            rms_norm_tile_kernel[(grid,)](*args, EVEN=even, PACKED=packed, num_warps=warps)
        else:
            rms_norm_stream_kernel[(grid,)](*args, num_warps=warps)
    return y


def explain(x: torch.Tensor, **tunables: int) -> str:
    """The way `rms_norm` takes for this input, in one line."""
    seen = views(x, torch.empty_like(x))
    if x.numel() == 0 or seen is None:
        return "empty: nothing to do" if x.numel() == 0 else "a contiguous copy first"
    return str(plan(seen[0], **tunables))


class Model(nn.Module):
    """The reference: PyTorch's own operators."""

    def __init__(self, num_features: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.num_features, self.eps = num_features, eps

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x / torch.sqrt(torch.mean(x**2, dim=1, keepdim=True) + self.eps)


class ModelNew(nn.Module):
    def __init__(self, num_features: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.num_features, self.eps = num_features, eps

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return rms_norm(x, self.eps)


def get_inputs() -> list[torch.Tensor]:
    return [torch.rand(batch_size, features, dim1, dim2)]


def get_init_inputs() -> list[int]:
    return [features]


def main() -> None:
    """Check against float64 and time it: `python kernels/rms_norm.py`."""
    if not torch.cuda.is_available():
        print("rms_norm: no CUDA device here, nothing to run")
        return
    fits = torch.cuda.mem_get_info()[0] // (features * dim1 * dim2 * 4 * 4)
    x = torch.rand(max(1, min(batch_size, fits)), features, dim1, dim2, device="cuda")
    y, some = rms_norm(x), x[:1].double()
    wanted = some / torch.sqrt(some.square().mean(1, keepdim=True) + 1e-5)
    error = (y[:1] - wanted).abs().max().item()
    ms = triton.testing.do_bench(lambda: rms_norm(x), return_mode="median")
    rate = 2 * x.nbytes / ms / 1e6
    print(f"{tuple(x.shape)}: error {error:.1e}, {ms:.3f} ms, {rate:.0f} GB/s of compulsory bytes")
    print(explain(x))


if __name__ == "__main__":
    main()
