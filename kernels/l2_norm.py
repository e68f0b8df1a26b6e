"""L2 norm in one read and one write, out of registers.

x / sqrt(sum of x*x over a row). At 32768x65535 fp32, 8.59 GB go in and as many come out:
17.18 GB have to move. The plain way moves 25.77 GB, since a row (256 KiB) is read once for its sum
and again to be divided.

A row is cut into parts of 64 values a thread, 8 of them here. A program keeps two parts in registers:
it loads one, tells the others its sum (4 bytes), and then finishes the part before that one, whose
row has meanwhile become complete: every byte is read once, every result written once. As in
instance_norm.py, what is told goes through slots that are all ones until filled, the next part is
drawn from a counter (programs dealt out in fixed rounds drift apart, which costs the memory a tenth
of its speed), the rows of a tile lie between those of its neighbours, and the launch is
cooperative: programs wait for one another, at most two parts a program make a row, and parts are told
before anybody waits, so somebody can always go on.

65535 is odd, so rows begin anywhere in a 16-byte word, and loads by words of 16 bytes would have to
stop at single values. So a row is its whole words, which parts share, and at most 3 values (7 of
16 bits) before and after them, which the first part takes along.

Which way is taken follows from the shape and the device; `explain(x)` tells:
  one tile     a row, or several small ones, fits one program                1 read, 1 write
  cooperative  a row fits the programs that can run at the same time         1 read, 1 write
  streaming    none of these (or no cooperation, as in Triton's interpreter) 2 reads, 1 write
Layouts other than the contiguous one work on a contiguous copy.
The forward pass only, no gradients.
"""

import math
from typing import NamedTuple

import torch
import torch.nn as nn
import triton
import triton.language as tl

batch_size, dim = 32768, 65535

BYTES = 256  # of a part that a thread holds: 64 fp32 values, 128 of 16 bits
WARPS = 4  # warps of a cooperative program: a part is 32 KiB
CTAS = 3  # cooperative programs on one SM, two parts each: 168 registers a thread; 4 would spill
NEAR = 32  # parts that share a region by stripes


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
def weigh(x):
    x = wide(x)
    return x * x


@triton.jit
def divided(x, total):
    """x by the norm. One reciprocal serves all values; powers of two keep it out of the subnormals."""
    norm = tl.sqrt_rn(total)
    power = tl.where(norm < 2.0**-64, 2.0**64, tl.where(norm > 2.0**64, 2.0**-64, 1.0))
    return (wide(x) * power) * (1.0 / (norm * power))


@triton.jit
def words(row, size, VEC: tl.constexpr):
    """Where a row begins, and its whole 16-byte words: from, to (in values)."""
    begin = row.to(tl.int64) * size
    return begin, (begin + VEC - 1) // VEC * VEC, (begin + size) // VEC * VEC


@triton.jit
def ends(begin, first, last, size, VEC: tl.constexpr):
    """The values of a row outside of its whole words: offsets in the tensor, and which of them exist."""
    at = tl.arange(0, 2 * VEC)
    before = (at < VEC) & (at < first - begin)
    after = (at >= VEC) & (at - VEC < begin + size - last)
    return tl.where(at < VEC, begin + at, last + at - VEC), before | after


@triton.jit
def gather(slot, parts, PARTS: tl.constexpr):
    """The sum of a row, as soon as all of its parts have been told."""
    part = tl.arange(0, PARTS)
    at = slot + tl.minimum(part, parts - 1)
    heard = 0
    total = 0.0
    while heard < PARTS:  # volatile: read where all SMs agree, every time
        word = tl.load(at, volatile=True)
        heard = tl.sum((word != -1).to(tl.int32))
        total = tl.sum(tl.where(part < parts, word.to(tl.float32, bitcast=True), 0.0))
    return total


@triton.jit
def one_tile_kernel(x_ptr, y_ptr, rows, size, ROWS: tl.constexpr, BLOCK: tl.constexpr, EVEN: tl.constexpr):
    """One program holds ROWS whole rows."""
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)[:, None]
    at = tl.arange(0, BLOCK)[None, :]
    live = tl.full((ROWS, BLOCK), True, tl.int1)
    if not EVEN:
        live = (row < rows) & (at < size)
    x = tl.load(x_ptr + row * size + at, mask=live, other=0.0)
    y = divided(x, tl.sum(weigh(x), axis=1)[:, None])
    tl.store(y_ptr + row * size + at, y, mask=live)


