"""Which of ncu's columns matter: a run that asks for 5 metrics prints 283, most of them about the device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ncukit.model import Environment
from ncukit.read import numbers, units

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ATTRIBUTE = "device__attribute_"
IDENTITY = {
    "kernel": "Kernel Name",
    "grid": "Grid Size",
    "block": "Block Size",
    "device": "Device",
    "stream": "Stream",
    "process": "Process ID",
}
"""Frame column → ncu's column. ncu 2022.3 has no Block Size, Grid Size, Device and CC on the details page."""

_SAMPLED_CELLS = 20_000
_SAMPLED_ROWS = 200

_PROGRAM = {"ID", "Process ID", "Process Name", "Host Name", "Context", "Stream", "Device", "CC"}
_NOT_METRICS = _PROGRAM | {"Kernel Name", "Kernel Time", "Block Size", "Grid Size"}
_DROPPED_FAMILIES = ("nvlink__", "numa__", "c2clink__", "derived_tempMetric", "breakdown:", "group:")
_KEPT_OF_PROFILER = "profiler__replayer_passes"
_TEXT = frozenset(
    (
        "launch__kernel_name",
        "launch__cluster_scheduling_policy",
        "launch__func_cache_config",
        "launch__tpc_enabled",
    )
)


def wanted(name: str) -> bool:
    """Whether ncu's column ``name`` is a reading of the launch, not of the device, the link or ncu itself.

    NVTX columns, named like ``thread Domain:Push/Pop_Range:...``, hold no ``__`` and are none.
    ``*.TriageCompute.*`` are sampling series without an aggregate, ``derived_tempMetric*`` intermediate
    results.
    """
    if name in _NOT_METRICS or name in _TEXT or "Domain:" in name or name.startswith(_DROPPED_FAMILIES):
        return False
    if name.startswith((ATTRIBUTE, "profiler__")):
        return name == _KEPT_OF_PROFILER
    return bool(name) and ".TriageCompute." not in name


@dataclass(frozen=True, slots=True)
class Plan:
    """What to take from a wide table, by position."""

    identity: Mapping[str, int]
    """Frame column → position; a column that this ncu does not print is absent."""
    readings: tuple[tuple[int, str, float], ...]
    """(position, ncu name, factor to the base unit)."""
    attributes: tuple[tuple[int, str, float], ...]
    capability: int | None
    """Position of the CC column."""
    unknown_units: tuple[str, ...]


def plan(names: Sequence[str], unit_row: Sequence[str]) -> Plan:
    """Sort the columns of a wide table; columns are found by name since NVTX columns move them."""
    position = {name: index for index, name in reversed(list(enumerate(names)))}
    readings, attributes, unknown = [], [], {}
    for index, (name, unit) in enumerate(zip(names, unit_row, strict=True)):
        attribute = name.startswith(ATTRIBUTE)
        if not attribute and not wanted(name):
            continue
        factor = units.factor(unit)
        if factor is None:
            unknown[unit] = name
            factor = 1.0
        if attribute:
            attributes.append((index, name.removeprefix(ATTRIBUTE), factor))
        else:
            readings.append((index, name, factor))
    return Plan(
        identity={column: position[ncu] for column, ncu in IDENTITY.items() if ncu in position},
        readings=tuple(readings),
        attributes=tuple(attributes),
        capability=position.get("CC"),
        unknown_units=tuple(unknown_unit(unit, name) for unit, name in unknown.items()),
    )


def unknown_unit(unit: str, name: str) -> str:
    """The note for a unit that this version does not know."""
    return f"unit '{unit[:40]}' of {name[:100]} is not known: its values are as ncu printed them"


def is_units(row: Sequence[str], names: Sequence[str]) -> bool:
    """Whether this is the row of units: its identification cells are empty."""
    return len(row) == len(names) and not row[0] and not row[names.index("Kernel Name")]


def environment(plan: Plan, row: Sequence[str], style: numbers.Style) -> Environment:
    """The device as the first launch's row describes it."""
    values = {name: (numbers.parse(row[index], style), factor) for index, name, factor in plan.attributes}
    attributes = {name: v * factor for name, (v, factor) in values.items() if v is not None and not np.isnan(v)}
    named = next((row[index] for index, name, _ in plan.attributes if name == "display_name"), "")
    count = attributes.get("multiprocessor_count")
    return Environment(
        gpu="" if named in numbers.MISSING else named,
        compute_capability=row[plan.capability] if plan.capability is not None else "",
        sm_count=int(count) if count else None,
        attributes=attributes,
    )


def sample_size(width: int) -> int:
    """Rows of a table of so many columns that are enough to tell how the file writes numbers."""
    return max(3, min(_SAMPLED_ROWS, _SAMPLED_CELLS // width))


def cells(names: Sequence[str], rows: Sequence[Sequence[str]]) -> list[tuple[str, str]]:
    """(column, cell) of everything in these rows that should be a number."""
    numeric = [(i, name) for i, name in enumerate(names) if wanted(name) or name.startswith(ATTRIBUTE)]
    return [(name, row[index]) for row in rows for index, name in numeric]


def strange_notes(names: Sequence[str]) -> list[str]:
    """The note for cells that hold words where numbers were expected."""
    if not names:
        return []
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return [f"some cells are no numbers and count as missing: {', '.join(names[:3])}{more}"]
