"""A search as a page, as JSON and as a diff that ``patch`` takes."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ncukit.model import Gain
from ncukit.optimize.problem import Problem
from ncukit.optimize.race import summary
from ncukit.optimize.tune import Plan, Tuned
from ncukit.optimize.tune.advice import Advice
from ncukit.optimize.tune.facts import Facts
from ncukit.optimize.tune.knobs import find_knobs
from ncukit.optimize.tune.record import Trial
from ncukit.render import tune, tune_json

CODE = """\
import triton
import triton.language as tl

TURNS = 4


@triton.jit
def copy(x, y, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y + at, tl.load(x + at, mask=at < n), mask=at < n)


def run(x, y, n):
    for _ in range(TURNS):
        copy[(triton.cdiv(n, 1024),)](x, y, n, BLOCK=1024, num_warps=4)
"""
ABOUT = {"gpu": "NVIDIA H200", "versions": {"torch": "2.11.0", "triton": "3.6.0"}}
LAUNCH = {"kernel": "copy", "grid": [64, 1, 1], "registers": 32, "spills": 0, "num_warps": 8}
MEASURED = Trial(
    group=0, setting=(4096, 8), outcome="measured", why="LAT201 memory-latency: BLOCK=4096", ratio=1.4, low=1.38,
    high=1.41, median_us=100.0, runs=21, error=0.25, identity="a", launches=(LAUNCH, LAUNCH),
)  # fmt: skip
TRIALS = (
    MEASURED,
    replace(
        MEASURED, setting=(4096, 4), outcome="same", why="the model", note="the machine code of x", runs=0, ratio=1.2
    ),
    Trial(group=0, setting=(8192, 8), outcome="wrong", note="its result differs from the reference's", error=1e30),
    Trial(group=0, setting=(8192, 1), outcome="failed", note="no result after 120 s"),
)
RACE = summary([140.0] * 9, [100.0] * 9, ABOUT)
ADVICE = Advice(
    suggested=({(4096, 4): "LAT201 memory-latency: BLOCK=4096"}, {}),
    order=(0, 1),
    predicted=Gain(low=1.2, best=1.3, high=1.5),
    because="LAT201 memory-latency in copy",
)


def plan(code: str = CODE, path: str = "kernels/copy.py") -> Plan:
    tree = ast.parse(code)
    return Plan(
        problem=Problem(path=path, code=code, tree=tree, sizes={"size": "8"}),
        knobs=find_knobs(code, tree),
        facts=(Facts(ruled_out={(128, 1): "it spills 40 words a thread"}), Facts(note="nothing is compiled")),
        suggested=ADVICE.suggested,
        order=(0, 1),
    )


def tuned(best: tuple[int, int] | None = (4096, 8), **more) -> Tuned:
    made = more.pop("plan", plan())
    chosen = {0: best} if best else {}
    values = {
        "trials": TRIALS,
        "stops": {0: "every setting was measured"},
        "race": RACE if best else None,
        "about": ABOUT,
    }
    return Tuned(**{"plan": made, "best": chosen, "code": made.knobs.edited(chosen), **values, **more})


DIFF = (
    "--- a/kernels/copy.py\n+++ b/kernels/copy.py\n@@ -12,4 +12,4 @@\n"
    " \n def run(x, y, n):\n     for _ in range(TURNS):\n"
    "-        copy[(triton.cdiv(n, 1024),)](x, y, n, BLOCK=1024, num_warps=4)\n"
    "+        copy[(triton.cdiv(n, 4096),)](x, y, n, BLOCK=4096, num_warps=8)\n"
)


# the page


def test_the_page() -> None:
    assert (
        tune.render(tuned(resumed=2), ADVICE, color=False)
        == """\
NVIDIA H200 · triton 3.6.0 · torch 2.11.0

kernels/copy.py  1.40x faster  140 us → 100 us  (quartiles 1.40 to 1.40, 9 turns, L2 flushed)
  predicted: 1.20–1.50x, 1.30x at best guess (LAT201 memory-latency in copy)
  4 of 41 settings tried (1 measured, 1 same, 1 wrong, 1 failed, 2 of them by an earlier search), \
