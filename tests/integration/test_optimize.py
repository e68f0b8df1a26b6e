"""`ncukit optimize` as a user meets it: a scripted agent answers all there is, the recorded ncu measures, no GPU."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

AGENTS = Path(__file__).parent / "agents"
NAIVE = "kernels/naive/instance_norm.py"
RUN = "runs/naive_instance_norm"


class Optimize:
    """The command with a scripted agent, in the shell's folder."""

    def __init__(self, shell, tmp_path: Path) -> None:
        self.shell, self.counter = shell, tmp_path / "asked"

    def agent(self, *turns: str) -> str:
        """The text of ``--agent``."""
        return f"'{sys.executable}' '{AGENTS / 'scripted.py'}' '{self.counter}' {' '.join(turns)}"

    def words(self, *words: str) -> list[str]:
        """The whole command."""
        return [sys.executable, str(AGENTS / "stand_in.py"), "optimize", *words]

    def __call__(self, turns: str, *words: str, scene: str = "session", file: str = NAIVE, **env: str):
        """One call to its end."""
        return subprocess.run(
            self.words(file, "--agent", self.agent(*turns.split()), *words),
            cwd=self.shell.folder,
            env={**self.shell.env(), "NCU_PLAYS": scene, **env},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    def start(self, turns: str, *words: str) -> subprocess.Popen[str]:
        """One call that goes on, in a process group of its own."""
        return subprocess.Popen(
            self.words(NAIVE, "--agent", self.agent(*turns.split()), *words),
            cwd=self.shell.folder,
            env=self.shell.env(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    @property
    def asked(self) -> int:
        """How often the agent was asked."""
        return int(self.counter.read_text()) if self.counter.exists() else 0

    @property
    def brief(self) -> str:
        """The last brief that it got."""
        return Path(f"{self.counter}.brief").read_text()

    @property
    def run(self) -> Path:
        """The run folder."""
        return self.shell.folder / RUN


@pytest.fixture
def optimize(shell, tmp_path) -> Optimize:
    return Optimize(shell, tmp_path)


def outcomes(document: dict) -> list[str]:
    return [one["outcome"] for one in document["rounds"]]


def result(done) -> dict:
    assert done.returncode in (0, 4), done.stdout + done.stderr
    return json.loads(done.stdout)


ALL = "wrong right cheating prose slow empty slower endless crashing faster"


def test_an_agent_that_answers_all_there_is_ends_at_its_fastest_right_answer(optimize) -> None:
    before = files(optimize.shell.folder)
    done = optimize(ALL, "--rounds", "10", "--agent-timeout", "2", "--format", "json")
    document = result(done)

    assert outcomes(document) == [
        "refused", "faster", "refused", "refused", "late", "no answer", "no faster", "failed", "failed", "faster",
    ]  # fmt: skip
    assert [one["repair"] for one in document["rounds"]] == [False, True, False, True, True, *[False] * 5]
    assert document["best"] == {"round": 10, "path": f"{RUN}/best.py"}
    assert document["gain"]["ratio"] == pytest.approx(5580 / 3570)
    assert document["gain"]["holds"] is True
    assert document["stop"] == {"code": "rounds", "reason": "10 rounds are used up"}
    assert [one["reasons"][0]["code"] for one in document["rounds"] if one["reasons"]] == [
        "wrong-values", "library-compute", "no-model", "late", "empty", "endless", "failed",
    ]  # fmt: skip
    assert "no credit left" in document["rounds"][8]["reasons"][0]["message"]
    assert document["rounds"][9]["summary"] == "Twice the values a step, so that more bytes are in flight."
    assert optimize.asked == 10

    changed = {path for path in files(optimize.shell.folder) - before if not path.startswith(f"{RUN}/")}
    assert changed == set(), "nothing is written outside the run folder, and the file is as it was"
    assert len((optimize.run / "round-08/answer.md").read_bytes()) <= 1 << 20
    assert "no credit left" in (optimize.run / "round-09/stderr.txt").read_text()
    assert (optimize.run / "round-02/profile/run.json").is_file()
    assert json.loads((optimize.run / "result.json").read_text()) == document
    assert (optimize.run / "plot.svg").read_text().startswith("<svg ")


def test_best_is_a_kernel_file_for_every_verb(optimize) -> None:
    assert optimize("faster", "--rounds", "1").returncode == 0
    best = f"{RUN}/best.py"
    assert optimize.shell("inspect", best, "--lint-only").returncode == 0
    dry = optimize.shell("profile", best, "--size", "batch_size=2", "--dry-run")
    assert dry.returncode == 0
    assert "--mode kernel" in dry.stdout
    compared = subprocess.run(
        ["git", "diff", "--no-index", NAIVE, best],
        cwd=optimize.shell.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "+def instance_norm_kernel(" in compared.stdout
    assert "class Model(nn.Module)" not in [line[1:] for line in compared.stdout.splitlines() if line[:1] in "+-"]


def test_the_page_tells_each_round_and_the_command_that_shows_the_change(optimize) -> None:
    done = optimize("wrong right slower", "--rounds", "3")
    assert done.returncode == 0, done.stderr
    rows = [line.split()[:3] for line in done.stdout.splitlines() if line[:5].strip().isdigit()]
    assert [row[0] for row in rows] == ["1", "2", "3"]
    assert "5.58 ms → 4.1 ms, 1.361x (1.358 to 1.364) the speed of the start" in done.stdout
    assert "it says: One launch does" in done.stdout
    last = done.stderr.rstrip().splitlines()[-1]
    assert last == f"next: git diff --no-index {NAIVE} {RUN}/best.py"


def test_a_brief_holds_what_was_measured_and_what_was_refused(optimize) -> None:
    optimize("right", "--rounds", "1", STAND_IN_COMPILES="1")
    assert "# Target GPU" in optimize.brief
    assert "H200" in optimize.brief
    assert "[CURRENT CODE]" in optimize.brief
    assert "compute_moments_kernel" in optimize.brief
    assert "dram__bytes_read" in optimize.brief or "dram_" in optimize.brief
    optimize("right wrong right", "--rounds", "2", "-o", "runs/other")
    assert optimize.brief == (optimize.shell.folder / "runs/other/round-02/brief.md").read_text()


def test_a_repair_brief_has_the_exact_reason(optimize) -> None:
    optimize("wrong", "--rounds", "2")
    assert "wrong-values" in optimize.brief
    assert "half of the values are not written" in optimize.brief
    assert "size // 2" in optimize.brief


def test_without_permission_to_read_counters_it_goes_on_and_says_so_once(optimize) -> None:
    done = optimize("right faster", "--rounds", "2", scene="permission")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("going on without metrics: no permission to read GPU performance counters") == 1
    assert done.stdout.count("going on without metrics") == 1
    assert "1.56x" in done.stdout.replace("1.563x", "1.56x")
    assert not (optimize.run / "start/profile").exists()


def test_ncu_can_be_left_out(optimize) -> None:
    done = optimize("right", "--rounds", "1", "--no-profile")
    assert done.returncode == 0, done.stderr
    assert not optimize.shell.words.exists(), "ncu was not started"
    assert "metrics" not in done.stderr


def test_a_run_in_which_no_answer_could_be_measured_exits_4(optimize) -> None:
    done = optimize("empty", "--rounds", "8")
    assert done.returncode == 4
    assert optimize.asked == 3
    assert "stopped: the agent gave no answer 3 times in a row: it printed nothing" in done.stdout
    assert not (optimize.run / "best.py").exists()
    assert done.stderr.rstrip().splitlines()[-1] == f"next: cat {RUN}/round-03/stderr.txt"


def test_hostile_text_is_neither_obeyed_nor_run(optimize) -> None:
    done = optimize("hostile", "--rounds", "1", FORCE_COLOR="1")
    assert done.returncode == 4
    for text in (done.stdout, done.stderr):
        assert "\x1b]0;" not in text
        assert "\x1b[2J" not in text
        assert "\x07" not in text
    assert not list(optimize.shell.folder.rglob("owned*"))


def test_the_real_check_and_the_real_merge_decide(optimize) -> None:
    pytest.importorskip("triton")
    small = [word for size in ("batch_size=2", "features=4", "dim1=16", "dim2=24") for word in ("--size", size)]
    done = optimize(
        "wrong right cheating hostile faster", "--rounds", "5", "--no-profile", "--format", "json", *small,
        STAND_IN_CHECK="real",
    )  # fmt: skip
    document = result(done)
    assert outcomes(document) == ["refused", "faster", "refused", "refused", "faster"]
    codes = [{reason["code"] for reason in one["reasons"]} for one in document["rounds"]]
    assert codes[0] == {"unwritten"}
    assert codes[2] == {"library-compute"}
    assert "forbidden-import" in codes[3]
    assert document["checked_again"] == "unproven", "best.py was run whole, in the interpreter"
    assert document["gain"]["holds"] is True
    assert not list(optimize.shell.folder.rglob("owned*"))


# stopped and continued


def until(there, child: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while not there():
        assert child.poll() is None, child.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_ctrl_c_keeps_what_was_learned_and_the_same_command_goes_on(optimize, name) -> None:
    child = optimize.start("right slow faster", "--rounds", "2")
    until(lambda: optimize.asked == 2, child)
    os.killpg(child.pid, getattr(signal, name))
    stdout, stderr = child.communicate(timeout=60)
    assert child.returncode == 130, stderr
    assert "best so far: round 1, ~1.36x" in stdout
    assert stderr.rstrip().endswith("interrupted")
    assert "Traceback" not in stderr
    assert not running(str(optimize.counter))
    assert (optimize.run / "best.py").is_file()

    document = result(optimize("right slow faster", "--rounds", "2", "--format", "json"))
    assert outcomes(document) == ["faster", "faster"]
    assert optimize.asked == 3, "the round that was cut off was asked again, the first was not"


def test_a_kill_costs_the_round_that_was_running(optimize) -> None:
    child = optimize.start("right slow faster", "--rounds", "2")
    try:
        until(lambda: optimize.asked == 2, child)
        os.killpg(child.pid, signal.SIGKILL)
        child.wait(timeout=30)
        document = result(optimize("right slow faster", "--rounds", "2", "--format", "json"))
        assert outcomes(document) == ["faster", "faster"]
    finally:
        for pid in running(str(optimize.counter)):  # nobody was left to end the slow agent
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        child.communicate()


def test_a_finished_run_goes_on_only_as_it_began(optimize) -> None:
    assert optimize("right", "--rounds", "1").returncode == 0
    other = optimize("right", "--rounds", "2", "--scope", "own")
    assert other.returncode == 2
    assert f"{RUN} holds a run with other settings: scope was wide and is own" in other.stderr
    (optimize.shell.folder / NAIVE).write_text((optimize.shell.folder / NAIVE).read_text() + "# new\n")
    changed = optimize("right", "--rounds", "2")
    assert changed.returncode == 2
    assert f"{NAIVE} was changed since" in changed.stderr
    assert optimize.asked == 1


def test_the_files_own_sizes_reach_the_start_and_the_best(optimize) -> None:
    done = optimize("right", "--rounds", "1", "--size", "batch_size=8")
    assert done.returncode == 0, done.stderr
    runs = [json.loads((optimize.run / f"{name}/profile/run.json").read_text()) for name in ("start", "round-01")]
    assert [run["target"]["sizes"] if "target" in run and "sizes" in run["target"] else run for run in runs]
    assert "batch_size=8" in optimize.shell.words.read_text().replace("\n", " ")


# what it cannot do


def test_without_a_gpu_the_agent_is_never_asked(shell, optimize) -> None:
    if pytest.importorskip("torch").cuda.is_available():
        pytest.skip("there is a GPU")
    before = files(shell.folder)
    done = shell("optimize", NAIVE, "--agent", optimize.agent("right"))
    assert done.returncode == 3
    assert "torch sees no CUDA device" in done.stderr
    assert optimize.asked == 0
    assert files(shell.folder) == before


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((NAIVE,), "Missing option '--agent'"),
        ((NAIVE, "--agent", "nosuch-agent -p"), "--agent: there is no program nosuch-agent"),
        (("nosuch.py", "--agent", "cat"), "cannot read nosuch.py"),
        (("-", "--agent", "cat"), "must be a file"),
        (("kernels", "--agent", "cat"), "cannot read kernels"),
        ((NAIVE, "--agent", "cat", "--size", "rows=3"), "no module-level constant 'rows'"),
        ((NAIVE, "--agent", "cat", "--rounds", "0"), "--rounds"),
        ((NAIVE, "--agent", "cat", "-o", "kernels"), "kernels exists and is no run of ncukit optimize"),
        (("plain.py", "--agent", "cat"), "plain.py states no problem"),
    ],
)
def test_usage_errors_come_before_anything_is_done(shell, words, says) -> None:
    (shell.folder / "plain.py").write_text("x = 1\n")
    before = files(shell.folder)
    done = shell("optimize", *words)
    assert done.returncode == 2
    assert says in done.stderr
    assert files(shell.folder) == before


def files(folder: Path) -> set[str]:
    """Everything below a folder, with its time of change."""
    found = [path for path in folder.rglob("*") if "__pycache__" not in path.parts and path.is_file()]
    return {f"{path.relative_to(folder)} {path.stat().st_mtime_ns}" for path in found}


def running(word: str) -> list[int]:
    """Processes with this word in their command line, zombies apart; the command itself has it inside another."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            state = (place / "stat").read_text().rpartition(")")[2].split()[0]
            if word in (place / "cmdline").read_bytes().decode().split("\0") and state != "Z":
                found.append(int(place.name))
    return found


def test_a_text_with_fenced_code_is_no_kernel_file(optimize) -> None:
    (optimize.shell.folder / "kernel.md").write_text(f"```python\n{(optimize.shell.folder / NAIVE).read_text()}```\n")
    done = optimize("right", "--size", "features=8", file="kernel.md")
    assert done.returncode == 2, done.stderr
    assert "kernel.md is no file that a kernel could be measured from" in done.stderr
    assert not (optimize.shell.folder / "runs").exists()


def test_a_bound_that_no_brief_can_keep_is_told_before_anything_is_measured(optimize) -> None:
    done = optimize("right", "--max-tokens", "500")
    assert done.returncode == 2, done.stderr
    assert "the brief cannot be shorter than" in done.stderr
    assert not optimize.run.exists()
