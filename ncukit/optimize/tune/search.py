"""Which setting to measure next: the one that promises most by a model of what was measured.

The model is a Gaussian process over the logarithms of the knobs' values, from scikit-learn, averaged over a few length
scales and amplitudes by how well each explains the measurements: with five to ten of them, a single best fit would
mostly be chance. What is looked for is time in the same turns as the file as it stands, on a logarithmic scale, so that
a factor is a distance. Chosen on measured tables of all settings (tests/golden/tune), as was when to stop.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING, Any

from ncukit.errors import Exit, NcukitError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ncukit.optimize.tune.knobs import Setting

LENGTHS = (1.5, 2.5, 4.0)
"""Doublings of a knob over which times resemble one another."""
AMPLITUDES = (0.05, 0.3, 1.2)
"""How far times differ altogether, in natural logarithms."""
NOISE = 1e-5
"""Variance of a measured logarithm: a third of a percent."""
WORTH = 0.004
"""Expected improvement, as a share of the time, below which nothing better is likely."""
LEAST = 4
"""Measured settings before the model is asked whether to stop."""
SHARE = 4
"""A quarter of all settings is measured at most."""
SMALLEST_BUDGET = 4
LARGEST_BUDGET = 48


@dataclass(frozen=True, slots=True, kw_only=True)
class Next:
    """A setting to measure, and why this one."""

    setting: Setting
    why: str
    """``suggested by CODE``, or what the model expects of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Nothing more to measure, and why."""

    why: str


@dataclass
class Search:
    """The search among one group's settings.

    Args:
        own: the file's setting, whose cost is zero; None where an autotuner chooses.
        candidates: what may be measured, without those that compiling has ruled out.
        suggested: settings to begin with, and what suggests them.
        budget: settings to measure at most.
    """

    own: Setting | None
    candidates: Sequence[Setting]
    suggested: Mapping[Setting, str]
    budget: int
    costs: dict[Setting, float | None] = field(default_factory=dict)
    """Setting → logarithm of its time over the file's; None for one that failed."""

    def __post_init__(self) -> None:
        if self.own is not None:
            self.costs[self.own] = 0.0

    @property
    def measured(self) -> int:
        """Settings that were tried, without the file's own."""
        return len(self.costs) - (self.own is not None)

    def tell(self, setting: Setting, cost: float | None) -> None:
        """What came of one."""
        self.costs[setting] = cost

    def next(self) -> Next | Stop:
        """What to measure now."""
        left = [s for s in self.candidates if s not in self.costs]
        if not left:
            return Stop(why="every setting was measured")
        if self.measured >= self.budget:
            return Stop(why=f"{self.budget} settings were measured, as many as were to be")
        for setting, why in self.suggested.items():
            if setting in left:
                return Next(setting=setting, why=why)
        known = {s: c for s, c in self.costs.items() if c is not None}
        if not known:
            return Next(setting=left[len(left) // 2], why="the middle of what there is")
        values = expected_improvements(known, left)
        best = max(range(len(left)), key=values.__getitem__)
        if values[best] < WORTH and len(known) >= LEAST:
            return Stop(why=f"the best that is left promises {values[best]:.1%}, below {WORTH:.1%}")
        return Next(setting=left[best], why=f"the model expects {values[best]:.1%} of it")


def budget_of(settings: int) -> int:
    """How many of so many settings are measured at most."""
    return min(LARGEST_BUDGET, max(SMALLEST_BUDGET, settings // SHARE))


def expected_improvements(known: Mapping[Setting, float], left: Sequence[Setting]) -> list[float]:
    """By how much each setting is expected to undercut the lowest cost: the mean over what the model holds possible.

    Args:
        known: costs by setting.
        left: settings without one.

    Raises:
        NcukitError: scikit-learn is not installed.
    """
    numpy, norm, process, kernels = _libraries()
    points, wanted = _logarithms(numpy, list(known)), _logarithms(numpy, left)
    costs = numpy.array(list(known.values()))
    lowest, middle = costs.min(), costs.mean()
    weights, rows = [], []
    for length, amplitude in product(LENGTHS, AMPLITUDES):
        kernel = kernels.ConstantKernel(amplitude**2) * kernels.Matern(length_scale=length, nu=2.5)
        model = process(kernel + kernels.WhiteKernel(NOISE), optimizer=None)
        model.fit(points, costs - middle)
        mean, deviation = model.predict(wanted, return_std=True)
        deviation = numpy.maximum(deviation, 1e-9)
        under = lowest - middle - mean
        rows.append(under * norm.cdf(under / deviation) + deviation * norm.pdf(under / deviation))
        weights.append(model.log_marginal_likelihood_value_)
    share = numpy.exp(numpy.array(weights) - max(weights))
    return [float(v) for v in (share / share.sum()) @ numpy.array(rows)]


def _logarithms(numpy: Any, settings: Sequence[Setting]) -> Any:
    # an autotuner's constants may be switches: 0 lies one step below 1
    return numpy.array([[math.log2(value) if value > 0 else value - 1.0 for value in setting] for setting in settings])


def _libraries() -> tuple[Any, Any, Any, Any]:
    try:
        import numpy
        from scipy.stats import norm
        from sklearn.gaussian_process import GaussianProcessRegressor, kernels
    except ImportError as error:
        raise NcukitError(
            f"the search needs scikit-learn: {error}",
            causes=("it is part of the extra 'tune'",),
            next_command="pip install 'ncukit[tune]'",
            exit_code=Exit.ENVIRONMENT,
        ) from error
    return numpy, norm, GaussianProcessRegressor, kernels