1 ruled out by compiling

copy
  BLOCK=1024, num_warps=4  1.00x  as it stands
  BLOCK=4096, num_warps=8  1.40x  32 registers  LAT201 memory-latency: BLOCK=4096
  BLOCK=4096, num_warps=4  1.20x  32 registers  same: the machine code of x
  BLOCK=8192, num_warps=8      –                wrong: its result differs from the reference's
  BLOCK=8192, num_warps=1      –                failed: no result after 120 s
  ended: every setting was measured

constants TURNS
  TURNS=4  1.00x  as it stands

"""
        + DIFF
    )


@pytest.mark.parametrize(
    ("found", "words", "applies"),
    [
        (tuned(), "1.40x faster", True),
        (tuned(race=summary([100.0] * 9, [99.9] * 9, ABOUT)), "nothing faster", False),
        (tuned(race=None, interrupted=True), "better settings, not compared once more", True),
        (tuned(None, interrupted=True), "interrupted, nothing faster so far", False),
        (tuned(None), "nothing faster was found", False),
        (tuned(None, trials=()), "0 of 41 settings tried (none)", False),
    ],
)
def test_the_verdict_and_the_diff_say_the_same(found, words, applies) -> None:
    page = tune.render(found, ADVICE, color=False)
    document = json.loads(tune_json.render(found, ADVICE))

    assert words in page
    assert ("--- a/kernels/copy.py" in page) is applies
    assert document["diff"] == (DIFF if applies else "")


def test_a_last_comparison_that_does_not_hold_is_said() -> None:
    page = tune.render(tuned(race=summary([100.0] * 9, [99.9] * 9, ABOUT)), ADVICE, color=False)
    assert "the best setting did not hold when it was measured again: 1.001x (quartiles 1.001 to 1.001)" in page


def test_without_a_prediction_it_says_why() -> None:
    advice = replace(ADVICE, predicted=None, because="there is no run of it")
    assert "  predicted: nothing (there is no run of it)\n" in tune.render(tuned(), advice, color=False)


def test_a_later_group_is_shown_beside_what_was_found_before_it() -> None:
    later = replace(MEASURED, group=1, setting=(8,), before=((0, (4096, 8)),), ratio=1.5, why="the model")
    page = tune.render(tuned(trials=(*TRIALS, later)), ADVICE, color=False)

    assert "  TURNS=4  1.40x  as it stands  with what was found above\n" in page
    assert "  TURNS=8  1.50x  32 registers  the model\n" in page
    assert "num_warps=4  1.00x  as it stands\n" in page


def test_bad_trials_beyond_the_best_are_listed_too() -> None:
    fast = tuple(replace(MEASURED, setting=(256, 2**n), ratio=1 + n / 10) for n in range(5))
    page = tune.render(tuned(trials=(*fast, *TRIALS[2:])), ADVICE, color=False)

    assert "  BLOCK=8192, num_warps=8: wrong: its result differs" in page
    assert "  BLOCK=8192, num_warps=1: failed: no result after 120 s" in page


def test_the_plan() -> None:
    assert (
        tune.plan_page(plan(), ADVICE, color=False)
        == """\
copy
  BLOCK      1024  128, 256, 512, 1024, 2048, 4096, 8192  line 15
  num_warps     4  1, 2, 4, 8, 16, 32                     line 15
  36 settings, 1 ruled out by compiling, 35 left to choose from
  begins with BLOCK=4096, num_warps=4: LAT201 memory-latency: BLOCK=4096

constants TURNS
  TURNS  4  1, 2, 4, 8, 16  line 4
  5 settings, 0 ruled out by compiling, 5 left to choose from
  note: nothing is compiled

