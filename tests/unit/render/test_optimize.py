"""A run of the loop as a page, as JSON and as a picture."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET

import pytest
from outcomes import ENTRIES, WRONG, entry, outcome, race

from ncukit.optimize.journal import Settings, Stop
from ncukit.optimize.verdict import Checked, Reason
from ncukit.render import optimize_json, optimize_plot, optimize_text

SVG = "{http://www.w3.org/2000/svg}"


def test_the_page() -> None:
    assert (
        optimize_text.render(outcome(), width=120)
        == """\
kernels/naive/instance_norm.py   NVIDIA H200 · Triton 3.6.0 · torch 2.11.0
the start takes 5.58 ms; against itself 1.000x (0.995 to 1.005)
agent: claude -p

round  stage           outcome    vs best  vs start  agent  round took  what came of it
    1  memory          refused          –         –   12 s        61 s  wrong-values, line 41: half of y is not written…
    2  memory, repair  faster      1.430x    ~1.43x   12 s        61 s  it says: One pass.
    3  memory          no faster   0.980x    ~1.40x   12 s        61 s  it says: More warps.
    4  memory          late             –         –   12 s        61 s  late: no answer after 300 s: it was ended
    5  memory          faster      1.100x    ~1.57x   12 s        61 s  unproven; it says: Stripes.

