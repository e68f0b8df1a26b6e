"""The blocks of docs/ci.md, and CI as far as its snippets need it: jobs in fresh clones, artifacts, the gate action."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/ci.md").read_text(encoding="utf-8")
ACTION = ROOT / ".github/actions/gate"
USES_ACTION = "OWNER/ncukit/.github/actions/gate@REF"
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
SETUPS = {
    f"{forge} {number}": text
    for forge, file in (("github", ".github/workflows"), ("gitlab", ".gitlab-ci"))
    for number, text in enumerate((t for n, t in BLOCKS if n == "yaml" and t.startswith(f"# {file}")), start=1)
}
KERNEL = "kernels/instance_norm.py"


def load(text: str):
    return YAML(typ="safe").load(text)


def block(*words: str, language: str = "bash") -> str:
    """The one block of a language that holds the words."""
    (found,) = [text for name, text in BLOCKS if name == language and all(word in text for word in words)]
    return found


@dataclass
class Done:
    """How a pipeline ended."""

    code: int = 0
    """Of the first step that failed."""
    log: str = ""
    summary: str = ""
    outputs: dict[str, str] = field(default_factory=dict)
    """Of the gate action."""


@dataclass
class CI:
    """A project in git, machines with and without a GPU, and runners for both forges."""

    project: Path
    place: Path
    gpu: dict[str, str]
    """Environment of the machine with a GPU."""
    plain: dict[str, str]
    """Of the machine without: its ncu and nvidia-smi only leave a trace that they were called."""

    def commit(self) -> None:
        for words in ("add --all", "commit --quiet --allow-empty --message change"):
            subprocess.run(["git", *words.split()], cwd=self.project, env=self.gpu, check=True)

    def sh(self, script: str, folder: Path, env: dict[str, str], flags: str = "-e") -> subprocess.CompletedProcess:
        file = self.place / "step.sh"
        file.write_text(script)
        words = ["bash", "--noprofile", "--norc", *flags.split(), str(file)]
        return subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, timeout=200)

    def clone(self, name: str) -> Path:
        folder = self.place / name / "checkout"
        shutil.rmtree(folder.parent, ignore_errors=True)
        subprocess.run(["git", "clone", "--quiet", self.project, folder], env=self.gpu, check=True)
        return folder

    def run(self, setup: str) -> Done:
        """Every job of a set-up, in order."""
        return self.github(load(SETUPS[setup])) if setup.startswith("github") else self.gitlab(load(SETUPS[setup]))

    # GitHub

    def github(self, workflow) -> Done:
        done = Done()
        for name, job in workflow["jobs"].items():
            if not done.code or job.get("if") == "always()":
                env = self.gpu if "gpu" in job["runs-on"] else self.plain
                self.steps(job["steps"], self.clone(name), env, done)
        return done

    def steps(self, steps, folder: Path, env, done: Done) -> None:
        before, done.code = done.code, 0
        for step in steps:
            assert step.get("if", "always()") == "always()"
            if not done.code or "if" in step:
                code = self.uses(step, folder, env, done) if "uses" in step else self.step(step, folder, env, done)[0]
                done.code = done.code or code
        done.code = before or done.code

    def step(self, step, folder: Path, env, done: Done) -> tuple[int, dict[str, str]]:
        files = {name: self.place / name for name in ("GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT")}
        for file in files.values():
            file.write_text("")
        flags = "-eo pipefail" if step.get("shell") == "bash" else "-e"
        more = {**step.get("env", {}), **{name: str(file) for name, file in files.items()}}
        ran = self.sh(step["run"], folder, {**env, **more}, flags)
        done.log += ran.stdout + ran.stderr
        done.summary += files["GITHUB_STEP_SUMMARY"].read_text()
        return ran.returncode, dict(line.split("=", 1) for line in files["GITHUB_OUTPUT"].read_text().splitlines())

    def uses(self, step, folder: Path, env, done: Done) -> int:
        action, words = step["uses"].split("@")[0], step.get("with", {})
        store = self.place / "artifacts"
        if step["uses"] == USES_ACTION:
            return self.action(words, folder, env, done)
        if action == "github/codeql-action/upload-sarif":
            file = folder / words["sarif_file"]
            if not file.exists():
                return 1
            assert json.loads(file.read_text())["version"] == "2.1.0"
        elif action == "actions/upload-artifact":
            for path in words["path"].split():
                if not (folder / path).exists():
                    done.log += f"{path} is not there to be uploaded\n"
                elif (folder / path).is_dir():
                    shutil.copytree(folder / path, store / words["name"], dirs_exist_ok=True)
        elif action == "actions/download-artifact":
            if not (store / words["name"]).exists():
                return 1
            shutil.copytree(store / words["name"], folder / words["path"])
        else:
            assert action in ("actions/checkout", "actions/setup-python")
        return 0

    def action(self, words: dict[str, str], folder: Path, env, done: Done) -> int:
        """The composite action's steps with inputs and defaults put in."""
        text = load((ACTION / "action.yml").read_text())
        assert set(words) <= set(text["inputs"])
        inputs = {name: str(words.get(name, about["default"])) for name, about in text["inputs"].items()}
        code, outputs = 0, {}
        for step in text["runs"]["steps"]:
            test = re.fullmatch(r"inputs\.(\S+) != '(.*)'", step.get("if", "inputs.none != 'x'"))
            if code or inputs.get(test[1], "") == test[2]:
                continue
            given = {name: inputs[value.split("inputs.")[1].rstrip(" }")] for name, value in step["env"].items()}
            more = {"GITHUB_ACTION_PATH": str(ACTION), "GITHUB_ACTIONS": "true"}
            code, said = self.step({**step, "env": given}, folder, {**env, **more}, done)
            outputs |= {f"steps.{step.get('id')}.outputs.{name}": value for name, value in said.items()}
        for name, about in text["outputs"].items():
            terms = about["value"].removeprefix("${{ ").removesuffix(" }}").split(" || ")
            values = [term.strip("'") if term.startswith("'") else outputs.get(term, "") for term in terms]
            done.outputs[name] = next(filter(None, values), "")
        return code

    # GitLab

    def gitlab(self, pipeline) -> Done:
        done, kept = Done(), self.place / "kept"
        for name, job in pipeline.items():
            if name == "stages" or done.code:
                continue
            folder = self.clone(name)
            if job.get("needs"):
                shutil.copytree(kept, folder, dirs_exist_ok=True)
            env = self.gpu if "gpu" in job.get("tags", ()) else self.plain
            ran = self.sh("\n".join(job["script"]), folder, {**env, "CI_PROJECT_DIR": str(folder)}, "-eo pipefail")
            done.code, done.log = ran.returncode, done.log + ran.stdout + ran.stderr
            for path in job["artifacts"].get("paths", ()) if not done.code else ():
                shutil.copytree(folder / path, kept / path)
        return done
