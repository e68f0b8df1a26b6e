"""The ``--config`` option of every verb that has settings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from ncukit.config import Settings

F = TypeVar("F", bound=Callable[..., Any])


def _load(context: click.Context, _: click.Parameter, value: Path | None) -> Settings | None:
    if context.resilient_parsing:
        return None
    from ncukit import config

    return config.load(explicit=value)


def config_option(function: F) -> F:
    """Hand the verb its ``settings``: the nearest configuration file's, or those of ``--config FILE``."""
    return click.option(
        "--config",
        "settings",
        type=click.Path(path_type=Path),
        callback=_load,
        metavar="FILE",
        help="Settings from this file instead of the nearest ncukit.toml or pyproject.toml.",
    )(function)
