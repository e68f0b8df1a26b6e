"""What timing two kernels side by side gives."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Times of one kernel file's forward pass on the GPU, with caches flushed before each."""

    median_us: float
    low_us: float
    """First quartile."""
    high_us: float
    """Third quartile."""
    runs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Race:
    """Two kernel files measured in turns in one process."""

    before: Timing
    after: Timing
    ratio: float
    """Median over the turns of ``before``'s time over ``after``'s: above 1, the second one is faster."""
    low: float
    """First quartile of the turns' ratios."""
    high: float
    gpu: str
    versions: dict[str, str]

    @property
    def faster(self) -> bool:
        """Whether three turns of four say so, by more than a hundredth in the median."""
        return self.low > 1.0 and self.ratio > 1.01
