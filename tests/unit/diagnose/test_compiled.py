"""What the compiler says joins what was measured, where it can be the same code; a reason stands where it does not.

The golden answers are what ``ncukit.source.inspect`` gave for the clinic's recorded launches with Triton 3.7.1; the
recordings are of 3.6.0. No test here starts a process.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from recordings import BY_NAME, ROOT, findings, report

import ncukit
from ncukit.collect.reference import code_of
from ncukit.diagnose import compiled, diagnose, rules
from ncukit.diagnose.relaunch import as_recording, find
from ncukit.errors import NcukitError
from ncukit.source import codec
from ncukit.source.inspect import Inspected
from ncukit.source.inspection import Argument, Inspection, Note, Spill, Stages

if TYPE_CHECKING:
    from ncukit.model import Diagnosis, Finding, Report

ANSWERS = json.loads((ROOT / "tests/golden/compiled/clinic-sick-triton-3.7.1-sm_90.json").read_text())
VERSIONS = "compiled with Triton 3.7.1, measured with 3.6.0"


def answer(name: str) -> Inspection:
    return codec.decode(Inspection, ANSWERS[name])


def measured(name: str, **environment: str) -> Report:
    """The clinic's recording; its kernel file as it is named from anywhere."""
    run = report(BY_NAME[f"sick-{name}"])
    return replace(run, environment=replace(run.environment, **environment), target=str(BY_NAME[f"sick-{name}"].source))


def edited(inspection: Inspection, **changes: object) -> Inspection:
    """The answer with another value in its only kernel; those of ``sass`` go there."""
    (one,) = inspection.compiled
    sass = {
        k: v for k, v in changes.items() if k in ("mix", "accesses", "loops", "spills", "tensor_core", "fp64_lines")
    }
    rest = {k: v for k, v in changes.items() if k not in sass}
    return replace(inspection, compiled=(replace(one, sass=replace(one.sass, **sass), **rest),))


@pytest.fixture
def asked(monkeypatch):
    """Requests to the compiler; what it answers is what the test puts into ``asked.answer``."""

    class Asked(list):
        answer: object = None

    calls = Asked()

    def inspect(request):
        calls.append((request, json.loads(Path(request.recording).read_text())))
        if isinstance(calls.answer, Exception):
            raise calls.answer
        return Inspected(inspection=calls.answer, tables={})

    monkeypatch.setattr(compiled, "inspect", inspect)
    return calls


def one(diagnosis: Diagnosis, cause: str) -> Finding:
    (found,) = [f for f in findings(diagnosis) if f.cause == cause]
    return found


def note(diagnosis: Diagnosis) -> str:
    (kernel,) = diagnosis.kernels
    return kernel.code_note


def without(diagnosis: Diagnosis) -> Diagnosis:
    return replace(diagnosis, kernels=tuple(replace(k, code_note="") for k in diagnosis.kernels))


def test_the_argument_that_keeps_accesses_narrow_is_named_with_its_lines(asked):
    asked.answer = answer("narrow_access")
    run = measured("narrow_access")
    finding = one(diagnose(run, recompile=True), "narrow-access")
    load, store, larger = finding.suggestions
    assert load.location == f"{run.target}:25"
    assert (load.knob, load.from_value, load.to_value) == ("x_stride", None, None)
    assert "a thread then loads 64 bits at once instead of 8" in load.action
    assert load.why == (
        f"Triton was not told that 16 divides x_stride = 1048704 (do_not_specialize); the same at :27; {VERSIONS}"
    )
    assert load.watch == "sectors_per_load should rise to 8"
    assert (store.knob, store.location) == ("y_stride", f"{run.target}:28")
    assert (larger.knob, larger.to_value) == ("BLOCK", "2048")
    assert "32 registers and 0 words spilled, as recorded" in note(diagnose(run, recompile=True))


def test_another_tritons_answer_makes_nothing_more_certain_and_the_same_ones_does(asked):
    asked.answer = answer("narrow_access")
    before = one(diagnose(measured("narrow_access")), "narrow-access")
    other = one(diagnose(measured("narrow_access"), recompile=True), "narrow-access")
    same = one(diagnose(measured("narrow_access", triton_version="3.7.1"), recompile=True), "narrow-access")
    assert (before.confidence, other.confidence, same.confidence) == ("medium", "medium", "high")
    assert "compiled" not in same.suggestions[0].why
    assert (before.gain, before.title, before.evidence) == (same.gain, same.title, same.evidence)


