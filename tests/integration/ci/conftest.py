"""A project as docs/ci.md describes it, in git, and machines with and without a GPU to run its pipelines on."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

# pytest's importlib mode puts no test folder on the path
sys.path.insert(0, str(Path(__file__).parent))

from pipelines import CI, KERNEL, ROOT, block


@pytest.fixture
def ci(shell, tmp_path, template) -> CI:
    """A project with the page's budgets and a baseline, and machines to run its pipelines on."""
    tools, none, site = tmp_path / "tools", tmp_path / "no-gpu", tmp_path / "site"
    for folder in (tools, none):
        folder.mkdir()
    script(tools / "ncukit", f'exec "{sys.executable}" -m ncukit "$@"')
    pip = f'if [ "$1 $2" = "-m pip" ]; then echo "$@" >> "{tmp_path / "pip"}"; exit 0; fi'
    script(tools / "python3", f'{pip}\nexec "{sys.executable}" "$@"')
    for name in ("ncu", "nvidia-smi"):
        script(none / name, f'echo "{name} $*" >> "{tmp_path / "called"}"; exit 127')
    for name, version in (("torch", "2.11.0+cu130"), ("triton", "3.6.0")):  # the tests run with torch's CPU build
        (site / name).mkdir(parents=True)
        (site / name / "__init__.py").touch()
        (site / name / "version.py").write_text(f"__version__ = '{version}'\ncuda: str | None = '13.0'\nhip = None\n")
        (site / f"{name}-0.dist-info").mkdir()
        (site / f"{name}-0.dist-info/METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    base = {name: value for name, value in shell.env().items() if not name.startswith(("GIT_", "GITHUB_", "CI_"))}
    who = {f"GIT_{role}_{what}": "a@b" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    base |= {**who, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    gpu = {**base, "PATH": f"{tools}:{base['PATH']}", "PYTHONPATH": f"{site}:{ROOT}", "TRITON_LIBCUDA_PATH": str(site)}
    made = CI(shell.folder, tmp_path / "ci", gpu, {**base, "PATH": f"{tools}:{none}:{base['PATH']}"})
    made.place.mkdir()
    if not (template / ".git").exists():
        commit_baseline(made)
        shutil.copytree(made.project, template, dirs_exist_ok=True)
    shutil.rmtree(made.project)
    shutil.copytree(template, made.project)
    return made


@pytest.fixture(scope="module")
def template(tmp_path_factory) -> Path:
    """The project, to be made once."""
    return tmp_path_factory.mktemp("template")


def commit_baseline(ci: CI) -> None:
    """The page's budgets, one kernel file, and a baseline made as the page says, in git."""
    file = (ci.project / KERNEL).read_text()
    shutil.rmtree(ci.project / "kernels")
    (ci.project / "kernels").mkdir()
    (ci.project / KERNEL).write_text(file)
    (ci.project / "pyproject.toml").write_text(block("tool.ncukit.gate", language="toml"))
    (ci.project / ".gitignore").write_text("profiles/*/*\n!profiles/baselines/*\n")
    for commands in ("git init --quiet --initial-branch main", block("baseline save")):
        ran = ci.sh(commands, ci.project, ci.gpu)
        assert ran.returncode == 0, ran.stderr
    ci.commit()


def script(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
