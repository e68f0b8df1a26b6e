"""Where text goes: stdout or a file written whole, people's text on stderr, colour only where it is wanted."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ncukit.errors import NcukitError

if TYPE_CHECKING:
    from pathlib import Path

F = TypeVar("F", bound=Callable[..., Any])


def plain(text: str) -> str:
    """Text from outside with its control characters shown instead of obeyed; newlines and tabs stay."""
    return "".join(c if c.isprintable() or c in "\n\t" else f"\\x{ord(c):02x}" for c in text)


def as_path(_: click.Context, __: click.Parameter, value: str | None) -> Path | None:
    """A path option's value; pathlib is loaded only when there is one, to keep ``--help`` quick."""
    from pathlib import Path

    return None if value is None else Path(value)


def format_option(*formats: str) -> Callable[[F], F]:
    """The ``--format`` and ``-o/--output`` pair that every verb has."""

    def decorate(function: F) -> F:
        choice = click.option(
            "--format",
            "format_",
            type=click.Choice(formats),
            default=None,
            help=f"Output format [default: {formats[0]}, or by the suffix of --output].",
        )
        output = click.option(
            "-o",
            "--output",
            type=click.Path(),
            callback=as_path,
            default=None,
            help="Write to this file instead of stdout.",
        )
        return choice(output(function))

    return decorate


def chosen_format(format_: str | None, output: Path | None, default: str = "console") -> str:
    """The format asked for, else the one that the output file's suffix names."""
    if format_ is not None:
        return format_
    by_suffix = {".json": "json", ".md": "markdown", ".csv": "csv"}
    return by_suffix.get(output.suffix, default) if output else default


def emit(text: str, output: Path | None) -> None:
    """Write ``text`` to stdout, or to ``output`` whole or not at all."""
    if not text.endswith("\n"):
        text += "\n"
    if output is None or str(output) == "-":
        sys.stdout.write(text)
        return
    try:
        import tempfile
        from pathlib import Path

        output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", dir=output.parent, prefix=f".{output.name}.", delete=False, encoding="utf-8"
        ) as beside:
            beside.write(text)
        Path(beside.name).chmod(0o644)
        Path(beside.name).replace(output)
    except OSError as error:
        raise NcukitError(
            f"cannot write {output}: {error.strerror}",
            causes=("the folder is missing, read-only or full, or the path is a folder",),
            next_command="choose another path for -o",
        ) from error


def say(text: str) -> None:
    """People's text, on stderr."""
    click.echo(text, err=True)


def next_step(command: str) -> None:
    """The last line of a verb: the next useful command, filled in."""
    if command:
        # it may hold a path or a target that came out of a report
        say(click.style("next: ", bold=True) + plain(command).replace("\n", " "))


def wants_color(output: Path | None) -> bool:
    """Colour on a terminal, unless NO_COLOR is set; FORCE_COLOR wins over both."""
    if os.environ.get("FORCE_COLOR"):
        return True
    return output is None and sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def width() -> int:
    """Columns to write for: the terminal's, between 60 and 120; 100 where there is none."""
    import shutil

    return max(60, min(120, shutil.get_terminal_size((100, 24)).columns))
