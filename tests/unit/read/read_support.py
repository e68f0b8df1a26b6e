"""Golden files and small tables in ncu's shape."""

import csv
import gzip
import io
from collections.abc import Sequence
from pathlib import Path

GOLDEN = Path(__file__).parents[2] / "golden" / "ncu-2025.3.1-h200"
IDENTITY = ["ID", "Process ID", "Process Name", "Host Name", "Kernel Name", "Context", "Stream", "Block Size"]
IDENTITY += ["Grid Size", "Device", "CC"]


def golden_bytes(name: str) -> bytes:
    raw = (GOLDEN / name).read_bytes()
    return gzip.decompress(raw) if name.endswith(".gz") else raw


def raw_page(
    columns: dict[str, tuple[str, Sequence[str]]],
    *,
    kernels: Sequence[str] | None = None,
    process: int = 780,
    grids: Sequence[str] | None = None,
) -> str:
    """A raw page: column → (unit, cells), with the identification columns of 2025.3.1."""
    out = io.StringIO()
    table = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n")
    table.writerow([*IDENTITY, *columns])
    table.writerow([*[""] * len(IDENTITY), *(unit for unit, _ in columns.values())])
    rows = max(len(cells) for _, cells in columns.values())
    for row in range(rows):
        kernel = kernels[row] if kernels else f"kernel_{row}"
        grid = grids[row] if grids else "(1024, 1, 1)"
        identity = [row, process, "python3.12", "127.0.0.1", kernel, 1, 7, "(128, 1, 1)", grid, 0, "9.0"]
        table.writerow([*identity, *(cells[row] for _, cells in columns.values())])
    return out.getvalue()
