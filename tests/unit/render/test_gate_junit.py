"""JUnit XML, read back by junitparser."""

from __future__ import annotations

from consumers import junit
from judgements import EXAMPLE, judged, judgement, least, verdict
from junitparser import Error, Failure, Skipped

from ncukit.gate.codes import Code
from ncukit.model import Status
from ncukit.render import gate_junit


def test_a_test_for_each_kernel_and_budget_passing_ones_included() -> None:
    document = junit(gate_junit.render(EXAMPLE))
    (suite,) = document

    assert (suite.name, suite.tests, suite.failures, suite.errors, suite.skipped) == (
        "naive_instance_norm (recorded)",
        9,
        2,
        1,
        1,
    )
    assert (document.tests, document.failures, document.errors, document.skipped) == (9, 2, 1, 1)
    results = {case.name: [type(result) for result in case.result] for case in suite}
    assert results == {
        "compute_moments_kernel: dram_pct min": [],
        "compute_moments_kernel: duration_us max-rise": [],
        "compute_moments_kernel: local-memory forbid": [],
        "normalize_kernel: dram_pct min": [Failure],
        "normalize_kernel: duration_us max-rise": [Failure],
        "normalize_kernel: dram_pct max-drop": [],
        "normalize_kernel: excess-traffic forbid": [],
        "normalize_kernel: tensor_pct min": [Error],
        "fill_kernel: dram_pct min": [Skipped],
    }


def test_a_failure_says_what_and_where() -> None:
    (suite,) = junit(gate_junit.render(EXAMPLE))
    case = next(case for case in suite if case.name == "normalize_kernel: dram_pct min")
    (failure,) = case.result

    assert failure.message == "dram_pct 81.45 %, at least 85 % (3.55 points below): median of 1 launch"
    assert failure.type == "below-min"
    assert "RECORDED, not measured now\n" in failure.text
    assert "\nkernels/naive/instance_norm.py:52\n" in failure.text
    assert case._elem.get("file") == "kernels/naive/instance_norm.py"


def test_what_is_ambiguous_passes_with_its_reason_unless_the_gate_is_strict() -> None:
    said = verdict("dram_pct", "min", 1, 2, Code.INTERVALS_OVERLAP, reason="they touch")
    (loose,), (strict,) = (junit(gate_junit.render(judgement(judged("k", said), strict=s))) for s in (False, True))

    (case,), (failed,) = loose, strict
    assert case.is_passed
    assert "they touch" in case.system_out
    assert [type(result) for result in failed.result] == [Failure]


def test_a_warning_passes_with_its_reason() -> None:
    said = verdict("dram_pct", "min", 3, 2, Code.BELOW_MIN, status=Status.WARN, level="warn")
    ((case,),) = junit(gate_junit.render(judgement(judged("k", said))))

    assert case.is_passed
    assert "warn (below-min): the measured value is below the minimum" in case.system_out


def test_no_test_takes_time_since_nothing_runs() -> None:
    (suite,) = junit(gate_junit.render(EXAMPLE))

    assert {case.time for case in suite} == {0.0}
    assert suite.time == 0.0


def test_properties_say_where_it_was_measured() -> None:
    (suite,) = junit(gate_junit.render(judgement(judged("k", least(1, 2)))))

    assert {one.name: one.value for one in suite.properties()} == {
        "gpu": "NVIDIA H200",
        "ncu": "2025.3.1",
        "triton": "3.6.0",
        "clock_control": "none",
        "report": "report.csv",
        "recorded": "false",
        "status": "pass",
        "strict": "false",
    }


def test_a_file_is_never_empty_and_nothing_judged_is_an_error() -> None:
    ignored = judged("k", verdict("dram_pct", "min", 1, 2, Code.IGNORED))

    for answer, tests in ((judgement(notes=("the report holds no launch",)), 1), (judgement(ignored), 2)):
        (suite,) = junit(gate_junit.render(answer))
        assert (suite.tests, suite.errors) == (tests, 1)


def test_two_budgets_on_one_metric_have_two_names() -> None:
    # GitLab drops a test whose class and name it has seen
    (suite,) = junit(gate_junit.render(judgement(judged("k", least(1, 2), least(3, 2)))))

    assert [case.name for case in suite] == ["k: dram_pct min", "k: dram_pct min #2"]


def test_characters_that_xml_forbids_are_shown() -> None:
    name = "k\x00\x0b\ufffe\ud800]]><x a='\"'>&amp;"
    (suite,) = junit(gate_junit.render(judgement(judged(name, least(85, 80, reason=name)))))

    assert next(iter(suite)).name == r"k\x00\x0b\xfffe\xd800]]><x a='" + "\"'>&amp;: dram_pct min"


def test_an_absolute_path_is_not_named() -> None:
    assert "/home" not in gate_junit.render(judgement(judged("k", least(85, 80), path="/home/me/x.py", line=3)))
