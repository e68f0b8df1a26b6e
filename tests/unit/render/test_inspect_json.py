"""The contract for programs: keys that stay, numbers that are numbers, null for what is missing."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

import pytest
from inspections import HOSTILE, NAMES, compiled, examined, hostile, launch, real, violation

from ncukit.render import inspect_json
from ncukit.source.inspection import Argument
from ncukit.source.whatif import as_it_is, kept

if TYPE_CHECKING:
    from ncukit.gate.examined import Examined

TOP = {"schema_version", "path", "archs", "versions", "source", "cached", "kernels", "errors", "lint", "notes"}
TOP |= {"verdicts", "nothing", "exit_code"}
KERNEL = {"name", "arch", "registers", "spills", "shared_bytes", "occupancy", "stack_bytes", "spill_store_bytes"}
KERNEL |= {"spill_load_bytes", "static_shared_bytes", "barriers", "code_bytes", "compile_s", "path", "line", "grid"}
KERNEL |= {"launch_line", "block", "num_warps", "num_stages", "num_ctas", "options", "config", "constexprs", "sass"}
KERNEL |= {"arguments", "launches", "origin", "limited_by", "gpus", "narrow", "stages", "what_if"}
ERROR = {"kernel", "arch", "path", "line", "column", "message", "instead", "config", "tolerated"}
LINT = {"code", "rule", "severity", "path", "line", "column", "end_line", "end_column", "message", "instead", "kernel"}
LINT |= {"suppressed"}
SASS = {"instructions", "mix", "loops", "accesses", "spills", "tensor_core", "fp64_lines"}


def document(found: Examined) -> dict:
    """Strict JSON: a NaN would be read by Python and by nobody else."""

    def refuse(name: str) -> float:
        raise ValueError(name)

    return json.loads(inspect_json.render(found), parse_constant=refuse)


@pytest.mark.parametrize("name", NAMES)
def test_the_keys_of_the_contract(name: str) -> None:
    found = document(real(name, "spills=0"))

    assert found.keys() >= TOP
    assert found["schema_version"] == 1
    for kernel in found["kernels"]:
        assert kernel.keys() >= KERNEL
        assert kernel["sass"].keys() == SASS
        assert isinstance(kernel["occupancy"], float)
    for error in found["errors"]:
        assert error.keys() == ERROR
    for one in found["lint"]:
        assert one.keys() == LINT


def test_a_real_kernel() -> None:
    kernels = document(real("naive_instance_norm"))["kernels"]
    one = next(k for k in kernels if (k["name"], k["arch"]) == ("compute_moments_kernel", "sm_90"))

    assert (one["registers"], one["spills"], one["shared_bytes"], one["occupancy"]) == (40, 0, 16, 75.0)
    assert (one["grid"], one["block"], one["constexprs"]) == ([7168, 1, 1], 128, {"BLOCK_SIZE": 1024})
    assert one["limited_by"] == ["registers"]
    assert next(gpu["gpu"] for gpu in one["gpus"]) == "H100 SXM5 80GB"
    h200 = next(gpu for gpu in one["gpus"] if gpu["gpu"] == "H200")
    assert (h200["blocks_per_sm"], h200["grid_shape"], h200["problem"]) == (12, [7168, 1, 1], None)
    assert math.isclose(h200["waves"], 7168 / (12 * 132))


def test_an_error_for_each_architecture_with_the_line_and_what_to_write() -> None:
    found = document(real("refused"))

    assert [(e["kernel"], e["arch"], e["line"], e["column"]) for e in found["errors"]] == [
        ("rms_kernel", "sm_80", 16, 13),
        ("rms_kernel", "sm_90", 16, 13),
    ]
    assert found["errors"][0]["message"] == "unsupported AST node type: Continue"
    assert found["errors"][0]["instead"].startswith("drop the `if`")
    assert found["not_launched"] == ["tanh_kernel"]
    assert (found["exit_code"], found["nothing"]) == (1, None)


def test_nothing_compiled_says_why() -> None:
    found = document(examined())

    assert (found["exit_code"], found["nothing"]) == (4, "the host code launches no kernel")
    assert (found["kernels"], found["cached"], found["measured"]) == ([], False, False)


def test_what_is_missing_is_null() -> None:
    bare = compiled(arch="sm_77", grids={}, grid=None, file=None, line=None, spill_store_bytes=None)
    (one,) = document(examined(bare))["kernels"]

    for name in ("occupancy", "grid", "path", "line", "spill_store_bytes", "stages", "what_if", "config", "barriers"):
        assert one[name] is None, name
    assert (one["gpus"], one["limited_by"]) == ([], [])


def test_a_constant_that_is_no_number_stands_as_text() -> None:
    arguments = tuple(
        Argument(name=name, type="constexpr", value=value)
        for name, value in (("LOW", -math.inf), ("NAN", math.nan), ("FLAG", True), ("NOTHING", None))
    )
    (one,) = document(examined(compiled(launch=launch(arguments=arguments), compile_s=math.nan)))["kernels"]

    assert one["constexprs"] == {"LOW": "-inf", "NAN": "nan", "FLAG": True, "NOTHING": None}
    assert [a["value"] for a in one["arguments"]] == ["-inf", "nan", True, None]
    assert one["compile_s"] is None


def test_what_if_has_the_launch_first_and_says_what_is_an_estimate() -> None:
    one = compiled()
    (kernel,) = document(examined(one, tables={0: (as_it_is(one), *kept(one))}))["kernels"]

    own, *others = kernel["what_if"]
    assert (own["num_warps"], own["compiled"], own["flags"], own["occupancy"]) == (4, True, [], 100.0)
    assert {other["compiled"] for other in others} == {False}
    assert all("estimate" in other["flags"] for other in others)
    assert own["gpus"][0]["gpu"] == "H200"


def test_a_verdict_has_its_numbers_and_its_reason_code() -> None:
    (verdict,) = document(examined(compiled(), budgets=("registers=16",)))["verdicts"]

    assert (verdict["metric"], verdict["bound"], verdict["limit"], verdict["value"]) == ("registers", "max", 16.0, 32)
    assert (verdict["status"], verdict["code"], verdict["level"]) == ("fail", "above-max", "error")
    assert (verdict["arch"], verdict["path"], verdict["line"]) == ("sm_90", "x.py", 8)


def test_accepted_violations_keep_their_reason() -> None:
    (one,) = document(examined(compiled(), lint=(violation(suppressed="why not"),)))["lint"]

    assert (one["suppressed"], one["column"], one["end_column"]) == ("why not", 9, 14)


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_names_stand_in_full(text: str) -> None:
    found = document(hostile(text))

    assert (found["path"], found["kernels"][0]["name"], found["errors"][0]["message"]) == (text, text, text)
    assert inspect_json.render(hostile(text)).isascii()
