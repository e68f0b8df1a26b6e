"""x / ||x||_F over a whole tensor: two reads and one write, both sweeps in memory order.

At 112x64x512x512 fp32 the input is 1,879,048,192 values = 7.52 GB, and so is the output. Every result
needs the norm and the norm needs every value, so each value is read twice: 22.55 GB move, 5.29 ms at
the speed of a copy (4.26 TB/s on an H200), and no arrangement avoids it. Three launches:
  squares   sums of squares of up to 16384 spans   reads x
  norm      the root of their sum, one program     64 KiB
  scale     x / norm, tile after tile, backwards   reads x, writes y
No sum goes through atomics, so equal inputs give equal results, bit for bit.

The shape does not matter, only the memory: a dense tensor is walked as it lies, whatever the order of
its dimensions. The second sweep has small programs in a plain launch, 16 bytes a thread: they start in
memory order and end soon, as those of a copy do. It goes backwards, because the L2 still holds some of
what the first sweep read last. At this size that is nothing, as the last reads are spread over a
gigabyte, but it is most of a tensor about as large as the L2. A tensor of up to 16384 values (32768 if a
power of two, which needs no masks) is held by one program: one launch, one read.
The forward pass only, no gradients.
"""

from typing import NamedTuple

import torch
import torch.nn as nn
import triton
import triton.language as tl

batch_size, features, dim1, dim2 = 112, 64, 512, 512

WARPS = 4
VALUES = 16  # values a thread of the first sweep loads at a time
TRIPS = 2  # such loads before a program ends; more where there would be over PARTS programs
PARTS = 16384  # partial sums: one program adds them up in about the time of a launch
BYTES = 16  # of input for each thread of the second sweep: one load of 128 bits


@triton.jit
def one_tile_kernel(x_ptr, y_ptr, size, BLOCK: tl.constexpr, EVEN: tl.constexpr):
    """One program holds the tensor."""
    i = tl.arange(0, BLOCK)
    live = tl.full((BLOCK,), True, tl.int1) if EVEN else i < size
    x = tl.load(x_ptr + i, mask=live, other=0.0).to(tl.float32)
    tl.store(y_ptr + i, tl.div_rn(x, tl.sqrt_rn(tl.sum(x * x))), mask=live)


@triton.jit
def squares_kernel(x_ptr, partial_ptr, size, span, BLOCK: tl.constexpr, EVEN: tl.constexpr):
    """First sweep: the sum of squares of one span. Each lane adds up its own values, which needs no
    word between threads until the end and keeps rounding small: no lane sees many."""
    start = tl.program_id(0).to(tl.int64) * span
    squares = tl.zeros((BLOCK,), tl.float32)
    for i0 in range(start, tl.minimum(start + span, size), BLOCK):
        i = i0 + tl.arange(0, BLOCK)
        live = tl.full((BLOCK,), True, tl.int1) if EVEN else i < size
        x = tl.load(x_ptr + i, mask=live, other=0.0).to(tl.float32)
        squares += x * x
    tl.store(partial_ptr + tl.program_id(0), tl.sum(squares))


@triton.jit
def norm_kernel(partial_ptr, norm_ptr, parts, BLOCK: tl.constexpr):
    squares = tl.zeros((BLOCK,), tl.float32)
    for i0 in range(0, parts, BLOCK):
        i = i0 + tl.arange(0, BLOCK)
        squares += tl.load(partial_ptr + i, mask=i < parts, other=0.0)
    tl.store(norm_ptr, tl.sqrt_rn(tl.sum(squares)))


@triton.jit
def scale_kernel(x_ptr, y_ptr, norm_ptr, size, BLOCK: tl.constexpr, EVEN: tl.constexpr):
    """Second sweep: one small tile a program, from the end of the tensor to its start. A true division
    costs a dozen instructions a value, which the memory leaves time for."""
    i = (tl.num_programs(0) - 1 - tl.program_id(0)).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    live = tl.full((BLOCK,), True, tl.int1) if EVEN else i < size
    x = tl.load(x_ptr + i, mask=live, other=0.0).to(tl.float32)
    tl.store(y_ptr + i, tl.div_rn(x, tl.load(norm_ptr)), mask=live)


