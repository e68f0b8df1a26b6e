"""A run of the loop for programs: ``schema_version`` 1; additions are free, renames are not.

Texts from the agent stand here in full, as they were read. What is missing is null.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ncukit.optimize.folder import BEST
from ncukit.optimize.journal import against_start
from ncukit.source.codec import encode

if TYPE_CHECKING:
    from ncukit.optimize.journal import Entry, Outcome
    from ncukit.optimize.timing import Race


def render(outcome: Outcome) -> str:
    """The document that ``ncukit optimize --format json`` prints."""
    settings, best = outcome.settings, outcome.best
    speeds = against_start(outcome.entries)
    document = {
        "schema_version": 1,
        "file": settings.file,
        "folder": outcome.folder,
        "agent": settings.agent,
        "gpu": settings.gpu,
        "versions": dict(settings.versions),
        "settings": {
            "sizes": dict(settings.sizes),
            "scope": settings.scope,
            "repairs": settings.repairs,
            "max_tokens": settings.max_tokens,
            "profile": settings.profile,
        },
        "start_us": outcome.start.before.median_us,
        "rounds": [_round(entry, speeds.get(entry.round.number), outcome.folder) for entry in outcome.entries],
        "best": {"round": best, "path": str(Path(outcome.folder) / BEST)} if best else None,
        "gain": {**_race(outcome.gain), "holds": outcome.holds} if outcome.gain is not None else None,
        "checked_again": outcome.again.verdict if outcome.again is not None else None,
        "stop": asdict(outcome.stop),
        "notes": list(outcome.notes),
        "exit_code": int(outcome.exit_code),
    }
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _round(entry: Entry, speed: float | None, folder: str) -> dict[str, Any]:
    one = entry.round
    return {
        "round": one.number,
        "stage": one.stage,
        "repair": entry.repair,
        "outcome": one.outcome,
        "verdict": entry.verdict or None,
        "reasons": [encode(reason) for reason in one.reasons],
        "unproven": list(entry.unproven),
        "against": entry.against,
        "ratio": one.ratio,
        "against_start": speed,
        "median_us": entry.median_us,
        "summary": one.summary or None,
        "agent_s": entry.agent_s,
        "wall_s": entry.wall_s,
        "folder": str(Path(folder) / f"round-{one.number:02d}"),
    }


def _race(race: Race) -> dict[str, Any]:
    return {
        "ratio": race.ratio,
        "low": race.low,
        "high": race.high,
        "before_us": race.before.median_us,
        "after_us": race.after.median_us,
    }
