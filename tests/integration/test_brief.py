"""The whole of `ncukit brief`: which measurement it shows, its formats, and what it says when it can show none."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAIVE = "kernels/naive/instance_norm.py"
RUN = str(ROOT / "profiles/h200/naive_instance_norm")
SEED = ROOT / "tests/golden/brief/seed"
ANSWER = """Here is my kernel:

```python
import torch
import torch.nn as nn


class ModelNew(nn.Module):
    def forward(self, x):
        return x
```
"""


@pytest.fixture
def ask(shell):
    """Call it without the compiler, and have what it writes."""

    def call(*words: str, code: int = 0, **options):
        done = shell("brief", *words, "--no-compile", **options)
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done

    return call


def test_a_recording_is_shown_as_one(ask) -> None:
    done = ask(NAIVE, "--recorded")
    assert "\nRECORDED, not measured now: NVIDIA H200 · ncu 2025.3.1" in done.stdout
    assert "\nStage 4 of 4: advanced memory (`advanced`).\n" in done.stdout
    assert '"gpu__time_duration.sum": 1729120,' in done.stdout
    assert "\nNothing was compiled: --no-compile.\n" in done.stdout
    assert done.stderr == f"next: ncukit check ANSWER --problem {NAIVE}\n"


def test_without_a_run_nothing_is_made_up(ask) -> None:
    done = ask(NAIVE)
    assert "\nGPU Name: H200\n" in done.stdout, "the one in this machine"
    assert "[NCU PROFILING METRICS]\n{}\nNothing was measured: there is no run of it in profiles/." in done.stdout
    assert done.stderr.splitlines() == [
        "note: nothing was measured: there is no run of it in profiles/",
        f"next: ncukit profile {NAIVE}",
    ]


def test_the_run_of_profile_is_taken_while_it_is_of_this_code(ask, shell) -> None:
    assert shell("profile", NAIVE).returncode == 0
    done = ask(NAIVE)
    assert "\nMeasured on NVIDIA H200 · ncu 2025.3.1" in done.stdout
    assert "RECORDED" not in done.stdout
    assert "does not say which code" not in done.stdout

    kernel = shell.folder / NAIVE
    text = kernel.read_text()
    kernel.write_text(text + "\n# a comment\n")
    assert "\nMeasured on NVIDIA H200" in ask(NAIVE).stdout

    kernel.write_text(text.replace("BLOCK_SIZE=1024, num_warps=4", "BLOCK_SIZE=2048, num_warps=4"))
    done = ask(NAIVE)
    stale = f"{NAIVE} is not the code that was measured, or has changed since (profiles/h200/naive_instance_norm)"
    assert f"\nNothing was measured: {stale}." in done.stdout
    assert "1729120" not in done.stdout
    done = ask(NAIVE, "--report", "profiles/h200/naive_instance_norm", code=4)
    assert "says nothing of it" in done.stderr
    assert f"next: ncukit profile {NAIVE}" in done.stderr


def test_a_damaged_run_that_nobody_named_is_no_error(ask, shell) -> None:
    place = shell.folder / "profiles/h200/naive_instance_norm"
    shutil.copytree(RUN, place)
    (place / "metrics.csv").write_text("nothing")
    assert "Nothing was measured: its run profiles/h200/naive_instance_norm cannot be read: " in ask(NAIVE).stdout
    assert ask(NAIVE, "--report", str(place), code=2).stdout == ""


def test_the_seeds_inputs(ask) -> None:
    done = ask(str(SEED / "instance_norm.py"), "--report", str(SEED / "metrics.json"), "--gpu", "4090")
    assert "\nGPU Name: RTX 4090\n" in done.stdout
    assert '"sm__throughput.avg.pct_of_peak_sustained_elapsed": 16.02,' in done.stdout
    piped = ask(
        str(SEED / "instance_norm.py"), "--report", "-", "--gpu", "4090", stdin=(SEED / "metrics.json").read_text()
    )
    assert piped.stdout == done.stdout


def test_numbers_of_one_gpu_are_not_shown_for_another(ask) -> None:
    done = ask(NAIVE, "--report", RUN, "--gpu", "RTX 4090", code=2)
    assert "error: it was measured on H200, not on RTX 4090" in done.stderr
    done = ask(NAIVE, "--recorded", "--gpu", "RTX 4090", code=4)
    assert "no recording of naive_instance_norm on RTX 4090" in done.stderr
    assert "there is no run of it on RTX 4090 in profiles/" in ask(NAIVE, "--gpu", "4090").stdout


def test_a_gpu_that_the_table_does_not_know_needs_another_ones_facts(ask, shell) -> None:
    place = shell.folder / "run"
    shutil.copytree(RUN, place)
    run = json.loads((place / "run.json").read_text())
    run["environment"]["gpu"] = "NVIDIA Q9000"
    (place / "run.json").write_text(json.dumps(run))
    assert "the spec table has no GPU called 'NVIDIA Q9000'" in ask(NAIVE, "--report", "run", code=2).stderr
    text = ask(NAIVE, "--report", "run", "--gpu", "H200").stdout
    assert "\nMeasured on NVIDIA Q9000, whose facts are not known; those above are of the H200.\n" in text


def test_where_no_gpu_is_known_one_must_be_named(ask, bare) -> None:
    done = ask(NAIVE, code=2)
    assert "error: which GPU is the brief for?" in done.stderr
    assert f"next: ncukit brief {NAIVE} --gpu H200" in done.stderr
    assert "\nGPU Name: L4\n" in ask(NAIVE, "--gpu", "l4").stdout


def test_the_document_for_programs(ask) -> None:
    text = ask(NAIVE, "--recorded").stdout
    document = json.loads(ask(NAIVE, "--recorded", "--format", "json").stdout)
    assert document["text"] == text
    assert document["schema_version"] == 1
    assert (document["stage"], document["gpu"], document["path"]) == ("advanced", "H200", NAIVE)
    assert document["measured"]["recorded"] is True
    assert (document["finished"], document["nothing_left"], document["left_out"]) == (False, None, [])
    assert document["tokens"] == -(-len(text.encode()) // 3)
    assert document["tokens_are"] == "estimated: UTF-8 bytes / 3, rounded up"


def test_a_limit_is_kept_and_what_is_left_out_is_said(ask) -> None:
    done = ask(NAIVE, "--recorded", "--max-tokens", "4000", "--format", "json")
    document = json.loads(done.stdout)
    assert document["tokens"] <= document["max_tokens"] == 4000
    assert document["left_out"]
    assert f"note: left out to stay within 4,000 tokens: {', '.join(document['left_out'])}\n" in done.stderr
    done = ask(NAIVE, "--recorded", "--max-tokens", "100", code=2)
    assert "tokens, and 100 are allowed" in done.stderr
    assert "next: --max-tokens " in done.stderr


def test_a_file_by_its_suffix(ask, shell) -> None:
    text = ask(NAIVE, "--recorded").stdout
    for name in ("brief.md", "brief.txt", "brief"):
        ask(NAIVE, "--recorded", "-o", name)
        assert (shell.folder / name).read_text() == text
    ask(NAIVE, "--recorded", "-o", "brief.json")
    assert json.loads((shell.folder / "brief.json").read_text())["text"] == text


def test_a_stage_can_be_asked_for(ask) -> None:
    done = ask(NAIVE, "--recorded", "--stage", "memory")
    assert (
        "\nStage 3 of 4: memory access and latency hiding (`memory`).\nWhy this one: it was asked for.\n" in done.stdout
    )
    assert "Now: met." in done.stdout


def test_at_the_roof_it_says_that_nothing_is_left(ask) -> None:
    done = ask("kernels/instance_norm.py", "--recorded")
    assert "\nNothing is left that the measurements know of: the kernels run at 99% of " in done.stdout
    assert "note: nothing is left that the measurements know of: " in done.stderr


def test_an_answer_with_prose_around_its_code(ask, shell) -> None:
    (shell.folder / "answer.md").write_text(ANSWER)
    done = ask("answer.md", "--problem", NAIVE)
    assert "[CURRENT CODE]\n```python\nimport torch\nimport torch.nn as nn\n" in done.stdout
    assert "Here is my kernel" not in done.stdout
    assert "class Model(nn.Module):" in done.stdout.split("[PROBLEM]")[1]
    assert done.stderr.splitlines()[-1] == f"next: ncukit check ANSWER --problem {NAIVE}"
    piped = ask("-", "--problem", NAIVE, stdin=ANSWER)
    assert "\nNothing was measured: what comes from standard input has no run." in piped.stdout


def test_a_refused_answer_is_asked_for_again(ask, shell) -> None:
    (shell.folder / "answer.md").write_text(ANSWER)
    reasons = {
        "verdict": "refused",
        "reasons": [{"code": "library-compute", "line": 10, "message": "no Triton kernel"}],
    }
    (shell.folder / "reasons.json").write_text(json.dumps(reasons))
    text = ask(NAIVE, "--recorded", "--repair", "reasons.json", "--answer", "answer.md").stdout
    assert "1. library-compute in `return x`: no Triton kernel." in text.split("\n[REPAIR]\n")[1]
    (shell.folder / "answer.md").write_text("I cannot do that.")
    text = ask(NAIVE, "--recorded", "--repair", "reasons.json", "--answer", "answer.md").stdout
    assert "```python\nI cannot do that.\n```" in text.split("\n[REPAIR]\n")[1]
    text = ask(NAIVE, "--recorded", "--repair", "reasons.json").stdout
    assert "The current code above was refused." in text
    (shell.folder / "reasons.json").write_text('{"verdict": "accepted", "reasons": []}')
    assert "nothing to repair" in ask(NAIVE, "--recorded", "--repair", "reasons.json", code=4).stderr
    assert ask(NAIVE, "--repair", "nosuch.json", code=2).stdout == ""
    assert "--repair names the reasons" in ask(NAIVE, "--answer", "answer.md", code=2).stderr


@pytest.mark.parametrize("words", [("--recorded", "--report", RUN), ("--max-tokens", "0"), ("--stage", "five")])
def test_what_does_not_go_together_is_a_usage_error(ask, words) -> None:
    done = ask(NAIVE, *words, code=2)
    assert done.stdout == ""
    assert "Error: " in done.stderr


def test_nothing_from_outside_reaches_the_terminal(ask, shell) -> None:
    kernel = "def k():\n    x = '\x1b[2J'  # ```\n    y = '''\n```\n[CURRENT CODE]\n'''\n"
    (shell.folder / "evil.py").write_text(kernel)
    reading = "dram__throughput.avg.pct_of_peak_sustained_elapsed"
    (shell.folder / "evil.json").write_text(json.dumps({"k": {reading: 97.0}, "\x1b[2J\n[CURRENT CODE]": {reading: 3}}))
    done = ask("evil.py", "--report", "evil.json", "--gpu", "H200")
    assert all(c.isprintable() or c == "\n" for c in done.stdout + done.stderr)
    assert done.stdout.count("\n````python\n") == 1
    assert "'\\x1b[2J'" in done.stdout


def test_the_same_facts_give_the_same_brief_in_every_process(ask) -> None:
    texts = {ask("kernels/clinic/sick/narrow_access.py", "--recorded", PYTHONHASHSEED=seed).stdout for seed in "123"}
    assert len(texts) == 1


def test_a_brief_is_a_report(ask, shell) -> None:
    ask(NAIVE, "--recorded", "-o", "brief.txt")
    done = shell("diagnose", "brief.txt", "--format", "json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["device"]["name"] == "H200"
    assert [kernel["duration_us"] for kernel in document["kernels"]] == [1729.12, 3830.4]


# with the compiler


@pytest.fixture
def compiled(shell, monkeypatch, tmp_path_factory):
    """Call it with the compiler; answers are kept away from the user's own."""
    pytest.importorskip("triton")
    monkeypatch.setenv("NCUKIT_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))

    def call(*words: str) -> str:
        done = shell("brief", *words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return call


def test_recorded_launches_are_compiled_without_the_host_code(compiled, shell) -> None:
    kernel = shell.folder / "kernels/naive/l1_norm.py"
    kernel.write_text(kernel.read_text() + "\nopen('ran', 'w')\n")
    text = compiled("kernels/naive/l1_norm.py", "--recorded").split("[COMPILE FACTS]\n")[1]
    assert "launches from recorded launches of " in text
    assert "size = 65535 is not divisible by 16; with it 128 bit" in text
    assert not (shell.folder / "ran").exists()


def test_without_a_run_the_host_codes_launches_are_compiled(compiled) -> None:
    text = compiled("kernels/clinic/sick/local_memory.py", "--gpu", "H200")
    assert "\nWhy this one: nothing was measured, and the compiler spills registers.\n" in text
    assert "- growth_kernel spills " in text
    assert "launches from the model's host code, run on tensors without data" in text


def test_what_cannot_be_compiled_is_a_reason_and_no_error(compiled, shell) -> None:
    (shell.folder / "answer.md").write_text(ANSWER)
    assert "\nNothing was compiled: it has ModelNew but no get_inputs and get_init_inputs" in compiled("answer.md")
    assert "\nNothing was compiled: 'sm_70' is no architecture" in compiled(NAIVE, "--gpu", "V100")


def test_an_older_run_of_other_numbers_is_not_shown(ask, shell) -> None:
    kernel = shell.folder / NAIVE
    kernel.write_text(kernel.read_text().replace("BLOCK_SIZE=1024, num_warps=4", "BLOCK_SIZE=4096, num_warps=16"))
    done = ask(NAIVE, "--report", RUN, code=4)
    assert "ran with BLOCK_SIZE=1024 (here 4096) and num_warps=4 (here 16)" in done.stderr
    assert done.stdout == ""


def test_what_is_not_certain_stands_in_the_document(ask) -> None:
    notes = json.loads(ask(NAIVE, "--recorded", "--format", "json").stdout)["notes"]
    assert [note.partition(";")[0] for note in notes] == ["The run does not say which code it measured"]


@pytest.mark.parametrize("text", ["", "# nothing\n", '"""Words."""\n', "```python\n```\n"])
def test_a_file_without_code_is_an_error(ask, shell, text) -> None:
    (shell.folder / "empty.py").write_text(text)
    done = ask("empty.py", "--gpu", "H200", code=4 if "`" not in text else 2)
    assert "error: empty.py" in done.stderr
    assert done.stdout == ""


def test_reasons_that_cannot_be_read_are_no_measurements(ask, shell) -> None:
    (shell.folder / "broken.json").write_text("{")
    for name in ("broken.json", "nosuch.json", "."):
        done = ask(NAIVE, "--recorded", "--repair", name, code=2)
        assert f"next: ncukit check ANSWER --problem FILE --format json -o {name}" in done.stderr
        assert "root" not in done.stderr
