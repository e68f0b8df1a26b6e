"""Reason codes: every verdict carries one, and every one has a status and a sentence. They are stable."""

from __future__ import annotations

from enum import StrEnum

from ncukit.model import Status


class Code(StrEnum):
    """Why a verdict is what it is."""

    # passed
    WITHIN_LIMIT = "within-limit"
    WITHIN_NOISE = "within-noise"
    BETTER = "better"
    CAUSE_ABSENT = "cause-absent"
    # broken
    BELOW_MIN = "below-min"
    ABOVE_MAX = "above-max"
    DROPPED = "dropped"
    RISEN = "risen"
    CAUSE_PRESENT = "cause-present"
    # two readings disagree
    FEWER_BYTES = "fewer-bytes"
    LESS_WORK = "less-work"
    MORE_WORK = "more-work"
    INTERVALS_OVERLAP = "intervals-overlap"
    CLOCK_MOVED = "clock-moved"
    GROUP_UNSURE = "group-unsure"
    # nothing that could be judged
    NOTHING_MEASURED = "nothing-measured"
    KERNEL_ABSENT = "kernel-absent"
    CASE_ABSENT = "case-absent"
    INCOMPLETE = "incomplete"
    STALE_SOURCE = "stale-source"
    METRIC_MISSING = "metric-missing"
    CAUSE_UNKNOWN = "cause-unknown"
    NO_BUDGET_APPLIES = "no-budget-applies"
    NO_BASELINE = "no-baseline"
    NOT_IN_BASELINE = "not-in-baseline"
    OTHER_GPU = "other-gpu"
    OTHER_NCU = "other-ncu"
    OTHER_CLOCKS = "other-clocks"
    OTHER_CACHES = "other-caches"
    OTHER_SIZE = "other-size"
    OTHER_PROBLEM = "other-problem"
    # left out on purpose
    IGNORED = "ignored"
    NO_WEIGHT = "no-weight"
    ALLOWED = "allowed"


MEANING: dict[Code, tuple[Status, str]] = {
    Code.WITHIN_LIMIT: (Status.PASS, "the measured value keeps the limit"),
    Code.WITHIN_NOISE: (Status.PASS, "the change is smaller than what repeated measurements differ by"),
    Code.BETTER: (Status.PASS, "it moved further than the budget allows, in the better direction"),
    Code.CAUSE_ABSENT: (Status.PASS, "the diagnosis looked for the forbidden cause and did not find it"),
    Code.BELOW_MIN: (Status.FAIL, "the measured value is below the minimum"),
    Code.ABOVE_MAX: (Status.FAIL, "the measured value is above the maximum"),
    Code.DROPPED: (Status.FAIL, "the value fell by more than the budget allows, and by more than the noise"),
    Code.RISEN: (Status.FAIL, "the value rose by more than the budget allows, and by more than the noise"),
    Code.CAUSE_PRESENT: (Status.FAIL, "the diagnosis finds a cause that the budget forbids"),
    Code.FEWER_BYTES: (Status.AMBIGUOUS, "a share of DRAM's peak fell because fewer bytes are moved, in no more time"),
    Code.LESS_WORK: (Status.AMBIGUOUS, "a share of a peak fell because there is less work to do, in no more time"),
    Code.MORE_WORK: (Status.AMBIGUOUS, "a share of a peak rose, and so did the time: there is more work"),
    Code.INTERVALS_OVERLAP: (Status.AMBIGUOUS, "the medians differ, but the launches' ranges overlap"),
    Code.CLOCK_MOVED: (Status.AMBIGUOUS, "the time changed, the SM's cycles did not: another clock, the same work"),
    Code.GROUP_UNSURE: (Status.AMBIGUOUS, "alone the kernel got worse, in the group of fused kernels it did not"),
    Code.NOTHING_MEASURED: (Status.UNJUDGED, "the report holds no launch"),
    Code.KERNEL_ABSENT: (Status.UNJUDGED, "no kernel that ran has this name"),
    Code.CASE_ABSENT: (Status.UNJUDGED, "a budget or the baseline names this case, and no report is of it"),
    Code.INCOMPLETE: (Status.UNJUDGED, "the report ends too early, or a launch failed"),
    Code.STALE_SOURCE: (Status.UNJUDGED, "the kernel file has changed since it was measured"),
    Code.METRIC_MISSING: (Status.UNJUDGED, "the metric has no value in some launch of this kernel"),
    Code.CAUSE_UNKNOWN: (Status.UNJUDGED, "the diagnosis lacked readings to look for the forbidden cause"),
    Code.NO_BUDGET_APPLIES: (Status.UNJUDGED, "budgets are configured, but none is for this report's case"),
    Code.NO_BASELINE: (Status.UNJUDGED, "there is no baseline of that name yet"),
    Code.NOT_IN_BASELINE: (Status.UNJUDGED, "the baseline does not hold this case, kernel or metric"),
    Code.OTHER_GPU: (Status.UNJUDGED, "the baseline was measured on another GPU"),
    Code.OTHER_NCU: (Status.UNJUDGED, "the baseline was measured with another version of ncu"),
    Code.OTHER_CLOCKS: (Status.UNJUDGED, "clocks were controlled in another way (--clock-control)"),
    Code.OTHER_CACHES: (Status.UNJUDGED, "caches were controlled in another way (--cache-control)"),
    Code.OTHER_SIZE: (Status.UNJUDGED, "the inputs have another size or type"),
    Code.OTHER_PROBLEM: (Status.UNJUDGED, "the reference (Model, get_inputs, get_init_inputs) is another one"),
    Code.IGNORED: (Status.IGNORED, "an ignore entry of the configuration names it, with a reason"),
    Code.NO_WEIGHT: (Status.IGNORED, "it takes under 1 % of the longest kernel's time, and no budget names it"),
    Code.ALLOWED: (Status.IGNORED, "it could not be compared, and --allow accepts that"),
}
"""Code → the status it stands for (a broken budget of level ``warn`` warns instead) and what it means."""
