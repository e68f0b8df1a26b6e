"""``ncukit diagnose`` asks Triton's compiler about kernels measured elsewhere, and runs nothing of their file."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("triton")

ROOT = Path(__file__).parents[2]
PROFILES = ROOT / "profiles" / "h200"


@pytest.fixture
def bare(bare, tmp_path):
    """No GPU, and a cache that nobody has filled."""
    folder = tmp_path / "cache"

    def run(*words, **env):
        return bare(*words, NCUKIT_CACHE_DIR=str(folder), COLUMNS="400", **env)

    run.folder, run.cache = bare.folder, folder
    return run


def asked(bare, *words):
    """The page and its text without line breaks. A machine that is busy elsewhere goes on where it was cut off."""
    for _ in range(4):
        done = bare("diagnose", *words)
        if "no result after" not in done.stdout:
            break
    assert done.returncode == 0, done.stderr
    return done.stdout


def recording(bare, name, kernel, tail=""):
    """A run directory and its kernel file as ``kernel``, with more text below what was measured."""
    file = bare.folder / kernel
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text((ROOT / "kernels/clinic/sick" / f"{name}.py").read_text() + tail)
    run = bare.folder / "run"
    shutil.copytree(PROFILES / f"clinic_sick_{name}", run)
    said = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**said, "target": kernel}))
    return run, file


def test_a_diagnosis_names_the_argument_and_runs_nothing_of_the_file(bare):
    effect = "\nimport pathlib\npathlib.Path('ran').write_text('x')\nraise SystemExit(7)\n"
    run, file = recording(bare, "narrow_access", "elsewhere/narrow_access.py", effect)
    page = asked(bare, str(run), "--explain")
    assert "take it out of do_not_specialize" in page
    assert "elsewhere/narrow_access.py:25" in page
    assert "16 divides x_stride = 1048704 (do_not_specialize); the same at :27" in page
    assert "code: compiled again for sm_90 with Triton" in page
    assert not (bare.folder / "ran").exists()

    (kept,) = (bare.cache / "inspect").glob("*.json")
    kept.write_text(
        kept.read_text().replace("(do_not_specialize)", "(as kept)").replace('"registers": 32', '"registers": 33')
    )
    again = asked(bare, str(run), "--explain")
    assert "33 registers where 32 were recorded" in " ".join(again.split())  # an answer is kept, and read the next time
    plain = bare("diagnose", str(run), "--explain", "--no-compile").stdout
    assert "do_not_specialize" not in plain
    assert "code: " not in plain

    said = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**said, "code": "0123456789abcdef"}))
    changed = bare("diagnose", str(run), "--explain").stdout
    assert f"code: not compiled again: elsewhere/{file.name} has changed since it was measured" in changed
    assert "do_not_specialize" not in changed


def test_a_diagnosis_names_the_variable_that_spills(bare):
    shutil.copytree(PROFILES / "clinic_sick_local_memory", bare.folder / "run")
    done = json.loads(asked(bare, "run", "--format", "json"))
    (kernel,) = done["kernels"]
    (finding,) = [f for f in kernel["findings"] if f["cause"] == "local-memory"]
    last = finding["suggestions"][-1]
    assert last["location"] == "kernels/clinic/sick/local_memory.py:22"
    assert "x spills" in last["action"]
    assert "every trip of the loop" in last["action"]
    assert kernel["code"].startswith("compiled again for sm_90 with Triton")


def test_without_triton_the_diagnosis_is_what_it_was(bare):
    """Python is told that there is no such package."""
    shutil.copytree(PROFILES / "clinic_sick_local_memory", bare.folder / "run")
    hidden = bare.folder / "hidden"
    hidden.mkdir()
    (hidden / "sitecustomize.py").write_text(
        "import importlib.metadata as m\n"
        "real = m.version\n"
        "def version(name):\n"
        "    if name == 'triton':\n"
        "        raise m.PackageNotFoundError(name)\n"
        "    return real(name)\n"
        "m.version = version\n"
    )
    path = f"{hidden}:{ROOT}"
    found = bare("diagnose", "run", "--explain", PYTHONPATH=path)
    assert found.returncode == 0, found.stderr
    assert "code: not compiled again: this Python has no triton: nothing was run or compiled" in found.stdout
    plain = bare("diagnose", "run", "--explain", "--no-compile").stdout
    assert [x for x in found.stdout.splitlines() if "code: " not in x] == plain.splitlines()
    assert not (bare.cache / "inspect" / "compiled").exists()
