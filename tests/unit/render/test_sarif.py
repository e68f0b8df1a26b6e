"""SARIF: goldens of real recordings, the published format held by another's parser, and hostile reports."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic_sarif.model import StaticAnalysisResultsFormatSarifVersion210JsonSchema as SarifLog

from ncukit import __version__
from ncukit.diagnose import diagnose, rules
from ncukit.model import Diagnosis, Environment, Evidence, Finding, Gain, KernelDiagnosis, Severity, Suggestion
from ncukit.read import read
from ncukit.render import sarif

ROOT = Path(__file__).parents[3]
GOLDEN = ROOT / "tests" / "golden" / "sarif"
RECORDINGS = ("naive_instance_norm", "clinic_sick_local_memory", "instance_norm")


@pytest.fixture(autouse=True)
def in_the_checkout(monkeypatch) -> None:
    monkeypatch.chdir(ROOT)


def document(text: str) -> dict:
    """The JSON, after another's parser has read it: keys, types and enumerations as the published schema has them."""
    SarifLog.model_validate_json(text)
    return json.loads(text)


def run_of(text: str) -> dict:
    (run,) = document(text)["runs"]
    return run


def recorded(name: str) -> dict:
    report = read(f"profiles/h200/{name}")
    return document(sarif.render(diagnose(report), sarif.places_of(report), ROOT))


def finding(**fields) -> Finding:
    values = {"code": "MEM105", "cause": "local-memory", "severity": Severity.TUNE, "confidence": "high", "title": "t"}
    return Finding(**(values | fields))


def kernel(*findings: Finding, name: str = "k", **fields) -> KernelDiagnosis:
    values = {"launches": 1, "grid": (7, 1, 1), "block": None, "duration_us": 10.0, "bound": "dram", "metrics": {}}
    return KernelDiagnosis(name=name, findings=findings, **({"missing": {}, "ladder": ()} | values | fields))


def diagnosis(*kernels: KernelDiagnosis, **fields) -> Diagnosis:
    values = {"report_path": "run.csv", "report_kind": "csv-raw", "environment": Environment(), "gpu_note": ""}
    return Diagnosis(kernels=kernels, **({"pipeline": ()} | values | fields))


def uris(result: dict) -> list[tuple[str, int]]:
    places = [place["physicalLocation"] for key in ("locations", "relatedLocations") for place in result.get(key, [])]
    assert all(place["artifactLocation"]["uriBaseId"] == "%SRCROOT%" for place in places)
    return [(place["artifactLocation"]["uri"], place["region"]["startLine"]) for place in places]


@pytest.mark.parametrize("name", RECORDINGS)
def test_a_recording_as_it_was_looked_at(name: str) -> None:
    """The rules' pages are left out of the goldens: they are texts of their own."""
    found = recorded(name)
    driver = found["runs"][0]["tool"]["driver"]
    assert driver.pop("version") == __version__
    for rule in driver["rules"]:
        assert rule.pop("help") == {"text": rules.page(rule["id"])}
    assert found == json.loads((GOLDEN / f"{name}.sarif").read_text(encoding="utf-8"))


def test_the_parser_refuses_what_is_not_sarif() -> None:
    text = json.dumps(recorded("instance_norm"))
    SarifLog.model_validate_json(text)
    for wrong in (text.replace('"note"', '"alarm"'), text.replace('"ruleId"', '"rule_id"'), text.replace("2.1.0", "2")):
        assert wrong != text
        with pytest.raises(ValueError, match="validation error"):
            SarifLog.model_validate_json(wrong)


def test_advice_is_a_warning_and_a_limit_is_a_note() -> None:
    results = recorded("naive_instance_norm")["runs"][0]["results"]
    assert [(r["ruleId"], r["level"]) for r in results] == [
        ("FUS601", "warning"),
        ("MEM100", "note"),
        ("MEM100", "note"),
    ]


def test_the_message_says_all_because_texts_at_locations_are_not_shown() -> None:
    (result,) = recorded("clinic_sick_local_memory")["runs"][0]["results"]
    message = result["message"]["text"]
    for words in (
        "growth_kernel: ",
        "Estimated speedup ",
        "x, high confidence",
        "BLOCK: 131072 → 65536: ",
        "Recorded, not measured",
    ):
        assert words in message
    assert "kernels/clinic/sick/local_memory.py:" in message


def test_the_kernels_own_line_comes_first_and_then_where_to_change_something() -> None:
    (result,) = recorded("clinic_sick_local_memory")["runs"][0]["results"]
    text = (ROOT / "kernels/clinic/sick/local_memory.py").read_text().splitlines()
    own, knob = uris(result)
    assert own[0] == knob[0] == "kernels/clinic/sick/local_memory.py"
    assert text[own[1] - 1].startswith("def growth_kernel")
    assert text[knob[1] - 1].strip() == "BLOCK = 131072"