@pytest.mark.parametrize(
    ("lack", "value", "expected"),
    [
        ("divisible", 1000, ("1000", "1008", "make x_stride a multiple of 16")),
        ("one", 3, ("3", "1", "be contiguous")),
        ("aligned", None, (None, None, "start at a multiple of 16 bytes")),
    ],
)
def test_each_lack_has_its_own_advice(asked, lack, value, expected):
    found = answer("narrow_access")
    (kernel,) = found.compiled
    arguments = tuple(replace(a, value=value) if a.name == "x_stride" else a for a in kernel.launch.arguments)
    narrow = tuple(replace(n, lack=lack) for n in kernel.narrow)
    asked.answer = edited(found, launch=replace(kernel.launch, arguments=arguments), narrow=narrow)
    run = measured("narrow_access")
    launches = tuple(replace(x, scalars={**x.scalars, "x_stride": value}) for x in run.launches)
    load = one(diagnose(replace(run, launches=launches), recompile=True), "narrow-access").suggestions[0]
    assert (load.from_value, load.to_value) == expected[:2]
    assert expected[2] in load.action


def test_a_thread_with_too_few_elements_gets_a_larger_tile_and_no_word_of_strides(asked):
    found = answer("narrow_access")
    narrow = tuple(
        replace(n, argument=None, wider_bits=None, lack="tile", cause="a thread has 1 element")
        for n in found.compiled[0].narrow
    )
    asked.answer = edited(found, narrow=narrow)
    (only,) = one(diagnose(measured("narrow_access"), recompile=True), "narrow-access").suggestions
    assert only.knob == "BLOCK"


def test_where_no_promise_helps_the_compilers_word_is_the_reason(asked):
    found = answer("narrow_access")
    words = "the addresses themselves are not consecutive"
    narrow = tuple(
        replace(n, argument=None, wider_bits=None, lack="order", cause=words) for n in found.compiled[0].narrow
    )
    asked.answer = edited(found, narrow=narrow)
    first = one(diagnose(measured("narrow_access"), recompile=True), "narrow-access").suggestions[0]
    assert first.why == f"{words}; {VERSIONS}"
    assert first.location.endswith(":25")


def test_the_variable_that_spills_is_named_and_where(asked):
    asked.answer = answer("local_memory")
    run = measured("local_memory")
    last = one(diagnose(run, recompile=True), "local-memory").suggestions[-1]
    assert last.location == f"{run.target}:22"
    assert "x spills, 336 bytes a thread every trip of the loop" in last.action
    assert last.why == (
        "a thread's local memory has 432 bytes; also stored: 8 bytes at :21 every trip, 832 bytes at :20; " + VERSIONS
    )


def test_a_spill_outside_of_loops_is_no_matter_of_every_trip(asked):
    asked.answer = edited(
        answer("local_memory"),
        spills=(Spill(line=20, bytes=64, in_loop=False), Spill(line=None, bytes=99, in_loop=True)),
    )
    last = one(diagnose(measured("local_memory"), recompile=True), "local-memory").suggestions[-1]
    assert last.location.endswith(":20")
    assert "trip" not in last.action + last.why


@pytest.mark.parametrize(
    ("name", "cause", "words"),
    [
        ("barrier", "barrier", "a trip has 3 barriers and 2 shuffles among 21 instructions; " + VERSIONS),
        ("fp64", "fp64", "it does at :23; " + VERSIONS),
        ("tensor_core_unused", "tensor-core-unused", "2,048 of the 2,312 instructions of the loop at :26 are FP32"),
        ("memory_latency", "memory-latency", "num_stages at the launch: 1, 3, 4 give the same code; " + VERSIONS),
    ],
)
def test_other_rules_say_what_the_machine_code_holds(asked, name, cause, words):
    asked.answer = answer(name)
    plain, finding = (one(diagnose(measured(name), recompile=again), cause) for again in (False, True))
    said = [*(s.why for s in finding.suggestions), *finding.unhelpful]
    assert any(words in text for text in said), said
    assert not any(words in text for text in (*(s.why for s in plain.suggestions), *plain.unhelpful))


