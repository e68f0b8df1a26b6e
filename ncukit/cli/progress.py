"""What a terminal shows while a verb measures or compiles."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


@contextlib.contextmanager
def waiting(what: str) -> Iterator[None]:
    """Words on stderr while something may take seconds; nothing where stderr is not a terminal."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(what):
        yield


@contextlib.contextmanager
def progress() -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """A progress bar on stderr, fed by the harness; nothing where stderr is not a terminal."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[count]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("starting ncu", total=None, count="")

        def on_progress(event: Mapping[str, Any]) -> None:
            if event.get("stage") == "launch":
                total = event.get("total") or None
                count = f"{event.get('done')}/{total or '?'}"
                bar.update(task, description="profiling", completed=event.get("done", 0), total=total, count=count)
            else:
                bar.update(task, description=str(event.get("stage", ""))[:30])

        yield on_progress
