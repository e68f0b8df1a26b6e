"""What drops and rises are counted from: a baseline of this GPU and case, or another report."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ncukit.config import BASELINE_NAME
from ncukit.diagnose import diagnose
from ncukit.errors import NcukitError
from ncukit.gate import baseline
from ncukit.gate.answer import Against
from ncukit.gate.codes import Code
from ncukit.gate.side import GAIN, Side, blocking, differences, side, sizes_told
from ncukit.read import read

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ncukit.gate.baseline import Kept
    from ncukit.model import Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """What was found to count from; without ``side`` nothing can be counted, for the reason of ``code``."""

    against: Against
    side: Side | None = None
    code: Code | None = None
    why: str = ""
    accepted: bool = False
    """Whether ``--allow`` accepts that there is nothing to count from."""
    sizes_told: bool = False
    """Whether both sides say what their inputs were, or ``--allow size`` makes it unimportant: then the sizes of
    single tensors, which another implementation may view in another shape, need not be compared."""


def find(
    word: str,
    report: Report,
    metrics: Iterable[str],
    allow: Sequence[str] = (),
    gpu: str | None = None,
    *,
    by_name: bool = False,
) -> Reference:
    """The reference that ``--against`` names.

    Args:
        word: the name of a baseline, or a path: a baseline file, or anything that ``read`` takes.
        report: what is judged.
        metrics: what is read of the other side, where it is a report.
        allow: what may differ, or be missing.
        gpu: GPU of a report that does not name it.
        by_name: it is the name of a baseline, whatever files are called so.

    Raises:
        NcukitError: the file cannot be read, or there is none, and no baseline can be called so.
    """
    mine = side(report, ())
    if by_name or not is_there(word):
        return _named(word, report, mine, allow)
    path = Path(word)
    if path.suffix == ".json" and baseline.is_baseline(path):
        return _kept(baseline.load(path), mine, allow, path)
    measured, wanted = read(word, gpu=gpu), tuple(metrics)
    other = side(measured, wanted, diagnose(measured) if GAIN in wanted else None)
    return _compared(Against(name=word, path=word, found=True), other, mine, allow)


def is_there(word: str) -> bool:
    """Whether a word names a file or standard input; if not, it has to be able to be a baseline's name.

    Raises:
        NcukitError: it is neither: a path that is mistyped must not look like a baseline that is yet to be saved.
    """
    try:
        if word == "-" or Path(word).exists():
            return True
    except OSError:  # a name too long to be one
        pass
    if not BASELINE_NAME.fullmatch(word) or Path(word).suffix:
        raise NcukitError(
            f"there is no file '{word[:200]}', and no baseline can be called so",
            causes=("the path is wrong; a baseline's name has letters, digits, '_' and '-'",),
            next_command="ncukit baseline list",
        )
    return False


def _named(name: str, report: Report, mine: Side, allow: Sequence[str]) -> Reference:
    gpu = report.environment.gpu
    found = baseline.of(name, gpu)
    if found is not None:
        return _kept(found, mine, allow, baseline.path_of(found))
    elsewhere = baseline.others(name)
    if "gpu" in allow and len(elsewhere) == 1:
        path = baseline.FOLDER / name / f"{elsewhere[0]}.json"
        return _kept(baseline.load(path), mine, allow, path)
    why, code = f"there is no baseline '{name}' yet", Code.NO_BASELINE
    if elsewhere:
        code = Code.OTHER_GPU
        why = f"the baseline '{name}' is of {', '.join(elsewhere)}, not of {gpu or 'a GPU that the report names'}"
    save = _save(report.path, name)
    against = Against(name=name, path=str(baseline.FOLDER / name), found=False, why=why, save_command=save)
    return Reference(against=against, code=code, why=why, accepted="no-baseline" in allow)


def _save(report: str, name: str) -> str:
    if report == "-":
        return ""
    return f"ncukit baseline save {shlex.quote(report)}" + (f" --name {name}" if name != "main" else "")


def _kept(found: baseline.Baseline, mine: Side, allow: Sequence[str], path: Path) -> Reference:
    kept: Kept | None = found.cases.get(mine.case)
    if kept is None:
        cases = ", ".join(list(found.cases)[:5]) or "nothing"
        why = f"the baseline '{found.name}' holds {cases}, not {mine.case}"
        save = _save(mine.path, found.name)
        against = Against(name=found.name, path=str(path), found=False, why=why, save_command=save)
        accepted = "not-in-baseline" in allow or "no-baseline" in allow
        return Reference(against=against, code=Code.NOT_IN_BASELINE, why=why, accepted=accepted)
    against = Against(name=found.name, path=str(path), found=True, saved=kept.saved, reason=kept.reason)
    return _compared(against, kept.side, mine, allow)


def _compared(against: Against, other: Side, mine: Side, allow: Sequence[str]) -> Reference:
    found = differences(other, mine, allow)
    against = replace(against, differences=found)
    block = blocking(found)
    told = "size" in allow or sizes_told(other, mine)
    if block is None:
        return Reference(against=against, side=other, sizes_told=told)
    allowed = f"; --allow {block.allow} compares all the same" if block.allow else ""
    why = f"{block.field}: {block.before} → {block.after}{allowed}"
    return Reference(against=against, code=block.code, why=why)
