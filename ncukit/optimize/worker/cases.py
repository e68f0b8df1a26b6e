"""Which cases an answer is tried on: a bounded list that is the same in every run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from ncukit.optimize.worker.inputs import LAYOUTS, VALUES, can_have
from ncukit.optimize.worker.sizes import SMALL

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Kind = Literal["own", "configuration", "parameters", "dtype", "sizes", "layout", "values"]
DTYPES = ("float32", "float16", "bfloat16")
VARIED = 4
"""Constants that are varied one by one."""
LONG = 1031
"""A size above most tiles, and prime."""
MOST_CONFIGURATIONS = {"interpreter": 12, "gpu": 48}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One set of inputs."""

    name: str
    kind: Kind
    settings: Mapping[str, int] = field(default_factory=dict)
    """Constants of the problem."""
    dtype: str = ""
    """Type of floating inputs; empty for the problem's own."""
    layout: str = ""
    values: str = ""
    parameters: bool = False
    """Whether the model's parameters are drawn anew."""
    configuration: int | None = None
    """Which configuration an autotuner takes; None to let it measure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What is known of a problem before any case was tried."""

    own: Mapping[str, int]
    """Constants that may be set, as the problem has them."""
    base: Mapping[str, int]
    """The same as most cases have them."""
    dtype: str
    """Type of its floating inputs, or of the first input where there is none."""
    floating: bool
    shapes: Sequence[tuple[int, ...]]
    """Of the tensors among its inputs, at ``base``."""
    parameters: bool
    """Whether the model has any that both sides name alike."""


def own(problem: Problem, settings: Mapping[str, int]) -> Case:
    """The problem's own case, at these constants."""
    return Case(name=f"{_sizes(problem, settings)}, {problem.dtype}", kind="own", settings=settings)


def configurations(problem: Problem, settings: Mapping[str, int], count: int, where: str) -> list[Case]:
    """The own case with each configuration of an autotuner but the first, which the own case had."""
    first = own(problem, settings)
    numbers = range(min(count, MOST_CONFIGURATIONS[where]))
    return [
        Case(name=f"{first.name}, autotuner's configuration {n + 1} of {count}", kind="configuration",
             settings=settings, configuration=n)
        for n in numbers if where == "gpu" or n
    ]  # fmt: skip


def wide(
    problem: Problem,
    settings: Mapping[str, int],
    fits: Callable[[Mapping[str, int]], bool],
    large: Mapping[str, int] | None = None,
) -> list[Case]:
    """All cases beyond the own one.

    Args:
        problem: what is known of it.
        settings: constants of the cases that are not about sizes.
        fits: whether inputs of these constants are small enough.
        large: constants of those about types and parameters, where kernels go other ways by size; None for the same.
    """
    at, high = _sizes(problem, settings), settings if large is None else large
    cases: list[Case] = []
    if problem.parameters:
        name = f"{_sizes(problem, high)}, {problem.dtype}, parameters drawn anew"
        cases.append(Case(name=name, kind="parameters", settings=high, parameters=True))
    if problem.floating:
        cases += [Case(name=f"{_sizes(problem, high)}, {dtype}", kind="dtype", settings=high, dtype=dtype)
                  for dtype in DTYPES if dtype != problem.dtype]  # fmt: skip
    for varied in _varied(problem, fits):
        changed = [f"{slot}={value}" for slot, value in varied.items() if value != problem.base.get(slot)]
        name = f"{', '.join(changed)}, {problem.dtype}"
        cases.append(Case(name=name, kind="sizes", settings=varied))
    for layout, words in LAYOUTS.items():
        if any(can_have(shape, layout) for shape in problem.shapes):
            name = f"{at}, {problem.dtype}, {words}"
            cases.append(Case(name=name, kind="layout", settings=settings, layout=layout))
    if problem.floating:
        cases += [Case(name=f"{at}, {problem.dtype}, {words}", kind="values", settings=settings, values=values)
                  for values, words in VALUES.items()]  # fmt: skip
    return cases


def _sizes(problem: Problem, settings: Mapping[str, int]) -> str:
    if settings == problem.own:
        return "own sizes"
    changed = ", ".join(f"{k}={v}" for k, v in settings.items() if v != problem.own[k])
    return f"own sizes scaled down ({changed})"


def _varied(problem: Problem, fits: Callable[[Mapping[str, int]], bool]) -> list[dict[str, int]]:
    """Other sizes: one off, odd, prime, one, a few, and one that is longer than most tiles."""
    base = dict(problem.base)
    free = [slot for slot in base if problem.own[slot] > SMALL]
    largest = sorted(free, key=lambda slot: -problem.own[slot])[:VARIED]
    found = [
        {slot: value - 1 if slot in free and value % 2 == 0 else value for slot, value in base.items()},
        {slot: value + 1 if slot in free else value for slot, value in base.items()},
        *({**base, slot: _prime(base[slot] * 3 // 4)} for slot in largest),
        *([{**base, free[0]: 1}] if free else []),
        {slot: min(value, 3) if slot in free else value for slot, value in base.items()},
        *(_long(base, slot, free, fits) for slot in [s for s in largest if s != free[0] or len(free) == 1][:2]),
    ]
    unique: list[dict[str, int]] = []
    for settings in found:
        if settings not in unique and settings != base and min(settings.values(), default=1) > 0 and fits(settings):
            unique.append(settings)
    return unique


def _long(
    base: Mapping[str, int], slot: str, free: Sequence[str], fits: Callable[[Mapping[str, int]], bool]
) -> dict[str, int]:
    """One constant far above what it was, the others halved until all fits."""
    settings = {**base, slot: _prime(max(LONG, 2 * base[slot] + 1))}
    others = [name for name in free if name != slot]
    while not fits(settings) and any(settings[name] > 1 for name in others):
        settings |= {name: max(1, settings[name] // 2) for name in others}
    return settings


def _prime(number: int) -> int:
    """The largest prime up to ``number``; 1 where there is none."""
    while number > 1 and any(number % n == 0 for n in range(2, int(number**0.5) + 1)):
        number -= 1
    return max(1, number)
