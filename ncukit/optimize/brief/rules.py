"""What is asked for: the problem, the task, and the rules of form that ``ncukit check`` holds the answer to."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ncukit.collect.reference import reference
from ncukit.collect.target import LAYOUT
from ncukit.optimize.brief.budget import Part, Section, Value
from ncukit.optimize.brief.words import fenced, line

if TYPE_CHECKING:
    from ncukit.optimize.problem import Problem

ROLE = (
    "You write Triton kernels for NVIDIA GPUs. Make the code below as fast as the hardware allows, "
    "with results that stay right."
)
PLACEHOLDER = "```python\n# <optimized Triton code>\n```"
RULES = """\
1. Follow this exact order:
   1. Imports: torch, torch.nn, triton, triton.language as tl
   2. @triton.jit decorated kernel function(s)
   3. Wrapper function(s) that compute the grid and launch the kernels
   4. class ModelNew(nn.Module) that calls the wrapper(s)
2. Do NOT include: testing code, if __name__, get_inputs, get_init_inputs
3. Import nothing else, except from Python's own math and typing.
4. ModelNew takes the arguments of Model, gives outputs of the same shapes, dtypes and device, and leaves its inputs
   as they were. Parameters and buffers have the names that they have in Model.
5. The work is done by your Triton kernels. Torch may allocate, view, copy and cast; it must not compute the result, and
   neither may another library. No other streams or threads, no results kept from an earlier call.
6. Results are held to float64, for other sizes, dtypes, layouts and values too: write every element, mask what is not
   there, accumulate in float32. What the code cannot do must raise an error; it must never be computed wrongly.
7. One code block, complete and without omissions, in this form:"""


def opening() -> Section:
    """The sentence that says who is asked for what."""
    return Section(title="", parts=(Part(text=ROLE, value=Value.MUST, name="role"),))


def current(code: str) -> Section:
    """The section ``[CURRENT CODE]``."""
    return Section(title="[CURRENT CODE]", parts=(Part(text=fenced(code), value=Value.MUST, name="current code"),))


def statement(problem: Problem | None, code: str) -> Section:
    """The section ``[PROBLEM]``: the reference and its inputs, unless the current code holds them anyway."""
    if problem is None or _holds(code, problem):
        return Section(title="[PROBLEM]", parts=())
    text = "The answer is held to this reference:\n" + fenced(_reference(problem))
    if problem.sizes:
        text += f"\nwith {', '.join(f'{line(k, 60)} = {line(v, 40)}' for k, v in problem.sizes.items())}"
    return Section(title="[PROBLEM]", parts=(Part(text=text, value=Value.PROBLEM, name="problem"),))


def _holds(code: str, problem: Problem) -> bool:
    """Whether the current code has the reference and its inputs in it."""
    try:
        return reference(ast.parse(code)) == reference(problem.tree)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False


def _reference(problem: Problem) -> str:
    """``Model``, what makes its inputs, and what of the file they use, in the file's order."""
    body = [node for node in problem.tree.body if not isinstance(node, ast.Import | ast.ImportFrom)]
    defines = {id(node): _names(node) for node in body}
    wanted, added = {"Model", *LAYOUT}, True
    while added:
        used = {
            part.id
            for node in body
            if defines[id(node)] & wanted
            for part in ast.walk(node)
            if isinstance(part, ast.Name)
        }
        added = not used <= wanted
        wanted |= used
    lines = problem.code.split("\n")
    kept = []
    for node in body:
        if defines[id(node)] & wanted:
            first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
            kept.append("\n".join(lines[first - 1 : node.end_lineno]))
    return "\n\n".join(kept)


def _names(node: ast.stmt) -> set[str]:
    """What a statement of the module defines."""
    if isinstance(node, ast.ClassDef | ast.FunctionDef):
        return {node.name}
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return {part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name)}


def task(stage: str, *, measured: bool, repairs: bool) -> Section:
    """The task and the rules."""
    if repairs:
        text = (
            "**Task**: Give the refused answer again without what stood against it, and keep what was meant to make it "
            "faster."
        )
    elif measured:
        text = (
            f"**Task**: Find in the measurements what holds the current code back, change that first (stage: {stage}), "
            "and write the whole code anew. Change nothing that the measurements say is no problem."
        )
    else:
        text = (
            f"**Task**: Nothing is measured, so reason from the code and the GPU's facts (stage: {stage}), "
            "and write the whole code anew."
        )
    return Section(title="", parts=(Part(text=text, value=Value.MUST, name="task"),))


def rules() -> Section:
    """The rules of form and the place for the answer."""
    text = f"{RULES}\n\n{PLACEHOLDER}"
    return Section(title="OUTPUT RULES (STRICT):", parts=(Part(text=text, value=Value.MUST, name="output rules"),))
