"""Budgets that need no measurement: what the compiler tells of a kernel, from the command line and configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ncukit import metrics
from ncukit.config.readers import AMOUNT
from ncukit.errors import NcukitError, nearest
from ncukit.gate.budget import COMMAND_LINE, Budget
from ncukit.gpus import by_compute_capability
from ncukit.gpus.occupancy import allocated_shared
from ncukit.source.fit import capability_of, fit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ncukit.config import Settings
    from ncukit.gpus import Gpu
    from ncukit.model import Bound, Level
    from ncukit.source.inspection import Compiled


@dataclass(frozen=True, slots=True, kw_only=True)
class Static:
    """One quantity of a compiled launch."""

    unit: str
    about: str
    read: Callable[[Compiled], float | None]
    better: str = "lower"


def _gpu(compiled: Compiled) -> Gpu | None:
    """Some GPU of the architecture: those of one compute capability have the same limits for an SM."""
    return next(iter(by_compute_capability(capability_of(compiled.arch))), None)


def _occupancy(compiled: Compiled) -> float | None:
    gpu = _gpu(compiled)
    if gpu is None:
        return None
    return fit(
        gpu,
        registers=compiled.registers,
        warps=compiled.launch.num_warps,
        shared_bytes=compiled.shared_bytes,
        barriers=compiled.barriers,
    ).occupancy_pct


def _allocated(compiled: Compiled) -> float | None:
    gpu = _gpu(compiled)
    return None if gpu is None else float(allocated_shared(gpu, compiled.shared_bytes))


STATIC: Mapping[str, Static] = {
    "registers": Static(unit="register/thread", about="Registers a thread.", read=lambda c: c.registers),
    "spills": Static(
        unit="word/thread", about="Local memory a thread in 4-byte words: registers spilled.", read=lambda c: c.spills
    ),
    "stack_bytes": Static(unit="byte/thread", about="Stack frame of a thread.", read=lambda c: c.stack_bytes),
    "spill_store_bytes": Static(
        unit="byte/thread", about="Bytes that spills store, as ptxas counts them.", read=lambda c: c.spill_store_bytes
    ),
    "spill_load_bytes": Static(
        unit="byte/thread", about="Bytes that spills load, as ptxas counts them.", read=lambda c: c.spill_load_bytes
    ),
    "shared_bytes": Static(
        unit="byte/block",
        about="Shared memory that a block asks for, static and dynamic.",
        read=lambda c: c.shared_bytes,
    ),
    "static_shared_bytes": Static(
        unit="byte/block", about="Static shared memory of a block.", read=lambda c: c.static_shared_bytes
    ),
    "allocated_shared_bytes": Static(
        unit="byte/block",
        about="Shared memory that a block takes, with what CUDA keeps: the gate's and ncu's shared_bytes.",
        read=_allocated,
    ),
    "code_bytes": Static(unit="byte", about="Size of the machine code.", read=lambda c: c.code_bytes),
    "instructions": Static(
        unit="inst",
        about="Machine instructions in the code, not as often as they run.",
        read=lambda c: c.sass.instructions,
    ),
    "barriers": Static(unit="barrier/block", about="Named barriers that the code uses.", read=lambda c: c.barriers),
    "theoretical_occupancy_pct": Static(
        unit="%",
        about="The occupancy that block size, registers and shared memory allow.",
        read=_occupancy,
        better="higher",
    ),
}
"""Name → what may have a budget in ``ncukit inspect``."""
ALIASES = {"occupancy": "theoretical_occupancy_pct"}
FROM_GATE = {
    "registers": "registers",
    "spills": "spills",
    "theoretical_occupancy_pct": "theoretical_occupancy_pct",
    "shared_bytes": "allocated_shared_bytes",
}
"""The gate's metric → the same quantity here. The gate's ``instructions`` are executed ones, which nobody knows yet."""
BOUNDS: tuple[Bound, ...] = ("min", "max")


def parse(text: str, bound: Bound, level: Level = "error", origin: str = COMMAND_LINE) -> Budget:
    """The budget that ``ncukit inspect --min`` or ``--max`` was given.

    Args:
        text: ``registers=128``, or with globs over kernels and cases ``softmax_*@BLOCK=1024:spills=0``.
        bound: which of them.
        level: ``warn`` for a budget that does not fail.
        origin: where it stands.

    Raises:
        NcukitError: it is not of that form, or the metric is unknown or exists only when a kernel is measured.
    """
    left, equals, value = (part.strip() for part in text.rpartition("="))
    scope, colon, name = (part.strip() for part in left.rpartition(":"))
    if not equals or not name or not value:
        raise NcukitError(
            f"'{text}' is no budget: --{bound} takes name=number",
            causes=("there must be a metric name, an equals sign and a number; KERNEL: may stand before the name",),
            next_command=f"ncukit inspect FILE --{bound} {name or left or value or 'registers'}=128",
        )
    metric = _resolve(name, bound, value)
    if value.endswith("%") or not AMOUNT.fullmatch(value) or float(value) == float("inf"):
        raise NcukitError(
            f"'{value}' is no finite number of at least 0 in --{bound} {text}",
            causes=(f"{metric} is in {STATIC[metric].unit}; write the number alone",),
            next_command=f"ncukit inspect FILE --{bound} {left}=128",
        )
    kernel, _, case = scope.partition("@")
    if colon and not (kernel or case):
        raise NcukitError(
            f"'{text}' names no kernel before the colon",
            causes=("before the metric may stand KERNEL: or KERNEL@CASE:, both globs",),
            next_command=f"ncukit inspect FILE --{bound} {name}={value}",
        )
    return _budget(metric, bound, float(value), kernel=kernel.strip(), case=case.strip(), level=level, origin=origin)


def _resolve(name: str, bound: Bound, value: str) -> str:
    """A name as somebody typed it → the name here."""
    if (known := ALIASES.get(name, name)) in STATIC:
        return known
    short = metrics.by_ncu_name().get(name)
    if short in FROM_GATE:
        return FROM_GATE[short]
    if name in metrics.catalogue() or "__" in name:
        raise NcukitError(
            f"{name} is known only when the kernel is measured: inspect runs nothing on a GPU",
            causes=(f"without a measurement there are {', '.join(STATIC)}",),
            next_command=f"ncukit gate REPORT --{bound} {name}={value}",
        )
    close = nearest(name, [*STATIC, *ALIASES])
    raise NcukitError(
        f"no metric is called '{name}'",
        causes=(f"did you mean {' or '.join(close)}?" if close else f"known here are {', '.join(STATIC)}",),
        next_command="ncukit inspect --help",
    )


def _budget(metric: str, bound: Bound, limit: float, *, kernel: str, case: str, level: Level, origin: str) -> Budget:
    bad = "higher" if bound == "max" else "lower"
    note = f"--{bound} {metric}: {bad} is better for this metric, so this fails the better kernel"
    return Budget(
        metric=metric,
        bound=bound,
        limit=limit,
        unit=STATIC[metric].unit,
        kernel=kernel,
        case=case,
        level=level,
        origin=origin,
        note=note if STATIC[metric].better == bad else "",
    )


def collect(typed: Iterable[Budget], settings: Settings) -> tuple[Budget, ...]:
    """The budgets that hold without a measurement.

    The gate's, as far as their metric is known by then, are overridden and extended by ``[tool.ncukit.inspect]``, and
    both by the command line's.

    Raises:
        NcukitError: a budget is malformed, or two contradict each other.
    """
    found: dict[tuple[str, ...], Budget] = {}
    for part in (_gates(settings), _inspects(settings), list(typed)):
        found |= _unique(part)
    for key, budget in found.items():
        other = found.get((*key[:-1], "max"))
        if budget.bound == "min" and other is not None and budget.limit > other.limit:
            raise NcukitError(
                f"nothing can pass: {budget.metric} must be at least {budget.limit:g} and at most {other.limit:g}",
                causes=(f"the minimum is from {budget.origin}, the maximum from {other.origin}",),
                next_command="ncukit config",
            )
    return tuple(found.values())


def measured_only(settings: Settings) -> tuple[str, ...]:
    """The gate's budgets that only a measurement can judge, by metric or cause: for a note."""
    names: list[str] = []
    for table in settings.gate.all_budgets:
        limits = (*table.minimum, *table.maximum)
        names += [name for name in limits if metrics.by_ncu_name().get(name, name) not in FROM_GATE]
        names += [*table.max_drop, *table.max_rise, *table.forbid]
    return tuple(dict.fromkeys(names))


