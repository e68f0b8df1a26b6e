"""Budgets held against a report: verdicts, never exit codes."""

from __future__ import annotations

from ncukit.gate.budget import Budget, collect, parse
from ncukit.gate.judge import Judged, Judgement, judge

__all__ = ["Budget", "Judged", "Judgement", "collect", "judge", "parse"]
