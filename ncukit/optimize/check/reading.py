"""From what a model wrote to the Python in it: a whole file, fenced blocks, or code with prose around it."""

from __future__ import annotations

import ast
import re
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ncukit.collect.target import module_names
from ncukit.errors import NcukitError
from ncukit.optimize.check.answer import MODEL, Answer, is_problem
from ncukit.optimize.verdict import Reason
from ncukit.source.text import lines_of

if TYPE_CHECKING:
    from ncukit.optimize.check.request import Request

LARGEST = 1_000_000
"""Bytes of an answer, prose and all."""
LONGEST = 200_000
"""Characters of code: the longest bundled kernel has 26,000."""
MOST_NODES = 30_000
"""Nodes of its syntax tree: the bundled kernel with most has 5,000."""
_FENCE = re.compile(r"^\s{0,3}(`{3,}|~{3,})\s*([\w+.-]*)")
_PYTHON = ("python", "python3", "py", "triton")
_ENCODING = re.compile(r"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")
_START = re.compile(r"^(?:import|from)\s+\w|^@triton\.", re.MULTILINE)
_FORM = "answer with one ```python block: imports, kernels, wrappers, class ModelNew(nn.Module)"


@dataclass(frozen=True, slots=True)
class _Block:
    """One fenced block."""

    first: int
    """Index of its first line."""
    lines: tuple[str, ...]
    tag: str


def read(request: Request) -> Answer | Reason:
    """The code of an answer, or why there is none.

    Raises:
        NcukitError: the file cannot be read.
    """
    raw = _raw(request)
    text = raw.decode("utf-8", "replace").removeprefix("\ufeff")
    if len(raw) > LARGEST:
        return _none("too-large", None, f"the answer has more than {LARGEST:,} bytes")
    if not text.strip():
        return _none("no-code", None, "the answer is empty")
    found = _code(text)
    if isinstance(found, Reason):
        return found
    if len(found) > LONGEST:
        return _none("too-large", None, f"its code has {len(found):,} characters; {LONGEST:,} are read")
    for number, line in enumerate(lines_of(found)[:2], start=1):
        encoding = _ENCODING.match(line)
        if encoding and encoding.group(1).lower().replace("_", "-") not in ("utf-8", "utf8"):
            # Python would read other characters than the rules here do
            return _none("forbidden-name", number, "it declares an encoding of its own", "leave that comment out")
    tree = _parsed(found)
    if isinstance(tree, Reason):
        return tree
    own = request.text is None and request.path.endswith(".py") and is_problem(module_names(tree))
    try:
        if sum(1 for _ in ast.walk(tree)) > MOST_NODES:
            return _none("too-large", None, "its code has more expressions than are read")
        return Answer(path=request.path, code=found, tree=tree, own=own)
    except RecursionError:
        return _none("too-large", None, "its expressions are nested too deep to be read")


def _raw(request: Request) -> bytes:
    if request.text is not None:
        return request.text.encode("utf-8", "replace")
    try:
        if request.path == "-":
            return sys.stdin.buffer.read(LARGEST + 1)
        with Path(request.path).open("rb") as file:
            return file.read(LARGEST + 1)
    except OSError as error:
        raise NcukitError(
            f"cannot read {request.path}: {error.strerror}",
            causes=("the path is wrong, or it is a folder",),
            next_command="ncukit check answer.md --problem kernels/naive/rms_norm.py",
        ) from error


def _code(text: str) -> str | Reason:
    """The program of a text, on its lines. Of several whole programs the last one: earlier ones are drafts."""
    whole = _parsed(text)
    if isinstance(whole, ast.Module) and _is_program(whole):
        return text
    blocks = _blocks(text)
    for block in reversed(blocks):
        tree = _parsed("\n".join(block.lines))
        if isinstance(tree, ast.Module) and _is_whole(tree):
            return _placed([block])
    tagged = [block for block in blocks if block.tag in _PYTHON] or blocks
    if any(_is_python(block) for block in tagged):
        model = [b for b in tagged if any(line.startswith(f"class {MODEL}") for line in b.lines)]
        # a program in pieces, or one with an error: the piece with the model is what the error is looked for in
        together = _placed(tagged)
        return together if isinstance(_parsed(together), ast.Module) or not model else _placed(model[-1:])
    start = _START.search(text)
    if start is None:
        if isinstance(whole, ast.Module) or not blocks:
            return _none("no-code", None, "there is no Python in the answer")
        return _none("no-code", blocks[0].first + 1, "the answer's blocks are no Python program")
    return _unfenced(text, text[: start.start()].count("\n"))


def _unfenced(text: str, first: int) -> str:
    """Code from its first import on, cut where prose follows the model."""
    lines = lines_of(text)
    kept = [""] * first + lines[first:]
    for _ in range(3):
        problem = _parsed("\n".join(kept))
        if isinstance(problem, ast.Module) or problem.line is None:
            break
        model = next((n for n, line in enumerate(kept) if line.startswith(f"class {MODEL}")), None)
        if model is None or problem.line - 1 <= model:
            break
        kept = kept[: problem.line - 1]
    return "\n".join(kept) + "\n"


def _parsed(code: str) -> ast.Module | Reason:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an invalid escape in a string is no business of ours
            return ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        why = str(getattr(error, "msg", None) or error) or type(error).__name__
        return _none("syntax-error", getattr(error, "lineno", None), f"not Python: {why}", "correct the syntax")


def _is_program(tree: ast.Module) -> bool:
    """Whether it holds more than words that happen to be expressions."""
    return any(isinstance(n, ast.FunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom) for n in tree.body)


def _is_whole(tree: ast.Module) -> bool:
    """Whether it is a program by itself: imports, and the model that is asked for."""
    model = any(isinstance(n, ast.ClassDef) and n.name == MODEL for n in tree.body)
    return model and any(isinstance(n, ast.Import | ast.ImportFrom) for n in ast.walk(tree))


def _is_python(block: _Block) -> bool:
    if block.tag in _PYTHON:
        return True
    tree = _parsed("\n".join(block.lines))
    return isinstance(tree, ast.Module) and _is_program(tree)


def _blocks(text: str) -> list[_Block]:
    """The fenced blocks of a text that may be Python; one that is never closed reaches to the end."""
    found: list[_Block] = []
    fence, tag, first = "", "", 0
    kept: list[str] = []
    for number, line in enumerate(lines_of(text)):
        mark = _FENCE.match(line)
        if not fence and mark:
            fence, tag, first, kept = mark.group(1), mark.group(2).lower(), number + 1, []
        elif fence and mark and mark.group(1).startswith(fence) and not line.strip().strip(fence[0]):
            found.append(_Block(first, tuple(kept), tag))
            fence = ""
        elif fence:
            kept.append(line)
    if fence:
        found.append(_Block(first, tuple(kept), tag))
    return [block for block in found if block.tag in ("", *_PYTHON)]


def _placed(blocks: list[_Block]) -> str:
    """Blocks on the lines where they stood."""
    lines: list[str] = []
    for block in blocks:
        lines += [""] * (block.first - len(lines)) + list(block.lines)
    return "\n".join(lines) + "\n"


def _none(code: str, line: int | None, message: str, instead: str = _FORM) -> Reason:
    return Reason(code=code, line=line, message=message, instead=instead)
