"""Division by the Euclidean norm of a row the plain way: one launch that walks its row twice.

x / sqrt(sum(x*x)) along dim 1. At 32768x65535 fp32 the input is 8.59 GB in 32768 rows of 256 KiB. One
program of 4 warps a row adds up its squares 1024 at a time, then walks the row again to divide.

The second walk asks for the 8.59 GB anew. An SM runs up to 16 such programs, so a GPU of 132 SMs has
half a gigabyte of rows open at a time: the cache has dropped the head of a row long before its program
comes back to it. 25.77 GB move where 17.18 GB would do: every value in once, every value out once.

65535 is odd, so three rows out of four start off a 16-byte boundary and Triton loads 4 bytes a thread
and instruction, not 16. Forward pass only.
"""

import torch
import torch.nn as nn
import triton
import triton.language as tl

batch_size, dim = 32768, 65535


@triton.jit
def l2_norm_kernel(x_ptr, y_ptr, size, BLOCK_SIZE: tl.constexpr):
    """One row."""
    row = tl.program_id(0).to(tl.int64) * size  # 64 bits: offsets pass 2**31 at 32769 rows
    lane = tl.arange(0, BLOCK_SIZE)
    squares = tl.zeros((BLOCK_SIZE,), tl.float32)
    for start in range(0, size, BLOCK_SIZE):
        x = tl.load(x_ptr + row + start + lane, mask=start + lane < size, other=0.0).to(tl.float32)
        squares += x * x
    norm = tl.sqrt_rn(tl.sum(squares))

    for start in range(0, size, BLOCK_SIZE):
        mask = start + lane < size
        x = tl.load(x_ptr + row + start + lane, mask=mask, other=0.0).to(tl.float32)
        tl.store(y_ptr + row + start + lane, x / norm, mask=mask)


def l2_norm(x: torch.Tensor) -> torch.Tensor:
    """(N, D, ...), each run along D by itself, to the same shape, dtype and memory format.

    The kernel knows rows: with more than two dimensions dim 1 moves last, by a copy.
    """
    rows = (x if x.dim() == 2 else x.movedim(1, -1)).contiguous()
    y = torch.empty_like(rows)
    if x.numel() > 0:
        size = rows.shape[-1]
        with torch.cuda.device_of(x):
            l2_norm_kernel[(x.numel() // size,)](rows, y, size, BLOCK_SIZE=1024, num_warps=4)
    return y if rows is x else torch.empty_like(x).copy_(y.movedim(-1, 1))


def explain(x: torch.Tensor) -> str:
    rows = x.numel() // max(1, x.shape[1])
    return f"one launch, one program of 4 warps for each of {rows} rows: reads x 2x"


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
    """Check against float64 and time it: `python kernels/naive/l2_norm.py`."""
    if not torch.cuda.is_available():
        print("naive l2_norm: no CUDA device here, nothing to run")
        return
    fits = torch.cuda.mem_get_info()[0] // (dim * 4 * 4)
    x = torch.rand(max(1, min(batch_size, fits)), dim, device="cuda")
    y, some = l2_norm(x), x[:1000].double()
    wanted = some / some.square().sum(1, keepdim=True).sqrt()
    error = ((y[:1000] - wanted).abs().max() / wanted.max()).item()  # next to the largest: results are tiny
    ms = triton.testing.do_bench(lambda: l2_norm(x), return_mode="median")
    rate = 2 * x.nbytes / ms / 1e6
    print(f"{tuple(x.shape)}: relative error {error:.1e}, {ms:.3f} ms, {rate:.0f} GB/s of compulsory bytes")
    print(explain(x))


if __name__ == "__main__":
    main()