not turned: copy: num_stages (line 15): no dot, descriptor or tl.range(num_stages=) in its loops: \
the compiler emits the same code
predicted: 1.20–1.50x, 1.30x at best guess (LAT201 memory-latency in copy)"""
    )


def test_colour_only_where_it_is_wanted() -> None:
    assert "\x1b[" in tune.render(tuned(), ADVICE, color=True)
    plain = re.sub(r"\x1b\[\d+m", "", tune.render(tuned(), ADVICE, color=True))
    assert plain == tune.render(tuned(), ADVICE, color=False)


# JSON


def test_the_document() -> None:
    document = json.loads(tune_json.render(tuned(interrupted=True, resumed=2), ADVICE))

    assert document["trials"][0] == {
        "kernels": ["copy"],
        "setting": {"BLOCK": 4096, "num_warps": 8},
        "outcome": "measured",
        "speedup": {"low": 1.38, "best": 1.4, "high": 1.41},
        "median_us": 100.0,
        "turns": 21,
        "error": 0.25,
        "why": "LAT201 memory-latency: BLOCK=4096",
        "note": None,
        "launches": [LAUNCH, LAUNCH],
    }
    assert document["trials"][3]["speedup"] is None
    assert document["trials"][3]["error"] is None
    del document["trials"], document["not_turned"], document["groups"][1]
    assert document == {
        "schema_version": 1,
        "path": "kernels/copy.py",
        "sizes": {"size": "8"},
        "predicted": {"low": 1.2, "best": 1.3, "high": 1.5},
        "predicted_because": "LAT201 memory-latency in copy",
        "groups": [
            {
                "kernels": ["copy"],
                "knobs": [
                    {"name": "BLOCK", "value": 1024, "values": [128, 256, 512, 1024, 2048, 4096, 8192], "line": 15},
                    {"name": "num_warps", "value": 4, "values": [1, 2, 4, 8, 16, 32], "line": 15},
                ],
                "settings": 36,
                "ruled_out": [{"setting": {"BLOCK": 128, "num_warps": 1}, "why": "it spills 40 words a thread"}],
                "suggested": [{"setting": {"BLOCK": 4096, "num_warps": 4}, "why": "LAT201 memory-latency: BLOCK=4096"}],
                "note": None,
            }
        ],
        "gpu": "NVIDIA H200",
        "versions": {"torch": "2.11.0", "triton": "3.6.0"},
        "measured": True,
        "faster": True,
        "speedup": {"low": 1.4, "best": 1.4, "high": 1.4},
        "before_us": 140.0,
        "after_us": 100.0,
        "best": {"copy": {"BLOCK": 4096, "num_warps": 8}},
        "stops": {"copy": "every setting was measured"},
        "resumed": 2,
        "interrupted": True,
        "diff": DIFF,
    }


def test_what_was_not_measured_is_null() -> None:
    document = json.loads(tune_json.render(tuned(None, about={}), replace(ADVICE, predicted=None)))

    assert (document["measured"], document["faster"], document["best"]) == (False, False, {})
    assert [document[name] for name in ("gpu", "speedup", "before_us", "after_us", "predicted")] == [None] * 5
    plan_only = json.loads(tune_json.plan_document(plan(), ADVICE))
    assert plan_only["measured"] is False
    assert plan_only["groups"] == document["groups"]
    assert [fixed["name"] for fixed in plan_only["not_turned"]] == ["num_stages"]


# what is hostile

HOSTILE = "a\x1b[2J\r\n::error::b\u202e\n+++ b/etc/passwd\t`x` ##[group]"


def test_nothing_from_outside_reaches_the_terminal() -> None:
    code = CODE.replace("    for", "    x = '\x1b]0;boo\x07 \u202e ::error::x'\n    for")
    found = tuned(
        plan=replace(plan(code, HOSTILE), facts=(Facts(note=HOSTILE),) * 2),
        trials=tuple(replace(t, note=HOSTILE, why=HOSTILE, launches=({"registers": HOSTILE},)) for t in TRIALS * 3),
        stops={0: HOSTILE},
        about={"gpu": HOSTILE, "versions": {"triton": HOSTILE}},
    )
    advice = replace(ADVICE, because=HOSTILE, predicted=None)
    made = replace(found.plan, suggested=({(4096, 8): HOSTILE}, {}))

    for page in (tune.render(found, advice, color=False), tune.plan_page(made, advice, color=False)):
        assert all(c.isprintable() or c == "\n" for c in page)
        assert not re.search(r"(?<!\S)::|##\[", page)
        assert "\n+++ b/etc" not in page
    assert "\\x1b]0;boo" in tune.render(found, advice, color=False)
    assert json.loads(tune_json.render(found, advice))["path"] == HOSTILE


def test_a_launch_of_which_nothing_is_known_is_shown_so() -> None:
    assert "? registers" in tune.render(tuned(trials=(replace(MEASURED, launches=({},)),)), ADVICE, color=False)


# the diff


def patched(tmp_path, code: str, rows: str) -> str:
    """The text after ``patch``, or after the same by hand where there is none."""
    program = shutil.which("patch")
    if program is None:
        return by_hand(code, rows)
    path = tmp_path / "kernel.py"
    path.write_bytes(code.encode())
    done = subprocess.run([program, str(path)], input=rows.encode(), capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not list(tmp_path.glob("*.rej"))
    return path.read_bytes().decode()


def by_hand(code: str, rows: str) -> str:
    """What a unified diff says, without looking at its places."""
    lines, at, after = re.findall(r"[^\n]*\n|[^\n]+", code), 0, []
    for row in re.sub(r"\n\\ No newline[^\n]*\n", "", rows + "").splitlines(keepends=True)[2:] if rows else []:
        if start := re.match(r"@@ -(\d+)", row):
            after += lines[at : int(start[1]) - 1]
            at = int(start[1]) - 1
        elif row[0] in " -":
            assert lines[at].rstrip("\n") == row[1:].rstrip("\n")
            after += [lines[at]] * (row[0] == " ")
            at += 1
        else:
            after.append(row[1:])
    return "".join([*after, *lines[at:]])


TEXTS = {
    "as it is": CODE,
    "CRLF": CODE.replace("\n", "\r\n"),
    "no last newline": CODE.rstrip(),
    "no last newline, CRLF": CODE.rstrip().replace("\n", "\r\n"),
    "form feeds and Unicode separators": CODE.replace("    for", "    s = 'a\x0cb\u2028c\x85d\x1ce'  # \x0b\n    for"),
    "a mark": "\ufeff" + CODE,
    "one line": "B = 1024; kernel[g](x, B)",
    "a lone return": CODE.replace("TURNS = 4\n", "TURNS = 4\rOTHER = 5\n"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_patch_makes_of_the_file_what_was_measured(tmp_path, name) -> None:
    code = TEXTS[name]
    other = code.replace("1024", "4096").replace("num_warps=4", "num_warps=16").replace("TURNS = 4", "TURNS = 16")
    rows = tune.diff(code, other, "/tmp/kernel.py")

    assert rows.endswith("\n")
    assert patched(tmp_path, code, rows) == other


LINES = st.lists(
    st.sampled_from(["", "x = 1024", "# ß \x0c \u2028", "--- a/x", "+++ b/x", "@@ -1 +1 @@", "\\ No", "\r"])
)


@settings(max_examples=30, deadline=None)
@given(LINES, LINES, LINES, st.sampled_from(["", "\n"]))
def test_patch_takes_any_diff(tmp_path_factory, before, middle, after, end) -> None:
    code = "\n".join([*before, "B = 1024", *middle, "C = 512", *after]) + end
    other = code.replace("1024", "2048").replace("512", "64")

    assert patched(tmp_path_factory.mktemp("patch"), code, tune.diff(code, other, "kernel.py")) == other


def test_without_a_change_there_is_no_diff() -> None:
    assert tune.diff(CODE, CODE, "kernel.py") == ""


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("kernels/copy.py", "kernels/copy.py"),
        ("./copy.py", "copy.py"),
        ("/home/a/copy.py", "copy.py"),
        ("../copy.py", "copy.py"),
        ("a b.py", "a b.py"),
        ("x\n+++ b/etc/passwd", "x\\x0a+++ b/etc/passwd"),
    ],
)
def test_the_diff_names_the_file(path, name) -> None:
    head = tune.diff("a = 1\n", "a = 2\n", path).split("\n")
    assert head[:2] == [f"--- a/{name}", f"+++ b/{name}"]
    assert len(head) == 6
