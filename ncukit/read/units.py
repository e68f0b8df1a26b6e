"""ncu's units: old and new spellings, scaled and plain, and the factor to the base unit of each.

ncu scales by powers of 1000 and may scale either side of a fraction: ``Gbyte/s``, ``sector/us``, ``%/Kbyte``.
Release 2024.2 renamed the time units (``nsecond`` became ``ns``, ``cycle/nsecond`` became ``Ghz``); both
spellings are in reports that people keep.
"""

from __future__ import annotations

from functools import cache

_PREFIXES = {"K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15}

_TIME_NS = {
    "ns": 1.0,
    "nsecond": 1.0,
    "us": 1e3,
    "usecond": 1e3,
    "ms": 1e6,
    "msecond": 1e6,
    "s": 1e9,
    "second": 1e9,
}

# Counted things: the base units seen on raw pages and in metric queries of 2024 and 2025 releases.
_DEVICE = {"SM", "TPC", "block", "cluster", "register", "thread", "threads", "warp", "warps"}
_MEMORY = {"byte", "request", "requests", "sector", "sectors", "tag", "wavefront"}
_COUNTED = (
    _DEVICE | _MEMORY | {"", "%", "1", "branch", "branches", "cycle", "hz", "inst", "ops", "pass", "sample", "samples"}
)


@cache
def factor(unit: str) -> float | None:
    """Multiplier from ``unit`` to its base unit, or None when the unit is not known.

    The base of a time is ns, the base of a rate is per second, the base of a frequency is hz; counted things
    are their own base.
    """
    unit = unit.strip()
    top, slash, bottom = unit.partition("/")
    if not slash:
        return _TIME_NS.get(unit) or _counted(unit)
    numerator = _counted(top) if top and bottom else None
    # A rate's base is "per second", while a time's own base is ns.
    per = _TIME_NS[bottom] / 1e9 if bottom in _TIME_NS else _counted(bottom)
    if numerator is None or per is None:
        return None
    return numerator / per


def _counted(unit: str) -> float | None:
    if unit in _COUNTED:
        return 1.0
    if unit[:1] in _PREFIXES and unit[1:] in _COUNTED and unit[1:] not in ("", "%", "1"):
        return _PREFIXES[unit[0]]
    return None
