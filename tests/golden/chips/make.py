"""Write base-names.txt.gz anew from a CUPTI library; needs no GPU.

pip download --no-deps nvidia-cuda-cupti-cu12==12.9.79 && unzip -q nvidia_cuda_cupti*.whl
python make.py nvidia/cuda_cupti/lib/libcupti.so.12
"""

from __future__ import annotations

import ctypes
import gzip
import sys
from pathlib import Path

SIZE, POINTER, TEXTS = ctypes.c_size_t, ctypes.c_void_p, ctypes.POINTER(ctypes.c_char_p)
KINDS = "crt"
"""CUPTI_METRIC_TYPE_COUNTER, _RATIO and _THROUGHPUT are 0, 1 and 2 (cupti_target.h)."""


def parameters(*fields: tuple[str, type]) -> type[ctypes.Structure]:
    """A parameter block of CUPTI's host API (cupti_profiler_host.h): its own size and a reserved pointer come first."""
    return type("Parameters", (ctypes.Structure,), {"_fields_": [("size", SIZE), ("reserved", POINTER), *fields]})


CHIPS = parameters(("count", SIZE), ("names", TEXTS))
HOST = parameters(("type", ctypes.c_int), ("chip", ctypes.c_char_p), ("availability", POINTER), ("host", POINTER))
NAMES = parameters(("host", POINTER), ("type", ctypes.c_int), ("names", TEXTS), ("count", SIZE))


def call(library: ctypes.CDLL, function: str, block: ctypes.Structure) -> ctypes.Structure:
    name, *_ = block._fields_[-1]
    last = getattr(type(block), name)
    block.size = last.offset + last.size  # without the padding at the end: CUPTI compares
    result = getattr(library, function)(ctypes.byref(block))
    if result:
        raise RuntimeError(f"{function} returned {result}")
    return block


def base_names(library: ctypes.CDLL, chip: str) -> dict[str, str]:
    """Base metric name → kind, for one chip. The host API needs no driver, so nothing is initialised."""
    host = call(library, "cuptiProfilerHostInitialize", HOST(chip=chip.encode())).host
    found = {}
    for number, kind in enumerate(KINDS):
        block = call(library, "cuptiProfilerHostGetBaseMetrics", NAMES(host=host, type=number))
        found.update({block.names[i].decode(): kind for i in range(block.count)})
    return found


def main() -> None:
    """Write the list beside this file."""
    library = ctypes.CDLL(sys.argv[1])
    known = call(library, "cuptiProfilerHostGetSupportedChips", CHIPS())
    lists = {}
    for index in range(known.count):
        chip = known.names[index].decode()
        try:
            lists[chip.lower()] = base_names(library, chip)
        except RuntimeError as error:
            print(f"{chip}: {error}", file=sys.stderr)
    kinds = {name: kind for found in lists.values() for name, kind in found.items()}
    lines = [f"#chips\t{' '.join(lists)}"]
    for name in sorted(kinds):
        chips = sum(1 << bit for bit, found in enumerate(lists.values()) if name in found)
        lines.append(f"{name}\t{kinds[name]}\t{chips:x}")
    target = Path(__file__).with_name("base-names.txt.gz")
    target.write_bytes(gzip.compress("\n".join([*lines, ""]).encode(), 9, mtime=0))


if __name__ == "__main__":
    main()
