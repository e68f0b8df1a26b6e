"""How often each of the eight problems has to pass over memory on a device, and what a measured time makes of that."""

# No `from __future__ import annotations`: this is loaded by its path, see norms.py.
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch


class Facts(NamedTuple):
    """What `bound` needs to know of a device, under the names that `ncukit.gpus` uses."""

    sm_count: int
    registers_per_sm: int
    shared_per_sm: int
    l2_bytes: int


class Set(NamedTuple):
    """The values that one statistic is made of, all of which must be read before any of them can be written."""

    name: str
    values: Callable[[Sequence[int]], int]


SETS = {
    "batch_norm": Set("one channel of all samples", lambda s: s[0] * math.prod(s[2:])),
    "instance_norm": Set("one channel of one sample", lambda s: math.prod(s[2:])),
    "group_norm": Set("one group of channels of one sample", lambda s: math.prod(s[1:]) // (8 if s[1] % 8 == 0 else 1)),
    "rms_norm": Set("the channels at one position", lambda s: s[1]),
    "frobenius_norm": Set("the whole tensor", math.prod),
    "l1_norm": Set("one row", lambda s: s[1]),
    "l2_norm": Set("one row", lambda s: s[1]),
    "layer_norm": Set("one sample", lambda s: math.prod(s[1:])),
}


def said(nbytes: float) -> str:
    """Bytes as people read them."""
    factor, unit = next((f, u) for f, u in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1, "B")) if nbytes >= f or f == 1)
    return f"{nbytes / factor:.3g} {unit}"


def bound(problem: str, shape: Sequence[int], dtype: str, device: Facts, parameters: int = 0) -> tuple[int, str]:
    """The bytes of the fewest passes over memory that a set of this size allows, and why.

    One read and one write where a set fits the registers and shared memory of the SMs that can share it, or the
    L2; where it fits neither, a second read. (What stays of a set that is too large could save a part of that;
    for BatchNorm on an H200 it was tried: 28 % fewer bytes read, and no less time.)
    """
    itemsize = getattr(torch, dtype).itemsize
    values, of = math.prod(shape), SETS[problem]
    span = of.values(shape) * itemsize
    one = 4 * device.registers_per_sm
    registers = one * device.sm_count
    held = registers + device.shared_per_sm * device.sm_count
    again = 0
    if span <= one:
        why = f"no more than the registers of one SM ({said(one)}): one read, one write"
    elif span <= registers:
        why = (
            f"more than the registers of one SM ({said(one)}), less than those of all {device.sm_count} "
            f"({said(registers)}): one read, one write, by programs that wait for one another"
        )
    elif span <= max(held, device.l2_bytes):
        why = (
            f"more than all registers ({said(registers)}), no more than those and the shared memory ({said(held)}) or "
            f"the L2 ({said(device.l2_bytes)}): one read, one write"
        )
    else:
        again = values * itemsize
        why = (
            f"more than registers and shared memory ({said(held)}) and than the L2 ({said(device.l2_bytes)}): "
            "two reads, one write"
        )
    if parameters > 1e6:  # a value a channel is not worth a word
        why += f"; weight and bias ({said(parameters)}) once"
    return 2 * values * itemsize + parameters + again, f"each result needs {of.name} first, {said(span)}; {why}"


def fractions(ms: float, copy_ms: float, copied: int, compulsory: int, least: int) -> dict[str, float]:
    """GB/s of compulsory bytes; and the times of a copy of as many bytes and of the fewest passes, over `ms`."""
    return {
        "gbps": compulsory / ms / 1e6,
        "of_copy": copy_ms * compulsory / copied / ms,
        "of_bound": copy_ms * least / copied / ms,
    }
