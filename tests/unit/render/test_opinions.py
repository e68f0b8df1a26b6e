"""The page with and without NVIDIA's opinion, on real reports; hostile text in it."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncukit.cli import run
from ncukit.diagnose import diagnose
from ncukit.model import Diagnosis, Finding, Gain, Opinion, Severity
from ncukit.read import read
from ncukit.render.console import diagnosis_page
from ncukit.render.json import render
from ncukit.render.opinions import SHOWN_ALONE

ROOT = Path(__file__).parents[3]
GOLDEN = ROOT / "tests" / "golden" / "ncu-2025.3.1-h200"


@pytest.fixture(scope="module")
def details(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "details.csv"
    path.write_bytes(gzip.decompress((GOLDEN / "details-set-detailed-en_US.csv.gz").read_bytes()))
    return path


@pytest.fixture(scope="module")
def diagnosis(details: Path) -> Diagnosis:
    return diagnose(read(details), gpu="H200")


def page(diagnosis: Diagnosis, *, nvidia: bool = True, width: int = 200) -> str:
    return diagnosis_page(diagnosis, color=False, width=width, nvidia=nvidia)


def test_findings_and_what_only_nvidia_says(diagnosis: Diagnosis) -> None:
    text = page(diagnosis)

    assert "nvidia: agrees (SOLBottleneck)" in text
    assert "nvidia: does not see it (its rules look at one launch at a time)" in text
    only = text[text.index("NVIDIA only") :]
    assert "MemoryL2Compression (up to 89.8 %): torch allocates no compressible memory" in only
    assert "LaunchConfiguration (up to 25 %): tail-effect: " in only
    assert "HighPipeUtilization (up to 96.3 % of its unit)" in only
    assert "SOLFPRoofline" not in only


def test_a_gain_that_differs_stands_beside_ours(diagnosis: Diagnosis) -> None:
    """On the kernel of a finding with a gain; NVIDIA promises 2.00x of the run time."""
    stall = Opinion(
        rule="UncoalescedGlobalAccess", section="SourceCounters", kind="OPT", speedup_pct=50.0, scope="global"
    )
    access = Finding(
        code="MEM101", cause="uncoalesced-access", severity=Severity.TUNE, confidence="high", title="half is waste",
        gain=Gain(low=1.1, best=1.2, high=1.3), kernels=(diagnosis.kernels[0].name,),
    )  # fmt: skip
    kernel = replace(diagnosis.kernels[0], opinions=(stall,), findings=(access,))
    text = page(replace(diagnosis, kernels=(kernel,), pipeline=()))

    assert "nvidia: same cause, other gain (UncoalescedGlobalAccess, 50 %): 2.00x, ours 1.20x" in text
    assert "NVIDIA only" not in text


def test_without_the_option_the_page_is_unchanged(diagnosis: Diagnosis) -> None:
    bare = replace(diagnosis, kernels=tuple(replace(k, opinions=()) for k in diagnosis.kernels))

    assert page(diagnosis, nvidia=False) == page(bare, nvidia=False) == page(bare, nvidia=True)
    assert "nvidia" not in page(bare).lower().replace("nvidia h200", "")


def test_json_has_every_opinion_whenever_the_report_does(diagnosis: Diagnosis) -> None:
    kernels = json.loads(render(diagnosis))["kernels"]

    assert [len(kernel["nvidia"]) for kernel in kernels] == [5, 5]
    by_rule = {entry["rule"]: entry for entry in kernels[0]["nvidia"]}
    tail = by_rule["LaunchConfiguration"]
    assert (tail["type"], tail["speedup_pct"], tail["scope"]) == ("OPT", 25.0, "global")
    assert (tail["cause"], tail["verdict"]) == (["tail-effect"], "NVIDIA only")
    assert (by_rule["SOLBottleneck"]["verdict"], by_rule["SOLFPRoofline"]["verdict"]) == ("agrees", None)
    bare = replace(diagnosis, kernels=tuple(replace(k, opinions=()) for k in diagnosis.kernels))
    assert all("nvidia" not in kernel for kernel in json.loads(render(bare))["kernels"])


@pytest.mark.parametrize("format_", ["console", "json"])
def test_a_report_without_them_says_how_to_get_them(capsys: pytest.CaptureFixture[str], format_: str) -> None:
    command = ["diagnose", str(ROOT / "profiles" / "h200" / "rms_norm"), "--format", format_]
    assert run(command) == 0
    plain = capsys.readouterr()
    assert run([*command, "--nvidia"]) == 0
    asked = capsys.readouterr()

    assert asked.out == plain.out
    (line,) = [line for line in asked.err.splitlines() if line not in plain.err.splitlines()]
    assert "--set full" in line
    assert "--page details" in line


def test_the_option_reaches_the_page(capsys: pytest.CaptureFixture[str], details: Path) -> None:
    assert run(["diagnose", str(details), "--gpu", "H200", "--nvidia"]) == 0

    assert "NVIDIA only, and why we do not say so:" in capsys.readouterr().out


words = st.text() | st.sampled_from(
    ["\x1b[2J", "[bold red]", "</style>", "\u202e", "\n\nERROR", "CPIStall", "a" * 5000]
)


@given(words, words, words, st.floats(min_value=0) | st.none(), st.sampled_from(["", "global", "local"]))
def test_no_text_breaks_the_page(
    diagnosis: Diagnosis, rule: str, title: str, message: str, share: float | None, scope: str
) -> None:
    """Also text that did not pass the reader, which strips it."""
    hostile = Opinion(rule=rule, section=rule, kind="OPT", title=title, message=message, speedup_pct=share, scope=scope)
    poisoned = replace(diagnosis, kernels=tuple(replace(k, opinions=(hostile,)) for k in diagnosis.kernels))
    text = page(poisoned, width=80)

    assert all(c.isprintable() or c == "\n" for c in text)
    head, _, tail = text.partition("NVIDIA only")
    assert "fusion" in head
    assert tail.count("\n") < SHOWN_ALONE * 200
    assert json.loads(render(poisoned))["kernels"][0]["nvidia"][0]["rule"] == rule


def test_the_page_stays_short_with_many(diagnosis: Diagnosis) -> None:
    many = tuple(Opinion(rule=f"Rule{n}", section="S", kind="OPT") for n in range(100))
    text = page(replace(diagnosis, kernels=tuple(replace(k, opinions=many) for k in diagnosis.kernels)))

    assert text.count("none of our causes stands for it") == SHOWN_ALONE
    assert "… and 88 more: --format json" in text
