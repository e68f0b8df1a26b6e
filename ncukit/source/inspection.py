"""What inspecting a kernel file without a GPU finds: launches, what the compiler made of them, errors, lint.

Every count is of one thread's or one warp's instructions as the compiler wrote them, not as often as they run. Numbers
are those of the Triton version that ``Inspection.versions`` names: the same source compiles to other registers under
another one.
"""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - codec reads the annotations at run time
from dataclasses import dataclass, field
from typing import Any, Literal

Severity = Literal["error", "warning"]
Lack = Literal["", "promise", "divisible", "one", "aligned", "several", "tile", "order", "unasked"]
"""What prevents a wider access: 16 divides the argument and Triton was not told; 16 does not divide it; it is a stride
that is not 1; its address is no multiple of 16; several of these at once; a thread has no more elements; a thread's
elements do not lie together."""
Origin = Literal["run", "recorded", "assumed"]
"""How a launch is known: the host code was run on tensors without data; a recording says so; the host code went on
with values that only a GPU could have computed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """One argument of a launch."""

    name: str
    type: str
    """As Triton writes it: ``*fp32``, ``i32``, ``fp32``, ``constexpr``, ``tensordesc<…>``."""
    value: int | float | str | bool | None = None
    """Value of a scalar or constexpr; text of anything else; None for a tensor."""
    divisible: bool = False
    """Whether Triton was told that 16 divides the value or the address."""
    shape: tuple[int, ...] | None = None
    """Of a tensor, as the host passed it."""
    stride: tuple[int, ...] | None = None
    """In elements."""
    bytes: int | None = None
    """From the tensor's first element to its last, in bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """One launch, or a row of equal ones."""

    kernel: str
    file: str | None
    """File of the kernel's definition, as it would be typed; None when unknown."""
    line: int | None
    """Line of its ``def``."""
    launch_line: int | None
    """Line of ``kernel[grid](…)`` in the inspected file; None when it is elsewhere."""
    grid: tuple[int, int, int] | None
    """Blocks by axis; None when the host would have needed a GPU to tell."""
    arguments: tuple[Argument, ...]
    num_warps: int
    num_stages: int
    num_ctas: int = 1
    options: Mapping[str, Any] = field(default_factory=dict)
    """Other launch options that differ from Triton's defaults: ``maxnreg``, ``launch_cooperative_grid``."""
    config: str | None = None
    """Text of the autotune configuration that this one is; None when nothing is tuned."""
    count: int = 1
    origin: Origin = "run"

    @property
    def constexprs(self) -> dict[str, Any]:
        """Name → value of the arguments that the compiler saw as constants."""
        return {a.name: a.value for a in self.arguments if a.type == "constexpr"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Memory instructions of one kind on one source line."""

    space: Literal["global", "shared", "local"]
    kind: Literal["load", "store", "atomic", "async-copy", "bulk-copy"]
    """``async-copy`` is LDGSTS (global to shared past the registers), ``bulk-copy`` the tensor memory accelerator."""
    line: int | None
    """Source line in the kernel's file; an inlined function's is the line that calls it."""
    bits: int | None
    """Bits that one thread moves with one instruction; None where the instruction does not say."""
    count: int
    """Instructions."""
    loop: int | None = None
    """Index of the innermost loop in ``Sass.loops``; None outside of loops."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """One loop of the machine code."""

    line: int | None
    """Source line of its ``for`` or ``while``; of the call when that stands in another function."""
    depth: int
    """1 for an outermost loop."""
    parent: int | None
    """Index of the loop around it."""
    instructions: int
    """Of its body, inner loops included."""
    mix: Mapping[str, int]
    """Category → instructions of its body, inner loops included; categories as in ``Sass.mix``."""
    waits: bool = False
    """Whether it only asks again and again if a copy or a barrier is through: a compiler's loop, none of the source."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spill:
    """Registers that did not fit and went to local memory, by the line that computed them."""

    line: int | None
    """Source line of the instruction whose result is put away; None when it cannot be told."""
    bytes: int
    """A thread's, stored."""
    in_loop: bool
    """Whether the store stands in a loop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sass:
    """What the machine code tells."""

    instructions: int
    """All of the kernel's, without padding."""
    mix: Mapping[str, int]
    """Category → instructions: see ``ncukit.source.sass.opcodes``."""
    loops: tuple[Loop, ...] = ()
    accesses: tuple[Access, ...] = ()
    spills: tuple[Spill, ...] = ()
    tensor_core: int = 0
    """Tensor-core instructions."""
    fp64_lines: tuple[int, ...] = ()
    """Source lines with double-precision arithmetic."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrow:
    """A global access that moves fewer than 16 bytes a thread, and what was found to widen it."""

    line: int | None
    kind: Literal["load", "store"]
    bits: int
    cause: str
    """In words: which argument prevents a wider access, or why there is none."""
    argument: str | None = None
    """The argument that, promised divisible by 16 (or being 1), widens it: found by compiling again."""
    wider_bits: int | None = None
    """What the access becomes then."""
    lack: Lack = ""
    """The same cause for programs; empty where it is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stages:
    """What ``num_stages`` does, found by compiling with other values."""

    tried: tuple[int, ...]
    """Values whose code was compared with the launch's own."""
    changes: bool
    """Whether any of them gave other instructions."""
    async_copies: int = 0
    """Asynchronous copy instructions in loops, under the launch's own value."""
    depth: int | None = None
    """Buffers that the compiler made for loads in loops; None when nothing is pipelined."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """One launch under one architecture."""

    launch: Launch
    """As it is on the first GPU of ``grids``."""
    arch: str
    """``sm_90``."""
    grids: Mapping[str, tuple[int, int, int] | None]
    """GPU of this architecture → grid there: host code may size it by the number of SMs.

    A GPU that is not named launches something else."""
    registers: int
    """A thread's."""
    spills: int
    """Local memory a thread in 4-byte words, as Triton's ``n_spills`` counts it: spilled registers."""
    stack_bytes: int
    spill_store_bytes: int | None
    """As ptxas reports it."""
    spill_load_bytes: int | None
    shared_bytes: int
    """Of a block: static and what the launch asks for, without what CUDA reserves."""
    static_shared_bytes: int
    barriers: int | None
    """Named barriers that the code uses."""
    code_bytes: int
    compile_s: float
    """Seconds that Triton's compiler took when it was compiled."""
    sass: Sass
    has_dot: bool = False
    narrow: tuple[Narrow, ...] = ()
    stages: Stages | None = None
    """None when the kernel has no loop, or nobody asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompileError:
    """Why one launch does not compile or cannot run on one architecture, or why the host code failed."""

    kernel: str
    """Empty when it is the host code."""
    arch: str
    """Empty when it is the host code."""
    message: str
    path: str | None = None
    line: int | None = None
    column: int | None = None
    instead: str = ""
    """How to write it so that it compiles."""
    config: str | None = None
    tolerated: bool = False
    """Whether it is one autotune configuration that Triton drops in silence, while another one works."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """A lint rule's word about one place in the source."""

    code: str
    """``TRI101``."""
    rule: str
    """Its slug: ``loop-exit``."""
    severity: Severity
    path: str
    line: int
    """From 1."""
    column: int
    """From 1, in characters."""
    end_line: int
    end_column: int
    message: str
    instead: str = ""
    """What to write."""
    kernel: str | None = None
    """The Triton function it stands in, or the one that is launched there."""
    suppressed: str | None = None
    """Reason of the ``# ncukit: ignore[CODE] reason`` that accepts it; None when nobody did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What could not be found out, and why."""

    code: str
    """``no-model``, ``host-read``, ``timeout`` …"""
    message: str
    line: int | None = None
    kernel: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """All that is known of one file."""

    path: str
    archs: tuple[str, ...]
    launches: tuple[Launch, ...] = ()
    """On the first architecture's GPU; ``Compiled.launch`` has each one's own."""
    compiled: tuple[Compiled, ...] = ()
    errors: tuple[CompileError, ...] = ()
    lint: tuple[Violation, ...] = ()
    notes: tuple[Note, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    """``triton``, ``torch``, ``ptxas``, ``python``."""
    source: str = ""
    """Where launches come from, in words: host code on tensors without data, a recording; empty when there are none."""
    kernels: tuple[str, ...] = ()
    """Triton functions in the file that some launch could name: those that no other Triton function calls."""
    cached: bool = False