def test_every_rule_that_is_used_is_described_once() -> None:
    run = recorded("naive_instance_norm")["runs"][0]
    described = run["tool"]["driver"]["rules"]
    assert [(rule["id"], rule["name"]) for rule in described] == [("FUS601", "Fusion"), ("MEM100", "DramRoof")]
    for result in run["results"]:
        assert described[result["ruleIndex"]]["id"] == result["ruleId"]
    assert described[1]["fullDescription"]["text"].startswith("The bytes this kernel moves, at the bandwidth")
    assert "Why it costs" not in described[1]["fullDescription"]["text"]


def test_a_recording_says_so_wherever_it_is_shown() -> None:
    run = recorded("instance_norm")["runs"][0]
    assert run["properties"]["recorded"] is True
    assert run["automationDetails"]["description"]["text"].startswith("RECORDED, not measured now: NVIDIA H200")
    assert all(r["message"]["text"].endswith("Recorded, not measured now.") for r in run["results"])
    live = run_of(sarif.render(diagnosis(kernel(finding()))))
    assert "ecorded" not in live["results"][0]["message"]["text"]


def test_a_fingerprint_stays_when_the_kernel_is_measured_again() -> None:
    report = read("profiles/h200/naive_instance_norm")
    slower = report.frame.assign(
        duration_us=report.frame["duration_us"] * 1.01, duration_ns=report.frame["duration_ns"] * 1.01
    )
    pairs = []
    for one in (report, replace(report, frame=slower)):
        results = run_of(sarif.render(diagnose(one), sarif.places_of(one), ROOT))["results"]
        pairs.append({r["partialFingerprints"]["primaryLocationLineHash"]: r["message"]["text"] for r in results})
    assert pairs[0].keys() == pairs[1].keys()
    assert len(pairs[0]) == 3
    assert pairs[0] != pairs[1], "the readings did change"


def test_equal_findings_on_two_grids_are_two_alerts() -> None:
    at = finding(code="MEM100", cause="dram-roof", severity=Severity.LIMIT)
    one, two = kernel(at), kernel(at, grid=(9, 1, 1), duration_us=90.0)
    results = run_of(sarif.render(diagnosis(one, two)))["results"]
    marks = [r["partialFingerprints"]["primaryLocationLineHash"] for r in results]
    assert [mark.rpartition(":")[2] for mark in marks] == ["1", "2"]
    assert "k (grid 7x1x1): t" in results[0]["message"]["text"]
    assert "k (grid 9x1x1): t" in results[1]["message"]["text"]


def test_a_place_is_relative_or_not_there_at_all() -> None:
    places = {
        "plain": "kernels/a b.py:3",
        "inside": f"{ROOT}/kernels/x.py:4",
        "outside": "/etc/passwd:1",
        "above": "../x.py:1",
        "hidden": "kernels/../../x.py:1",
        "drive": "C:\\x.py:1",
        "share": "\\\\host\\x.py:1",
        "backslashes": "kernels\\x.py:5",
        "odd": "kernels/ä\n\x1b%#?.py:6",
        "surrogate": "kernels/\udcff.py:7",
        "no line": "kernels/x.py",
        "huge": "kernels/x.py:99999999999999999999",
        "zero": "kernels/x.py:0",
    }
    kernels = [kernel(finding(), name=name) for name in places]
    results = run_of(sarif.render(diagnosis(*kernels, report_path="-"), places, ROOT))["results"]
    found = {r["properties"]["kernels"][0]: uris(r) for r in results}
    assert {name: at for name, at in found.items() if at} == {
        "plain": [("kernels/a%20b.py", 3)],
        "inside": [("kernels/x.py", 4)],
        "backslashes": [("kernels/x.py", 5)],
        "odd": [("kernels/%C3%A4%0A%1B%25%23%3F.py", 6)],
        "surrogate": [("kernels/%3F.py", 7)],
        "zero": [("kernels/x.py", 1)],
    }


@pytest.mark.parametrize(
    ("target", "report", "at"),
    [
        ("bench.py --n 4", "run.csv", [("bench.py", 1)]),
        ("./a.out", "run.csv", [("a.out", 1)]),
        ("python -m x", "run.csv", [("run.csv", 1)]),
        ("/home/me/bench.py", "out/run.csv", [("out/run.csv", 1)]),
        ("", "/tmp/run.csv", []),
        ("", "-", []),
    ],
)
def test_without_a_line_the_target_stands_in_or_the_report(target, report, at) -> None:
    run = run_of(sarif.render(diagnosis(kernel(finding()), target=target, report_path=report)))
    assert uris(run["results"][0]) == at
    assert run["automationDetails"]["id"] == f"ncukit/{at[0][0]}/" if at else "ncukit/"


