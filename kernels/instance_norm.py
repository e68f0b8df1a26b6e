"""InstanceNorm in one read and one write, out of registers.

At 112x64x512x512 fp32 the input is 1,879,048,192 values = 7.52 GB, and so is the output: 15.03 GB
have to move. The plain way moves 22.55 GB, because a slice (one channel of one sample, 1 MiB) is
read once for its mean and variance and again to be normalised. No cache closes that gap: enough
programs to saturate the memory keep more slices open at a time than an L2 holds.

Registers do. A slice is cut into parts of 64 values a thread, and a program keeps two of them: it
loads a part, tells the others its mean and spread (8 bytes), and only then finishes the part before
that one, whose slice has had a whole part's time to become complete. So nobody waits for long, every
byte is read once, every result written once. Three things make it fast:
  messages  a part's numbers are two words in a slot of their own, all ones (a NaN that arithmetic
            never gives) until told: no fence, no counter, and a look at them is one load
  tickets   the next part is drawn from a counter, not dealt out beforehand. Programs of fixed
            rounds drift apart and the memory opens its pages again and again (a copy dealt out in
            rounds reached 0.85 to 0.89 of torch's on an H200, one by tickets 0.94)
  stripes   the rows of a part lie between those of its neighbours, so that programs which run
            together read and write one contiguous region (0.94 became 0.96)

Programs that wait for one another must all be running, which an ordinary launch does not promise: so
the launch is cooperative (the driver refuses what cannot be resident) and registers are capped such
that `CTAS` programs fit an SM. Nobody waits before its parts are told and tickets ascend; so were all
to wait, each would hold two parts of the lowest unfinished slice. At most two parts a program make a
slice: that cannot be.

Which way is taken follows from the shape, the strides and the device; `explain(x)` tells:
  one tile     a slice, or several small ones, fits one program              1 read, 1 write
  cooperative  a slice fits the programs that can run at the same time       1 read, 1 write
  streaming    none of these (or no cooperation, as in Triton's interpreter) 2 reads, 1 write
All three see the input as (N, C, P) with strides, so channels_last needs no copy: a tile is then
some positions by as many channels as fill a 128-byte line. Such a tile is cut across slices, so
cooperation would need 32 or 64 times the registers; large channels_last images stream.
The forward pass only, no gradients.
"""

import math
from typing import NamedTuple

import torch
import torch.nn as nn
import triton
import triton.language as tl

batch_size, features, dim1, dim2 = 112, 64, 512, 512

BYTES = 256  # of a part that a thread holds: 64 fp32 values, 128 of 16 bits
WARPS = 4  # warps of a cooperative program: a part is 32 KiB
CTAS = 3  # cooperative programs on one SM, two parts each: 168 registers a thread; 4 would spill
NEAR = 32  # parts that share a region by stripes


