"""`ncukit tune` as a user meets it: what is planned without a GPU, and a whole search with a stand-in for the GPU."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

NAIVE = "kernels/naive/layer_norm.py"
RECORD = "runs/naive_layer_norm.tune.jsonl"
BLOCKS = ("--knob", "BLOCK_SIZE", "--budget", "7")
GPU = """
import math, os, re, time
from ncukit.optimize import session

class Session:
    '''Answers as a GPU would on which BLOCK_SIZE=4096 with num_warps=8 is the best, 8192 wrong and 128 a crash.'''
    about = {"gpu": "NVIDIA H200", "compute_capability": "9.0", "versions": {"torch": "2.11.0", "triton": "3.6.0"}}
    running = False
    def __init__(self, mode, python=None): pass
    def __enter__(self): return self
    def __exit__(self, *_): pass
    def start(self):
        self.running = True
        return self.about
    def stop(self): self.running = False
    def ask(self, job, timeout_s, on_event=None):
        self.running = True
        with open(os.environ["ASKED"], "a") as file:
            print(job["do"], *read(job.get("text", "")), file=file)
        time.sleep(float(os.environ.get("TAKES", "0")))
        if job["do"] == "race":
            return {"times": [[time_of(job[side])] * 9 for side in ("before", "after")]}
        block, _ = read(job["text"])
        if block == 128:
            self.running = False
            raise session.Ended("crashed", "the process ended by signal 11")
        answer = {"identity": repr(read(job["text"])), "launches": [], "errors": [0.1], "times": []}
        if block == 8192:
            return {**answer, "errors": [1e9]}
        return {**answer, "times": [[time_of(job[text])] * 7 for text in ("incumbent", "text") if text in job]}

def read(text):
    return [int(n) for n in re.findall(r"(?:BLOCK_SIZE|num_warps)=(\\d+)", text)][:2]

def time_of(text):
    block, warps = read(text)
    return 1000 * (1 + 0.2 * abs(math.log2(block / 4096)) + 0.1 * abs(math.log2(warps / 8)))

