"""GitLab's code quality report."""

from __future__ import annotations

import json
from dataclasses import replace

from consumers import code_quality
from judgements import EXAMPLE, judged, judgement, least, most, verdict

from ncukit.gate.codes import Code
from ncukit.render import gate_gitlab


def test_what_did_not_pass_worst_first() -> None:
    entries = code_quality(gate_gitlab.render(EXAMPLE))

    assert [(one["check_name"], one["severity"]) for one in entries] == [
        ("ncukit/below-min", "critical"),
        ("ncukit/risen", "critical"),
        ("ncukit/metric-missing", "major"),
        ("ncukit/fewer-bytes", "minor"),
        ("ncukit/cause-present", "minor"),
    ]
    assert entries[0]["location"] == {"path": "kernels/naive/instance_norm.py", "lines": {"begin": 52}}
    # GitLab hides the check's name
    assert entries[0]["description"].endswith(" (below-min)")
    assert entries[0]["description"].startswith("RECORDED, not measured now: ")


def test_nothing_is_listed_when_all_passed() -> None:
    ignored = verdict("dram_pct", "min", 1, 2, Code.IGNORED)

    assert gate_gitlab.render(judgement(judged("k", least(1, 2), ignored))) == "[]\n"


def test_nothing_judged_is_listed() -> None:
    (entry,) = code_quality(gate_gitlab.render(judgement()))

    assert (entry["check_name"], entry["severity"]) == ("ncukit/nothing-judged", "major")


def test_another_measurement_is_the_same_finding() -> None:
    def fingerprints(measured: float, limit: float, line: int) -> list[str]:
        reason = f"median of 3 launches, {measured - 1} to {measured + 1}"
        kernel = judged("k", least(limit, measured, reason=reason), grid="(8, 1, 1)", path="x.py", line=line)
        return [one["fingerprint"] for one in code_quality(gate_gitlab.render(judgement(kernel)))]

    assert fingerprints(80.1, 85, 3) == fingerprints(79.9, 86, 14)


def test_other_findings_are_told_apart() -> None:
    budgets = (least(85, 80), least(90, 80), most(5, 6), least(85, None))
    kernels = [judged("k", *budgets, grid=f"({n}, 1, 1)") for n in (1, 2)]

    assert len(code_quality(gate_gitlab.render(judgement(*kernels)))) == 8


def test_an_ambiguous_verdict_weighs_more_where_the_gate_is_strict() -> None:
    kernel = judged("k", verdict("dram_pct", "min", 1, 2, Code.CLOCK_MOVED))

    loose, strict = (json.loads(gate_gitlab.render(judgement(kernel, strict=s)))[0]["severity"] for s in (False, True))

    assert (loose, strict) == ("minor", "critical")


def test_an_unjudged_verdict_weighs_the_same_whether_strict_or_not() -> None:
    kernel = judged("k", least(85, None))

    severities = {json.loads(gate_gitlab.render(judgement(kernel, strict=s)))[0]["severity"] for s in (False, True)}

    assert severities == {"major"}


def test_a_path_is_always_relative() -> None:
    kernel = judged("k", least(85, 80), path="/home/me/x.py", line=7)

    (entry,) = code_quality(gate_gitlab.render(judgement(kernel, target="kernels/x.py")))

    assert entry["location"] == {"path": "kernels/x.py", "lines": {"begin": 1}}


def test_a_line_before_the_first_is_the_first() -> None:
    (entry,) = code_quality(gate_gitlab.render(judgement(judged("k", least(85, 80), path="x.py", line=0))))

    assert entry["location"]["lines"]["begin"] == 1


def test_case_is_part_of_the_identity() -> None:
    one, two = (code_quality(gate_gitlab.render(replace(EXAMPLE, case=case)))[0]["fingerprint"] for case in ("a", "b"))

    assert one != two