def test_stages_that_change_the_code_are_not_called_useless(asked):
    asked.answer = edited(answer("memory_latency"), stages=Stages(tried=(1, 3, 4), changes=True))
    assert one(diagnose(measured("memory_latency"), recompile=True), "memory-latency").unhelpful == ()


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("narrow_access", {"accesses": ()}, "it has no global load"),
        ("local_memory", {"stack_bytes": 0, "mix": {"fp32": 3}}, "it uses no local memory"),
        ("barrier", {"mix": {"fp32": 3}}, "it has no barrier"),
        ("fp64", {"mix": {"fp32": 3}}, "it has no double precision"),
        ("tensor_core_unused", {"tensor_core": 64}, "it has 64 tensor-core instructions"),
        ("memory_latency", {"accesses": ()}, "it loads nothing"),
    ],
)
def test_code_that_contradicts_the_measurement_is_left_aside(asked, name, changes, words):
    asked.answer = edited(answer(name), **changes)
    found = diagnose(measured(name), recompile=True)
    assert f"and left aside: {words}" in note(found)
    assert without(found) == diagnose(measured(name))


def test_wide_accesses_are_not_those_that_were_measured_narrow(asked):
    found = answer("narrow_access")
    accesses = tuple(replace(a, bits=128) for a in found.compiled[0].sass.accesses)
    asked.answer = edited(found, accesses=accesses)
    assert "a lane of a load moves 128 bits, 8 were measured" in note(
        diagnose(measured("narrow_access"), recompile=True)
    )


def test_the_same_triton_with_other_registers_made_other_code(asked):
    asked.answer = edited(answer("local_memory"), registers=40)
    same = diagnose(measured("local_memory", triton_version="3.7.1"), recompile=True)
    other = diagnose(measured("local_memory"), recompile=True)
    assert "left aside: the same Triton gives 40 registers where 64 were recorded" in note(same)
    assert without(same) == diagnose(measured("local_memory", triton_version="3.7.1"))
    assert "40 registers where 64 were recorded" in note(other)
    assert VERSIONS in one(other, "local-memory").suggestions[-1].why


def test_nothing_is_asked_unless_told_to_and_only_of_kernels_whose_findings_ask(asked):
    asked.answer = answer("narrow_access")
    plain = ncukit.diagnose(measured("narrow_access"))
    assert note(plain) == ""
    assert note(diagnose(measured("integer_bound"), recompile=True)) == ""
    assert asked == []


def test_only_what_compiling_needs_is_handed_on(asked):
    asked.answer = answer("narrow_access")
    run = measured("narrow_access")
    diagnose(run, recompile=True)
    ((request, recording),) = asked
    assert (request.path, request.archs, request.compile_only) == (run.target, ("sm_90",), True)
    assert request.timeout_s <= 30
    (kernel,) = recording["kernels"].values()
    assert kernel["name"] == "recent_flags_kernel"
    assert set(kernel) == {"name", "num_warps", "num_stages", "num_ctas", "options", "constexprs"}
    assert recording["launches"][0]["scalars"] == {"x_stride": 1048704, "y_stride": 1048576}


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (NcukitError("no result after 30 s", causes=("slow",), next_command="x"), "no result after 30 s"),
        (KeyError("results"), "KeyError: 'results'"),
        (
            Inspection(
                path="x", archs=("sm_90",), notes=(Note(code="no-triton", message="this Python has no triton"),)
            ),
            "this Python has no triton",
        ),
        (Inspection(path="x", archs=("sm_90",)), "Triton gave no code for it"),
    ],
)
def test_a_failure_is_a_reason_and_changes_nothing(asked, problem, words):
    asked.answer = problem
    found = diagnose(measured("local_memory"), recompile=True)
    assert note(found) == f"not compiled again: {words}"
    assert without(found) == diagnose(measured("local_memory"))


