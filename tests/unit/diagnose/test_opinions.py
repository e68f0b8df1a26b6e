"""What NVIDIA's rules say in our words, and whether we agree: on its real texts."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from ncukit.diagnose import diagnose
from ncukit.diagnose.opinions import Verdict, alone, cause_of, factor, judge, our_reason, rank, verdict
from ncukit.model import Finding, Gain, Opinion, Severity, Silence
from ncukit.read import read
from ncukit.read.reprules import rule_results

GOLDEN = Path(__file__).parents[2] / "golden" / "ncu-2025.3.1-h200"

# The beginnings of the rules' messages, as the rule files of 2025.3.1 have them.
TEXTS = [
    ("SOLBottleneck", "Start by analyzing DRAM in the Memory Workload Analysis section.", "dram-roof"),
    ("SOLBottleneck", "Look at the Memory Workload Analysis section to identify the DRAM bottleneck.", "dram-roof"),
    ("SOLBottleneck", "Start by analyzing workloads in the Compute Workload Analysis section.", "compute-roof"),
    ("SOLBottleneck", "Start by analyzing L1 in the Memory Workload Analysis section.", None),
    ("SOLBottleneck", "This kernel grid is too small to fill the available resources", "small-grid"),
    ("SOLBottleneck", "below 60.0% of peak typically indicate latency issues.", "memory-latency"),
    ("SOLBottleneck", "Compute and Memory are well-balanced: To reduce runtime,", None),
    ("LaunchConfiguration", "only 64 blocks, which is less than the GPU's 132 multiprocessors.", "small-grid"),
    ("LaunchConfiguration", "it is recommended to have at least two blocks per multiprocessor", "small-grid"),
    ("LaunchConfiguration", "results in 3 full waves and a partial wave of 833 thread blocks.", "tail-effect"),
    ("LaunchConfiguration", "Threads are executed in groups of 32 threads called warps.", None),
    ("CPIStall", "stalled waiting for a scoreboard dependency on a L1TEX (local, global", "memory-latency"),
    ("CPIStall", "dependency on a MIO (memory input/output) operation (not to L1TEX).", "bank-conflict"),
    ("CPIStall", "stalled waiting for sibling warps at a CTA barrier.", "barrier"),
    ("CPIStallBarrier", "stalled waiting for sibling warps at a CTA barrier.", "barrier"),
    ("CPIStall", "stalled waiting on a fixed latency execution dependency.", "instruction-latency"),
    ("CPIStall", "stalled waiting for the execution pipe to be available.", "compute-roof"),
    ("CPIStall", "the L1 instruction queue for local and global (LG) memory operations", "narrow-access"),
    ("CPIStall", "the MIO (memory input/output) instruction queue to be not full.", "bank-conflict"),
    ("CPIStall", "stalled waiting for the micro scheduler to select the warp to issue.", None),
    ("TheoreticalOccupancy", "is limited by the number of required registers.", "low-occupancy"),
    ("AchievedOccupancy", "The difference between calculated theoretical (100.0%)", "low-occupancy"),
    ("HighPipeUtilization", "All compute pipelines are under-utilized.", None),
    ("HighPipeUtilization", "FP64 is the highest-utilized pipeline (85.0%) based on elapsed cycles", "fp64"),
    ("HighPipeUtilization", "ALU is the highest-utilized pipeline (75.0%) based on elapsed cycles", "integer-bound"),
    ("HighPipeUtilization", "Tensor is the highest-utilized pipeline (81.7%) based", "compute-roof"),
    ("HighPipeUtilization", "ALU is the highest-utilized pipeline (41.1%) It should not be a bottleneck.", None),
    ("FPInstructions", "executes 0 fused and 9 non-fused FP64 instructions.", "fp64"),
    ("FPInstructions", "executes 0 fused and 9 non-fused FP32 instructions.", None),
    ("SOLFPRoofline", "determines that this workload is FP64 bound, consider", "fp64"),
    ("SOLFPRoofline", "The ratio of peak float (FP32) to double (FP64) performance", None),
    ("MemoryCacheAccessPattern", "The memory access pattern for global loads from L1TEX", "uncoalesced-access"),
    ("MemoryCacheAccessPattern", "The memory access pattern for local stores to DRAM", "local-memory"),
    ("UncoalescedGlobalAccess", "This kernel has uncoalesced global accesses", "uncoalesced-access"),
    ("UncoalescedSharedAccess", "This kernel has uncoalesced shared accesses", "bank-conflict"),
    ("SharedMemoryConflicts", "causes on average a 4.0 - way bank conflict", "bank-conflict"),
    ("ThreadDivergence", "Instructions are executed in warps", "divergence"),
    ("WorkloadImbalance", "One or more SMs have a much lower number", "workload-imbalance"),
    ("WorkloadImbalance", "One or more L2 Slices have a much higher number", None),
    ("MemoryL2Compression", "Out of the 566016.0 bytes sent to the L2 Compression unit", None),
    ("RuleOfTheFuture", "anything", None),
]


def said(
    rule: str, message: str = "", percent: float | None = None, scope: str = "global", kind: str = "OPT"
) -> Opinion:
    return Opinion(rule=rule, section="S", kind=kind, message=message, speedup_pct=percent, scope=scope)


def found(cause: str, best: float | None, severity: Severity = Severity.TUNE) -> Finding:
    gain = Gain(low=best, best=best, high=best) if best else None
    return Finding(code="X1", cause=cause, severity=severity, confidence="high", title="t", gain=gain, kernels=("k",))


@pytest.mark.parametrize(("rule", "text", "cause"), TEXTS)
def test_each_text_means_one_of_our_causes_first(rule: str, text: str, cause: str | None) -> None:
    assert (*cause_of(said(rule, text)), None)[0] == cause


def test_causes_are_the_designs() -> None:
    design = (Path(__file__).parents[3] / "docs" / "design.md").read_text()

    assert {
        cause for rule, text, _ in TEXTS for cause in cause_of(said(rule, text)) if f"`{cause}`" not in design
    } == set()


@pytest.mark.parametrize(
    ("percent", "scope", "value"), [(25.0, "global", 4 / 3), (50.0, "local", None), (100.0, "global", None)]
)
def test_a_share_of_the_run_time_is_a_factor(percent: float, scope: str, value: float | None) -> None:
    assert factor(said("R", percent=percent, scope=scope)) == (pytest.approx(value) if value else None)


@pytest.mark.parametrize(
    ("best", "opinions", "expected"),
    [
        (1.8, [said("UncoalescedGlobalAccess", percent=45.0)], Verdict.AGREES),
        (1.05, [said("UncoalescedGlobalAccess", percent=45.0)], Verdict.OTHER_GAIN),
        (1.05, [said("UncoalescedGlobalAccess", percent=p) for p in (45.0, 5.0)], Verdict.AGREES),
        (1.8, [said("UncoalescedGlobalAccess", percent=45.0, scope="local")], Verdict.NO_GAIN),
        (1.8, [said("TheoreticalOccupancy", percent=45.0)], Verdict.UNSEEN),
        (1.8, [], Verdict.UNSEEN),
    ],
)
def test_agreement_is_the_cause_and_the_gain(best: float, opinions: list[Opinion], expected: Verdict) -> None:
    assert judge(found("uncoalesced-access", best), opinions)[0] == expected


def test_a_statement_of_the_limit_needs_no_gain() -> None:
    roof = said("SOLBottleneck", "Start by analyzing DRAM in", kind="INF")

    assert judge(found("dram-roof", None, Severity.LIMIT), [roof]) == (Verdict.AGREES, roof)


def test_nvidias_ranking_is_by_its_estimate_and_of_its_advice_alone() -> None:
    opinions = [
        said("UncoalescedGlobalAccess", percent=20.0),
        said("MemoryL2Compression", percent=89.0),
        said("TheoreticalOccupancy", percent=60.0, scope="local"),
        said("ThreadDivergence", percent=50.0),
        said("SOLBottleneck", "analyzing DRAM", kind="INF"),
    ]
    ranking = rank(opinions)

    assert [cause for cause, _ in ranking] == ["", "divergence", "uncoalesced-access", "low-occupancy"]
    assert [gain for _, gain in ranking] == [pytest.approx(100 / 11), 2.0, 1.25, None]


def test_what_only_nvidia_says_comes_with_our_reason() -> None:
    findings = [found("memory-latency", 2.0)]
    opinions = [
        said("CPIStall", "dependency on a L1TEX", percent=50.0),
        said("MemoryL2Compression", percent=30.0),
        said("LaunchConfiguration", "a partial wave of", percent=40.0),
        said("ThreadDivergence", percent=35.0),
        said("PMSamplingData", "Sampling interval is larger", kind="WRN"),
        said("SOLFPRoofline", "The ratio of peak", kind="INF"),
    ]
    silences = [Silence(code="PAR302", cause="tail-effect", reason="12 whole waves")]
    only = alone(opinions, findings)

    assert [o.rule for o in only] == ["LaunchConfiguration", "ThreadDivergence", "MemoryL2Compression"]
    assert our_reason(only[0], silences) == "tail-effect: 12 whole waves"
    assert our_reason(only[1], silences) == "no rule of ours judges divergence"
    assert "compressible" in our_reason(only[2], silences)
    assert our_reason(said("RuleOfTheFuture"), silences)
    assert [verdict(o, findings) for o in opinions] == [Verdict.AGREES, *[Verdict.ALONE] * 3, None, None]


def test_advice_of_2022_comes_as_a_warning() -> None:
    assert verdict(said("ThreadDivergence", kind="WRN"), []) == Verdict.ALONE


def test_every_advice_in_the_goldens_has_a_cause_or_a_reason_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "rules.ncu-rep"
    path.write_bytes(gzip.decompress((GOLDEN / "set-full-rules.ncu-rep.gz").read_bytes()))
    advice = [o for launch in rule_results(path) for o in launch if o.kind == "OPT"]

    assert len(advice) > 20
    for opinion in advice:
        assert cause_of(opinion) or our_reason(opinion, ()) != "none of our causes stands for it", opinion


def test_a_kernel_carries_the_opinions_on_its_first_launch(tmp_path: Path) -> None:
    path = tmp_path / "details.csv"
    path.write_bytes(gzip.decompress((GOLDEN / "details-set-detailed-en_US.csv.gz").read_bytes()))
    report = read(path)

    assert [k.opinions for k in diagnose(report, gpu="H200").kernels] == list(report.opinions)
