"""The loop's tools without a GPU, an agent or a compiler: what they answer stands in the texts themselves.

A kernel takes as many microseconds as its line ``TIME = …`` says; the check refuses what holds the word ``wrong``.
"""

from __future__ import annotations

import ast
import hashlib
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from ncukit.errors import NcukitError
from ncukit.optimize.agent import Answer
from ncukit.optimize.journal import Limits, Outcome, Settings
from ncukit.optimize.loop import optimize
from ncukit.optimize.problem import Problem
from ncukit.optimize.timing import Race, Timing
from ncukit.optimize.tools import Asked, DoesNotRun, Known, Moment, Tools
from ncukit.optimize.verdict import Case, Checked, Reason

if TYPE_CHECKING:
    from pathlib import Path

START = """import torch.nn as nn

size = 8
TIME = 100.0


class Model(nn.Module):
    pass


class ModelNew(nn.Module):
    pass


def get_inputs():
    return [size]


def get_init_inputs():
    return []
"""


def answer(time_us: float, more: str = "") -> str:
    """A model's answer whose kernel takes so long."""
    return f"""I keep the row in registers. That saves a pass.

```python
import torch.nn as nn

TIME = {time_us}


class ModelNew(nn.Module):
    {more or "pass"}
```
"""


def time_of(code: str) -> float:
    """How long a kernel takes."""
    return float(re.search(r"^TIME = (.*)$", code, re.MULTILINE)[1])


def raced(before: float, after: float, noise: float = 0.002) -> Race:
    """A race of two times."""

    def timing(us: float) -> Timing:
        return Timing(median_us=us, low_us=us * (1 - noise), high_us=us * (1 + noise), runs=9)

    ratio = before / after
    return Race(
        before=timing(before),
        after=timing(after),
        ratio=ratio,
        low=ratio * (1 - noise),
        high=ratio * (1 + noise),
        gpu="NVIDIA H200",
        versions={"triton": "3.6.0"},
    )


class Bench:
    """A folder with a problem, and tools that note how they are used.

    Args:
        folder: where the problem is, and the run will be.
        script: what the agent answers, by the number of the round (the last one again and again): a text, or an
            :class:`Answer`, or an exception.
    """

    def __init__(self, folder: Path, *script: str | Answer | BaseException) -> None:
        self.file = folder / "kernel.py"
        self.file.write_text(START)
        self.place = folder / "run"
        self.script = script
        self.briefs: list[Moment] = []
        self.checked: list[str] = []
        self.races: list[tuple[float, float]] = []
        self.studied: list[str] = []
        self.asked_s: list[float] = []
        self.told: list[str] = []
        self.left_at: float = 0.0
        """A time at which there is nothing left to win."""
        self.known = Known()
        self.check_says: Checked | None = None
        """What the check says of what it does not refuse."""
        self.final_us: float | None = None
        """What the best takes when start and best are measured again."""

    def run(self, limits: Limits | None = None, **changed: object) -> Outcome:
        """One call of the command."""
        return optimize(
            self.problem, self.place, self.settings(**changed), limits or Limits(), self.tools, self.told.append
        )

    @property
    def problem(self) -> Problem:
        """As it is read."""
        code = self.file.read_text()
        return Problem(path=str(self.file), code=code, tree=ast.parse(code))

    def settings(self, **changed: object) -> Settings:
        """Of this bench."""
        digest = hashlib.sha256(self.file.read_bytes()).hexdigest()
        found = Settings(
            file=str(self.file), sha256=digest, agent="agent", gpu="NVIDIA H200", versions={"triton": "3.6.0"}
        )
        return replace(found, **changed)  # type: ignore[arg-type]

    @property
    def tools(self) -> Tools:
        """The tools."""
        return Tools(
            ask=self._ask, check=self._check, race=self._race, study=self._study, left=self._left, brief=self._brief
        )

    def _brief(self, moment: Moment) -> Asked:
        self.briefs.append(moment)
        words = f"repair {moment.repair[1][0].code}\n{moment.repair[0]}" if moment.repair else "new"
        return Asked(
            text=f"{words}\n{moment.code}", stage=moment.stage or f"stage-{len(moment.rounds) + 1}", tokens=700
        )

    def _ask(self, brief: str, seconds: float) -> Answer:
        self.asked_s.append(seconds)
        given = self.script[min(len(self.briefs[-1].rounds), len(self.script) - 1)]
        if isinstance(given, BaseException):
            raise given
        return given if isinstance(given, Answer) else Answer(how="answered", text=given, said="thinking\n", wall_s=0.5)

    def _check(self, path: Path) -> Checked:
        text = path.read_text()
        self.checked.append(path.name)
        fenced = re.search(r"```python\n(.*?)```", text, re.DOTALL)
        blank = "\n" * text[: fenced.start(1)].count("\n") if fenced else ""
        code = blank + fenced[1] if fenced else text if path.suffix == ".py" else ""
        if not code or "wrong" in code:
            reason = Reason(
                code="wrong-values" if code else "no-code", line=9, message="half is missing", instead="write it"
            )
            return Checked(path=str(path), verdict="refused", reasons=(reason,), code=code, where="NVIDIA H200")
        case = Case(name="own sizes", outcome="right", error=0.1)
        said = self.check_says or Checked(path="", verdict="accepted", cases=(case,), where="NVIDIA H200")
        return replace(said, path=str(path), code=code)

    def _race(self, before: str, after: str) -> Race:
        times = time_of(before), time_of(after)
        self.races.append(times)
        if times[1] < 0:
            raise DoesNotRun("timing ended in an error of the new kernel: out of memory")
        if times[0] < 0:
            raise NcukitError("timing ended in an error of the kernel to beat")
        again = self.told[-1:] == ["measuring the start against the best again, and checking best.py"]
        return raced(times[0], self.final_us if again and self.final_us else times[1])

    def _study(self, kernel: Path, place: Path) -> Known:
        self.studied.append(kernel.read_text())
        return self.known

    def _left(self, known: Known) -> str:
        return "it runs at the DRAM roof" if time_of(self.studied[-1]) <= self.left_at else ""


LATE = Answer(how="late", text="half", said="", wall_s=9.0, why="no answer after 9 s: it was ended")
EMPTY = Answer(how="empty", text="", said="", wall_s=0.1, why="it printed nothing")
FAILED = Answer(how="failed", text="", said="no credit\n", wall_s=0.1, why="exit code 1: no credit")
ENDLESS = Answer(how="endless", text="x" * 100, said="", wall_s=3.0, why="more than 100 bytes of answer: it was ended")
