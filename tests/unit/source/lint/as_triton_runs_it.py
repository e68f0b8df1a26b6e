"""What Triton does where the rules say that it raises or computes something else. Prints JSON.

A child process of test_launch_rules.py, with TRITON_INTERPRET=1: the interpreter is chosen when triton is imported.
"""

from __future__ import annotations

import json
from typing import Any

import torch
import triton
import triton.language as tl

FACTS: dict[str, Any] = {}


def once(call, quantiles):
    call()
    return [1.0, 1.0, 1.0]


def tuned(*configs, **options):
    def wrap(kernel):
        return triton.autotune(list(configs), key=["n"], do_bench=once, **options)(kernel)

    return wrap


def try_it(name, call):
    try:
        call()
        FACTS[name] = "fine"
    except Exception as error:
        FACTS[name] = f"{type(error).__name__}: {error}"


@triton.jit
def write(x_ptr, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(x_ptr + at, 1.0, mask=at < n)


@triton.jit
def add_up(x_ptr, sum_ptr, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.atomic_add(sum_ptr, tl.sum(tl.load(x_ptr + at, mask=at < n, other=0.0)))


@triton.heuristics({"BLOCK": lambda args: 32})
@triton.jit
def blind(x_ptr, n, BLOCK: tl.constexpr):
    tl.store(x_ptr, BLOCK)


@triton.heuristics({"BLOCK": lambda args: args["BLOCK"]})
@triton.jit
def reading(x_ptr, n, BLOCK: tl.constexpr):
    tl.store(x_ptr, BLOCK)


@triton.jit
def offsets(out_ptr, stride, WIDE: tl.constexpr):
    row = tl.program_id(0)
    if WIDE:
        row = row.to(tl.int64)
    tl.store(out_ptr + tl.program_id(0), row * stride)


def main() -> None:
    one, two = triton.Config({"BLOCK": 64}), triton.Config({"BLOCK": 128})
    x = torch.zeros(256)
    for label, configs in (("one configuration", (one,)), ("several configurations", (one, two))):
        kernel = tuned(*configs)(write)
        try_it(f"{label}, by name", lambda k=kernel: k[(4,)](x, 256, BLOCK=64))
        try_it(f"{label}, by position", lambda k=kernel: k[(4,)](x, 256, 64))
        for option in ("num_warps", "num_stages", "num_ctas", "maxnreg"):
            try_it(f"{label}, {option}", lambda k=kernel, o=option: k[(4,)](x, 256, **{o: 1}))

    blind[(1,)](x, 1, BLOCK=16)
    FACTS["heuristic, by name"] = int(x[0])
    try_it("heuristic, by position", lambda: blind[(1,)](x, 1, 16))
    reading[(1,)](x, 1, BLOCK=16)
    FACTS["heuristic that reads it"] = int(x[0])

    ones, total = torch.ones(64), torch.zeros(1)
    tuned(one, two)(add_up)[(1,)](ones, total, 64)
    FACTS["sum of 64 ones, tuned"] = int(total)
    total.zero_()
    tuned(one, two, reset_to_zero=["sum_ptr"])(add_up)[(1,)](ones, total, 64)
    FACTS["sum of 64 ones, reset"] = int(total)

    y = torch.zeros(1024)
    write[(1024 // 128,)](y, 1024, BLOCK=64)
    FACTS["written with a grid for 128 and blocks of 64"] = float(y.mean())

    for wide in (False, True):
        reached = torch.zeros(33, dtype=torch.int64)
        offsets[(33,)](reached, 1 << 26, WIDE=wide)
        FACTS[f"offset 2**31 in {64 if wide else 32} bits"] = int(reached[32])
    print(json.dumps(FACTS))


if __name__ == "__main__":
    main()
