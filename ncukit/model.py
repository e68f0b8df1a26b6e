"""The frozen values that travel between the rooms. No behaviour beyond small derived facts, no third-party imports."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

Dim3 = tuple[int, int, int]
Confidence = Literal["low", "medium", "high"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """One tensor argument of a launch."""

    name: str
    """The kernel's parameter name, such as ``x_ptr``."""
    dtype: str
    """Element type as torch prints it without the prefix: ``float32``, ``bfloat16``."""
    shape: tuple[int, ...]
    bytes: int
    """Distinct bytes the view spans: elements over non-broadcast dimensions times the element size."""
    buffer: int
    """Identity of the storage and offset within this run: equal numbers are the same memory."""
    loaded: bool | None
    """Whether the kernel loads from it; None when the compiled kernel could not be followed."""
    stored: bool | None
    """Whether the kernel stores to it (atomics count as both)."""
    load_lines: tuple[int, ...] = ()
    """Source lines of the loads, in the kernel's file."""
    store_lines: tuple[int, ...] = ()
    aligned: bool | None = None
    """Whether 16 divides its address, which Triton knows and compiles for; None when it was not recorded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TritonLaunch:
    """What Triton knew about one launch: recorded by the harness, outside ncu's view."""

    kernel: str
    grid: Dim3
    num_warps: int
    num_stages: int
    num_ctas: int = 1
    registers: int | None
    """Registers a thread."""
    spills: int | None
    """Spilled 4-byte words a thread."""
    shared_bytes: int
    """Shared memory a block, as the compiler allocated it."""
    cooperative: bool = False
    constexprs: Mapping[str, int | float | str | bool | None] = field(default_factory=dict)
    scalars: Mapping[str, int | float | str | bool | None] = field(default_factory=dict)
    tensors: tuple[Tensor, ...] = ()
    has_dot: bool | None = None
    """Whether the kernel contains a matrix product: only then does launch-level ``num_stages`` pipeline loads."""
    file: str | None = None
    """Source file of the kernel, relative to where ncukit was started when it lies below."""
    line: int | None = None
    """Line of the kernel's ``def``."""
    launch_line: int | None = None
    """Line of the launch in the same file, or None when it was launched from elsewhere."""
    options: Mapping[str, int | float | str | bool | None] = field(default_factory=dict)
    """Other launch options that differ from Triton's defaults, such as ``maxnreg``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """Where a report was measured. Empty strings and None mean: the report does not say."""

    gpu: str = ""
    compute_capability: str = ""
    sm_count: int | None = None
    ncu_version: str = ""
    driver_version: str = ""
    triton_version: str = ""
    torch_version: str = ""
    clock_control: str = ""
    """ncu's ``--clock-control`` of the run: ``base``, ``none``, or empty when unknown."""
    cache_control: str = ""
    recorded: bool = False
    """True when this is a bundled recording shown in place of a live measurement."""
    attributes: Mapping[str, float] = field(default_factory=dict)
    """ncu's ``device__attribute_*`` readings without that prefix."""

    @property
    def peak_dram_gbps(self) -> float | None:
        """Theoretical DRAM bandwidth in GB/s: two transfers a memory clock over the bus width.

        Source: the definition of CUDA's memoryClockRate (kHz) and memoryBusWidth (bits); on an H200 this gives
        2 × 3.201 GHz × 6016 bit / 8 = 4814 GB/s against 4.8 TB/s in its data sheet.
        """
        clock_khz = self.attributes.get("max_mem_frequency_khz")
        width_bits = self.attributes.get("fb_bus_width") or self.attributes.get("global_memory_bus_width")
        if not clock_khz or not width_bits:
            return None
        return 2 * clock_khz * 1e3 * width_bits / 8 / 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """What one of NVIDIA's own rules says of one launch, where the report carries rule results."""

    rule: str
    """NVIDIA's identifier: ``CPIStall``."""
    section: str
    """Identifier of the section it belongs to: ``WarpStateStats``."""
    kind: str
    """``OPT`` (advice), ``INF``, ``WRN`` or ``ERR``, as ncu prints them; ncu 2022 prints its advice as ``WRN``."""
    title: str = ""
    """Short heading; empty in a CSV, which does not print it."""
    message: str = ""
    """One line of printable text of bounded length."""
    speedup_pct: float | None = None
    """NVIDIA's estimate in percent; None when the rule gives none."""
    scope: str = ""
    """What the estimate is a share of: ``global`` (the run time), ``local`` (one unit's work), or empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Measurements of one run: one row a launch."""

    frame: pd.DataFrame
    """One row a launch, in launch order. Identification columns are ``kernel`` (str or categorical), ``grid`` and
    ``block`` ("(x, y, z)" as ncu prints them), ``device``, ``stream``, ``process``; every other column is a float64
    metric in base units (ns, byte, %, counts), under its short name where the catalogue has one and under ncu's name
    otherwise. Missing is NaN, never zero; a metric without any value has no column and stands in ``missing``.
    ``device`` and ``process`` are int64, and 0 where the report does not say."""
    environment: Environment
    path: str
    """Where it was read from, as the user named it; ``-`` for standard input."""
    kind: str
    """Dialect: ``csv-raw``, ``csv-details``, ``ncu-rep``, ``metrics-json`` or ``run-directory``."""
    missing: Mapping[str, str] = field(default_factory=dict)
    """Metric short name → why it is not there, for metrics that were asked for or that every row lacks."""
    notes: tuple[str, ...] = ()
    """What a careful reader should know: translated names, NaN counts, truncation."""
    launches: tuple[TritonLaunch | None, ...] = ()
    """One entry a row when a harness recorded the run; None for a launch that did not come from Triton."""
    target: str = ""
    """The kernel file or command that was profiled, as the user named it; empty when unknown."""
    repeat: int = 1
    """How often the same work was measured (``--repeat``)."""
    incomplete: bool = False
    """The file ended in the middle of a row, so launches may be missing."""
    opinions: tuple[tuple[Opinion, ...], ...] = ()
    """What NVIDIA's rules say, one entry a row; empty when the report carries no rule results."""
    problem: Mapping[str, str] = field(default_factory=dict)
    """What was computed: ``sizes`` (``--size`` settings, ``a=1, b=2``), ``inputs``, ``init`` (each joined by ``; ``),
    ``reference`` (a hash of the file's reference model and of what makes its inputs); a key is absent where the run
    does not say. ``inputs`` and ``init`` are empty where there are none."""
    code: str = ""
    """Hash of the code of the target's file when it was measured (``ncukit.collect.reference``); empty when unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One reading behind a finding, and what it is compared with."""

    metric: str
    value: float
    unit: str
    compared_with: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """The factor by which the kernel's time would fall: 1.5 means two thirds of the time."""

    low: float
    best: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """One thing to change."""

    action: str
    why: str
    knob: str | None = None
    """The name to change in the kernel's own words: ``BLOCK_SIZE``, ``num_warps``."""
    from_value: str | None = None
    to_value: str | None = None
    location: str | None = None
    """``path:line`` of the knob or the code concerned."""
    watch: str = ""
    """What may get worse: registers, shared memory, occupancy."""