def _gates(settings: Settings) -> list[Budget]:
    """The gate's ``min`` and ``max`` of metrics that are known here; its other budgets are not looked at."""
    found = []
    for table in settings.gate.all_budgets:
        for bound, limits in zip(BOUNDS, (table.minimum, table.maximum), strict=True):
            for name, limit in limits.items():
                metric = FROM_GATE.get(metrics.by_ncu_name().get(name, name))
                if metric is not None:
                    level: Level = "warn" if table.level == "warn" else "error"
                    origin = _origin(settings, f"gate.{bound}.{name}")
                    found.append(
                        _budget(metric, bound, limit, kernel=table.kernel, case=table.case, level=level, origin=origin)
                    )
    return found


def _inspects(settings: Settings) -> list[Budget]:
    found = []
    for bound, limits in zip(BOUNDS, (settings.inspect.minimum, settings.inspect.maximum), strict=True):
        for name, limit in limits.items():
            origin = _origin(settings, f"inspect.{bound}.{name}")
            try:
                found.append(parse(f"{name}={limit!r}", bound, origin=origin))
            except NcukitError as error:
                message = f"{origin}: inspect.{bound}: {error.message}"
                raise NcukitError(message, causes=error.causes, next_command=error.next_command) from error
    return found


def _origin(settings: Settings, key: str) -> str:
    return settings.origins.get(key) or str(settings.path or "configuration")


def _unique(budgets: Iterable[Budget]) -> dict[tuple[str, ...], Budget]:
    """By kernels, case, metric and bound; two different limits from one place contradict each other."""
    unique: dict[tuple[str, ...], Budget] = {}
    for budget in budgets:
        key = (budget.kernel, budget.case, budget.metric, budget.bound)
        before = unique.setdefault(key, budget)
        if budget.level == "error":
            unique[key] = budget  # of two alike, the one that fails holds
        if before.limit != budget.limit:
            raise NcukitError(
                f"{budget.scope}{budget.metric} has two {budget.bound} budgets: {before.limit:g} and {budget.limit:g}",
                causes=(f"both are from {budget.origin}; two names may mean the same metric",),
                next_command="ncukit config",
            )
    return unique