session.Session = Session
from ncukit.optimize.tune import search
# to load the model takes a second
search.expected_improvements = lambda known, left: [1.0 / (1 + n) for n in range(len(left))]
from ncukit.__main__ import main
main()
"""


class Tune:
    """The command with a stand-in for the GPU, in the shell's folder."""

    def __init__(self, shell, tmp_path: Path) -> None:
        self.shell, self.folder, self.log = shell, shell.folder, tmp_path / "asked"

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-c", GPU, "tune", *(words if words and words[0].endswith(".py") else (NAIVE, *words))]

    def env(self, **env: str) -> dict[str, str]:
        return {**self.shell.env(), "ASKED": str(self.log), **env}

    def __call__(self, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
        """One call to its end, without the compiler."""
        return subprocess.run(
            [*self.command(*words), "--no-compile"],
            cwd=self.folder,
            env=self.env(**env),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    @property
    def asked(self) -> list[str]:
        """What the GPU was asked since the last look."""
        found = self.log.read_text().splitlines() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return found

    @property
    def trials(self) -> list[dict]:
        """What the record holds."""
        lines = [json.loads(line) for line in (self.folder / RECORD).read_text().splitlines()]
        return [line["trial"] for line in lines if "trial" in line]


@pytest.fixture
def tune(shell, tmp_path) -> Tune:
    return Tune(shell, tmp_path)


def files(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts}


# without a GPU


def test_a_dry_run_needs_no_gpu_and_leaves_nothing_behind(bare) -> None:
    before = files(bare.folder)
    done = bare("tune", NAIVE, "--recorded", "--dry-run", "--no-compile")

    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "layer_norm_kernel"
    assert lines[1].split()[:3] == ["BLOCK_SIZE", "1024", "128,"]
    assert lines[2].split()[:3] == ["num_warps", "4", "1,"]
    assert "  36 settings, 0 ruled out by compiling, 36 left to choose from" in lines
    assert "not turned: layer_norm_kernel: num_stages" in done.stdout
    assert lines[-1].startswith("predicted: nothing (")
    assert done.stderr == f"next: ncukit tune {NAIVE} --recorded --no-compile\n"
    assert files(bare.folder) == before


def test_a_dry_run_for_programs_begins_with_the_findings_of_the_recording(bare) -> None:
    file = "kernels/clinic/sick/low_occupancy.py"
    done = bare("tune", file, "--recorded", "--dry-run", "--no-compile", "--format", "json")
    document = json.loads(done.stdout)

    assert (document["schema_version"], document["path"], document["measured"]) == (1, file, False)
    (group,) = document["groups"]
    assert [(knob["name"], knob["value"]) for knob in group["knobs"]] == [("BLOCK", 16384), ("num_warps", 8)]
    assert group["note"] == "not asked for"
    assert group["suggested"] == [
        {"setting": {"BLOCK": 2048, "num_warps": 8}, "why": "PAR302 low-occupancy: BLOCK=2048"},
        {"setting": {"BLOCK": 16384, "num_warps": 16}, "why": "PAR302 low-occupancy: num_warps=16"},
    ]
    assert document["predicted"]["best"] == pytest.approx(1.7)
    assert document["predicted_because"] == "PAR302 low-occupancy in sqrt_kernel"


def test_compiling_rules_settings_out_without_a_gpu(bare) -> None:
    pytest.importorskip("triton")
    file = "kernels/clinic/cured/tensor_core_unused.py"
    done = bare("tune", file, "--recorded", "--dry-run", "--knob", "BLOCK_K", "--format", "json")
    (group,) = json.loads(done.stdout)["groups"]

    assert group["note"] is None
    (one,) = group["ruled_out"]
    assert one["setting"] == {"BLOCK_K": 8}
    assert one["why"].startswith("it does not compile: ")
    assert "K >= 16" in one["why"]


def test_without_a_gpu_there_is_a_clear_error_and_no_record(bare) -> None:
    pytest.importorskip("triton")
    before = files(bare.folder)
    done = bare("tune", NAIVE, "--recorded", "--no-compile", CUDA_VISIBLE_DEVICES="")

    assert done.returncode == 3
    assert done.stdout == ""
    assert "cannot run kernels: RuntimeError: torch sees no CUDA device" in done.stderr
    assert "  why: " in done.stderr
    assert "  next: ncukit doctor" in done.stderr
    assert files(bare.folder) == before


WRONG = {
    "an unknown knob": ((NAIVE, "--knob", "BLOCK"), "has no number 'BLOCK' that", "it has BLOCK_SIZE, num_warps"),
    "a knob that is not turned": ((NAIVE, "--knob", "num_stages"), "no number 'num_stages'", "emits the same code"),
    "a diff of nothing": ((NAIVE, "--dry-run", "--format", "diff"), "A dry run measures nothing", "Usage: ncukit tune"),
    "an unknown size": ((NAIVE, "--size", "rows=8"), "no module-level constant 'rows'", "it has: batch_size"),
    "a size without a number": ((NAIVE, "--size", "dim1=big"), "--size takes NAME=NUMBER, not 'dim1=big'", ""),
    "a GPU to measure on": ((NAIVE, "--gpu", "H200"), "--gpu is for a dry run", ""),
    "two measurements": ((NAIVE, "--recorded", "--report", "run"), "--report names another measurement", ""),
    "standard input": (("-",), "standard input is no file that a diff could change", "next: ncukit tune"),
    "a text with code in it": (("answer.md",), "answer.md is no file that a diff could change", "Python alone"),
    "no UTF-8": (("latin.py",), "latin.py is no file that a diff could change", "in UTF-8"),
    "no problem": (("script.py",), "script.py states no problem", "Model"),
    "an unknown GPU": ((NAIVE, "--dry-run", "--gpu", "RTX 409"), "RTX 409", ""),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_is_a_usage_error_before_anything_starts(bare, name) -> None:
    words, message, more = WRONG[name]
    code = (bare.folder / NAIVE).read_text()
    (bare.folder / "answer.md").write_text(f"Faster:\n```python\n{code}```\n")
    (bare.folder / "latin.py").write_bytes(b"# -*- coding: latin-1 -*-\n# gr\xf6\xdfer\n" + code.encode())
    (bare.folder / "script.py").write_text("print(1)\n")
    done = bare("tune", *words, stdin=code)

    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert more in done.stderr


def test_a_file_with_nothing_to_turn_says_what_it_has_and_why_not(bare) -> None:
    file = bare.folder / "kernels/computed.py"
    code = (bare.folder / NAIVE).read_text()
    file.write_text(code.replace("BLOCK_SIZE=1024, num_warps=4", "BLOCK_SIZE=2 * 512, num_warps=2 * 2"))
    done = bare("tune", "kernels/computed.py", "--dry-run", "--gpu", "H200")

    assert (done.returncode, done.stdout) == (4, "")
    assert "kernels/computed.py has no number that could be turned" in done.stderr
    assert "layer_norm_kernel: BLOCK_SIZE (line 75): it is computed" in done.stderr
    assert "next: ncukit brief kernels/computed.py" in done.stderr


# with a stand-in for the GPU


def test_a_search_from_its_start_to_the_patched_file(tune) -> None:
    code = (tune.folder / NAIVE).read_text()
    done = tune(*BLOCKS)

    assert done.returncode == 0, done.stderr
    assert f"{NAIVE}  1.36x faster  1.5 ms → 1.1 ms  (quartiles 1.36 to 1.36, 9 turns, L2 flushed)" in done.stdout
    assert "6 of 7 settings tried (1 failed, 4 measured, 1 wrong), 0 ruled out by compiling" in done.stdout
    assert "  BLOCK_SIZE=8192: wrong: its result differs from the reference's" in done.stdout
    assert "failed: the process ended by signal 11" in done.stdout
    assert "  ended: every setting was measured" in done.stdout
    assert "layer_norm_kernel: BLOCK_SIZE=4096" in done.stderr
    assert done.stderr.endswith(
        f"next: ncukit tune {NAIVE} --knob BLOCK_SIZE --budget 7 --no-compile --format diff | patch {NAIVE}\n"
    )
    trials = [f"trial {block} 4" for block in (1024, 128, 1024, 256, 512, 2048, 4096, 8192)]  # the file again after 128
    assert tune.asked == [*trials, "race"]
    assert len(tune.trials) == 6
    assert (tune.folder / NAIVE).read_text() == code

    # the same command again measures nothing
    again = tune(*BLOCKS, "--format", "json")
    document = json.loads(again.stdout)
    assert tune.asked == []
    assert document["best"] == {"layer_norm_kernel": {"BLOCK_SIZE": 4096}}
    assert (document["resumed"], len(document["trials"])) == (6, 6)
    assert document["speedup"]["best"] == pytest.approx(1500 / 1100)
    assert f"note: 6 trials of an earlier search are taken from {RECORD}" in again.stderr

    # and the diff is what was measured
    rows = tune(*BLOCKS, "--format", "diff").stdout
    assert rows == document["diff"]
    if shutil.which("patch"):
        subprocess.run(["patch", NAIVE], input=rows, text=True, cwd=tune.folder, check=True, capture_output=True)
        assert (tune.folder / NAIVE).read_text() == code.replace("BLOCK_SIZE=1024", "BLOCK_SIZE=4096")


def test_a_budget_a_knob_and_a_record_of_its_own(tune) -> None:
    done = tune("--knob", "BLOCK_SIZE", "--budget", "2", "--record", "a/b.jsonl", "--format", "json")
    document = json.loads(done.stdout)

    assert [sorted(trial["setting"]) for trial in document["trials"]] == [["BLOCK_SIZE"]] * 2
    assert document["stops"] == {"layer_norm_kernel": "2 trials were made, as many as were allowed"}
    assert len((tune.folder / "a/b.jsonl").read_text().splitlines()) in (
        3,
        4,
    )  # a result only where something is better

    # of other knobs these are no trials
    other = tune("--budget", "2", "--record", "a/b.jsonl")
    assert other.returncode == 2
    assert "a/b.jsonl is the record of another search: its knobs is " in other.stderr
    assert tune("--budget", "1", "--record", "a/b.jsonl", "--fresh").returncode == 0
    assert len((tune.folder / "a/b.jsonl").read_text().splitlines()) < 4


def test_nothing_better_is_no_diff(tune) -> None:
    file = tune.folder / NAIVE
    file.write_text(file.read_text().replace("BLOCK_SIZE=1024, num_warps=4", "BLOCK_SIZE=4096, num_warps=8"))
    done = tune("--budget", "2", "--format", "diff")

    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.endswith(f"next: ncukit brief {NAIVE}\n")


def test_a_file_that_was_changed_is_another_search(tune) -> None:
    assert tune("--budget", "1").returncode == 0
    kept = (tune.folder / RECORD).read_bytes()
    file = tune.folder / NAIVE
    file.write_text(file.read_text() + "\n# changed\n")
    done = tune("--budget", "1")

    assert (done.returncode, done.stdout) == (2, "")
    assert f"{RECORD} is the record of another search: its code is '" in done.stderr
    assert "next: the same command with --fresh" in done.stderr
    assert (tune.folder / RECORD).read_bytes() == kept
    done = tune("--budget", "1", "--size", "batch_size=8", "--fresh")
    assert done.returncode == 0
    assert json.loads((tune.folder / RECORD).read_text().splitlines()[0])["sizes"] == {"batch_size": "8"}


@pytest.mark.parametrize("fresh", [(), ("--fresh",)])
def test_another_file_is_never_taken_for_the_record(tune, fresh) -> None:
    code = (tune.folder / NAIVE).read_text()
    done = tune("--record", NAIVE, *fresh)

    assert done.returncode == 2
    assert f"{NAIVE} is no record of a search" in done.stderr
    assert (tune.folder / NAIVE).read_text() == code


def test_what_an_interrupted_search_learned_is_kept(tune) -> None:
    command = [*tune.command("--format", "json"), "--no-compile"]
    child = subprocess.Popen(
        command, cwd=tune.folder, env=tune.env(TAKES="0.4"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 60
        while not (tune.folder / RECORD).exists() or len(tune.trials) < 2:
            assert child.poll() is None, child.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        os.killpg(child.pid, signal.SIGINT)
        out, said = child.communicate(timeout=30)
    finally:
        child.kill()
        child.wait()

    assert child.returncode == 130
    assert "interrupted: what was measured is kept, the same command goes on" in said
    assert "Traceback" not in said
    document = json.loads(out)
    assert document["interrupted"] is True
    assert len(document["trials"]) == len(tune.trials) >= 2
    assert {p.name for p in (tune.folder / "runs").iterdir()} == {Path(RECORD).name}

    known = len(tune.trials)
    assert tune.asked
    done = tune("--format", "json")
    document = json.loads(done.stdout)
    assert (done.returncode, document["resumed"], document["interrupted"]) == (0, known, False)
    assert len([one for one in tune.asked if one != "race"]) == len(document["trials"]) - known + 1 + crashes(
        document, known
    )


def crashes(document: dict, known: int) -> int:
    """Trials after which the file as it stands was run again: a process had died, and another trial came."""
    outcomes = [trial["outcome"] for trial in document["trials"][known:]]
    return outcomes[:-1].count("failed")


def test_a_record_that_was_edited_is_an_error_with_a_way_out(tune) -> None:
    assert tune("--budget", "1").returncode == 0
    path = tune.folder / RECORD
    path.write_text(path.read_text().replace('"setting": [', '"setting": ["x", '))
    done = tune("--budget", "1")

    assert done.returncode == 2
    assert "holds a line that is no trial" in done.stderr
    assert "next: the same command with --fresh" in done.stderr
    assert "internal error" not in done.stderr


def test_a_hostile_name_does_not_reach_the_terminal(tune) -> None:
    name = "ker\x1b[2J\nnel' ::error::.py"
    shutil.copy(tune.folder / NAIVE, tune.folder / name)
    done = tune(name, "--budget", "2", "--knob", "BLOCK_SIZE")

    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    assert "ker\\x1b[2J" in done.stdout
    assert [p.name for p in (tune.folder / "runs").iterdir()] == ["ker_2j_nel_error.tune.jsonl"]
