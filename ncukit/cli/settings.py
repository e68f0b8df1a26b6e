"""The ``--config`` option of every verb that has settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from ncukit.config import Settings

F = TypeVar("F", bound=Callable[..., Any])


def _load(context: click.Context, _: click.Parameter, value: str | None) -> Settings | None:
    if context.resilient_parsing:
        return None
    from pathlib import Path

    from ncukit import config

    return config.load(explicit=None if value is None else Path(value))


def config_option(function: F) -> F:
    """Hand the verb its ``settings``: the nearest configuration file's, or those of ``--config FILE``."""
    return click.option(
        "--config",
        "settings",
        type=click.Path(),
        callback=_load,
        metavar="FILE",
        help="Settings from this file instead of the nearest ncukit.toml or pyproject.toml.",
    )(function)
