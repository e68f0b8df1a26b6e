"""The ladder of limits: the time each resource alone would need, and what removing one of them is worth.

Measured time stands at the top. Every floor below it is a time that physics or the device asks for; the highest
floor is the limit that holds the kernel. A gain is never a percentage of a counter: it is the fall from the measured
time to the floors that would hold once a cause is gone, so no two findings promise the same time and nothing promises
to beat a limit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ncukit.diagnose.limits import EMPTY_LAUNCH_US
from ncukit.model import Gain, Rung
from ncukit.read.derive import compulsory_traffic

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ncukit.diagnose.facts import Kernel

HELD = 0.8
"""A kernel is held by a limit whose floor is at least this share of its time.

The remaining fifth is what launch ramp, tail and scheduling cost well-tuned kernels; streaming kernels on an H200
were measured between 0.91 and 1.0 of their floor."""
BEST_EFFICIENCY = 0.92
"""Share of a floor that a rewritten kernel usually reaches: one-read norm kernels on an H200 reach 0.89 and 0.96."""
LOW_EFFICIENCY = 0.85
"""Share that it reaches when it goes less well."""
FREED_BEST, FREED_LOW = 0.8, 0.5
"""Shares of the next floor that a kernel reaches once what clogged it is gone, when it was not near any floor before.

Such a kernel's own efficiency says nothing of the cured one's. Fifteen cures of that kind on an H200 reached 0.57 to
0.97 of it, 0.85 in the middle (docs/accuracy.md)."""
WORTH = 1.05
"""Best gain from which a rule about one kernel speaks: the models are no sharper than that."""
UNKNOWN_SM = 1.1
"""How far ncu's SM throughput must lie above every SM limit that is known to be one more limit."""
UNCOLLECTED = "not measured"

