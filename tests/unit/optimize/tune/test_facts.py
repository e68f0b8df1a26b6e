"""What compiling rules out before anything runs; the compiler's answers are made up here."""

from __future__ import annotations

from typing import Any

import pytest
from tunable import file, kernel, knobs_of, plan

from ncukit.errors import NcukitError
from ncukit.optimize.tune import facts
from ncukit.optimize.tune.facts import Facts, facts_of
from ncukit.source.collected import Variation
from ncukit.source.inspection import Compiled, CompileError, Inspection, Launch, Note, Sass

ONE = file("copy[(1,)](x, y, n, 1024, num_warps=4)")
TWO = file(
    "B = 1024\none[(1,)](x, y, n, B, num_warps=4)\ntwo[(1,)](x, y, n, TILE=B, num_warps=8)",
    kernel("one"),
    kernel("two", "TILE: tl.constexpr"),
)


def compiled(name: str = "copy", **fields: Any) -> Compiled:
    launch = Launch(
        kernel=name, file="k.py", line=1, launch_line=9, grid=(64, 1, 1), arguments=(), num_warps=4, num_stages=3
    )
    values = {"launch": launch, "arch": "sm_90", "grids": {"H200": (64, 1, 1)}, "registers": 32, "spills": 0}
    values |= {"stack_bytes": 0, "spill_store_bytes": 0, "spill_load_bytes": 0, "shared_bytes": 0}
    values |= {"static_shared_bytes": 0, "barriers": None, "code_bytes": 1, "compile_s": 0.1}
    return Compiled(**{**values, "sass": Sass(instructions=1, mix={}), **fields})


class Compiler:
    """Stands in for ``vary``: what it is asked, and what it answers for a kernel and what differs."""

    def __init__(self, answer=lambda kernel, override: {}, own: dict[str, Any] | None = None, **found: Any) -> None:
        self.answer = answer
        self.own = own or {}
        self.found = found
        self.asked: dict[str, list[dict[str, Any]]] = {}
        self.request: Any = None

    def __call__(self, request, asked):
        self.request, self.asked = request, asked
        mine = [compiled(name, **self.own) for name in asked]
        rows = [(one, override) for one in mine for override in asked[one.launch.kernel]]
        found = Inspection(**{"path": "k.py", "archs": ("sm_90",), "compiled": tuple(mine), **self.found})
        return found, tuple(map(self._variation, rows))

    def _variation(self, row: tuple[Compiled, dict[str, Any]]) -> Variation:
        one, override = row
        said = self.answer(one.launch.kernel, override)
        made = None if isinstance(said, str) else compiled(one.launch.kernel, **said)
        message = said if isinstance(said, str) else ""
        return Variation(launch=one.launch, arch="sm_90", override=override, compiled=made, message=message)


def known(monkeypatch, code: str, compiler: Any) -> list[Facts]:
    monkeypatch.setattr(facts, "vary", compiler)
    return facts_of(plan(code).problem, knobs_of(code).groups, "sm_90", "H200", None)


def test_every_other_setting_is_compiled_with_what_differs(monkeypatch):
    compiler = Compiler()
    assert known(monkeypatch, ONE, compiler) == [Facts()]

    assert list(compiler.asked) == ["copy"]
    asked = compiler.asked["copy"]
    assert len(asked) == 7 * 6 - 1 - 6  # all but the file's own, and those with less than a value a thread
    assert {"options": {"num_warps": 8}} in asked
    assert {"constexprs": {"BLOCK": 2048}} in asked
    assert {"options": {"num_warps": 8}, "constexprs": {"BLOCK": 2048}} in asked
    assert {} not in asked
    assert (compiler.request.archs, compiler.request.what_if, compiler.request.gpu) == (("sm_90",), ("sm_90",), "H200")


def test_what_does_not_compile_is_ruled_out(monkeypatch):
    compiler = Compiler(lambda _, override: "out of luck" if override.get("constexprs") == {"BLOCK": 8192} else {})
    (found,) = known(monkeypatch, ONE, compiler)

    assert set(found.ruled_out) == {(8192, warps) for warps in (1, 2, 4, 8, 16, 32)}
    assert set(found.ruled_out.values()) == {"it does not compile: out of luck"}