class Plan(NamedTuple):
    way: str  # "one tile" or "two sweeps"
    first: int  # values of a tile of the first sweep, or of the only one
    span: int  # values a program of the first sweep is in charge of
    parts: int  # such programs
    second: int  # values of a tile of the second sweep
    warps: int

    def __str__(self) -> str:
        if self.way == "one tile":
            return f"one tile: reads x 1x, as one program holds it; tile {self.first}, {self.warps} warps"
        return (
            f"two sweeps: reads x 2x, as each value needs the norm of all; {self.warps} warps, {self.parts} partial "
            f"sums of {self.span} values, tiles {self.first} and {self.second}"
        )


def plan(
    size: int, bytes_each: int,
    values: int = VALUES, trips: int = TRIPS, parts: int = PARTS, tile: int = BYTES, warps: int = WARPS,
) -> Plan:  # fmt: skip
    """The way for `size` values of `bytes_each` bytes. All tunables but `tile` shape the first sweep."""
    held = triton.next_power_of_2(size)
    if held <= 32 * 16 * (64 if held == size else 32):  # what 16 warps hold without spilling
        return Plan("one tile", held, size, 1, held, min(16, max(1, held // 512)))
    first = values * 32 * warps
    span = first * max(trips, triton.cdiv(size, first * parts))
    return Plan("two sweeps", first, span, triton.cdiv(size, span), tile // bytes_each * 32 * warps, warps)


def frobenius_norm(x: torch.Tensor, **tunables: int) -> torch.Tensor:
    """To the same shape, dtype and memory format. `tunables` go to `plan`."""
    if x.dtype not in (torch.float32, torch.float16, torch.bfloat16):
        raise TypeError(f"frobenius_norm takes float32, float16 or bfloat16, not {x.dtype}")
    y = torch.empty_like(x)
    size = x.numel()
    if size == 0:
        return y
    if x.stride() != y.stride():  # gaps or overlaps: work on a dense copy
        x = torch.empty_like(x).copy_(x)
    way, first, span, parts, second, warps = plan(size, x.element_size(), **tunables)
    x, flat = x.as_strided((size,), (1,)), y.as_strided((size,), (1,))
    with torch.cuda.device_of(x):
        if way == "one tile":
            one_tile_kernel[(1,)](x, flat, size, first, size == first, num_warps=warps)
            return y
        partial, norm = (x.new_empty(n, dtype=torch.float32) for n in (parts, 1))
        squares_kernel[(parts,)](x, partial, size, span, first, size % first == 0, num_warps=warps)
        norm_kernel[(1,)](partial, norm, parts, 4096, num_warps=16)
        grid = (triton.cdiv(size, second),)
        scale_kernel[grid](x, flat, norm, size, second, size % second == 0, num_warps=warps)
    return y


def explain(x: torch.Tensor, **tunables: int) -> str:
    """The way `frobenius_norm` takes for this input, in one line."""
    if x.numel() == 0:
        return "empty: nothing to do"
    copied = "" if x.stride() == torch.empty_like(x).stride() else "a dense copy first, then "
    return copied + str(plan(x.numel(), x.element_size(), **tunables))


class Model(nn.Module):
    """The reference: PyTorch's own operators."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x / torch.norm(x, p="fro")


class ModelNew(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return frobenius_norm(x)


def get_inputs() -> list[torch.Tensor]:
    return [torch.rand(batch_size, features, dim1, dim2)]


def get_init_inputs() -> list[int]:
    return []


def main() -> None:
    """Check against float64 and time it: `python kernels/frobenius_norm.py`."""
    if not torch.cuda.is_available():
        print("frobenius_norm: no CUDA device here, nothing to run")
        return
    fits = torch.cuda.mem_get_info()[0] // (features * dim1 * dim2 * 4 * 4)
    x = torch.rand(max(1, min(batch_size, fits)), features, dim1, dim2, device="cuda")
    norm = sum(part.double().square().sum() for part in x).sqrt()
    error = ((frobenius_norm(x)[:1] * norm - x[:1]).abs().max() / x[:1].abs().max()).item()
    ms = triton.testing.do_bench(lambda: frobenius_norm(x), return_mode="median")
    rate = 3 * x.nbytes / ms / 1e6
    print(f"{tuple(x.shape)}: relative error {error:.1e}, {ms:.3f} ms, {rate:.0f} GB/s of compulsory bytes")
    print(explain(x))


if __name__ == "__main__":
    main()
