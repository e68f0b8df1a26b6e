"""The four stages as a table: which causes each is about, what to look at, and when it is done.

A stage is done when a diagnosis finds none of its causes worth more than ``WORTH``: a kernel at its roof gets there by
having nothing left to find, whatever its percentages say. The targets of single metrics are signs on the way. Metrics
stand here by short name; what ncu calls them on a chip is the catalogue's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ncukit.diagnose.ladder import WORTH

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ncukit.gpus import Gpu

ROOFS = ("dram-roof", "compute-roof")
"""Causes that are statements of a limit: nothing to get rid of."""
SMS = "sm_count"
"""In a target: the GPU's number of SMs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A metric to check, and what it should reach."""

    metric: str
    bound: Literal["at least", "at most"]
    limit: float
    of: str = ""
    """Metric that ``limit`` is a share of, or ``SMS``; empty for a limit in the metric's own unit."""
    why: str
    causes: tuple[str, ...] = ()
    """Only shown beside a finding of one of these; empty for always."""

    def base(self, metrics: Mapping[str, float], gpu: Gpu) -> float | None:
        """What ``limit`` is a share of; None when that was not measured."""
        return 1.0 if not self.of else float(gpu.sm_count) if self.of == SMS else metrics.get(self.of)

    def met(self, metrics: Mapping[str, float], gpu: Gpu) -> bool | None:
        """Whether a kernel reaches it; None when that was not measured."""
        value, base = metrics.get(self.metric), self.base(metrics, gpu)
        if value is None or base is None:
            return None
        return value >= self.limit * base if self.bound == "at least" else value <= self.limit * base


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage of the work on a kernel."""

    slug: str
    title: str
    focus: str
    causes: tuple[str, ...]
    """Causes of ``ncukit.diagnose.rules``; every one belongs to exactly one stage."""
    targets: tuple[Target, ...]
    general: tuple[str, ...]
    """What goes for every kernel in this stage."""

    @property
    def exit(self) -> str:
        """When it is done, in words."""
        causes = [cause for cause in self.causes if cause not in ROOFS]
        what = f"nothing among {', '.join(causes)}" if len(causes) > 1 else f"no {causes[0]}"
        return (
            f"a new measurement finds {what} that is worth more than {WORTH:g}x. "
            "The targets above are signs: a kernel at its roof may miss one."
        )


STAGES = (
    Stage(
        slug="grid",
        title="grid and parallelism",
        focus="Keep every SM busy from the first to the last microsecond: enough programs, equal work for each, whole "
        "waves, no more launches than needed.",
        causes=("small-grid", "tail-effect", "workload-imbalance", "launch-overhead", "divergence"),
        targets=(
            Target(metric="grid_size", bound="at least", limit=1, of=SMS, why="with fewer blocks than SMs some idle"),
            Target(
                metric="sm_active_cycles",
                bound="at least",
                limit=0.9,
                of="sm_elapsed_cycles",
                why="the rest is SMs without a block: a small grid, a last wave that is not full, unequal programs",
            ),
            Target(
                metric="active_threads",
                bound="at least",
                limit=28,
                why="lanes that wait while others take another branch",
                causes=("divergence",),
            ),
        ),
        general=(
            "Let the grid follow the data, in at most three axes; split what one program does alone over several, and "
            "combine their partial results.",
            "A grid of several waves hides unequal programs; one persistent wave with a loop ends evenly.",
            "An empty launch costs about 2 us on the GPU: merge launches that are not much longer than that.",
        ),
    ),
    Stage(
        slug="tiling",
        title="block tiling",
        focus="Choose the tile so that data is fetched once and used often, fits the registers, and costs few "
        "instructions for each value.",
        causes=(
            "low-occupancy", "local-memory", "excess-traffic", "tensor-core-unused", "barrier", "fp64", "sfu-bound",
            "integer-bound", "issue-bound", "instruction-latency",
        ),
        targets=(
            Target(metric="warps_active_pct", bound="at least", limit=40, why="warps to switch to while others wait"),
            Target(metric="local_load_sectors", bound="at most", limit=0, why="anything above is spilled registers"),
            Target(
                metric="dram_bytes",
                bound="at most",
                limit=1.15,
                of="compulsory_bytes",
                why="more means that data is fetched again",
            ),
            Target(
                metric="tensor_pct",
                bound="at least",
                limit=10,
                why="near 0 tl.dot does not reach the tensor cores",
                causes=("tensor-core-unused",),
            ),
            Target(
                metric="stall_barrier_pct",
                bound="at most",
                limit=20,
                why="warps that wait for the others of their block",
                causes=("barrier",),
            ),
            Target(
                metric="fp64_pct",
                bound="at most",
                limit=5,
                why="double precision is slow, on most GPUs by 64 times",
                causes=("fp64",),
            ),
            Target(
                metric="xu_pct",
                bound="at most",
                limit=80,
                why="above it special functions and conversions set the pace",
                causes=("sfu-bound",),
            ),
            Target(
                metric="integer_instructions",
                bound="at most",
                limit=0.5,
                of="thread_instructions_on",
                why="above half, finding out where to work is most of the work",
                causes=("integer-bound",),
            ),
            Target(
                metric="issue_pct",
                bound="at least",
                limit=60,
                why="idle slots: too few independent instructions",
                causes=("instruction-latency",),
            ),
        ),
        general=(
            "Tile sizes are powers of two, passed as tl.constexpr; a tile much larger than the dimension wastes lanes.",
            "A thread has 255 registers at most: 64 fp32 values a thread fit up to 512 threads a block, 128 up to 256; "
            "what does not fit spills to memory.",
            "Carry vectors through loops and reduce once behind them: a tl.sum to one value in every trip costs "
            "shuffles and barriers.",
        ),
    ),
    Stage(
        slug="memory",
        title="memory access and latency hiding",
        focus="Let neighbouring threads touch neighbouring bytes in wide accesses, and keep enough of them in flight.",
        causes=(
            "uncoalesced-access", "narrow-access", "l2-locality", "memory-latency", "bank-conflict",
            "atomic-contention",
        ),
        targets=(
            Target(
                metric="load_sector_use_pct",
                bound="at least",
                limit=80,
                why="share of every 32 bytes fetched that threads asked for",
            ),
            Target(
                metric="dram_pct",
                bound="at least",
                limit=75,
                why="for a kernel that streams; counts wasted bytes too, so read it beside the compulsory traffic",
            ),
            Target(
                metric="store_sector_use_pct",
                bound="at least",
                limit=80,
                why="the same of stores",
                causes=("uncoalesced-access",),
            ),
            Target(
                metric="l2_read_hit_sectors",
                bound="at least",
                limit=0.5,
                of="l2_read_sectors",
                why="reads that L2 answers; the plain hit rate counts stores as hits",
                causes=("l2-locality",),
            ),
            Target(
                metric="shared_load_conflicts",
                bound="at most",
                limit=0.2,
                of="shared_wavefronts",
                why="lanes that queue for one bank",
                causes=("bank-conflict",),
            ),
            Target(
                metric="l2_atomic_max_pct",
                bound="at most",
                limit=50,
                why="atomics that queue for few addresses",
                causes=("atomic-contention",),
            ),
        ),
        general=(
            "The fastest axis of the tile runs along the contiguous dimension, in rows of 128 bytes or more.",
            "A thread moves up to 16 bytes at once where the compiler can prove alignment: strides and bounds that 16 "
            "divides, or tl.multiple_of and tl.max_contiguous where they hold.",
            "More bytes in flight come from independent loads before the first use, more resident warps, or "
            "tl.range(..., num_stages=N) around loads.",
        ),
    ),
    Stage(
        slug="advanced",
        title="advanced memory",
        focus="Read each input once and write each output once: keep on chip what is used again, and do in one kernel "
        "what shares data.",
        causes=("fusion", "dram-roof", "compute-roof"),
        targets=(
            Target(
                metric="dram_bytes",
                bound="at most",
                limit=1.15,
                of="compulsory_bytes",
                why="of each kernel; of all together see the compulsory traffic",
            ),
            Target(
                metric="dram_pct",
                bound="at least",
                limit=75,
                why="a kernel that moves only what it must should do so at full speed",
            ),
        ),
        general=(
            "What a second pass needs stays in registers, or is shared by neighbouring programs that each hold a piece "
            "and exchange partial results.",
            "Programs that wait for one another must all be resident: launch_cooperative_grid=True and a grid that "
            "fits, and a counter that starts from zero at every launch.",
            "tl.range(..., num_stages=N) pipelines the loads of a loop without a dot; it takes N - 1 buffers of shared "
            "memory, and cache hints on those loads are lost.",
            "Cache hints (eviction_policy, cache_modifier) move a few per cent, never a pass over memory.",
        ),
    ),
)  # fmt: skip
HOPPER = "Tensor descriptors (tl.make_tensor_descriptor) use the copy engine (TMA) here; they need a scratch allocator."
"""Of the advanced stage, from compute capability 9.0 on: before, descriptors are silently ordinary loads."""