def test_many_more_spills_than_the_files_own_rule_a_setting_out(monkeypatch):
    def spills(_, override):
        return {"spills": {1: 27, 2: 26}.get(override.get("options", {}).get("num_warps"), 0)}

    (found,) = known(monkeypatch, ONE, Compiler(spills, own={"spills": 10}))

    assert {setting[1] for setting in found.ruled_out} == {1}
    assert set(found.ruled_out.values()) == {"it spills 27 words a thread, the file as it stands 10"}


def test_what_fits_no_sm_is_ruled_out(monkeypatch):
    def large(_, override):
        return {"shared_bytes": 250_000 if override.get("constexprs") == {"BLOCK": 4096} else 0}

    (found,) = known(monkeypatch, ONE, Compiler(large))
    assert {setting[0] for setting in found.ruled_out} == {4096}
    assert "shared memory" in found.ruled_out[4096, 4]


def test_registers_of_a_larger_block_are_counted_with_its_own_warps(monkeypatch):
    (found,) = known(monkeypatch, ONE, Compiler(lambda *_: {"registers": 128}))
    assert {setting[1] for setting in found.ruled_out} == {32}  # 32 warps of 128 registers are more than an SM has


def test_a_setting_that_two_kernels_share_must_suit_both(monkeypatch):
    def only_two(kernel, override):
        return "no" if kernel == "two" and override.get("constexprs") == {"TILE": 512} else {}

    compiler = Compiler(only_two)
    (found,) = known(monkeypatch, TWO, compiler)

    assert {"constexprs": {"BLOCK": 512}} in compiler.asked["one"]
    assert {setting[0] for setting in found.ruled_out} == {512}
    # the same change of one kernel is compiled once, whatever the other one has
    assert len(compiler.asked["one"]) == len({repr(o) for o in compiler.asked["one"]}) < len(found.ruled_out) * 7


def test_a_tile_under_two_names_is_compiled_with_both(monkeypatch):
    code = file("B = 64\nk[(1,)](x, y, n, ROWS=B, COLS=B)", kernel("k", "ROWS: tl.constexpr, COLS: tl.constexpr"))
    compiler = Compiler()
    known(monkeypatch, code, compiler)

    assert {"constexprs": {"ROWS": 32, "COLS": 32}} in compiler.asked["k"]


def test_of_a_large_space_the_nearest_settings_are_compiled(monkeypatch):
    monkeypatch.setattr(facts, "MOST_COMPILED", 4)
    (found,) = known(monkeypatch, ONE, Compiler(lambda *_: "no"))

    assert set(found.ruled_out) == {(512, 4), (2048, 4), (1024, 2), (1024, 8)}


@pytest.mark.parametrize(
    "code",
    [
        file("copy[(1,)](x, y, n, n)", top="TURNS = 8", rest="def f():\n    return TURNS\n").replace("y, n, n)", "*y)"),
        file(
            "copy[(1,)](x, y, n)",
            kernel(decorators="@triton.autotune([triton.Config({'BLOCK': 64})], key=['n'])\n@triton.jit"),
        ),
    ],
    ids=["constants", "autotuned"],
)
def test_what_has_no_launch_to_compile_says_so(monkeypatch, code):
    compiler = Compiler()
    found = known(monkeypatch, code, compiler)

    assert found[-1] == Facts(note=facts.NOTHING)


def test_one_group_without_a_launch_leaves_the_others_as_they_are(monkeypatch):
    code = file("copy[(1,)](x, y, n, 1024)", top="TURNS = 8", rest="def f():\n    return TURNS\n")
    found = known(monkeypatch, code, Compiler(lambda *_: "no"))

    assert [bool(one.ruled_out) for one in found] == [True, False]
    assert [one.note for one in found] == ["", facts.NOTHING]


NOTHING = {
    "an error": ({"errors": (CompileError(kernel="", arch="", message="ValueError: odd"),)}, "ValueError: odd"),
    "a note": ({"notes": (Note(code="no-triton", message="no triton"),)}, "no triton"),
    "silence": ({}, "no launch was found"),
}


@pytest.mark.parametrize("name", NOTHING)
def test_when_nothing_compiles_nothing_is_ruled_out(monkeypatch, name):
    fields, why = NOTHING[name]
    found = known(monkeypatch, ONE, Compiler(compiled=(), **fields))

    assert found == [Facts(note=f"nothing could be compiled: {why}")]


def test_a_compiler_that_fails_is_no_reason_not_to_measure(monkeypatch):
    def late(*_):
        raise NcukitError("k.py: no result after 60 s")

    assert known(monkeypatch, ONE, late) == [Facts(note="nothing could be compiled: k.py: no result after 60 s")]
