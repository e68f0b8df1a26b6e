"""Exit codes as docs/design.md names them: of every verb by table, on signals, and when nobody can read the answer.

A new verb needs a line in APPLIES and a row in ROWS for each code that it can end with.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import NamedTuple

import pytest

from ncukit.cli import VERBS

ROOT = Path(__file__).parents[2]
NAIVE = "kernels/naive/instance_norm.py"
RUN = str(ROOT / "profiles/h200/naive_instance_norm")
FAST = str(ROOT / "profiles/h200/instance_norm")
AGENTS = ROOT / "tests/integration/agents"
FASTER = f"'{sys.executable}' '{AGENTS / 'scripted.py'}' asked faster"
PROBLEM = str(ROOT / "tests/golden/answers/problems/softmax.py")
CHATTER = ROOT / "tests/golden/ncu-2025.3.1-h200/no-kernel-matched.log"

APPLIES = {
    "profile": (0, 2, 3, 4),
    "diagnose": (0, 1, 2, 3, 4),
    "gate": (0, 1, 2, 3, 4),
    "compare": (0, 1, 2, 3, 4),
    "baseline": (0, 2, 3, 4),
    "inspect": (0, 1, 2, 3, 4),
    "tune": (0, 2, 3, 4),
    "check": (0, 1, 2, 3),
    "brief": (0, 2, 3, 4),
    "optimize": (0, 2, 3, 4),
    "metrics": (0, 2),
    "gpus": (0, 2),
    "doctor": (0, 2, 3),
    "explain": (0, 2),
    "config": (0, 2),
}
"""Verb → the codes that it can end with; 130 (interrupted) goes for all."""


class Row(NamedTuple):
    """One call and how it ends."""

    verb: str
    code: int
    words: tuple[str, ...] = ()
    scene: str = "session"
    """What ncu plays; ``no ncu`` takes it and nvidia-smi away, ``no GPU`` the driver. On a ``fit machine`` the doctor
    finds nothing, which the machine that runs the tests need not be; with ``a GPU``, stand-ins check and race."""
    stdin: str = ""


ROWS = (
    Row("profile", 0, (NAIVE, "-o", "run")),
    Row("profile", 0, (NAIVE, "--dry-run"), "no ncu"),
    Row("profile", 0, (NAIVE, "--recorded"), "no ncu"),
    Row("profile", 2),
    Row("profile", 2, ("nosuch.py",)),
    Row("profile", 2, (NAIVE, "--repeat", "2", "--launches", "3")),
    Row("profile", 2, (NAIVE, "--nosuch")),
    Row("profile", 2, (NAIVE, "--preset", "all")),
    Row("profile", 2, (NAIVE, "--metrics", "dram_pc")),
    Row("profile", 2, (NAIVE, "--config", "broken.toml")),
    Row("profile", 2, (NAIVE, "-o", "folder")),
    Row("profile", 2, (NAIVE, "-o", "run"), "binary"),
    Row("profile", 3, (NAIVE, "-o", "run"), "no ncu"),
    Row("profile", 3, (NAIVE, "-o", "run"), "no GPU"),
    Row("profile", 3, (NAIVE, "-o", "run"), "permission"),
    Row("profile", 3, (NAIVE, "-o", "run", "--timeout", "1"), "hang"),
    Row("profile", 4, (NAIVE, "-o", "run", "-k", "nosuch"), "none"),
    Row("profile", 4, (NAIVE, "-o", "run"), "empty"),
    Row("profile", 4, (NAIVE, "--recorded", "RTX 4090")),
    Row("diagnose", 0, (RUN,)),
    Row("diagnose", 0, ("-",), stdin='{"k": {"dram__throughput.avg.pct_of_peak_sustained_elapsed": 97}}'),
    Row("diagnose", 0, (RUN, "--fail-on", "9")),
    Row("diagnose", 1, (RUN, "--fail-on", "1.3")),
    Row("diagnose", 2),
    Row("diagnose", 2, ("nosuch.csv",)),
    Row("diagnose", 2, ("empty.csv",)),
    Row("diagnose", 2, ("-",)),
    Row("diagnose", 2, (RUN, "--nosuch")),
    Row("diagnose", 2, (RUN, "--fail-on", "0.5")),
    Row("diagnose", 2, (RUN, "--gpu", "RTX 409")),
    Row("diagnose", 2, (RUN, "-o", "folder")),
    Row("diagnose", 2, (RUN, "-o", "page.csv")),
    Row("diagnose", 3, ("mixed",)),
    Row("diagnose", 4, ("chatter.log",)),
    Row("diagnose", 4, ("-",), stdin='{"k": {"launch__grid_size": 7}}'),
    Row("gate", 0, (RUN, "--min", "dram_pct=70")),
    Row("gate", 1, (RUN, "--min", "dram_pct=85")),
    Row("gate", 2, (RUN,)),
    Row("gate", 2, (RUN, "--min", "dram_pc=70")),
    Row("gate", 2, ("nosuch.csv", "--min", "dram_pct=70")),
    Row("gate", 2, (RUN, "--min", "dram_pct=70", "--config", "broken.toml")),
    Row("gate", 2, (RUN, "--min", "dram_pct=70", "-o", "folder")),
    Row("gate", 2, (RUN, "--min", "dram_pct=70", "-o", "gate.sarif")),
    Row("gate", 3, ("mixed", "--min", "dram_pct=70")),
    Row("gate", 4, (RUN, "--min", "dram_pct=70", "-k", "nosuch")),
    Row("gate", 4, (RUN, "--min", "eligible_warps=1")),
    Row("gate", 4, ("chatter.log", "--min", "dram_pct=70")),
    Row("compare", 0, (RUN, FAST)),
    Row("compare", 1, (FAST, RUN, "--fail-on", "worse")),
    Row("compare", 2),
    Row("compare", 2, (RUN,)),
    Row("compare", 2, (RUN, "nosuch.csv")),
    Row("compare", 2, (RUN, FAST, "-o", "folder")),
    Row("compare", 2, (RUN, FAST, "--config", "broken.toml")),
    Row("compare", 3, (RUN, "mixed")),
    Row("compare", 3, ("--run", NAIVE, NAIVE, "--keep", "runs"), "no ncu"),
    Row("compare", 4, (RUN, "chatter.log")),
    Row("baseline", 0, ("list",)),
    Row("baseline", 0, ("save", RUN)),
    Row("baseline", 2),
    Row("baseline", 2, ("nosuch",)),
    Row("baseline", 2, ("save",)),
    Row("baseline", 2, ("save", "nosuch.csv")),
    Row("baseline", 2, ("save", RUN, "--name", "a/b")),
    Row("baseline", 2, ("promote", RUN)),
    Row("baseline", 2, ("list", "-o", "folder")),
    Row("baseline", 3, ("save", "mixed")),
    Row("baseline", 4, ("show", "nosuch")),
    Row("baseline", 4, ("save", "chatter.log")),
    Row("inspect", 0, (NAIVE, "--lint-only")),
    Row("inspect", 1, (NAIVE, "--arch", "sm_90", "--no-probe", "--max", "registers=1")),
    Row("inspect", 2),
    Row("inspect", 2, ("nosuch.py",)),
    Row("inspect", 2, (NAIVE, "--arch", "sm_9")),
    Row("inspect", 2, (NAIVE, "--max", "dram_pct=70")),
    Row("inspect", 3, (NAIVE, "--python", "nosuch")),
    Row("inspect", 4, (NAIVE, "--arch", "sm_90", "--no-probe", "--max", "nosuch_*:registers=1")),
    Row("tune", 0, (NAIVE, "--dry-run", "--recorded", "--no-compile")),
    Row("tune", 2),
    Row("tune", 2, ("nosuch.py",)),
    Row("tune", 2, (NAIVE, "--nosuch")),
    Row("tune", 2, (NAIVE, "--budget", "0")),
    Row("tune", 2, (NAIVE, "--size", "nosuch=8")),
    Row("tune", 2, (NAIVE, "--knob", "nosuch")),
    Row("tune", 2, (NAIVE, "--gpu", "H200")),
    Row("tune", 2, (NAIVE, "--dry-run", "--format", "diff")),
    Row("tune", 2, (NAIVE, "--dry-run", "--gpu", "RTX 409", "--no-compile")),
    Row("tune", 2, (NAIVE, "--dry-run", "--recorded", "--no-compile", "-o", "folder")),
    Row("tune", 3, (NAIVE, "--python", "nosuch")),
    Row("tune", 4, (PROBLEM, "--dry-run", "--gpu", "H200")),
    Row("brief", 0, (NAIVE, "--recorded", "--no-compile")),
    Row("brief", 2),
    Row("brief", 2, ("nosuch.py",)),
    Row("brief", 2, (NAIVE, "--stage", "five")),
    Row("brief", 2, (NAIVE, "--recorded", "--no-compile", "--max-tokens", "9")),
    Row("brief", 2, (NAIVE, "--gpu", "RTX 409")),
    Row("brief", 2, (NAIVE, "--no-compile"), "no GPU"),
    Row("brief", 2, (NAIVE, "--recorded", "--no-compile", "-o", "folder")),
    Row("brief", 3, (NAIVE, "--report", "mixed", "--no-compile")),
    Row("brief", 4, (NAIVE, "--recorded", "--gpu", "RTX 4090")),
    Row("brief", 4, (NAIVE, "--report", "chatter.log", "--no-compile")),
    Row("optimize", 0, (NAIVE, "--agent", FASTER, "--rounds", "1", "--no-profile"), "a GPU"),
    Row("optimize", 2),
    Row("optimize", 2, (NAIVE,)),
    Row("optimize", 2, ("nosuch.py", "--agent", "true")),
    Row("optimize", 2, (NAIVE, "--agent", "nosuch")),
    Row("optimize", 2, (NAIVE, "--agent", "true", "--rounds", "0")),
    Row("optimize", 2, (NAIVE, "--agent", "true", "-o", "folder")),
    Row("optimize", 2, (NAIVE, "--agent", "true", "--config", "broken.toml")),
    Row("optimize", 3, (NAIVE, "--agent", "true", "--python", "nosuch")),
    Row("optimize", 4, (NAIVE, "--agent", "true", "--rounds", "1", "-o", "../run"), "a GPU"),
    Row("check", 0, (NAIVE, "--run", "no", "--arch", "sm_90")),
    Row("check", 1, ("-", "--problem", NAIVE), stdin="I cannot make it faster."),
    Row("check", 2),
    Row("check", 2, ("nosuch.md", "--problem", NAIVE)),
    Row("check", 2, ("empty.csv",)),
    Row("check", 2, ("-",)),
    Row("check", 2, (NAIVE, "--arch", "sm_9")),
    Row("check", 2, (NAIVE, "--size", "nosuch=3")),
    Row("check", 2, (NAIVE, "--ignore", "TRI999")),
    Row("check", 3, (NAIVE, "--python", "nosuch")),
    Row("metrics", 0),
    Row("metrics", 2, ("nosuchmetric",)),
    Row("metrics", 2, ("--chip", "x")),
    Row("gpus", 0),
    Row("gpus", 2, ("RTX 409",)),
    Row("doctor", 0, scene="fit machine"),
    Row("doctor", 2, ("--config", "broken.toml")),
    Row("doctor", 3, scene="no ncu"),
    Row("explain", 0, ("MEM100",)),
    Row("explain", 2, ("MEM999",)),
    Row("config", 0),
    Row("config", 2, ("--config", "nosuch.toml")),
    Row("config", 2, ("--config", "broken.toml")),
)
ANSWERS = (
    *{(row.verb, row.code): row for row in reversed(ROWS) if row.code in (0, 1)}.values(),
    Row("doctor", 3, scene="no ncu"),
    Row("gate", 4, (RUN, "--min", "dram_pct=70", "-k", "nosuch")),
)
"""Calls whose answer is on stdout, one for each verb and code."""


FIT_MACHINE = """
from ncukit.__main__ import main
from ncukit.collect import doctor
doctor.examine = lambda *_: (doctor.Check(id="gpu", name="GPU", state=doctor.State.OK, evidence="fine"),)
main()
"""


def named(row: Row) -> str:
    """A row as pytest shows it."""
    return " ".join([row.verb, *(Path(word).name or word for word in row.words), f"→ {row.code}", row.scene])


@pytest.fixture
def stage(shell, tmp_path):
    """Sets a row's scene; the words to run and their environment."""
    folder = shell.folder
    (folder / "empty.csv").touch()
    (folder / "broken.toml").write_text("[gate]\nmni = 3\n")
    (folder / "folder").mkdir()
    (folder / "folder/thesis.tex").touch()
    shutil.copy(CHATTER, folder / "chatter.log")
    shutil.copytree(RUN, folder / "mixed")
    launches = json.loads((folder / "mixed/launches.json").read_text())
    launches["launches"][0]["grid"] = [7, 1, 1]
    (folder / "mixed/launches.json").write_text(json.dumps(launches))
    (tmp_path / "tmp").mkdir()

    def set_up(row: Row) -> tuple[list[str], dict[str, str]]:
        env = {**shell.env(), "NCU_PLAYS": row.scene, "TMPDIR": str(tmp_path / "tmp")}
        if row.scene == "no ncu":
            (shell.path / "ncu").unlink()
            (shell.path / "nvidia-smi").unlink()
        if row.scene == "no GPU":
            say = "==ERROR== Nsight Compute failed to connect to the CUDA driver (stub libcuda.so[.1] on path?)."
            change(shell, row.scene, f"print({say!r}, file=sys.stderr); log.write_text(''); sys.exit(1)")
            (shell.path / "nvidia-smi").unlink()
        starts = {"fit machine": ["-c", FIT_MACHINE], "a GPU": [str(AGENTS / "stand_in.py")]}
        start = starts.get(row.scene, ["-m", "ncukit"])
        return [sys.executable, *start, row.verb, *row.words], env

    return set_up