note: going on without metrics: no permission
best: round 5: 5.58 ms → 3.57 ms, 1.563x (1.555 to 1.571) the speed of the start, measured in turns
unproven of it: bfloat16 was declined
stopped: it runs at the DRAM roof
kept in runs/naive_instance_norm
"""
    )


@pytest.mark.parametrize("width", [60, 80, 120])
def test_rows_fit_the_terminal_but_for_a_last_cell_that_can_be_read(width) -> None:
    for line in optimize_text.render(outcome(), width=width).splitlines()[4:10]:
        assert len(line) <= max(width, 72 + optimize_text.NARROWEST)


def test_colours_are_only_added() -> None:
    import re

    drawn = optimize_text.render(outcome(), color=True, width=100)
    assert "\x1b[32m" in drawn
    assert re.sub(r"\x1b\[\d+m", "", drawn) == optimize_text.render(outcome(), width=100)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"entries": (), "gain": None}, "no gain: nothing was asked"),
        ({"entries": (), "gain": None, "cut_short": True}, "no gain: the agent's only call was cut short by --minutes"),
        ({"entries": ENTRIES[:1], "gain": None}, "no gain: no answer could be measured"),
        ({"entries": (entry(1, "no faster", 0.9),), "gain": None}, "no gain: no answer was faster than the start"),
        ({"gain": race(5580, 5570)}, "no gain: round 5 is ~1.57x by the races of the rounds, and that does not hold: "
         "measured against the start again 5.58 ms → 5.57 ms, 1.002x (0.997 to 1.007)"),
        ({"gain": None, "stop": Stop(code="interrupted", reason="interrupted")},
         "best so far: round 5, ~1.57x by the races of the rounds; not measured against the start"),
        ({"again": Checked(path="best.py", verdict="refused", reasons=(WRONG,))},
         "no gain: best.py (round 5) is refused as a whole file: wrong-values: half of y is not written"),
    ],
)  # fmt: skip
def test_what_was_gained_is_said_as_it_is(fields, says) -> None:
    assert f"\n{says}\n" in optimize_text.render(outcome(**fields))


@pytest.mark.parametrize("evil", ["\x1b[2J\x07<script>&\"'\n##[group]", "::error::x"])
def test_no_text_from_outside_is_obeyed(evil) -> None:
    reason = Reason(code="late", line=None, message=evil)
    page = outcome(
        entries=(
            entry(1, "faster", 1.2, summary=evil, stage=evil, unproven=(evil,)),
            entry(2, "late", reasons=(reason,)),
        ),
        settings=Settings(file=evil, sha256="", agent=evil, gpu=evil, versions={"triton": evil}),
        notes=(evil,),
        folder=evil,
        stop=Stop(code="rounds", reason=evil),
    )
    text = optimize_text.render(page)
    assert "\x1b" not in text
    assert "\x07" not in text
    assert " ::" not in text
    assert "\n::" not in text
    assert "##[" not in text
    picture = optimize_plot.render(page)
    assert "<script>" not in picture
    assert "\x1b" not in picture
    ET.fromstring(picture)
    assert json.loads(optimize_json.render(page))["rounds"][0]["summary"] == evil, "a program gets it as it is"


def test_the_document() -> None:
    document = json.loads(optimize_json.render(outcome()))
    assert document["schema_version"] == 1
    assert document["best"] == {"round": 5, "path": "runs/naive_instance_norm/best.py"}
    assert document["gain"]["ratio"] == pytest.approx(1.563, abs=1e-3)
    assert (document["gain"]["holds"], document["checked_again"]) == (True, "accepted")
    assert document["stop"] == {"code": "nothing-left", "reason": "it runs at the DRAM roof"}
    assert (document["start_us"], document["exit_code"]) == (5580, 0)
    first, second = document["rounds"][:2]
    assert first["reasons"][0] == {
        "code": "wrong-values", "line": 41, "message": "half of y is not written", "instead": "cover all rows",
    }  # fmt: skip
    assert (first["ratio"], first["against_start"], first["median_us"]) == (None, None, None)
    assert (second["outcome"], second["repair"], second["against"], second["ratio"]) == ("faster", True, 0, 1.43)
    assert second["folder"] == "runs/naive_instance_norm/round-02"


def test_a_run_without_a_gain_says_so_in_json() -> None:
    document = json.loads(optimize_json.render(outcome(entries=ENTRIES[:1], gain=None, again=None)))
    assert (document["best"], document["gain"], document["checked_again"], document["exit_code"]) == (
        None,
        None,
        None,
        4,
    )


def test_the_picture_marks_every_round() -> None:
    picture = ET.fromstring(optimize_plot.render(outcome()))
    marks = [
        (g.find(f"{SVG}title").text, g[1].tag.removeprefix(SVG), g[1].get("class")) for g in picture.iter(f"{SVG}g")
    ]
    assert marks == [
        ("round 1, memory: refused: wrong-values", "path", "refused"),
        ("round 2, memory: 1.430x the best before", "circle", "faster"),
        ("round 3, memory: 0.980x the best before", "circle", "slower"),
        ("round 4, memory: late: late", "path", "answerless"),
        ("round 5, memory: 1.100x the best before", "circle", "faster"),
    ]
    assert picture.find(f"{SVG}title").text == "kernels/naive/instance_norm.py: 1.56x in 5 rounds"
    words = [text.text for text in picture.iter(f"{SVG}text")]
    assert "measured again: 1.56x" in words
    assert "prefers-color-scheme: dark" in picture.find(f"{SVG}style").text


def test_higher_is_faster_in_the_picture() -> None:
    picture = ET.fromstring(optimize_plot.render(outcome()))
    heights = {g.find(f"{SVG}title").text[:7]: float(g[1].get("cy")) for g in picture.iter(f"{SVG}g") if g[1].get("cy")}
    assert heights["round 5"] < heights["round 2"] < heights["round 3"]


@pytest.mark.parametrize("count", [0, 1, 8, 300])
@pytest.mark.parametrize("ratio", [0.001, 1.0, 1.02, 900.0])
def test_the_picture_holds_what_it_shows(count, ratio) -> None:
    entries = tuple(entry(n, "no faster", ratio) for n in range(1, count + 1))
    picture = ET.fromstring(optimize_plot.render(outcome(entries=entries, gain=None)))
    for circle in picture.iter(f"{SVG}circle"):
        assert 0 <= float(circle.get("cx")) <= optimize_plot.WIDTH
        assert 0 <= float(circle.get("cy")) <= optimize_plot.HEIGHT
    lines = [line for line in picture.iter(f"{SVG}line") if line.get("class") == "grid"]
    assert 2 <= len(lines) <= 12
    labels = [t for t in picture.iter(f"{SVG}text") if t.get("text-anchor") == "middle"]
    assert len(labels) <= optimize_plot.MOST_LABELS + 2
