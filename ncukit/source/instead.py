"""What Triton's compiler says, and how to write it so that it compiles: the table is ``instead.toml``."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib.resources import files


@cache
def _table() -> tuple[tuple[re.Pattern[str], str], ...]:
    raw = tomllib.loads(files(__package__).joinpath("instead.toml").read_text(encoding="utf-8"))
    return tuple((re.compile(row["says"]), row["instead"]) for row in raw["advice"])


def instead(message: str) -> str:
    """What to write, for what the compiler said; empty when nothing is known."""
    return next((advice for says, advice in _table() if says.search(message)), "")
