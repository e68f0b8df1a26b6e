"""Budgets, baselines and comparisons: verdicts, never exit codes."""
