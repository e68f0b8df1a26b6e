"""Kernel files of a few lines to tune, and a session that answers from a table instead of a GPU."""

from __future__ import annotations

import ast
import re
import textwrap
from typing import TYPE_CHECKING, Any

from ncukit.optimize.problem import Problem
from ncukit.optimize.session import Ended
from ncukit.optimize.tune import Plan
from ncukit.optimize.tune.advice import advise
from ncukit.optimize.tune.facts import Facts
from ncukit.optimize.tune.knobs import Knobs, find_knobs
from ncukit.optimize.tune.problem_names import problem_names

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

HEAD = "import torch\nimport triton\nimport triton.language as tl\n\n"
ABOUT = {"gpu": "NVIDIA H200", "compute_capability": "9.0", "versions": {"torch": "2.11.0", "triton": "3.6.0"}}
PROBLEM = """
class Model(torch.nn.Module):
    def forward(self, x):
        return x.clone()


class ModelNew(torch.nn.Module):
    def forward(self, x):
        return run(x)


def get_inputs():
    return [torch.rand(size)]


def get_init_inputs():
    return []
"""


def kernel(name: str = "copy", constants: str = "BLOCK: tl.constexpr", decorators: str = "@triton.jit") -> str:
    """A kernel that copies, with a ``tl.arange`` over each of its constants."""
    names = re.findall(r"(\w+): tl.constexpr", constants)
    at = " + ".join(f"tl.arange(0, {name})" for name in names) or "0"
    return (
        f"{decorators}\ndef {name}(x, y, n, {constants}):\n    at = {at}\n    tl.store(y + at, tl.load(x + at))\n\n\n"
    )


def file(host: str, *kernels: str, top: str = "", parameters: str = "x", rest: str = "") -> str:
    """A kernel file whose host function ``run`` has these lines."""
    body = textwrap.indent(
        "y, n = torch.empty_like(x), x.numel()\n" + textwrap.dedent(host).strip() + "\nreturn y\n", "    "
    )
    made = "".join(kernels or (kernel(),))
    return f"{HEAD}size = 4096\n{top}\n\n{made}def run({parameters}):\n{body}\n{rest}{PROBLEM}"


def knobs_of(code: str) -> Knobs:
    """The knobs of a text."""
    tree = ast.parse(code)
    return find_knobs(code, tree, problem_names(tree))


def shown(code: str) -> dict[str, int]:
    """Every knob of a text, and its number."""
    return {group.label(knob): knob.value for group in knobs_of(code).groups for knob in group.knobs}


def reasons(code: str) -> dict[str, str]:
    """What is not turned, and why."""
    return {fixed.name: fixed.why for fixed in knobs_of(code).fixed}


def plan(code: str, **more: Any) -> Plan:
    """The plan of a search without a diagnosis and without a compiler."""
    problem = Problem(path="kernel.py", code=code, tree=ast.parse(code))
    knobs = knobs_of(code)
    advice = advise(knobs, None)
    facts = tuple(Facts() for _ in knobs.groups)
    return Plan(
        **{
            "problem": problem,
            "knobs": knobs,
            "facts": facts,
            "suggested": advice.suggested,
            "order": advice.order,
            **more,
        }
    )


class Table:
    """A session that reads the numbers of a text's launches and looks up how long it takes.

    Args:
        time_of: numbers (``{"copy.BLOCK": 1024}``) → microseconds; or ``wrong``, the text of an error, what is raised.
        same: numbers → what its machine code is told apart by.
        final: microseconds of both in the last comparison; None for those of the table.
    """

    def __init__(
        self,
        time_of: Callable[[Mapping[str, int]], float | str | BaseException],
        same: Callable[[Mapping[str, int]], str] = repr,
        final: tuple[float, float] | None = None,
    ) -> None:
        self.time_of = time_of
        self.same = same
        self.final = final
        self.about = ABOUT
        self.running = False
        self.jobs: list[Mapping[str, Any]] = []

    @property
    def kinds(self) -> list[str]:
        """What was asked: ``first`` (the file as it stands), ``trial`` or ``race``."""
        return ["race" if j["do"] == "race" else "trial" if "incumbent" in j else "first" for j in self.jobs]

    @property
    def tried(self) -> list[dict[str, int]]:
        """Numbers of the trials, in their order."""
        return [numbers(job["text"]) for job in self.jobs if "incumbent" in job]

    def stop(self) -> None:
        self.running = False

    def ask(self, job: Mapping[str, Any], timeout_s: float, on_event: Any = None) -> Mapping[str, Any]:
        self.running = True
        self.jobs.append(job)
        texts = (
            [job["before"], job["after"]] if job["do"] == "race" else [job.get("incumbent", job["text"]), job["text"]]
        )
        times = [self.time_of(numbers(text)) for text in texts]
        if job["do"] == "race":
            before, after = self.final or times
            return {"times": [[before] * 9, [after] * 9]}
        own, found = times
        if isinstance(found, BaseException):
            self.running = not isinstance(found, Ended)
            raise found
        if isinstance(found, str) and found != "wrong":
            self.running = "illegal" not in found  # the process is of no use any more
            return {"error": {"type": "RuntimeError", "message": found, "fatal": not self.running}}
        identity = self.same(numbers(job["text"]))
        error = 2000.0 if found == "wrong" else 0.5
        answer = {"identity": identity, "launches": [], "errors": [0.1, error], "times": []}
        if found == "wrong" or identity in job["known"]:
            return answer
        return {**answer, "times": [[own] * 7, [found] * 7] if "incumbent" in job else [[found] * 7]}


def numbers(code: str) -> dict[str, int]:
    """``{"copy.BLOCK": 1024, "copy.num_warps": 4}``: the numbers of a text's launches, or of its one configuration."""
    found = {}
    for launch in re.finditer(r"^ +(\w+)\[.*\]\((.*)\)$", code, re.MULTILINE):
        for name, value in re.findall(r"(\w+)=(\d+)", launch[2]):
            found[f"{launch[1]}.{name}"] = int(value)
    only = re.search(r'\[triton\.Config\(\{"BLOCK": (\d+)\}, num_warps=(\d+)\)\]', code)
    return found | ({"tuned.BLOCK": int(only[1]), "tuned.num_warps": int(only[2])} if only else {})
