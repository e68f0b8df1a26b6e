"""Where text goes: stdout or a file written whole, people's text on stderr, colour only where it is wanted."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ncukit.errors import Exit, NcukitError

if TYPE_CHECKING:
    from pathlib import Path

    from _typeshed import ReadableBuffer

F = TypeVar("F", bound=Callable[..., Any])
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EIO)
"""What a disk answers, whatever path is named on it."""
SUFFIXES = {".json": "json", ".md": "markdown", ".csv": "csv", ".sarif": "sarif", ".xml": "junit", ".html": "html",
            ".diff": "diff", ".patch": "diff"}  # fmt: skip
"""Suffix of an output file → its format."""


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


def also_files(
    formats: Collection[str],
) -> Callable[[click.Context, click.Parameter, Sequence[str]], tuple[tuple[str, Path], ...]]:
    """The callback of ``--also FORMAT=FILE``: its values as pairs, checked before anything is done."""

    def read(_: click.Context, __: click.Parameter, values: Sequence[str]) -> tuple[tuple[str, Path], ...]:
        from pathlib import Path

        pairs = []
        for value in values:
            format_, _equals, file = value.partition("=")
            if format_ not in formats or not file:
                raise click.BadParameter(f"'{value}' is not FORMAT=FILE with one of {', '.join(formats)}")
            pairs.append((format_, Path(file)))
        return tuple(pairs)

    return read


def chosen_format(format_: str | None, output: Path | None, default: str = "console") -> str:
    """The format asked for, else the one that the output file's suffix names.

    Raises:
        click.UsageError: the suffix names a format that this verb does not write.
    """
    if format_ is not None:
        return format_
    named = SUFFIXES.get(output.suffix.lower()) if output else None
    if output is None or named is None:
        return default
    context = click.get_current_context(silent=True)
    formats = next((o.type for o in context.command.params if o.name == "format_"), None) if context else None
    if isinstance(formats, click.Choice) and named not in formats.choices:
        # a page for people under the name of a format for programs would only fail where it is read
        raise click.UsageError(f"{output}: this verb writes {', '.join(formats.choices)}, not {named}.")
    return named


class _Patient(io.FileIO):
    """Standard output or error, for which a reader that leaves (``| head``) is no failure: the verdict stands."""

    def __init__(self, number: int, *, heard: bool) -> None:
        super().__init__(number, "w", closefd=False)
        self._heard = heard
        """Whether somebody must be told that the rest is lost."""
        self._lost = False

    def write(self, data: ReadableBuffer, /) -> int:
        """Write, or drop what nobody can have any more.

        Raises:
            NcukitError: the disk is full, or the stream is no stream; once.
        """
        if not self._lost:
            try:
                return super().write(data)
            except BrokenPipeError:
                self._lost = True
            except OSError as error:
                self._lost = True
                if self._heard:
                    raise NcukitError(
                        f"cannot write to standard output: {error.strerror}",
                        causes=("the disk is full", "standard output is a file that cannot be written"),
                        next_command="df -h; or write to another place with -o",
                        # neither a pass nor a failed gate, and no fault in the command: the answer is lost
                        exit_code=Exit.ENVIRONMENT,
                    ) from error
        return memoryview(data).nbytes


def patient_streams() -> None:
    """Make the process's streams safe to write to: closed, left by their reader, full, or in ASCII."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            # closed by the shell (`>&-`): hold its number, or the next file that is opened gets it
            held = os.open(os.devnull, os.O_RDWR)
            raw = io.FileIO(held, "r" if name == "stdin" else "w", closefd=False)
            setattr(sys, name, io.TextIOWrapper(raw))
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        buffer = getattr(stream, "buffer", None)
        if not isinstance(getattr(buffer, "raw", buffer), io.FileIO):
            continue  # a console of Windows, or a stand-in
        stream.flush()
        text = io.TextIOWrapper(
            io.BufferedWriter(_Patient(stream.fileno(), heard=name == "stdout")),
            encoding=stream.encoding,
            errors="replace",  # an ASCII terminal gets ? for µ, not a traceback
            line_buffering=stream.line_buffering,
        )
        setattr(sys, name, text)


def emit(text: str, output: Path | None) -> None:
    """Write ``text`` to stdout, or to ``output`` whole or not at all; a job's step summary is added to."""
    if not text.endswith("\n"):
        text += "\n"
    if output is None or str(output) == "-":
        sys.stdout.write(text)
        sys.stdout.flush()  # a full disk is noticed here, while the verb can still say so
        return
    try:
        if os.fspath(output) == os.environ.get("GITHUB_STEP_SUMMARY"):
            with output.open("a", encoding="utf-8", errors="replace") as summary:  # earlier text stays
                summary.write(text)
        elif output.exists() and not output.is_file():
            output.write_text(text, encoding="utf-8", errors="replace")  # a device or a pipe: nothing to rename to
        else:
            _write_whole(text, output)
    except BrokenPipeError:
        return
    except OSError as error:
        raise NcukitError(
            f"cannot write {output}: {error.strerror}",
            causes=("the folder is missing, read-only or full, or the path is a folder",),
            next_command="choose another path",
            exit_code=Exit.ENVIRONMENT if error.errno in FULL else Exit.USAGE,
        ) from error


def _write_whole(text: str, output: Path) -> None:
    import tempfile
    from pathlib import Path

    place = Path(os.path.realpath(output))  # a link stays a link
    place.parent.mkdir(parents=True, exist_ok=True)
    beside = tempfile.NamedTemporaryFile(  # noqa: SIM115 - closed before it is renamed
        "w", dir=place.parent, prefix=f".{place.name}.", delete=False, encoding="utf-8", errors="replace"
    )
    try:
        with beside:
            beside.write(text)
        Path(beside.name).chmod(0o644)
        Path(beside.name).replace(place)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(beside.name).unlink()
        raise


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