def change(shell, scene: str, does: str) -> None:
    """Let ncu do something else in a scene."""
    text = (shell.path / "ncu").read_text()
    start = 'if scene == "permission":'
    assert start in text
    (shell.path / "ncu").write_text(text.replace(start, f'if scene == "{scene}":\n    {does}\n{start}', 1))


def test_every_verb_has_a_row_for_each_code_that_applies() -> None:
    assert set(APPLIES) == set(VERBS), "a verb needs a line in APPLIES, and rows in ROWS"
    assert all({0, 2} <= set(codes) for codes in APPLIES.values())
    wanted = {(verb, code) for verb, codes in APPLIES.items() for code in codes}
    assert {(row.verb, row.code) for row in ROWS} == wanted, "a code needs a row in ROWS, and stands in APPLIES"


@pytest.mark.parametrize("row", ROWS, ids=named)
def test_the_exit_code_of_a_call(row, stage, shell) -> None:
    command, env = stage(row)
    before = files(shell.folder)
    done = subprocess.run(command, cwd=shell.folder, env=env, input=row.stdin, capture_output=True, text=True)
    assert done.returncode == row.code, done.stdout + done.stderr
    clean(done.stderr)
    if row.code in (2, 3, 4):
        assert files(shell.folder) == before
    if row.code == 2:
        assert done.stdout == ""
        assert "rror: " in done.stderr or not row.words  # click's own have a capital letter; some verbs show their help


