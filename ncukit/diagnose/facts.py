"""A report's launches gathered into kernels: equal name, grid, block and constexprs are one, with medians."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ncukit.diagnose.compiled import Code
    from ncukit.diagnose.limits import Limits
    from ncukit.model import Dim3, Report, TritonLaunch
    from ncukit.source.syntax import JitFunction, SourceFile

Knob = tuple[str, str | None, str | None]
"""Name, value as launched, and ``path:line`` of a constexpr or launch option; None for what is not known."""
IDENTITY = ("kernel", "grid", "block", "device", "stream", "process")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """Everything the rules may know about one kernel."""

    name: str
    launches: int
    first: int
    """Row of its first launch."""
    grid: Dim3 | None
    block: Dim3 | None
    metrics: Mapping[str, float]
    """Median over the launches, by short name; a metric that is not here was not measured."""
    missing: Mapping[str, str]
    triton: TritonLaunch | None
    source: SourceFile | None
    limits: Limits
    code: Code | None = None
    """What the compiler makes of it, where somebody asked, and where it can be what was measured."""

    def get(self, name: str) -> float | None:
        """A metric, or None when it was not measured."""
        return self.metrics.get(name)

    @property
    def duration_us(self) -> float | None:
        """Median GPU time in microseconds."""
        return self.get("duration_us")

    @property
    def function(self) -> JitFunction | None:
        """The function's entry in the source file, when the file is at hand."""
        return self.source.functions.get(self.name) if self.source else None

    @property
    def has_dot(self) -> bool | None:
        """Whether the kernel holds a matrix product; None when nothing tells."""
        if self.triton is not None and self.triton.has_dot is not None:
            return self.triton.has_dot
        return self.function.has_dot if self.function else None

    @property
    def where(self) -> str | None:
        """``path:line`` of the kernel's definition."""
        if self.triton is not None and self.triton.file and self.triton.line:
            return f"{self.triton.file}:{self.triton.line}"
        return f"{self.source.path}:{self.function.line}" if self.source and self.function else None

    @property
    def launched_at(self) -> str | None:
        """``path:line`` of the launch."""
        if self.triton is not None and self.triton.file and self.triton.launch_line:
            return f"{self.triton.file}:{self.triton.launch_line}"
        return self.source.launch(self.name) if self.source else None

    def knob(self, *names: str) -> Knob | None:
        """The first of ``names`` that this launch sets."""
        for name in names:
            location = self.source.knob(self.name, name) if self.source else None
            if self.triton is not None and name in self.triton.constexprs:
                return name, str(self.triton.constexprs[name]), location or self.launched_at
            if location:
                return name, None, location
        return None

    @property
    def blocks(self) -> tuple[str, ...]:
        """The recorded constexprs that set the tile: whole numbers whose names speak of a block."""
        constexprs = self.triton.constexprs.items() if self.triton is not None else ()
        numbers = [name for name, value in constexprs if isinstance(value, int) and not isinstance(value, bool)]
        return tuple(name for name in numbers if re.match(r"(?i)[xr]?(block|tile)", name))

    def block_knob(self) -> Knob | None:
        """The knob that sets the tile, the first of several."""
        return self.knob(*(self.blocks or ("BLOCK_SIZE", "BLOCK", "BLOCK_M", "BLOCK_N", "XBLOCK")))

    @property
    def row(self) -> int | None:
        """Elements of the largest tensor that a program owns, where each owns one row; None when that is not certain.

        Certain when the largest tensor holds as many elements as there are programs times some integer argument, or
        times its last dimension.
        """
        if self.triton is None or self.grid is None:
            return None
        shape = max(self.triton.tensors, key=lambda t: t.bytes).shape if self.triton.tensors else ()
        programs = math.prod(self.grid)
        if not shape or programs < 1 or math.prod(shape) % programs:
            return None
        row = math.prod(shape) // programs
        sizes = {v for v in self.triton.scalars.values() if isinstance(v, int)} | {shape[-1]}
        return row if row in sizes and row >= 1 else None

    @property
    def sweeps(self) -> bool | None:
        """Whether one program loads some tensor at more than one place in its text; None when nothing tells."""
        loaded = [t for t in self.triton.tensors if t.loaded] if self.triton is not None else []
        if loaded:
            known = all(t.load_lines for t in loaded)
            return any(len(t.load_lines) > 1 for t in loaded) or (False if known else None)
        if self.function is not None:
            pointers = [access.pointer for access in self.function.loads if access.pointer]
            return len(set(pointers)) < len(pointers)
        return None


def gather(report: Report, limits: Limits, source: SourceFile | None) -> list[Kernel]:
    """Kernels in the order of their first launch. Cost grows with the number of launches, not their square."""
    frame = report.frame
    keys = [frame["kernel"].astype(str), frame["grid"].astype(str), frame["block"].astype(str)]
    if report.launches:
        import pandas as pd

        # equal names and grids with other constexprs or other tensors are other kernels: their medians mean nothing
        recorded = [f"{sorted(x.constexprs.items())}{_sizes(x)}" if x else "" for x in report.launches]
        keys.append(pd.Series(recorded, index=frame.index))
    columns = [c for c in frame.columns if c not in IDENTITY]
    grouped = frame[columns].groupby(keys, sort=False)
    medians = grouped.median()
    sizes = grouped.size()
    firsts = grouped.indices
    kernels = []
    for key, row in zip(medians.index, medians.itertuples(index=False, name=None), strict=True):
        name, grid, block = key[0], key[1], key[2]
        first = int(min(firsts[key])) if key in firsts else 0
        values = {c: float(v) for c, v in zip(columns, row, strict=True) if usable(c, v)}
        kernels.append(
            Kernel(
                name=str(name),
                launches=int(sizes[key]),
                first=first,
                grid=dim3(grid),
                block=dim3(block),
                metrics=values,
                missing=report.missing,
                triton=report.launches[first] if report.launches else None,
                source=source,
                limits=limits,
            )
        )
    return sorted(kernels, key=lambda k: k.first)


def _sizes(launch: TritonLaunch) -> list[tuple[str, int, str]]:
    """The tensors whose sizes set a launch apart: a slice of a few values that moves along is no other work."""
    total = sum(t.bytes for t in launch.tensors)
    return [(t.name, t.bytes, t.dtype) for t in launch.tensors if t.bytes >= TELLING * total]


TELLING = 0.01
"""Share of a launch's bytes from which a tensor's size makes it other work."""
LARGEST = 1e18
"""No counter of one launch is larger: at 10 TB/s that many bytes take more than a day."""


def usable(name: str, value: float) -> bool:
    """Whether a reading can be one: a damaged file's infinities, negatives and zero times are missing, not data."""
    if not 0 <= value <= LARGEST:  # NaN fails too
        return False
    return value > 0 or name not in ("duration_ns", "duration_us", "sm_elapsed_cycles", "block_size", "grid_size")


def dim3(text: str) -> Dim3 | None:
    """``(7168, 1, 1)`` as three numbers, or None."""
    numbers = [int(n) for n in re.findall(r"\d+", str(text))]
    return (numbers[0], numbers[1], numbers[2]) if len(numbers) == 3 else None