@triton.jit
def cooperative_kernel(
    x_ptr, y_ptr, told_ptr, ticket_ptr, items, parts, size,
    ROWS: tl.constexpr, COLS: tl.constexpr, NEAR: tl.constexpr, EVEN: tl.constexpr, VEC: tl.constexpr,
    PARTS: tl.constexpr,
):  # fmt: skip
    """Item i is part i % parts of row i // parts. `told` holds a word a part and the ticket counter
    one, all ones at launch. EVEN promises that rows are whole parts: no masks and no ends."""
    BLOCK: tl.constexpr = ROWS * COLS
    offsets = tl.arange(0, ROWS)[:, None] * (NEAR * COLS) + tl.arange(0, COLS)[None, :]
    word = offsets // VEC * VEC
    kept = tl.zeros((ROWS, COLS), x_ptr.dtype.element_ty)
    kept_ends = tl.zeros((2 * VEC,), x_ptr.dtype.element_ty)
    kept_row = 0
    kept_part = 0
    held = False
    item = tl.program_id(0)
    while (item < items) | held:
        live = item < items
        row = tl.minimum(item, items - 1) // parts  # the last one again rather than a masked load
        part = tl.minimum(item, items - 1) % parts
        begin, first, last = words(row, size, VEC)
        start = first + part // NEAR * (NEAR * BLOCK) + part % NEAR * COLS
        loose = kept_ends
        if EVEN:
            x = tl.load(x_ptr + start + offsets)
        else:
            x = tl.load(x_ptr + start + offsets, mask=word < (last - start).to(tl.int32), other=0.0)
            at, exists = ends(begin, first, last, size, VEC)
            loose = tl.load(x_ptr + at, mask=exists & (part == 0), other=0.0)
        if live:
            total = tl.sum(tl.sum(weigh(x), axis=0))  # columns first: no exchange between threads
            if not EVEN:
                total += tl.sum(weigh(loose))
            mine = told_ptr + row.to(tl.int64) * parts + part
            tl.store(mine, total.to(tl.int32, bitcast=True), cache_modifier=".wt")  # past L1, where all SMs agree
        if held:
            total = gather(told_ptr + kept_row.to(tl.int64) * parts, parts, PARTS)
            begin, first, last = words(kept_row, size, VEC)
            start = first + kept_part // NEAR * (NEAR * BLOCK) + kept_part % NEAR * COLS
            if EVEN:
                tl.store(y_ptr + start + offsets, divided(kept, total))
            else:
                tl.store(y_ptr + start + offsets, divided(kept, total), mask=word < (last - start).to(tl.int32))
                at, exists = ends(begin, first, last, size, VEC)
                tl.store(y_ptr + at, divided(kept_ends, total), mask=exists & (kept_part == 0))
        kept = again(x)
        kept_ends = loose
        kept_row = row
        kept_part = part
        held = live
        item = tl.atomic_add(ticket_ptr, 1, sem="relaxed") + 1 + tl.num_programs(0)


@triton.jit
def span_sum_kernel(x_ptr, told_ptr, span, parts, size, BLOCK: tl.constexpr):
    """First of two reads: the sum over one span of a row."""
    row = tl.program_id(0) // parts
    start = (tl.program_id(0) % parts).to(tl.int64) * span
    sums = tl.zeros((BLOCK,), tl.float32)
    for p0 in range(start, tl.minimum(start + span, size), BLOCK):
        at = p0 + tl.arange(0, BLOCK)
        sums += weigh(tl.load(x_ptr + row.to(tl.int64) * size + at, mask=at < size, other=0.0))
    tl.store(told_ptr + tl.program_id(0), tl.sum(sums).to(tl.int32, bitcast=True))


@triton.jit
def span_divide_kernel(x_ptr, y_ptr, told_ptr, span, parts, size, BLOCK: tl.constexpr, PARTS: tl.constexpr):
    """Second read: one span by the norm of the whole row."""
    row = tl.program_id(0) // parts
    start = (tl.program_id(0) % parts).to(tl.int64) * span
    part = tl.arange(0, PARTS)
    word = tl.load(told_ptr + row.to(tl.int64) * parts + part, mask=part < parts, other=0)
    total = tl.sum(word.to(tl.float32, bitcast=True))
    for p0 in range(start, tl.minimum(start + span, size), BLOCK):
        at = p0 + tl.arange(0, BLOCK)
        x = tl.load(x_ptr + row.to(tl.int64) * size + at, mask=at < size, other=0.0)
        tl.store(y_ptr + row.to(tl.int64) * size + at, divided(x, total), mask=at < size)


class Plan(NamedTuple):
    way: str  # "one tile", "cooperative" or "streaming"
    block: int  # values of a row in a tile
    rows: int  # whole rows in a tile
    even: bool  # no masks
    span: int  # values of a row that a program is in charge of
    parts: int  # programs that share a row
    warps: int
    grid: int
    near: int = 1  # parts that share a region by stripes
    maxnreg: int | None = None

    def __str__(self) -> str:
        reads = 2 if self.way == "streaming" else 1
        return (
            f"{self.way}: reads x {reads}x; {self.parts} part(s) a row, tile {self.rows} row(s) x "
            f"{self.block} values, {self.warps} warps, grid {self.grid}"
        )