def test_a_suggestions_place_stands_in_for_the_kernels() -> None:
    there = Suggestion(action="a", why="w", location="kernels/x.py:73 (launch); loads at :33, :36")
    pipeline = (finding(kernels=("a", "b"), suggestions=(there,)),)
    (result,) = run_of(sarif.render(diagnosis(kernel(), pipeline=pipeline)))["results"]
    assert uris(result) == [("kernels/x.py", 73)]
    nowhere = replace(there, location=":33, :36")
    (result,) = run_of(sarif.render(diagnosis(kernel(), pipeline=(finding(kernels=("a",), suggestions=(nowhere,)),))))[
        "results"
    ]
    assert uris(result) == [("run.csv", 1)]


def test_the_named_source_file_tells_the_line_where_nothing_was_recorded() -> None:
    report = replace(read("profiles/h200/naive_instance_norm"), launches=(), target="")
    assert sarif.places_of(report) == {}
    places = sarif.places_of(report, "kernels/naive/instance_norm.py")
    assert places == sarif.places_of(read("profiles/h200/naive_instance_norm"))


def test_what_saves_the_most_time_over_all_launches_comes_first() -> None:
    kernels = (
        kernel(finding(severity=Severity.LIMIT, gain=Gain(low=1, best=3, high=3), title="limit")),
        kernel(finding(gain=None, title="unknown")),
        kernel(finding(gain=Gain(low=2, best=2, high=2), title="big factor, short kernel"), duration_us=1.0),
        kernel(finding(gain=Gain(low=1, best=1.1, high=2), title="many launches"), launches=100),
    )
    results = run_of(sarif.render(diagnosis(*kernels)))["results"]
    titles = [r["message"]["text"].partition(": ")[2].partition(". ")[0] for r in results]
    assert titles == ["many launches", "big factor, short kernel", "unknown", "limit"]


def test_more_results_than_github_keeps_are_cut_with_a_notice() -> None:
    kernels = [
        kernel(finding(gain=Gain(low=1, best=2, high=2)), name=f"k{n}", duration_us=1.0 + n)
        for n in range(sarif.MOST_RESULTS + 10)
    ]
    run = run_of(sarif.render(diagnosis(*kernels)))
    assert len(run["results"]) == sarif.MOST_RESULTS
    assert run["results"][0]["properties"]["kernels"] == [f"k{sarif.MOST_RESULTS + 9}"]
    (notice,) = run["invocations"][0]["toolExecutionNotifications"]
    assert notice["message"]["text"].startswith("5,000 of 5,010 results are listed")


def test_nothing_to_say_is_a_valid_run() -> None:
    run = run_of(sarif.render(diagnosis(kernel())))
    assert (run["results"], run["tool"]["driver"]["rules"]) == ([], [])
    assert run["invocations"] == [{"executionSuccessful": True}]


def test_nothing_measured_is_no_clean_bill() -> None:
    run = run_of(sarif.render(diagnosis(kernel(bound="unknown", duration_us=None), notes=("cut off\x1b",))))
    (invocation,) = run["invocations"]
    assert invocation["executionSuccessful"] is False
    said = [(n["level"], n["message"]["text"]) for n in invocation["toolExecutionNotifications"]]
    assert said[0] == ("note", "cut off\\x1b")
    assert said[1][0] == "warning"
    assert "no result is no clean bill" in said[1][1]


def test_text_out_of_a_report_is_bounded_and_shown_not_obeyed() -> None:
    evil = "\x1b[2J\n\u202e\ud800[click](https://x.example){0}" + "x" * 100_000
    one = finding(
        title=evil,
        gain=Gain(low=float("nan"), best=float("inf"), high=float("inf")),
        evidence=(Evidence(metric=evil, value=float("nan"), unit=evil, compared_with=evil),) * 50,
        suggestions=(Suggestion(action=evil, why=evil, knob=evil, to_value=evil, location=evil),) * 50,
    )
    environment = Environment(gpu=evil, ncu_version=evil, clock_control=evil, recorded=True)
    made = diagnosis(kernel(one, name=evil), environment=environment, target=evil, report_path=evil, notes=(evil,) * 50)
    text = sarif.render(made, {evil: evil}, ROOT)
    (result,) = run_of(text)["results"]
    message = result["message"]["text"]
    assert len(message) <= 1000
    assert message.endswith("Recorded, not measured now.")
    assert "](" not in message
    assert "{0}" not in message
    assert {"\n"} == {c for c in text if not c.isprintable()}
    assert "\\u" not in text
    assert len(text) < 100_000
    assert result["properties"]["estimated_speedup"] == {"low": None, "best": None, "high": None}
    assert result["properties"]["evidence"][0]["value"] is None
