"""One child that answers jobs: whatever it does, the parent has an answer in time and nothing is left behind."""

from __future__ import annotations

import json
import sys
import textwrap
import time
from pathlib import Path

import pytest

from ncukit.errors import Exit, NcukitError
from ncukit.optimize import session as sessions
from ncukit.optimize.session import Ended, Session

CHILD = """\
#!{python} -IS
import json, os, sys, time
out = os.fdopen(int(sys.argv[2]), "wb", buffering=0)
place = sys.argv[3]
def say(token, **what):
    out.write(json.dumps({{"token": token, **what}}).encode() + b"\\n")
for line in sys.stdin:
    job = json.loads(line)
    token = job["token"]
    if job["do"] == "hello":
{hello}
        continue
{job}
"""


@pytest.fixture
def child(tmp_path):
    """A stand-in for the Python that runs the worker: it is started the same way, and does what it is told."""

    def write(job: str, hello: str = "say(token, reply={'gpu': 'made up', 'mode': job['mode']})") -> str:
        path = tmp_path / "python"
        indented = (textwrap.indent(textwrap.dedent(text).strip(), " " * n) for text, n in ((hello, 8), (job, 4)))
        path.write_text(CHILD.format(python=sys.executable, hello=next(indented), job=next(indented)))
        path.chmod(0o755)
        return str(path)

    return write