@triton.jit
def anchor(row, last, step, live):
    """The middle one of a set's first, middle and last value: what all values are taken less of. fp32 then stays exact
    far from zero (at a mean of 1000 a sum over bare values is off by 1e-4), and one value that stands far out, were it
    the first, does not cost the others their digits."""
    a = tl.load(row, mask=live, other=0.0).to(tl.float32)
    b = tl.load(row + last // 2 * step, mask=live, other=0.0).to(tl.float32)
    c = tl.load(row + last * step, mask=live, other=0.0).to(tl.float32)
    return tl.maximum(tl.minimum(a, b), tl.minimum(tl.maximum(a, b), c))


@triton.jit
def load_shifted(
    x_ptr, n, c0, p0, C, P, sn, sc, sp,
    BLOCK: tl.constexpr, COLS: tl.constexpr, EVEN: tl.constexpr,
):  # fmt: skip
    """A [positions, channels] tile in fp32, less each slice's anchor (0 where masked).

    Offsets take 64 bits, since strides may be anything. EVEN promises that nothing is masked: the row
    numbers of a mask would cost a register a value.
    """
    rows = tl.arange(0, BLOCK)[:, None]
    cols = tl.arange(0, COLS)[None, :]
    slices = x_ptr + n.to(tl.int64) * sn + c0.to(tl.int64) * sc + cols.to(tl.int64) * sc
    live = tl.full((BLOCK, COLS), True, tl.int1)
    if not EVEN:
        live = (rows < tl.minimum(P - p0, BLOCK).to(tl.int32)) & (cols < C - c0)
    x = tl.load(slices + (p0 * sp + rows.to(tl.int64) * sp), mask=live, other=0.0).to(tl.float32)
    shift = anchor(slices, tl.zeros((), tl.int64) + P - 1, sp, cols < C - c0)
    return tl.where(live, x - shift, 0.0), live


@triton.jit
def store_tile(y_ptr, y, live, n, c0, p0, sn, sc, sp, BLOCK: tl.constexpr, COLS: tl.constexpr):
    rows = tl.arange(0, BLOCK)[:, None].to(tl.int64)
    cols = tl.arange(0, COLS)[None, :].to(tl.int64)
    slices = y_ptr + n.to(tl.int64) * sn + c0.to(tl.int64) * sc + cols * sc
    tl.store(slices + (p0 * sp + rows * sp), y, mask=live)


@triton.jit
def tile_moments(d, live, count):
    """Mean and sum of squared deviations per channel. The second sweep over the registers is free;
    mean(d * d) - mean(d)**2 would cancel."""
    mean = tl.sum(d, axis=0) / count
    away = tl.where(live, d - mean[None, :], 0.0)
    return mean, tl.sum(away * away, axis=0)


@triton.jit
def merge(partial_ptr, parts, span, P, eps, PARTS: tl.constexpr, COLS: tl.constexpr):
    """Mean and 1/std of whole slices out of the moments of their parts (Chan's formula)."""
    part = tl.arange(0, PARTS)[:, None]
    at = partial_ptr + part * (2 * COLS) + tl.arange(0, COLS)[None, :]
    count = tl.minimum(tl.maximum(P - part.to(tl.int64) * span, 0), span).to(tl.float32)
    # .cg reads at L2, where all SMs agree: an L1 line might predate another SM's store.
    means = tl.load(at, mask=part < parts, other=0.0, cache_modifier=".cg")
    m2s = tl.load(at + COLS, mask=part < parts, other=0.0, cache_modifier=".cg")
    mean = tl.sum(means * count, axis=0) / P
    away = means - mean[None, :]
    m2 = tl.sum(m2s + count * away * away, axis=0)
    rstd = 1.0 / tl.sqrt_rn(m2 / P + eps)
    if COLS == 1:  # scalars have no layout: a vector would drag the tile through shared memory
        return tl.sum(mean), tl.sum(rstd)
    else:  # noqa: RET505 - the compiler takes one branch; without `else` it would take both
        return mean[None, :], rstd[None, :]


@triton.jit
def one_tile_kernel(
    x_ptr, y_ptr, eps, groups, C, P, xn, xc, xp, yn, yc, yp,
    BLOCK: tl.constexpr, COLS: tl.constexpr, EVEN: tl.constexpr,
):  # fmt: skip
    """One program holds COLS whole slices."""
    n = tl.program_id(0) // groups
    c0 = (tl.program_id(0) % groups).to(tl.int64) * COLS
    p0 = tl.zeros((), tl.int64)
    d, live = load_shifted(x_ptr, n, c0, p0, C, P, xn, xc, xp, BLOCK, COLS, EVEN)
    mean, m2 = tile_moments(d, live, P)
    y = (d - mean[None, :]) / tl.sqrt_rn(m2 / P + eps)[None, :]
    store_tile(y_ptr, y, live, n, c0, p0, yn, yc, yp, BLOCK, COLS)


@triton.jit
def again(x):
    """The same values. The compiler cannot see that, so 16-bit ones stay two to a register until used."""
    if x.dtype.primitive_bitwidth == 16:
        x = tl.inline_asm_elementwise("mov.b32 $0, $1;", "=r,r", [x], dtype=x.dtype, is_pure=False, pack=2)
    return x


@triton.jit
def wide(x):
    """To fp32. bf16 is its upper half; said in integers, it is one instruction on the packed register."""
    if x.dtype == tl.bfloat16:
        x = (x.to(tl.int16, bitcast=True).to(tl.int32) << 16).to(tl.float32, bitcast=True)
    return x.to(tl.float32)


@triton.jit
def part_moments(x, shift, ROWS: tl.constexpr, COLS: tl.constexpr):
    """Mean, less the shift, and sum of squared deviations of a whole part, column by column first, which
    takes no exchange between threads. A column is summed up less its first value: that one can be as
    far from the mean as the others' squares allow, so q - s*s/ROWS cancels 4 bits of 24 at the most."""
    first = tl.where(tl.arange(0, ROWS)[:, None] == 0, x.to(tl.int32, bitcast=True), 0)
    first = tl.sum(first, axis=0).to(tl.float32, bitcast=True)  # adding integer zeros takes no instruction
    away = x - first[None, :]
    s = tl.sum(away, axis=0) / ROWS
    squares = tl.sum(away * away, axis=0)
    q = tl.where(squares < float("inf"), tl.maximum(squares - ROWS * (s * s), 0.0), squares)
    column = (first - shift) + s
    mean = tl.sum(column) / COLS
    apart = column - mean
    return mean, tl.sum(q + ROWS * (apart * apart))


@triton.jit
def add_pair(a, b, c, d):
    return a + c, b + d


@triton.jit
def gather(slot, parts, size, eps, BLOCK: tl.constexpr, PARTS: tl.constexpr):
    """Mean and 1/std of a slice, as soon as all of its parts have been told."""
    part = tl.arange(0, PARTS)
    count = tl.where(part < parts, tl.minimum(size - part * BLOCK, BLOCK), 0)
    at = slot + 2 * tl.minimum(part, parts - 1)
    heard = 0
    mean = 0.0
    m2 = 0.0
    while heard < PARTS:  # volatile: read where all SMs agree, every time
        first = tl.load(at, volatile=True)
        second = tl.load(at + 1, volatile=True)
        told = (first != -1) & (second != -1)
        means = first.to(tl.float32, bitcast=True)
        heard, total = tl.reduce((told.to(tl.int32), means * count), 0, add_pair)
        mean = total / size
        away = means - mean
        m2 = tl.sum(tl.where(part < parts, second.to(tl.float32, bitcast=True), 0.0) + count * away * away)
    return mean, 1.0 / tl.sqrt_rn(m2 / size + eps)


@triton.jit
def cooperative_kernel(
    x_ptr, y_ptr, told_ptr, ticket_ptr, eps, items, parts, C, P, xn, xc, yn, yc,
    ROWS: tl.constexpr, COLS: tl.constexpr, NEAR: tl.constexpr, EVEN: tl.constexpr, PARTS: tl.constexpr,
):  # fmt: skip
    """Item i is part i % parts of slice i // parts. `told` holds two words a part and the ticket
    counter one, all ones at launch."""
    BLOCK: tl.constexpr = ROWS * COLS
    offsets = tl.arange(0, ROWS)[:, None] * (NEAR * COLS) + tl.arange(0, COLS)[None, :]
    kept = tl.zeros((ROWS, COLS), x_ptr.dtype.element_ty)
    kept_told = told_ptr
    kept_y = y_ptr
    kept_shift = 0.0
    kept_room = 0
    held = False
    item = tl.program_id(0)
    while (item < items) | held:
        live = item < items
        tile = tl.minimum(item, items - 1) // parts  # the last one again rather than a masked load
        part = tl.minimum(item, items - 1) % parts
        start = part // NEAR * (NEAR * BLOCK) + part % NEAR * COLS
        row = x_ptr + (tile // C).to(tl.int64) * xn + (tile % C).to(tl.int64) * xc
        if EVEN:
            x = tl.load(row + start + offsets)
        else:
            x = tl.load(row + start + offsets, mask=offsets < P - start, other=0.0)
        shift = anchor(row, P - 1, 1, True)
        if live:
            if EVEN:
                mean, m2 = part_moments(wide(x), shift, ROWS, COLS)
            else:
                count = tl.minimum(P - start, BLOCK)
                d = tl.where(offsets < P - start, wide(x) - shift, 0.0)
                mean = tl.sum(d) / count
                away = tl.where(offsets < P - start, d - mean, 0.0)
                m2 = tl.sum(away * away)
            mine = told_ptr + (tile.to(tl.int64) * parts + part) * 2
            tl.store(mine, mean.to(tl.int32, bitcast=True), cache_modifier=".wt")  # past L1, where all SMs agree
            tl.store(mine + 1, m2.to(tl.int32, bitcast=True), cache_modifier=".wt")
        if held:
            mean, rstd = gather(kept_told, parts, P, eps, BLOCK, PARTS)
            y = (wide(kept) - kept_shift) * rstd - mean * rstd
            if EVEN:
                tl.store(kept_y + offsets, y)
            else:
                tl.store(kept_y + offsets, y, mask=offsets < kept_room)
        kept = again(x)
        kept_told = told_ptr + tile.to(tl.int64) * parts * 2
        kept_y = y_ptr + (tile // C).to(tl.int64) * yn + (tile % C).to(tl.int64) * yc + start
        kept_shift = shift
        kept_room = P - start
        held = live
        item = tl.atomic_add(ticket_ptr, 1, sem="relaxed") + 1 + tl.num_programs(0)


@triton.jit
def span_moments_kernel(
    x_ptr, partial_ptr, span, parts, groups, C, P, xn, xc, xp,
    BLOCK: tl.constexpr, COLS: tl.constexpr, EVEN: tl.constexpr,
):  # fmt: skip
    """First of two reads: the moments of one span of a slice, tile after tile."""
    tile = tl.program_id(0) // parts
    part = tl.program_id(0) % parts
    start = part.to(tl.int64) * span
    c0 = (tile % groups).to(tl.int64) * COLS
    mean = tl.zeros((COLS,), tl.float32)
    m2 = tl.zeros((COLS,), tl.float32)
    for p0 in range(start, tl.minimum(start + span, P), BLOCK):
        d, live = load_shifted(x_ptr, tile // groups, c0, p0, C, P, xn, xc, xp, BLOCK, COLS, EVEN)
        count = tl.minimum(P - p0, BLOCK).to(tl.float32)
        before = (p0 - start).to(tl.float32)
        tile_mean, tile_m2 = tile_moments(d, live, count)
        away = tile_mean - mean
        share = count / (before + count)
        mean += away * share
        m2 += tile_m2 + away * share * before * away  # in this order: the square alone may overflow
    mine = partial_ptr + (tile.to(tl.int64) * parts + part) * (2 * COLS) + tl.arange(0, COLS)
    tl.store(mine, mean)
    tl.store(mine + COLS, m2)


@triton.jit
def span_normalize_kernel(
    x_ptr, y_ptr, partial_ptr, eps, span, parts, groups, C, P, xn, xc, xp, yn, yc, yp,
    BLOCK: tl.constexpr, COLS: tl.constexpr, EVEN: tl.constexpr, PARTS: tl.constexpr,
):  # fmt: skip
    """Second read: normalise one span with the moments of the whole slice."""
    tile = tl.program_id(0) // parts
    start = (tl.program_id(0) % parts).to(tl.int64) * span
    n = tile // groups
    c0 = (tile % groups).to(tl.int64) * COLS
    slot = partial_ptr + tile.to(tl.int64) * parts * (2 * COLS)
    mean, rstd = merge(slot, parts, span, P, eps, PARTS, COLS)
    for p0 in range(start, tl.minimum(start + span, P), BLOCK):
        d, live = load_shifted(x_ptr, n, c0, p0, C, P, xn, xc, xp, BLOCK, COLS, EVEN)
        store_tile(y_ptr, (d - mean) * rstd, live, n, c0, p0, yn, yc, yp, BLOCK, COLS)


class Plan(NamedTuple):
    way: str  # "one tile", "cooperative" or "streaming"
    block: int  # positions in a tile
    cols: int  # channels in a tile
    even: bool  # tiles cover the slices exactly: no masks
    span: int  # positions a program is in charge of
    parts: int  # programs that share a slice
    tiles: int  # slices, counted in groups of `cols`
    warps: int
    grid: int
    near: int = 1  # parts that share a region by stripes
    maxnreg: int | None = None

    def __str__(self) -> str:
        reads = 2 if self.way == "streaming" else 1
        return (
            f"{self.way}: reads x {reads}x; {self.parts} part(s) a slice, tile {self.block} positions x "
            f"{self.cols} channel(s), {self.warps} warps, grid {self.grid}"
        )


def plan(x: torch.Tensor, width: int = BYTES, warps: int = WARPS, ctas: int = CTAS, near: int = NEAR) -> Plan:
    """The way for an input seen as (N, C, P). Only the device's own figures decide."""
    n, c, p = x.shape
    p2, c2 = triton.next_power_of_2(p), triton.next_power_of_2(c)
    # Positions side by side: one slice a tile, more if slices are short. Channels side by side (as in
    # channels_last): as many as fill a 128-byte line.
    cols = min(c2, max(1, 4096 // p2) if x.stride(2) == 1 else 128 // x.element_size())
    tiles = n * triton.cdiv(c, cols)

    size, even = p2 * cols, p == p2 and c % cols == 0
    if size <= 32 * 16 * (64 if even else 32):  # what 16 warps hold without spilling
        warps = min(16, max(1, size // 512))
        return Plan("one tile", p2, cols, even, p, 1, tiles, warps, tiles)

    if cols == 1 and x.is_cuda and isinstance(cooperative_kernel, triton.JITFunction):
        device = torch.cuda.get_device_properties(x.device)
        threads, resident = 32 * warps * ctas, device.multi_processor_count * ctas
        block = width // x.element_size() * 32 * warps
        even = p % block == 0
        block //= 1 if even else 8 // x.element_size()  # masks take registers too
        parts = triton.cdiv(p, block)
        if parts <= 2 * resident and threads <= device.max_threads_per_multi_processor:
            maxnreg = min(255, device.regs_per_multiprocessor // threads // 8 * 8)
            near = math.gcd(parts, near) if even else 1
            grid = min(resident, tiles * parts)
            return Plan("cooperative", block, 1, even, block, parts, tiles, warps, grid, near, maxnreg)

    block = 4096 // cols
    span = block * triton.cdiv(p, block * max(1, min(1024, 2048 // cols)))
    parts = triton.cdiv(p, span)
    even = p % block == 0 and c % cols == 0
    return Plan("streaming", block, cols, even, span, parts, tiles, 8, tiles * parts)


def views(x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor] | None:
    """Both tensors as (N, C, P) without a copy, or None where strides do not allow it."""
    n, c, p = x.shape[0], x.shape[1], x.shape[2:].numel()
    try:
        x, y = x.view(n, c, p), y.view(n, c, p)
    except RuntimeError:
        return None
    if all(t.stride(0) == c * t.stride(1) for t in (x, y)):  # all slices evenly spaced: one batch
        x, y = (t.as_strided((1, n * c, p), (0, t.stride(1), t.stride(2))) for t in (x, y))
    if any(min(t.stride(1), t.stride(2)) != 1 for t in (x, y)):
        return None  # nothing to load side by side
    return x, y


def instance_norm(x: torch.Tensor, eps: float = 1e-5, **tunables: int) -> torch.Tensor:
    """(N, C, ...) to the same shape, dtype and memory format. `tunables` go to `plan`."""
    if x.dtype not in (torch.float32, torch.float16, torch.bfloat16):
        raise TypeError(f"instance_norm takes float32, float16 or bfloat16, not {x.dtype}")
    y = torch.empty_like(x)
    if x.numel() == 0:
        return y
    seen = views(x, y)
    if seen is None:  # strides of no use: work on a contiguous copy
        return y.copy_(instance_norm(x.clone(memory_format=torch.contiguous_format), eps, **tunables))
    xv, yv = seen
    c, p = xv.shape[1:]
    way, block, cols, even, span, parts, tiles, warps, grid, near, maxnreg = plan(xv, **tunables)
    common = {"EVEN": even, "num_warps": warps}
    at, to = (c, p, *xv.stride()), yv.stride()
    groups, parts2 = triton.cdiv(c, cols), triton.next_power_of_2(parts)
    with torch.cuda.device_of(x):
        if way == "one tile":
            one_tile_kernel[(grid,)](xv, yv, eps, groups, *at, *to, BLOCK=block, COLS=cols, **common)
        elif way == "cooperative":
            told = torch.full((tiles * parts * 2 + 1,), -1, dtype=torch.int32, device=x.device)
            wide = 32 * warps * 16 // x.element_size()  # values that one load of 16 bytes a thread brings
            cooperative_kernel[(grid,)](
                xv, yv, told, told[-1:], eps, tiles * parts, parts, *at[:4], *to[:2],
                ROWS=block // wide, COLS=wide, NEAR=near, PARTS=max(parts2, 32 * warps),
                maxnreg=maxnreg, launch_cooperative_grid=True, **common,
            )  # fmt: skip
        else:
            sizes, common = (span, parts, groups), common | {"BLOCK": block, "COLS": cols}
            partial = x.new_empty(tiles * parts * cols * 2, dtype=torch.float32)
            span_moments_kernel[(grid,)](xv, partial, *sizes, *at, **common)
            span_normalize_kernel[(grid,)](xv, yv, partial, eps, *sizes, *at, *to, PARTS=parts2, **common)
    return y


def explain(x: torch.Tensor, **tunables: int) -> str:
    """The way `instance_norm` takes for this input, in one line."""
    seen = views(x, torch.empty_like(x))
    if x.numel() == 0 or seen is None:
        return "empty: nothing to do" if x.numel() == 0 else "a contiguous copy first"
    return str(plan(seen[0], **tunables))


class Model(nn.Module):
    """The reference: PyTorch's own."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.norm = nn.InstanceNorm2d(num_features)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(x)


class ModelNew(nn.Module):
    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return instance_norm(x)


def get_inputs() -> list[torch.Tensor]:
    return [torch.rand(batch_size, features, dim1, dim2)]


def get_init_inputs() -> list[int]:
    return [features]


def main() -> None:
    """Check against float64 and time it: `python kernels/instance_norm.py`."""
    if not torch.cuda.is_available():
        print("instance_norm: no CUDA device here, nothing to run")
        return
    fits = torch.cuda.mem_get_info()[0] // (features * dim1 * dim2 * 4 * 4)
    x = torch.rand(max(1, min(batch_size, fits)), features, dim1, dim2, device="cuda")
    y, some = instance_norm(x), x[:1].double()
    var, mean = torch.var_mean(some, (2, 3), correction=0, keepdim=True)
    error = (y[:1] - (some - mean) / torch.sqrt(var + 1e-5)).abs().max().item()
    ms = triton.testing.do_bench(lambda: instance_norm(x), return_mode="median")
    rate = 2 * x.nbytes / ms / 1e6
    print(f"{tuple(x.shape)}: error {error:.1e}, {ms:.3f} ms, {rate:.0f} GB/s of compulsory bytes")
    print(explain(x))


if __name__ == "__main__":
    main()
