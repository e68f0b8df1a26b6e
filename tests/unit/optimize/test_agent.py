"""Running the program that answers: what it may do, it gets; what it may not, ends it, and nothing is left behind."""

from __future__ import annotations

import shlex
import sys
import time
from pathlib import Path

import pytest

from ncukit.errors import NcukitError
from ncukit.optimize import agent
from ncukit.optimize.agent import ask, command_of


def python(code: str) -> tuple[str, ...]:
    """A program of one statement or more."""
    return (sys.executable, "-c", f"import os, sys, time\n{code}")


def alive(pid: int) -> bool:
    """Whether a process runs, zombies apart."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_the_brief_goes_in_and_the_answer_comes_out() -> None:
    got = ask(
        python("text = sys.stdin.read(); print('got', len(text)); print('thinking', file=sys.stderr)"),
        "a brief of µ words",
        timeout_s=20,
    )
    assert (got.how, got.text, got.said, got.why) == ("answered", "got 18\n", "thinking\n", "")
    assert 0 < got.wall_s < 20


def test_a_long_brief_and_a_long_answer_do_not_wait_for_each_other() -> None:
    brief = "x" * 700_000
    program = "for line in iter(lambda: sys.stdin.read(1000), ''): sys.stdout.write(line); sys.stderr.write('e' * 400)"
    got = ask(python(program), brief, timeout_s=30)
    assert got.how == "answered"
    assert got.text == brief
    assert len(got.said) == agent.MOST_SAID < 280_000, "only the end is kept"


def test_who_does_not_read_the_brief_may_answer_all_the_same() -> None:
    got = ask(python("os.close(0); print('an answer')"), "x" * 1_000_000, timeout_s=20)
    assert (got.how, got.text) == ("answered", "an answer\n")


def test_the_program_has_the_users_environment_and_folder(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("MY_KEY", "secret")
    monkeypatch.chdir(tmp_path)
    got = ask(python("print(os.environ['MY_KEY'], os.getcwd())"), "", timeout_s=20)
    assert got.text == f"secret {tmp_path}\n"


@pytest.mark.parametrize(
    ("program", "how", "why"),
    [
        ("pass", "empty", "it printed nothing"),
        ("print(' \\n\\t')", "empty", "it printed nothing"),
        ("print('half'); sys.exit(3)", "failed", "exit code 3"),
        ("sys.exit('no credit left')", "failed", "exit code 1: no credit left"),
        ("os.kill(os.getpid(), 9)", "failed", "ended by signal 9"),
        ("time.sleep(600)", "late", "no answer after 1 s: it was ended"),
        ("print('half', flush=True); os.close(1); time.sleep(600)", "late", "no answer after 1 s: it was ended"),
    ],
)
def test_no_answer_has_a_reason(program, how, why) -> None:
    got = ask(python(program), "brief", timeout_s=1 if how == "late" else 20)
    assert (got.how, got.why) == (how, why)


def test_an_endless_answer_is_cut_off_and_its_program_ended() -> None:
    started = time.monotonic()
    program = "print(os.getpid(), file=sys.stderr, flush=True)\nwhile True: print('x' * 1000)"
    got = ask(python(program), "", timeout_s=60, most=100_000)
    assert (got.how, got.why) == ("endless", "more than 100,000 bytes of answer: it was ended")
    assert len(got.text) == 100_000
    assert not alive(int(got.said))
    assert time.monotonic() - started < 30


@pytest.mark.parametrize("stubborn", ["", "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)"])
def test_what_runs_late_is_ended_with_all_that_it_started(stubborn) -> None:
    program = f"""
{stubborn}
import subprocess
child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])
print(os.getpid(), child.pid, file=sys.stderr, flush=True)
time.sleep(600)
"""
    got = ask(python(program), "", timeout_s=2)
    assert got.how == "late"
    pids = [int(word) for word in got.said.split()]
    assert len(pids) == 2
    assert not [pid for pid in pids if alive(pid)]


def test_what_it_leaves_running_neither_delays_the_answer_nor_stays() -> None:
    program = """
import subprocess
child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])
print('done'); print(child.pid, file=sys.stderr)
"""
    got = ask(python(program), "", timeout_s=60)
    assert (got.how, got.text) == ("answered", "done\n")
    assert got.wall_s < 20
    deadline = time.monotonic() + 10
    while alive(int(got.said)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not alive(int(got.said))


def test_ctrl_c_ends_the_program(monkeypatch) -> None:
    pids: list[int] = []

    def interrupted(talk: object, deadline: float) -> None:
        pids.append(talk.child.pid)  # type: ignore[attr-defined]
        assert alive(pids[0])
        raise KeyboardInterrupt

    monkeypatch.setattr(agent._Talk, "until", interrupted)
    with pytest.raises(KeyboardInterrupt):
        ask(python("time.sleep(600)"), "", timeout_s=60)
    assert not alive(pids[0])


def test_bytes_that_are_no_text_are_taken_as_they_can_be() -> None:
    got = ask(python("os.write(1, bytes([255, 0, 10])); os.write(1, b'x')"), "\ud800", timeout_s=20)
    assert (got.how, got.text) == ("answered", "\ufffd\0\nx")


def test_open_files_do_not_pile_up() -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        ask(python("print(1)"), "brief", timeout_s=20)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_the_command_is_split_as_a_shell_would_without_being_one() -> None:
    words = command_of(f"{shlex.quote(sys.executable)} -c 'print(1)' $HOME | cat")
    assert words[1:] == ("-c", "print(1)", "$HOME", "|", "cat")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "--agent names no program"),
        ("nosuch-agent -p", "there is no program nosuch-agent"),
        ("./nosuch.sh", "there is no program ./nosuch.sh"),
        ("claude 'half", "cannot be taken apart"),
    ],
)
def test_a_command_that_cannot_be_run_is_a_usage_error(text, says) -> None:
    with pytest.raises(NcukitError, match="--agent") as caught:
        command_of(text)
    assert says in caught.value.message
    assert caught.value.exit_code == 2


def test_a_program_that_is_gone_by_then_is_told(tmp_path) -> None:
    with pytest.raises(NcukitError, match="cannot start"):
        ask((str(tmp_path / "gone"),), "", timeout_s=5)
