"""Writes docs/gallery.md: for every cause a sick kernel, its cure, what ncukit says, and what the cure gained.

    python docs/gallery.py [--check]

Everything on the page is computed from the clinic's kernels and their recordings. With --check nothing is written; the
exit code is 1 when the page is not what they say.
"""

from __future__ import annotations

import ast
import difflib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import cases
import scoring
from accuracy import gain_range, write

from ncukit.diagnose import rules
from ncukit.model import Severity
from ncukit.render import units
from ncukit.render.console import diagnosis_page, environment_line

if TYPE_CHECKING:
    from cases import Case, Program
    from scoring import Score

    from ncukit.model import Finding

PAGE = Path(__file__).with_suffix(".md")
WIDTH = 100

INTRO = """\
# Gallery

<!-- generated from kernels/clinic and its recordings by docs/gallery.py -->

*For every cause: a kernel written to suffer from it, the change that cures it, what `ncukit diagnose` says of the sick
one, and what the cure gained.*

{environment}.
Times are GPU time over all launches. The gain is what was measured, sick over cured; [accuracy](accuracy.md) has all of
them beside the targets, and kernels that the rules had not seen. `ncukit explain CODE` prints the page behind a cause.
"""


def page() -> str:
    """The page as Markdown."""
    codes = {cause: code for code, cause, _ in rules.codes()}
    scores = [scoring.score(case) for case in cases.clinic() if cases.CLINIC in case.sick.source.parents]
    scores.sort(key=lambda s: codes[s.case.cause])
    environment = environment_line(scoring.report(scores[0].case.sick).environment)
    rows = ["| cause | code | what it looks like | gain |", "|---|---|---|---|"]
    for s in scores:
        cause, found = s.case.cause, _finding(s.case)
        looks = found.title.replace("|", "\\|") if found else "not found"
        rows.append(f"| [{cause}](#{cause}) | [{codes[cause]}](rules/{cause}.md) | {looks} | {s.measured:.2f}x |")
    sections = [_section(s, codes[s.case.cause]) for s in scores]
    return "\n".join([INTRO.format(environment=environment), *rows, "", *sections]).rstrip() + "\n"


def _section(score: Score, code: str) -> str:
    case = score.case
    _, wrong = _parted(case.sick.source)
    _, right = _parted(case.cured.source)
    return "\n".join(
        [
            f"## {case.cause}",
            "",
            f"{wrong}",
            "",
            f"**The cure.** {right}",
            "",
            "```diff",
            *_diff(case),
            "```",
            "",
            f"**What ncukit says** of [the sick kernel]({_link(case.sick)}) (`ncukit explain {code}`):",
            "",
            "```text",
            *_first_block(case),
            "```",
            "",
            f"**Proof.** Predicted {gain_range(score.predicted)}, measured **{score.measured:.2f}x**: "
            f"{score.sick_us:,.1f} us → {score.cured_us:,.1f} us. Of [the cured kernel]({_link(case.cured)}) "
            f"ncukit says: {_in_a_line(case.cured)}.",
            "",
        ]
    )


def _link(program: Program) -> str:
    return f"../{program.source.relative_to(cases.ROOT)}"


def _parted(source: Path) -> tuple[list[str], str]:
    """A kernel file's code without its docstring, and the docstring as Markdown paragraphs."""
    text = source.read_text(encoding="utf-8")
    tree = ast.parse(text)
    end = tree.body[0].end_lineno or 0
    code = "\n".join(text.splitlines()[end:]).strip().splitlines()
    return code, ast.get_docstring(tree) or ""


def _diff(case: Case) -> list[str]:
    """The lines that the cure changes, with two lines around them."""
    (sick, _), (cured, _) = _parted(case.sick.source), _parted(case.cured.source)
    lines = difflib.unified_diff(sick, cured, "sick", "cured", n=2, lineterm="")
    return ["@@" if line.startswith("@@") else line.rstrip() for line in lines]


def _finding(case: Case) -> Finding | None:
    """The finding that names the planted cause."""
    diagnosis = scoring.diagnosed(case.sick)
    every = [*diagnosis.pipeline, *(f for k in diagnosis.kernels for f in k.findings)]
    return next((f for f in every if f.cause == case.cause), None)


def _first_block(case: Case) -> list[str]:
    """The first finding as the page of `ncukit diagnose` shows it."""
    lines = diagnosis_page(scoring.diagnosed(case.sick), color=False, width=WIDTH).splitlines()
    start = next((i for i, line in enumerate(lines) if line.startswith(" 1  ")), None)
    if start is None:
        return lines[-1:]
    end = next((i for i in range(start, len(lines)) if not lines[i].strip()), len(lines))
    return lines[start:end]


def _in_a_line(program: Program) -> str:
    """What the page says of the kernel that takes most of the time: the limit it runs at, else the best advice."""
    diagnosis = scoring.diagnosed(program)
    kernel = max(diagnosis.kernels, key=lambda k: k.launches * (k.duration_us or 0.0))
    findings = sorted(kernel.findings, key=lambda f: f.severity != Severity.LIMIT)
    if not findings:
        held = "" if kernel.bound == "unknown" else f", held by {kernel.bound}"
        return f"no cause found that the rules know{held}"
    found = findings[0]
    gain = f" {units.gain(found.gain)}" if found.severity == Severity.TUNE and found.gain else ""
    return f"`{found.cause}`{gain}, {found.title}"


if __name__ == "__main__":
    sys.exit(write(PAGE, page()))
