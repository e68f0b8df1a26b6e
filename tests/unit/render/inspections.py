"""Inspections for the tests of every form: real ones from tests/golden/inspect, and small ones made by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ncukit.gate.examined import Examined
from ncukit.gate.static import judge_static
from ncukit.gate.static_budget import parse
from ncukit.source import codec
from ncukit.source.inspection import Argument, Compiled, CompileError, Inspection, Launch, Note, Sass, Violation

GOLDEN = Path(__file__).parents[2] / "golden" / "inspect"
NAMES = ("naive_instance_norm", "refused", "tuned")
HOSTILE = [
    "a|b",
    r"a\|b",
    "`code`",
    "<script>alert(1)</script>",
    "![x](https://example.com/x.png)",
    "@everyone closes #1",
    "a\r\n::error file=/etc/passwd,line=1::x",
    "::error::boo",
    "##[group]x",
    "\x1b[2J\x00\u202e\ud800",
    "{0} [click](https://example.com)",
    "x" * 10_000,
]


def real(name: str, *budgets: str, **fields: Any) -> Examined:
    """An inspection as it was made, held to ``max`` budgets."""
    inspection = codec.decode(Inspection, json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8")))
    verdicts = judge_static(inspection, [parse(budget, "max") for budget in budgets])
    return Examined(inspection=inspection, verdicts=verdicts, **fields)


def examined(*compiled: Compiled, budgets: tuple[str, ...] = (), **fields: Any) -> Examined:
    """What was found in ``x.py``: fields of ``Inspection`` and of ``Examined``."""
    own = {name: fields.pop(name) for name in ("fail_on", "lint_only", "tables") if name in fields}
    values = {"path": "x.py", "archs": ("sm_90",), "versions": {"triton": "3.7.1"}, "source": "the script"}
    inspection = Inspection(compiled=compiled, **{"kernels": ("copy_kernel",), **values, **fields})
    verdicts = judge_static(inspection, [parse(budget, "max") for budget in budgets])
    return Examined(inspection=inspection, verdicts=verdicts, **own)


def launch(**fields: Any) -> Launch:
    """4 warps, 100 blocks."""
    values = {"kernel": "copy_kernel", "file": "x.py", "line": 8, "launch_line": 20, "grid": (100, 1, 1)}
    arguments = (Argument(name="x_ptr", type="*fp32"), Argument(name="BLOCK", type="constexpr", value=1024))
    return Launch(**{"arguments": arguments, "num_warps": 4, "num_stages": 3, **values, **fields})


def compiled(**fields: Any) -> Compiled:
    """On an H200, as full as it can be; fields of ``Compiled``, of ``Launch`` and of ``Sass``."""
    own = {name: fields.pop(name) for name in (*Launch.__slots__,) if name in fields}
    sass = {name: fields.pop(name) for name in (*Sass.__slots__,) if name in fields and name != "spills"}
    if isinstance(fields.get("spills"), tuple):  # both have a field of this name
        sass["spills"] = fields.pop("spills")
    one = fields.pop("launch", None) or launch(**own)
    values: dict[str, Any] = {
        "arch": "sm_90",
        "grids": {"H200": one.grid},
        "registers": 32,
        "spills": 0,
        "stack_bytes": 0,
        "spill_store_bytes": 0,
        "spill_load_bytes": 0,
        "shared_bytes": 0,
        "static_shared_bytes": 0,
        "barriers": None,
        "code_bytes": 1024,
        "compile_s": 0.5,
        "sass": Sass(**{"instructions": 64, "mix": {"fp32": 32, "integer": 16, "global": 16}, **sass}),
    }
    return Compiled(launch=one, **(values | fields))


def error(message: str = "no such thing", **fields: Any) -> CompileError:
    values = {"kernel": "copy_kernel", "arch": "sm_90", "path": "x.py", "line": 9, "column": 5}
    return CompileError(message=message, **(values | fields))


def violation(**fields: Any) -> Violation:
    values = {"code": "TRI101", "rule": "loop-exit", "severity": "error", "path": "x.py", "line": 12, "column": 9}
    values |= {"end_line": 12, "end_column": 14, "message": "`break` in a loop", "instead": "a mask"}
    return Violation(**(values | fields))


def hostile(text: str) -> Examined:
    """Everything that comes from outside is ``text``."""
    arguments = (Argument(name=text, type="constexpr", value=text),)
    one = launch(kernel=text, file=text, arguments=arguments, options={text: text}, config=text)
    other = launch(kernel=text, file=text, arguments=arguments, num_warps=8, config=text + "2", origin="assumed")
    return examined(
        compiled(launch=one),
        compiled(launch=other, arch="sm_80", grids={"A100 SXM4 80GB": None}),
        path=text,
        source=text,
        versions={"triton": text},
        errors=(error(text, path=text, kernel=text, instead=text), error(text, path="x.py", kernel="")),
        lint=(
            violation(message=text, instead=text, path=text, kernel=text),
            violation(suppressed=text, message=text),
        ),
        notes=(Note(code=text, message=text, line=3, kernel=text),),
        kernels=(text, "lonely"),
        budgets=("registers=8", "spills=0"),
    )