@pytest.mark.parametrize("words", [(), ("nosuch",), ("--nosuch",), ("diagnos", RUN)], ids=" ".join)
def test_no_verb_or_a_wrong_one_is_a_usage_error(shell, words) -> None:
    done = shell(*words)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("Usage: ncukit")
    assert words or "diagnose" in done.stderr, "without a word the help is shown"


@pytest.mark.parametrize("verb", ["", *VERBS])
def test_help_is_an_answer(shell, verb) -> None:
    done = shell(*verb.split(), "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Usage: ncukit")


@pytest.mark.parametrize("verb", VERBS)
def test_an_unknown_option_is_a_usage_error(shell, verb) -> None:
    assert shell(verb, "--nosuch").returncode == 2


def test_the_version_is_an_answer(shell) -> None:
    assert shell("--version").returncode == 0


# nobody reads


def left(command, folder, env, **streams):
    """Run with an output that nobody can read any more."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        streams = {name: writer if value is None else value for name, value in streams.items()}
        return subprocess.run(command, cwd=folder, env=env, text=True, stdin=subprocess.DEVNULL, **streams)
    finally:
        os.close(writer)


@pytest.mark.parametrize("row", ANSWERS, ids=named)
def test_a_reader_that_is_gone_does_not_change_the_verdict(row, stage, shell) -> None:
    command, env = stage(row)
    done = left(command, shell.folder, env, stdout=None, stderr=subprocess.PIPE)
    assert done.returncode == row.code, done.stderr
    clean(done.stderr)


@pytest.mark.parametrize("row", ANSWERS, ids=named)
def test_head_takes_what_it_wants(row, stage, shell) -> None:
    command, env = stage(row)
    done = bash('"$@" | head -c 1 > /dev/null; exit ${PIPESTATUS[0]}', command, shell.folder, env)
    assert done.returncode == row.code, done.stderr
    clean(done.stderr)


@pytest.mark.parametrize("row", ANSWERS, ids=named)
def test_a_closed_stdout_is_an_answer_that_nobody_wants(row, stage, shell) -> None:
    command, env = stage(row)
    done = bash('"$@" >&-', command, shell.folder, env)
    assert done.returncode == row.code, done.stderr
    clean(done.stderr)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize("row", ANSWERS, ids=named)
def test_an_answer_that_is_lost_is_neither_a_pass_nor_a_failed_gate(row, stage, shell) -> None:
    command, env = stage(row)
    done = bash('"$@" > /dev/full', command, shell.folder, env)
    assert done.returncode == 3
    clean(done.stderr)
    assert done.stderr.count("error: ") == 1
    assert "cannot write to standard output: No space left on device" in done.stderr


@pytest.mark.parametrize("where", ["2> /dev/full", "2>&-", "<&- >&- 2>&-", "2>&1 | true; exit ${PIPESTATUS[0]}"])
def test_words_for_people_that_are_lost_do_not_change_the_verdict(shell, where) -> None:
    command = [sys.executable, "-m", "ncukit", "gate", RUN, "--min", "dram_pct=85"]
    done = bash(f'"$@" {where}', command, shell.folder, shell.env())
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_gate_that_fails_does_so_with_its_reader_gone_in_the_middle_of_a_long_answer(shell, unbuffered) -> None:
    reading = "dram__throughput.avg.pct_of_peak_sustained_elapsed"
    table = {f"kernel_{number}": {reading: 60.0} for number in range(250)}
    (shell.folder / "many.json").write_text(json.dumps(table))
    words = ["gate", "many.json", "--min", "dram_pct=70", "--format", "json"]
    assert len(shell(*words).stdout) > 70_000, "more than a pipe holds"
    command = [sys.executable, "-m", "ncukit", *words]
    env = {**shell.env(), "PYTHONUNBUFFERED": unbuffered}
    done = bash('"$@" | head -c 1 > /dev/null; exit ${PIPESTATUS[0]}', command, shell.folder, env)
    assert done.returncode == 1, done.stderr
    clean(done.stderr)


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["gate", "--help"]], ids=" ".join)
def test_help_with_no_reader_is_no_failed_gate(shell, words) -> None:
    command = [sys.executable, "-m", "ncukit", *words]
    done = left(command, shell.folder, shell.env(), stdout=None, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (0, "")


# interrupted

INTERRUPTED = """
import os, signal, sys
at = sys.argv.pop(1)
class Finder:
    def find_spec(self, name, *_):
        if name == at:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder())