def test_a_file_that_has_changed_is_not_asked_about(asked, tmp_path):
    run = measured("local_memory")
    text = Path(run.target).read_text()
    file = tmp_path / "local_memory.py"
    file.write_text(text.replace("rate * (x - x * x)", "rate * (x - x * x * x)"))
    hashed = replace(run, target=str(file), code=code_of(Path(run.target)))
    assert note(diagnose(hashed, recompile=True)) == f"not compiled again: {file} has changed since it was measured"
    file.write_text("# a comment moves every line\n" + text)
    asked.answer = answer("local_memory")
    assert "compiled again for sm_90" in note(diagnose(hashed, recompile=True))
    assert len(asked) == 1
    old = replace(run, target=str(file))  # recordings from before the hash: the kernel's line is another
    assert "has changed since it was measured: the kernel has another line" in note(diagnose(old, recompile=True))
    file.write_text(text.replace("x_ptr", "z_ptr"))
    assert "another line or parameters" in note(diagnose(old, recompile=True))
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"file": "elsewhere/other.py"}, "it is defined in elsewhere/other.py, not in"),
        ({"kernel": "gone_kernel"}, "Triton gave no code for it"),
    ],
)
def test_a_report_cannot_name_another_file(asked, change, words):
    run = measured("local_memory")
    named = replace(run, launches=tuple(replace(x, **change) for x in run.launches))
    asked.answer = answer("local_memory")
    found = note(diagnose(named, recompile=True))
    assert words in found
    assert found.startswith("not compiled again")


@pytest.mark.parametrize("target", ["/etc/passwd", "missing.py", "", "python -c 'import os'"])
def test_a_report_that_names_no_kernel_file_has_no_code(asked, target):
    found = diagnose(replace(measured("local_memory"), target=target), recompile=True)
    assert note(found).startswith("not compiled again: its file is not at hand")
    assert asked == []


@pytest.mark.parametrize(
    ("gpu", "capability", "words"),
    [
        ("NVIDIA T4", "7.5", "'sm_75' is no architecture that can be compiled for"),
        ("", "", "the GPU it was measured on is unknown"),
        ("", "9.0; rm -rf", "is no architecture that can be compiled for"),
    ],
)
def test_a_gpu_that_triton_does_not_compile_for_is_a_reason(asked, gpu, capability, words):
    run = measured("local_memory", compute_capability=capability, gpu=gpu)
    assert words in note(diagnose(run, recompile=True))
    assert asked == []


def test_recorded_launches_find_the_code_that_serves_them():
    (launch,) = measured("narrow_access").launches
    (mine,) = answer("narrow_access").compiled
    n = Argument(name="n", type="i32", value=1000)
    divisible = replace(n, value=1024, divisible=True)

    def serving(value: object, *arguments: Argument) -> object:
        kept = mine.launch.arguments
        codes = [replace(mine, launch=replace(mine.launch, arguments=(*kept, a))) for a in arguments]
        found = find(replace(launch, scalars={**launch.scalars, "n": value}), codes)
        return None if found is None else found.launch.arguments[-1]

    assert find(launch, [mine]) is mine
    assert serving(2048, n, divisible) is divisible  # equal code was compiled once, for 1024
    assert serving(1001, divisible, n) is n
    assert serving(1, replace(n, type="constexpr", value=1), n).type == "constexpr"
    assert serving(1001, divisible) is None
    assert find(replace(launch, constexprs={**launch.constexprs, "BLOCK": 512}), [mine]) is None
    assert find(replace(launch, num_warps=8), [mine]) is None


def test_options_and_addresses_are_handed_on():
    (launch,) = measured("narrow_access").launches
    tensors = tuple(replace(t, aligned=False) for t in launch.tensors)
    recording = as_recording([replace(launch, options={"maxnreg": 64}, tensors=tensors)])
    assert recording["kernels"]["0"]["options"] == {"maxnreg": 64}
    assert [t["aligned"] for t in recording["launches"][0]["tensors"]] == [False, False]


def test_every_rule_that_asks_can_say_what_speaks_against_the_code():
    asking = {r.CAUSE for r in rules.kernel_rules() if isinstance(r, rules.AskingRule)}
    assert asking == {
        "narrow-access", "local-memory", "barrier", "fp64", "tensor-core-unused", "memory-latency", "low-occupancy",
    }  # fmt: skip