def there(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_jobs_are_answered_one_after_the_other_by_one_child(child):
    with Session("gpu", python=child("say(token, reply={'pid': os.getpid(), 'x': job['x']})")) as session:
        assert not session.running
        first, second = session.ask({"do": "a", "x": "ß"}, 5), session.ask({"do": "a", "x": 2}, 5)

        assert session.running
        assert (first["x"], second["x"]) == ("ß", 2)
        assert first["pid"] == second["pid"]
        assert session.about == {"gpu": "made up", "mode": "gpu"}
        folder = session.folder
        assert folder.is_dir()
    assert not there(first["pid"])
    assert not folder.exists()


def test_what_a_job_tells_on_its_way_is_handed_on(child):
    told = []
    python = child(
        "say(token, event={'step': 1}); say('other', event={'step': 9}); say(token, event=7)\nsay(token, reply={})"
    )
    with Session("gpu", python=python) as session:
        assert session.ask({"do": "a"}, 5, told.append) == {}
    assert told == [{"step": 1}]


def test_only_answers_with_the_jobs_own_token_count(child):
    made_up = """
    say("made up", reply={"ratio": 99})
    say(None, reply={"ratio": 99})
    say("", reply={"ratio": 99})
    out.write(b'{"reply": {"ratio": 99}}\\n')
    out.write(b'not JSON\\n\\xff\\xfe\\n[1, 2]\\n7\\n\\n' + b'[' * 100000 + b'\\n')
    say(token, reply="no object")
    say(token, reply={"ratio": 1.0})
    say(token, reply={"ratio": 99})
    """
    with Session("gpu", python=child(made_up)) as session:
        assert [session.ask({"do": "a"}, 5) for _ in range(3)] == [{"ratio": 1.0}] * 3


def test_what_is_printed_is_no_answer(child):
    prints = """
    for stream in (sys.stdout, sys.stderr):
        stream.write(json.dumps({"token": token, "reply": {"ratio": 99}}) + "\\n\\x00" + "x" * 100_000)
        stream.flush()
    say(token, reply={"ratio": 1.0})
    """
    with Session("gpu", python=child(prints)) as session:
        assert session.ask({"do": "a"}, 5) == {"ratio": 1.0}


ENDLESS = {
    "silence": ("time.sleep(60)", "late", "no result after 0.7 s"),
    "a stubborn one": ("import signal; signal.signal(15, signal.SIG_IGN); time.sleep(60)", "late", "no result after"),
    "talk": ("while True: out.write(b'{}\\n' * 1000)", "late", "no result after 0.7 s"),
    "events": ("while True: say(token, event={})", "late", "no result after 0.7 s"),
    "one line": ("while True: out.write(b'x' * 65536)", "crashed", "the process answers without end"),
    "an exit": ("print('why', flush=True); os._exit(3)", "crashed", "the process ended with exit code 3"),
    "a signal": ("print('why', flush=True); os.kill(os.getpid(), 11)", "crashed", "the process ended by signal 11"),
    "an orphan": ("if os.fork(): os._exit(4)\n    time.sleep(60)", "crashed", "the process ended with exit code 4"),
    "a closed way": ("out.close(); time.sleep(60)", "crashed", "the process closed the way that answers take"),
    "memory": (
        "x = bytearray(300 << 20); time.sleep(60)",
        "memory",
        "the process took more than 0.2 GiB of host memory",
    ),
}


@pytest.mark.parametrize("name", ENDLESS)
def test_whatever_the_child_does_the_parent_goes_on(child, monkeypatch, name):
    monkeypatch.setattr(sessions, "LONGEST_LINE", 1 << 20)
    does, how, message = ENDLESS[name]
    job = f"if job['do'] == 'good':\n    say(token, reply={{'pid': os.getpid()}})\nelse:\n    {does}"
    with Session("gpu", python=child(job), memory_gb=0.2) as session:
        pid = session.ask({"do": "good"}, 5)["pid"]
        started = time.monotonic()
        with pytest.raises(Ended, match=message) as caught:
            session.ask({"do": "bad"}, 0.7 if how == "late" else 20)

        assert caught.value.how == how
        assert time.monotonic() - started < 6
        assert caught.value.detail == ("why\n" if "why" in does else "")
        assert not session.running
        assert not there(pid)
        assert session.ask({"do": "good"}, 5)["pid"] != pid, "the next job gets a new child"


def test_what_the_child_started_ends_with_it(child):
    job = """
    pid = os.fork()
    if not pid:
        time.sleep(60)
    say(token, reply={"pid": pid})
    """
    with Session("gpu", python=child(job)) as session:
        pid = session.ask({"do": "a"}, 5)["pid"]
        assert there(pid)
    assert not there(pid)


def test_a_child_that_dies_between_two_jobs_is_replaced(child):
    with Session("gpu", python=child("say(token, reply={'pid': os.getpid()}); os._exit(0)")) as session:
        first = session.ask({"do": "a"}, 5)
        deadline = time.monotonic() + 5
        while session.running and time.monotonic() < deadline:
            time.sleep(0.02)

        assert session.ask({"do": "a"}, 5)["pid"] != first["pid"]


def test_after_a_fatal_error_there_is_a_new_child(child):
    error = "say(token, reply={'error': {'type': 'RuntimeError', 'message': str(os.getpid()), 'fatal': job['fatal']}})"
    with Session("gpu", python=child(error)) as session:
        pids = [session.ask({"do": "a", "fatal": fatal}, 5)["error"]["message"] for fatal in (False, True, False)]

    assert pids[0] == pids[1] != pids[2]


def test_an_interrupted_job_ends_the_child(child):
    def interrupt(_):
        raise KeyboardInterrupt

    with Session("gpu", python=child("say(token, event={'pid': os.getpid()}); time.sleep(60)")) as session:
        with pytest.raises(KeyboardInterrupt):
            session.ask({"do": "a"}, 5, interrupt)
        assert not session.running


def test_descriptors_are_given_back(child):
    def descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    before = descriptors()
    with Session("gpu", python=child("os._exit(1)")) as session:
        for _ in range(3):
            with pytest.raises(Ended):
                session.ask({"do": "a"}, 5)
    assert descriptors() == before


@pytest.mark.parametrize(
    ("hello", "message"),
    [
        ("print('no torch here', flush=True); os._exit(1)", "cannot run kernels: the process ended with exit code 1"),
        ("say(token, reply={'error': {'message': 'torch sees no CUDA device'}})", "torch sees no CUDA device"),
        ("time.sleep(60)", "no result after 0.5 s"),
    ],
)
def test_a_python_that_cannot_run_kernels_is_an_error(child, monkeypatch, hello, message):
    monkeypatch.setattr(sessions, "START_S", 0.5 if "sleep" in hello else 20)
    with Session("gpu", python=child("pass", hello)) as session, pytest.raises(NcukitError, match=message) as caught:
        session.start()

    assert caught.value.exit_code == Exit.ENVIRONMENT
    assert caught.value.detail == ("no torch here\n" if "no torch" in hello else "")
    assert not session.running


def test_a_python_that_is_not_there_is_an_error(tmp_path):
    with (
        Session("gpu", python=str(tmp_path / "nosuch")) as session,
        pytest.raises(NcukitError, match="cannot start") as c,
    ):
        session.ask({"do": "a"}, 5)
    assert c.value.exit_code == Exit.ENVIRONMENT


def test_the_real_worker_answers_on_the_cpu():
    pytest.importorskip("triton")
    noisy = "import sys\nprint('{\"reply\": {}}' * 99)\nassert not sys.stdin.read()\nraise ValueError('odd')\n"
    job = {"do": "race", "sizes": {}, "before": "", "after": "", "target_s": 0.1}
    with Session("interpreter") as session:
        about = session.start()
        assert (about["gpu"], about["where"]) == ("", "Triton's interpreter")
        assert set(about["versions"]) == {"python", "torch", "triton"}

        assert session.ask({"do": "nosuch"}, 20)["error"]["message"] == "no such job: nosuch"
        error = session.ask({**job, "problem": noisy}, 20)["error"]
        assert (error["type"], error["message"], error["line"]) == ("ValueError", "ValueError: odd", 4)
        assert error["fatal"] is False
        assert error["file"].startswith("problem_")
        left = session.ask({**job, "problem": "raise SystemExit(3)"}, 20)["error"]
        assert left["type"] == "SystemExit"
        with pytest.raises(Ended, match="no result after 1 s"):
            session.ask({**job, "problem": "while True: pass"}, 1)
    assert json.loads(json.dumps(about)) == about