class Severity(StrEnum):
    """How a finding asks for attention."""

    TUNE = "tune"
    """Something to change."""
    LIMIT = "limit"
    """A statement of the limit the kernel runs at; no alarm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What holds a kernel back, or the limit it has reached."""

    code: str
    cause: str
    """One of the stable slugs in ``ncukit.diagnose.rules``."""
    severity: Severity
    confidence: Confidence
    title: str
    evidence: tuple[Evidence, ...] = ()
    gain: Gain | None = None
    suggestions: tuple[Suggestion, ...] = ()
    kernels: tuple[str, ...] = ()
    """For findings across kernels: the kernels concerned, in launch order."""
    unhelpful: tuple[str, ...] = ()
    """Changes people would try here that cannot help, each with its reason."""
    next_command: str = ""
    """The command that would raise the confidence, when it is not high."""
    mirrored: tuple[str, ...] = ()
    """What else was read that only follows from this cause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """Why a rule has nothing to say: a value, distinct from a pass."""

    code: str
    cause: str
    reason: str
    missing: tuple[str, ...] = ()
    """Metrics that the rule needs and did not find: then its cause was not looked for at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """One step of the ladder: the time this limit alone would need."""

    limit: str
    """Slug: ``measured``, ``dram``, ``dram-compulsory``, ``l2``, ``l1``, ``sm``, ``issue``, ``pipe-*``, ``launch``."""
    time_us: float
    how: str
    """How the number was computed, in words and numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelDiagnosis:
    """One kernel: launches of equal name, grid, block and constexprs."""

    name: str
    launches: int
    grid: Dim3 | None
    block: Dim3 | None
    duration_us: float | None
    """Median over the launches; None when time was not measured."""
    bound: str
    """The rung that holds the kernel: its slug, or ``unknown``."""
    metrics: Mapping[str, float]
    missing: Mapping[str, str]
    ladder: tuple[Rung, ...]
    findings: tuple[Finding, ...]
    silences: tuple[Silence, ...] = ()
    opinions: tuple[Opinion, ...] = ()
    """What NVIDIA's rules say of its first launch."""
    code_note: str = ""
    """What compiling it again gave, or why that could not be had; empty when no finding asked for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """The answer of ``ncukit diagnose``."""

    report_path: str
    report_kind: str
    environment: Environment
    gpu_note: str
    """How the GPU's limits were found, or why they are unknown."""
    kernels: tuple[KernelDiagnosis, ...]
    pipeline: tuple[Finding, ...]
    """Findings across kernels."""
    ladder: tuple[Rung, ...] = ()
    """The ladder of all kernels together."""
    notes: tuple[str, ...] = ()
    target: str = ""


class Status(StrEnum):
    """What a gate says of one budget on one kernel; ``ncukit.gate.codes`` has the reasons."""

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    FAIL = "fail"
    WARN = "warn"
    """Broken, and the budget's level is ``warn``."""
    AMBIGUOUS = "ambiguous"
    """Looks broken, but another reading says that the kernel got no worse, or the noise hides it."""
    UNJUDGED = "unjudged"
    """Something is missing or cannot be compared: never a pass."""
    IGNORED = "ignored"
    """Not judged on purpose, for a reason that somebody wrote down."""


Bound = Literal["min", "max", "max-drop", "max-rise", "forbid"]
Level = Literal["error", "warn"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One budget held against one kernel."""

    kernel: str
    metric: str
    """Short name; for ``forbid`` the cause."""
    unit: str
    bound: Bound
    limit: float
    """In ``unit``, or a share (0.05) where ``relative``; 0 for ``forbid``."""
    relative: bool = False
    """Whether the limit of a drop or rise is a share of the baseline's value."""
    measured: float | None
    """Median over the launches; None when nothing was measured."""
    baseline: float | None = None
    """What ``measured`` is compared with: the baseline's median."""
    status: Status
    code: str
    """Why, as a stable slug: one of ``ncukit.gate.codes``."""
    reason: str
    """Why, in words."""
    level: Level = "error"
    origin: str = ""
    """Where the budget stands: ``command line`` or the configuration file."""