def plan(x: torch.Tensor, width: int = BYTES, warps: int = WARPS, ctas: int = CTAS, near: int = NEAR) -> Plan:
    """The way for an input of (rows, size). Only the device's own figures decide."""
    rows, size = x.shape
    block = triton.next_power_of_2(size)
    if block <= 32 * 16 * (64 if size == block else 32):  # what 16 warps hold without spilling
        together = max(1, 4096 // block)
        warps = min(16, max(1, block * together // 512))
        even = size == block and rows % together == 0
        return Plan("one tile", block, together, even, size, 1, warps, triton.cdiv(rows, together))

    if x.is_cuda and isinstance(cooperative_kernel, triton.JITFunction):
        device = torch.cuda.get_device_properties(x.device)
        threads, resident = 32 * warps * ctas, device.multi_processor_count * ctas
        block = width // x.element_size() * 32 * warps
        parts = triton.cdiv(size, block)
        if parts <= 2 * resident and threads <= device.max_threads_per_multi_processor:
            maxnreg = min(255, device.regs_per_multiprocessor // threads // 8 * 8)
            grid, even = min(resident, rows * parts), size % block == 0
            return Plan("cooperative", block, 1, even, block, parts, warps, grid, math.gcd(parts, near), maxnreg)

    span = 4096 * triton.cdiv(size, 4096 * 1024)
    parts = triton.cdiv(size, span)
    return Plan("streaming", 4096, 1, False, span, parts, 8, rows * parts)


def l2_norm(x: torch.Tensor, **tunables: int) -> torch.Tensor:
    """(N, D, ...) over D, to the same shape, dtype and memory format. `tunables` go to `plan`."""
    if x.dtype not in (torch.float32, torch.float16, torch.bfloat16):
        raise TypeError(f"l2_norm takes float32, float16 or bfloat16, not {x.dtype}")
    y = torch.empty_like(x)
    if x.numel() == 0:
        return y
    rows = x.movedim(1, -1)
    if not (rows.is_contiguous() and y.movedim(1, -1).is_contiguous()):
        return y.copy_(l2_norm(rows.contiguous().view(-1, x.shape[1]), **tunables).view(rows.shape).movedim(-1, 1))
    out = y.movedim(1, -1).view(-1, x.shape[1])
    rows = rows.view(-1, x.shape[1])
    n, size = rows.shape
    way, block, together, even, span, parts, warps, grid, near, maxnreg = plan(rows, **tunables)
    with torch.cuda.device_of(x):
        if way == "one tile":
            one_tile_kernel[(grid,)](rows, out, n, size, together, block, even, num_warps=warps)
            return y
        told = torch.full((n * parts + 1,), -1, dtype=torch.int32, device=x.device)
        if way == "cooperative":
            vec = 16 // x.element_size()
            wide = 32 * warps * vec  # values that one load of 16 bytes a thread brings
            cooperative_kernel[(grid,)](
                rows, out, told, told[-1:], n * parts, parts, size, ROWS=block // wide, COLS=wide, NEAR=near,
                EVEN=even, VEC=vec, PARTS=max(triton.next_power_of_2(parts), 32 * warps),
                num_warps=warps, maxnreg=maxnreg, launch_cooperative_grid=True,
            )  # fmt: skip
        else:
            sizes = (span, parts, size, block)
            span_sum_kernel[(grid,)](rows, told, *sizes, num_warps=warps)
            span_divide_kernel[(grid,)](rows, out, told, *sizes, triton.next_power_of_2(parts), num_warps=warps)
    return y


def explain(x: torch.Tensor, **tunables: int) -> str:
    """The way `l2_norm` takes for this input, in one line."""
    rows = x.movedim(1, -1)
    if x.numel() == 0 or not rows.is_contiguous():
        return "empty: nothing to do" if x.numel() == 0 else "a contiguous copy first"
    return str(plan(rows.view(-1, x.shape[1]), **tunables))


class Model(nn.Module):
    """The reference: PyTorch's own operators."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x / torch.norm(x, p=2, dim=1, keepdim=True)


class ModelNew(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return l2_norm(x)


def get_inputs() -> list[torch.Tensor]:
    return [torch.rand(batch_size, dim)]


def get_init_inputs() -> list[int]:
    return []


def main() -> None:
    """Check against float64 and time it: `python kernels/l2_norm.py`."""
    if not torch.cuda.is_available():
        print("l2_norm: no CUDA device here, nothing to run")
        return
    fits = torch.cuda.mem_get_info()[0] // (dim * 4 * 4)
    x = torch.rand(max(1, min(batch_size, fits)), dim, device="cuda")
    y, some = l2_norm(x), x[:8].double()
    error = (y[:8] - some / some.norm(dim=1, keepdim=True)).abs().max().item()
    ms = triton.testing.do_bench(lambda: l2_norm(x), return_mode="median")
    rate = 2 * x.nbytes / ms / 1e6
    print(f"{tuple(x.shape)}: error {error:.1e}, {ms:.3f} ms, {rate:.0f} GB/s of compulsory bytes")
    print(explain(x))


if __name__ == "__main__":
    main()