_PIPES = {
    "fma_pct": "pipe-fma",
    "alu_pct": "pipe-alu",
    "fp64_pct": "pipe-fp64",
    "tensor_pct": "pipe-tensor",
    "xu_pct": "pipe-xu",
    "lsu_pct": "pipe-lsu",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """Floors of one kernel, in microseconds."""

    measured_us: float | None
    floors: Mapping[str, float]
    """Limit → time it alone needs. ``dram-compulsory`` is not a floor of the kernel as written, and not in here."""
    compulsory_us: float | None
    rungs: tuple[Rung, ...]
    """For people: measured first, then falling; empty when time was not measured."""
    relative: bool = False
    """True when time was not measured: then times are shares of it, and only their ratios mean something."""

    @property
    def bound(self) -> str:
        """The limit that holds the kernel: the highest floor if it is near, else ``latency``."""
        if self.measured_us is None or not self.floors:
            return "unknown"
        limit, floor = max(self.floors.items(), key=lambda item: item[1])
        if floor >= HELD * self.measured_us:
            return limit
        # without the counters of DRAM and of the SMs it cannot be said that nothing else holds the kernel
        looked = "dram" in self.floors and ("issue" in self.floors or "sm" in self.floors)
        return "latency" if looked else "unknown"

    @property
    def efficiency(self) -> float | None:
        """Highest floor over measured time: 1 is a kernel that wastes nothing against its limit."""
        if self.measured_us is None or not self.floors:
            return None
        return min(1.0, max(self.floors.values()) / self.measured_us)

    def capped(self, promised: Gain | None) -> Gain | None:
        """``promised`` cut to what the needed bytes allow: no change to one kernel makes it move fewer.

        Data that fits L2 may cross DRAM less often than once, so the lower of the two DRAM rungs is the limit.
        """
        rungs = [t for t in (self.floors.get("dram"), self.compulsory_us) if t is not None]
        if promised is None or self.measured_us is None or self.compulsory_us is None or min(rungs) <= 0:
            return promised
        most = max(1.0, self.measured_us / min(rungs))
        return Gain(low=min(promised.low, most), best=min(promised.best, most), high=min(promised.high, most))

    def scaled(self, factor: float, *limits: str) -> dict[str, float]:
        """These limits' floors times a factor, of those that were measured: limit → microseconds."""
        return {limit: self.floors[limit] * factor for limit in limits if limit in self.floors}

    def without(self, changed: Mapping[str, float], *, best_efficiency: float | None = None) -> Gain | None:
        """The gain when some floors fall to new times.

        Args:
            changed: limit → its new floor in microseconds; other floors stay.
            best_efficiency: share of the new floor the kernel would reach; by default what it reaches today.

        Returns:
            None when nothing was measured, or when the highest floor does not move.
        """
        if self.measured_us is None or not self.floors or self.efficiency is None:
            return None
        floor = max({**self.floors, **changed}.values())
        if floor <= 0 or floor >= 0.995 * max(self.floors.values()):
            return None  # nothing left is nothing known: no promise
        efficiency = best_efficiency or self.efficiency
        return gain(self.measured_us, floor, efficiency)

    def down_to(self, changed: Mapping[str, float], *, best: float = FREED_BEST, low: float = FREED_LOW) -> Gain | None:
        """The gain when some floors fall, and the kernel then gets within a share of the highest that is left.

        Args:
            changed: limit → its new floor in microseconds; other floors stay.
            best: share of that floor reached in the middle case.
            low: share reached when it goes less well.

        Returns:
            None when nothing was measured or the kernel would not become faster.
        """
        time = self.measured_us
        if time is None or not self.floors:
            return None
        floor = max({**self.floors, **changed}.values())
        if floor <= 0:
            return None

        def to(efficiency: float) -> float:
            return max(1.0, time * efficiency / floor)

        found = Gain(low=to(low), best=to(best), high=to(1.0))
        return found if found.high > 1.005 else None

    def freed(self, share: float, changed: Mapping[str, float] | None = None) -> Gain | None:
        """The gain when a share of the time that warps spend waiting goes away.

        A warp that waits less ends earlier by that share of its life, as long as no floor stands in the way: with the
        same warps resident, time falls to 1 - share of today's (the cycles-per-instruction stack read as a time).

        Args:
            share: part of the warps' resident time that goes away, 0 to 1.
            changed: floors that fall with it, in microseconds.

        Returns:
            High: all of the share goes; best: four fifths of it; low: half. None when a floor holds the time anyway.
        """
        time = self.measured_us
        if time is None or not self.floors or not 0 < share < 1:
            return None
        floor = max({**self.floors, **(changed or {})}.values())

        def to(part: float, efficiency: float) -> float:
            return max(1.0, time / max(floor / efficiency, time * (1 - part * share)))

        found = Gain(low=to(0.5, LOW_EFFICIENCY), best=to(0.8, BEST_EFFICIENCY), high=to(1.0, 1.0))
        return found if found.high > 1.005 else None


def gain(measured_us: float, floor_us: float, efficiency: float) -> Gain:
    """Gain from a measured time to a floor: at it (high), at ``efficiency`` of it (best), and below (low)."""
    high = max(1.0, measured_us / floor_us)
    best = max(1.0, measured_us / (floor_us / min(efficiency, BEST_EFFICIENCY)))
    low = max(1.0, measured_us / (floor_us / min(efficiency, BEST_EFFICIENCY) * BEST_EFFICIENCY / LOW_EFFICIENCY))
    return Gain(low=low, best=best, high=high)


def climb(kernel: Kernel) -> Ladder:
    """Compute the ladder of one kernel from what was measured of it."""
    relative = kernel.duration_us is None
    time = kernel.duration_us or 1.0
    floors: dict[str, float] = {}
    rungs = [
        Rung(
            limit="measured",
            time_us=time,
            how=f"median of {kernel.launches} launches" if kernel.launches > 1 else "",
        )
    ]

    def add(limit: str, floor: float, how: str) -> None:
        floors[limit] = floor
        rungs.append(Rung(limit=limit, time_us=floor, how=how))

    _dram(kernel, time, add)
    for metric, limit, what in (("l2_pct", "l2", "L2 lookups"), ("issue_pct", "issue", "issue slots")):
        if (value := kernel.get(metric)) is not None:
            add(limit, time * value / 100, f"{what} at {value:.1f} % of peak")
    stages = [v for m in ("l1_pct", "l1_request_pct") if (v := kernel.get(m)) is not None]
    if stages:
        add("l1", time * max(stages) / 100, f"L1 stage at {max(stages):.1f} % of peak")
    if (value := kernel.get("l2_atomic_max_pct")) is not None:
        add("l2-atomic", time * value / 100, f"busiest L2 slice's atomic unit at {value:.1f} % of peak")
    for metric, limit in _PIPES.items():
        if (value := kernel.get(metric)) is not None:
            add(limit, time * value / 100, f"{limit.removeprefix('pipe-')} pipe at {value:.1f} % of peak")
    known = max((t for limit, t in floors.items() if limit not in ("dram", "l2", "l2-atomic")), default=0.0)
    if (value := kernel.get("sm_pct")) is not None and time * value / 100 > UNKNOWN_SM * known:
        # else ncu's busiest SM counter is one of those above, and falls with it
        add("sm", time * value / 100, f"busiest SM counter at {value:.1f} % of peak")
    if relative:
        return Ladder(measured_us=time if floors else None, floors=floors, compulsory_us=None, rungs=(), relative=True)
    add("launch", min(EMPTY_LAUNCH_US, time), "an empty launch")
    compulsory = _compulsory(kernel)
    if compulsory is not None:
        needed = sum(compulsory_bytes(kernel) or ())
        rungs.append(Rung(limit="dram-compulsory", time_us=compulsory, how=f"{needed / 1e9:.3g} GB: each tensor once"))
    ordered = (rungs[0], *sorted(rungs[1:], key=lambda rung: -rung.time_us))
    return Ladder(measured_us=time, floors=floors, compulsory_us=compulsory, rungs=ordered)


def _dram(kernel: Kernel, time: float, add: Callable[[str, float, str], None]) -> None:
    read, write = kernel.get("dram_read_bytes"), kernel.get("dram_write_bytes")
    if read is not None and write is not None and kernel.duration_us is not None:
        floor = kernel.limits.dram_us(read, write)
        roof = kernel.limits.roof_gbps(read, write)
        if floor is not None and roof is not None:
            # a roof is a mean over one model's cards: a kernel may be a little faster than it
            add("dram", min(floor, time), f"{(read + write) / 1e9:.3g} GB at {roof:,.0f} GB/s")
            return
    percent = kernel.get("dram_pct")
    limits = kernel.limits
    if percent is not None:
        share = (limits.read_gbps or 0) / limits.peak_gbps if limits.peak_gbps and limits.read_gbps else 0.92
        floor = min(time, time * percent / 100 / share)
        add(
            "dram",
            floor,
            f"DRAM throughput {percent:.1f} % of {share:.0%} within reach (bytes {UNCOLLECTED})",
        )


def _compulsory(kernel: Kernel) -> float | None:
    needed = compulsory_bytes(kernel)
    return kernel.limits.needed_us(*needed) if needed and sum(needed) > 0 else None


def compulsory_bytes(kernel: Kernel) -> tuple[float, float] | None:
    """(bytes read, bytes written) that the launch cannot avoid; None when the recorded arguments do not tell."""
    return compulsory_traffic(kernel.triton) if kernel.triton is not None else None