from ncukit.__main__ import main
main()
"""


@pytest.mark.parametrize(
    ("at", "words"),
    [
        ("ncukit.cli", ["--help"]),
        ("click", ["--help"]),
        ("ncukit.errors", ["--help"]),
        ("pandas", ["diagnose", RUN]),
        ("numpy", ["gate", RUN, "--min", "dram_pct=70"]),
        ("rich.console", ["diagnose", RUN]),
        *((f"ncukit.cli.{verb}", [verb, "--help"]) for verb in VERBS),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_ctrl_c_while_modules_load(shell, at, words) -> None:
    command = [sys.executable, "-c", INTERRUPTED, at, *words]
    done = subprocess.run(command, cwd=shell.folder, env=shell.env(), capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (130, "")
    clean(done.stderr)


def test_the_script_starts_where_ctrl_c_during_imports_is_caught() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["scripts"] == {"ncukit": "ncukit.__main__:main"}


class Started:
    """A call that waits for something, in a process group of its own, as a shell starts it."""

    def __init__(self, command, folder, env) -> None:
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        self.child = subprocess.Popen(command, cwd=folder, env=env, start_new_session=True, **pipes)

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        if self.child.poll() is None:
            self.child.kill()
        self.child.wait()
        for stream in (self.child.stdin, self.child.stdout, self.child.stderr):
            stream.close()

    def until(self, there) -> None:
        """Wait until ``there()`` holds."""
        deadline = time.monotonic() + 30
        while not there():
            assert self.child.poll() is None, self.child.stderr.read().decode()
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def signal(self, name: str) -> None:
        """Signal the whole group, as a terminal does."""
        os.killpg(self.child.pid, getattr(signal, name))

    def end(self) -> tuple[int, str]:
        """Exit code and stderr; the other end of stdin stays open."""
        return self.child.wait(timeout=40), self.child.stderr.read().decode()


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_an_interrupted_profile_leaves_nothing_behind(shell, stage, tmp_path, name) -> None:
    command, env = stage(Row("profile", 130, (NAIVE, "-o", "run"), "hang"))
    before = files(shell.folder)
    with Started(command, shell.folder, env) as started:
        started.until(shell.words.exists)
        assert running(shell.path / "ncu")
        started.signal(name)  # ncu is in a group of its own and hears of it through ncukit
        assert started.end() == (130, "\ninterrupted\n")
    assert not running(shell.path / "ncu")
    assert files(shell.folder) == before
    assert list((tmp_path / "tmp").iterdir()) == []


def test_an_impatient_second_ctrl_c_does_not_leave_a_stubborn_ncu_behind(shell, stage, tmp_path) -> None:
    change(shell, "hang", "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)")
    command, env = stage(Row("profile", 130, (NAIVE, "-o", "run"), "hang"))
    with Started(command, shell.folder, env) as started:
        started.until(shell.words.exists)
        time.sleep(0.5)
        for _ in range(3):
            started.signal("SIGINT")
            time.sleep(0.3)
        assert started.end() == (130, "\ninterrupted\n")
    assert not running(shell.path / "ncu")
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("words", [("diagnose", "-"), ("gate", "-", "--min", "dram_pct=70")], ids=" ".join)
def test_interrupted_while_waiting_for_standard_input(shell, stage, tmp_path, words, name) -> None:
    command, env = stage(Row(words[0], 130, words[1:]))
    with Started(command, shell.folder, env) as started:
        started.until(lambda: list((tmp_path / "tmp").glob("ncukit-stdin-*")))
        started.child.stdin.write(b'{"kernel": {')
        started.child.stdin.flush()
        time.sleep(0.3)  # it waits for the rest
        started.signal(name)
        assert started.end() == (130, "\ninterrupted\n")
    assert list((tmp_path / "tmp").iterdir()) == []


def test_what_is_told_to_ignore_the_closing_terminal_goes_on(shell, stage) -> None:
    command, env = stage(Row("profile", 3, (NAIVE, "-o", "run", "--timeout", "3"), "hang"))
    with Started(["nohup", *command], shell.folder, env) as started:
        started.until(shell.words.exists)
        started.signal("SIGHUP")
        code, said = started.end()
    assert code == 3
    assert "no result after 3 s" in said


def bash(script: str, command, folder, env):
    """Run a command inside a shell's redirections."""
    words = ["bash", "-c", script, "bash", *command]
    return subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL)


def clean(said: str) -> None:
    """Nothing on stderr but words meant for people."""
    for word in ("Traceback", "Exception ignored", "BrokenPipe", "Broken pipe", "internal error", "KeyboardInterrupt"):
        assert word not in said, said


def files(folder: Path) -> set[str]:
    """Everything below a folder, with its time of change."""
    found = [path for path in folder.rglob("*") if "__pycache__" not in path.parts and path.is_file()]
    return {f"{path} {path.stat().st_mtime_ns}" for path in found}


def running(program: Path) -> list[str]:
    """Processes that run ``program``, zombies apart."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            words, state = (place / "cmdline").read_bytes().decode(), (place / "stat").read_text().rpartition(")")[2]
        except OSError:
            continue
        if str(program) in words.split("\0") and state.split()[0] != "Z":
            found.append(words)
    return found
