"""An inspection for programs: ``schema_version`` 1; additions are free, renames are not.

Names and messages stand here in full, as they were read. What is missing is null, and so is what is no number; a
constant that is no number (``-inf``) stands as text.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ncukit.render.inspect_rows import ordered_fits, reference
from ncukit.render.inspect_text import not_launched
from ncukit.source.codec import encode
from ncukit.source.whatif import flags

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ncukit.gate.examined import Examined
    from ncukit.gate.static_verdict import StaticVerdict
    from ncukit.source.fit import Fit
    from ncukit.source.inspection import Compiled
    from ncukit.source.whatif import Variant


def render(examined: Examined) -> str:
    """The document that ``ncukit inspect --format json`` prints."""
    inspection = examined.inspection
    document = {
        "schema_version": 1,
        "path": inspection.path,
        "archs": list(inspection.archs),
        "versions": dict(inspection.versions),
        "source": inspection.source or None,
        "cached": inspection.cached,
        "measured": False,
        "kernels": [_kernel(one, examined.tables.get(i)) for i, one in enumerate(inspection.compiled)],
        "errors": [_empty_is_none(encode(error), "kernel", "arch", "instead") for error in inspection.errors],
        "lint": [_empty_is_none(encode(one), "instead") for one in inspection.lint],
        "notes": [encode(note) for note in inspection.notes],
        "not_launched": list(not_launched(inspection)),
        "verdicts": [_verdict(verdict) for verdict in examined.verdicts],
        "fail_on": examined.fail_on,
        "lint_only": examined.lint_only,
        "nothing": examined.nothing or None,
        "incomplete": examined.incomplete or None,
        "exit_code": int(examined.exit_code),
    }
    return json.dumps(_plain(document), indent=2, allow_nan=False) + "\n"


def _kernel(one: Compiled, table: Sequence[Variant] | None) -> dict[str, Any]:
    launch, fit = one.launch, reference(one)
    return {
        "name": launch.kernel,
        "arch": one.arch,
        "registers": one.registers,
        "spills": one.spills,
        "shared_bytes": one.shared_bytes,
        "occupancy": fit.occupancy_pct if fit is not None else None,
        "limited_by": list(fit.limiters) if fit is not None else [],
        "stack_bytes": one.stack_bytes,
        "spill_store_bytes": one.spill_store_bytes,
        "spill_load_bytes": one.spill_load_bytes,
        "static_shared_bytes": one.static_shared_bytes,
        "barriers": one.barriers,
        "code_bytes": one.code_bytes,
        "compile_s": one.compile_s,
        "path": launch.file,
        "line": launch.line,
        "launch_line": launch.launch_line,
        "grid": list(launch.grid) if launch.grid is not None else None,
        "block": 32 * launch.num_warps,
        "num_warps": launch.num_warps,
        "num_stages": launch.num_stages,
        "num_ctas": launch.num_ctas,
        "options": _constants(launch.options),
        "config": launch.config,
        "constexprs": _constants(launch.constexprs),
        "arguments": [{**encode(a), "value": _constant(a.value)} for a in launch.arguments],
        "launches": launch.count,
        "origin": launch.origin,
        "gpus": [{**_fit(each), "grid_shape": one.grids.get(each.gpu)} for each in ordered_fits(one)],
        "sass": encode(one.sass),
        "has_dot": one.has_dot,
        "narrow": [encode(narrow) for narrow in one.narrow],
        "stages": encode(one.stages) if one.stages is not None else None,
        "what_if": [_variant(variant, table[0]) for variant in table] if table else None,
    }


def _variant(variant: Variant, own: Variant) -> dict[str, Any]:
    return {
        **{name: value for name, value in encode(variant).items() if name != "fits"},
        "occupancy": variant.occupancy_pct,
        "problem": variant.problem or None,
        "flags": [] if variant is own else list(flags(variant, own)),
        "gpus": [_fit(fit) for fit in variant.fits],
    }


def _fit(fit: Fit) -> dict[str, Any]:
    return _empty_is_none(asdict(fit), "problem", "note")


def _verdict(verdict: StaticVerdict) -> dict[str, Any]:
    names = ("kernel", "arch", "config", "metric", "unit", "bound", "limit", "value", "status", "code", "reason")
    found = {name: getattr(verdict, name) for name in (*names, "level", "origin", "path", "line")}
    return _empty_is_none({**found, "status": verdict.status.value}, "arch", "reason", "origin")


def _empty_is_none(entry: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: None if name in names and value == "" else value for name, value in entry.items()}


def _constants(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _constant(value) for name, value in values.items()}


def _constant(value: Any) -> Any:
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _plain(value: Any) -> Any:
    """``value`` as JSON has it: no NaN, no infinity, no types of others."""
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, int | str | None) else str(value)
