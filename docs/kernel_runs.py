"""What tests/bench/kernels.py saved: runs of one machine made one, and written so that a diff shows what changed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    Run = dict[str, Any]
    """Where it was measured, notes, bounds and results."""
    Row = dict[str, Any]
    """One variant of one table."""

SAME = ("device", "driver", "torch", "triton")
"""What runs must share to stand on one page."""


def merged(runs: Sequence[Run]) -> Run:
    """Runs of one machine as one: a table of a later run takes the place of an earlier one."""
    first = runs[0]
    for run in runs[1:]:
        other = [f"{key} {first[key]} and {run[key]}" for key in SAME if run[key] != first[key]]
        if other:
            raise SystemExit(f"kernel_page: these runs are not of one machine: {', '.join(other)}")
    notes = list(dict.fromkeys(note for run in runs for note in run["notes"]))
    whole = {**first, "rounds": min(run["rounds"] for run in runs), "notes": notes}
    for part in ("bounds", "results"):
        tables: dict[tuple[Any, ...], list[Row]] = {}
        for run in runs:
            mine: dict[tuple[Any, ...], list[Row]] = {}
            for row in run[part]:
                mine.setdefault((row["problem"], row["size"], *row["shape"], row["dtype"]), []).append(row)
            tables.update(mine)
        whole[part] = [row for rows in tables.values() for row in rows]
    return whole


def dumped(run: Run) -> str:
    """JSON with a line for each row, so that a diff shows which ones changed."""
    lists = {part: run[part] for part in ("notes", "bounds", "results")}
    head = json.dumps({key: value for key, value in run.items() if key not in lists}, indent=1)
    tail = [
        f' "{part}": [\n' + ",\n".join(f"  {json.dumps(row, ensure_ascii=False)}" for row in rows) + "\n ]"
        for part, rows in lists.items()
    ]
    return head.removesuffix("\n}") + ",\n" + ",\n".join(tail) + "\n}\n"
