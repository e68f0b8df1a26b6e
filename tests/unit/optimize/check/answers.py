"""Answers for the tests of `ncukit check`: the two corpora, and a small one to be changed in one place."""

from __future__ import annotations

import re
import textwrap
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ncukit.optimize.check import Request
from ncukit.optimize.check.form import examine
from ncukit.optimize.check.reading import read
from ncukit.optimize.problem import Problem, read_problem
from ncukit.optimize.verdict import Reason

if TYPE_CHECKING:
    from ncukit.optimize.check.answer import Answer

CORPUS = Path(__file__).parents[3] / "golden" / "answers"
_HEADER = re.compile(r"<!-- problem: (\w+)(?:; expect: ([\w, -]+?))? -->")
RUNS = frozenset(
    (
        "all_zeros", "cached_by_shape", "dot_of_two_types", "endless_loop", "fake_verdict", "half_precision",
        "half_written", "ignores_an_input", "input_overwritten", "mean_1000", "memory_bomb", "never_launched",
        "not_contiguous", "odd_sizes", "output_buffer", "raises", "tolerance_hole", "torch_does_the_work",
        "wrong_dtype", "wrong_shape",
    )
)  # fmt: skip
"""Candidates whose text gives nothing away: tests/integration/test_check_corpus.py compiles and runs them."""
IMPORTS = "import torch\nimport torch.nn as nn\nimport triton\nimport triton.language as tl\n"
KERNEL = """
@triton.jit
def double_kernel(x_ptr, y_ptr, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y_ptr + i, tl.load(x_ptr + i, mask=i < n) * 2, mask=i < n)
"""
WRAPPER = """
def double(x):
    x = x.contiguous()
    y = torch.empty_like(x)
    double_kernel[(triton.cdiv(x.numel(), 1024),)](x, y, x.numel(), BLOCK=1024)
    return y
"""
FORWARD = "return double(x)"


class Candidate(NamedTuple):
    """One answer of a corpus."""

    path: Path
    problem: str
    expected: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.path.stem

    def request(self, **options: object) -> Request:
        return Request(**{"path": str(self.path), "problem": problem(self.problem), "archs": ("sm_90",), **options})


@cache
def problem(name: str) -> Problem:
    return read_problem(str(CORPUS / "problems" / f"{name}.py"))


def corpus(folder: str) -> list[Candidate]:
    found = []
    for path in sorted((CORPUS / folder).glob("*.md")):
        header = _HEADER.match(path.read_text())
        assert header is not None, f"{path.name} does not begin with its problem"
        found.append(Candidate(path, header[1], tuple(filter(None, (header[2] or "").replace(" ", "").split(",")))))
    return found


HONEST = corpus("honest")
REFUSED = corpus("refused")


def answer(*, imports: str = "", top: str = "", forward: str = FORWARD, init: str = "", kernel: str = KERNEL) -> str:
    """The small answer with something added to one of its parts."""
    model = "\nclass ModelNew(nn.Module):\n    def __init__(self, scale=2):\n        super().__init__()\n"
    model += textwrap.indent(
        textwrap.indent(init, "    ") + "\n\ndef forward(self, x):\n" + textwrap.indent(forward, "    "), "    "
    )
    lines = [f"{IMPORTS}{imports}\n", f"{kernel}\n", f"{top}\n", WRAPPER, model.replace("    \n", "\n"), ""]
    return "\n".join(lines)


def taken(text: str) -> Answer | Reason:
    """What is read out of a text."""
    return read(Request(path="answer.md", problem=problem("scaled_add"), text=text))


def judged(text: str, **options: bool) -> list[str]:
    """Codes of what stands against the form of a text."""
    found = taken(text)
    return [found.code] if isinstance(found, Reason) else [reason.code for reason in examine(found, **options)]
