"""A finding that only mirrors another is told with it: once, in reach of a reason, and never in a circle."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recordings import BY_NAME, CURED, SICK, Recording, diagnosed

from ncukit.diagnose import rules
from ncukit.model import Finding, Gain, Severity

MIRRORS = {rule.CAUSE: tuple(getattr(rule, "MIRRORS", ())) for rule in rules.kernel_rules()}
CODES = {cause: code for code, cause, _ in rules.codes()}


def finding(cause: str, best: float | None, severity: Severity = Severity.TUNE) -> Finding:
    gain = Gain(low=1.0, best=best, high=best * 2) if best is not None else None
    return Finding(
        code=CODES[cause], cause=cause, severity=severity, confidence="medium", title=f"the {cause}", gain=gain
    )


def test_what_a_rule_mirrors_is_a_cause_and_not_itself() -> None:
    named = {(cause, other) for cause, others in MIRRORS.items() for other in others}
    assert {other for _, other in named} <= set(CODES)
    assert [cause for cause, other in named if cause == other] == []
    assert all(len(set(others)) == len(others) for others in MIRRORS.values())


def test_waiting_for_memory_follows_from_uncoalesced_accesses() -> None:
    kept, quiet = rules.fold([finding("uncoalesced-access", 8.0), finding("memory-latency", 9.0)])

    assert [(f.cause, f.mirrored) for f in kept] == [("uncoalesced-access", ("the memory-latency",))]
    assert [(s.code, s.cause) for s in quiet] == [(CODES["memory-latency"], "memory-latency")]
    assert quiet[0].reason == "follows from uncoalesced-access: the memory-latency"


def test_a_much_weaker_finding_explains_nothing() -> None:
    both = [finding("uncoalesced-access", 1.05), finding("memory-latency", 9.0)]
    assert rules.fold(both) == (both, [])


@pytest.mark.parametrize(
    "other",
    [
        finding("uncoalesced-access", None),  # nobody knows what it is worth
        finding("uncoalesced-access", 9.0, Severity.LIMIT),
    ],
)
def test_only_advice_with_a_gain_explains(other: Finding) -> None:
    both = [other, finding("memory-latency", 3.0)]
    assert rules.fold(both) == (both, [])


def test_a_statement_of_the_limit_is_never_folded() -> None:
    findings = [finding("local-memory", 5.0), finding("dram-roof", 1.1, Severity.LIMIT)]
    assert rules.fold(findings) == (findings, [])


def test_a_mirror_of_a_mirror_is_told_with_what_is_kept() -> None:
    chain = [finding("local-memory", 5.0), finding("low-occupancy", 4.0), finding("memory-latency", 3.0)]
    kept, quiet = rules.fold(chain)
    assert [f.cause for f in kept] == ["local-memory"]
    assert set(kept[0].mirrored) == {"the low-occupancy", "the memory-latency"}
    assert {s.cause for s in quiet} == {"low-occupancy", "memory-latency"}


MUTUAL = sorted({(a, b) for a, others in MIRRORS.items() for b in others if a in MIRRORS.get(b, ()) and a < b})


def test_there_are_causes_that_mirror_each_other() -> None:
    assert MUTUAL


@pytest.mark.parametrize("pair", MUTUAL, ids="-".join)
def test_of_two_that_mirror_each_other_one_is_kept(pair: tuple[str, str]) -> None:
    for order in (pair, pair[::-1]):
        kept, quiet = rules.fold([finding(cause, 2.0) for cause in order])
        assert len(kept) == len(quiet) == 1
        assert kept[0].mirrored == (f"the {quiet[0].cause}",)


CAUSES = sorted(MIRRORS)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(CAUSES),
            st.one_of(st.none(), st.floats(1.0, 1e6)),
            st.sampled_from([Severity.TUNE] * 5 + [Severity.LIMIT]),
        ),
        unique_by=lambda drawn: drawn[0],
    )
)
def test_folding_loses_nothing_and_never_goes_round(drawn: list[tuple[str, float | None, Severity]]) -> None:
    findings = [finding(*values) for values in drawn]
    told_once(findings, *rules.fold(findings))


def test_barriers_a_small_grid_and_instruction_latency_are_a_circle_of_which_one_is_kept() -> None:
    """Each of the three may stand for the next."""
    findings = [finding(cause, 2.0) for cause in ("small-grid", "barrier", "instruction-latency")]
    kept, quiet = rules.fold(findings)
    assert len(kept) == 1
    told_once(findings, kept, quiet)


@pytest.mark.parametrize("cycle", [("a", "b", "c"), ("a", "b", "c", "d"), ("a", "b")], ids="-".join)
def test_a_circle_of_mirrors_keeps_one_of_them(cycle: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """None of today's rules form a circle of three; the next one may."""

    monkeypatch.setattr(rules, "_mirrors", lambda: {c: (cycle[i - 1],) for i, c in enumerate(cycle)})
    findings = [
        Finding(
            code="X",
            cause=c,
            severity=Severity.TUNE,
            confidence="low",
            title=f"the {c}",
            gain=Gain(low=1.0, best=2.0, high=3.0),
        )
        for c in cycle
    ]
    kept, quiet = rules.fold(findings)
    assert len(kept) == 1
    told_once(findings, kept, quiet)


def told_once(findings: list[Finding], kept: list[Finding], quiet: list[object]) -> None:
    """Each finding is either kept or silent and told by one that is kept; something stays of everything."""
    causes = {f.cause for f in kept}
    assert [f.cause for f in kept] == [f.cause for f in findings if f.cause in causes]  # their order stays
    assert sorted([*causes, *(s.cause for s in quiet)]) == sorted(f.cause for f in findings)
    assert bool(kept) == bool(findings)
    told = [title for f in kept for title in f.mirrored]
    assert sorted(told) == sorted(f"the {s.cause}" for s in quiet)
    for silence in quiet:
        root = silence.reason.removeprefix("follows from ").split(":")[0]
        assert root in causes
        assert f"the {silence.cause}" in next(f for f in kept if f.cause == root).mirrored


@pytest.mark.parametrize("recording", [*SICK, *CURED], ids=str)
def test_in_a_diagnosis_what_was_folded_is_in_the_silences(recording: Recording) -> None:
    for kernel in diagnosed(recording).kernels:
        named = {f.cause for f in kernel.findings}
        silent = {s.cause: s.reason for s in kernel.silences}
        assert named & set(silent) == set()
        assert named | set(silent) == {rule.CAUSE for rule in rules.kernel_rules()}
        folded = {reason for reason in silent.values() if reason.startswith("follows from ")}
        told = {f"follows from {f.cause}: {title}" for f in kernel.findings for title in f.mirrored}
        assert folded == told


def test_spills_explain_what_they_bring_about() -> None:
    (kernel,) = diagnosed(BY_NAME["sick-local_memory"]).kernels
    first = kernel.findings[0]
    assert first.cause == "local-memory"
    assert first.mirrored
