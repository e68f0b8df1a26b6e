"""The search of `ncukit tune` against every setting of the kernels' knobs. Needs a GPU; run by hand.

    python tests/bench/tuning.py --table OUT.json [FILE …]     measure all settings, for tests/golden/tune
    python tests/bench/tuning.py [--search TABLE] [FILE …]     search for real, and compare with the table

A table is measured by several processes that compile side by side and hold a lock while the GPU works for them.
"""

from __future__ import annotations

import argparse
import json
import queue
import statistics
import tempfile
import threading
import time
from pathlib import Path

from ncukit.diagnose import diagnose
from ncukit.errors import NcukitError
from ncukit.optimize.problem import read_problem
from ncukit.optimize.session import Ended, Session
from ncukit.optimize.tune import Tuner
from ncukit.optimize.tune.knobs import Knobs, find_knobs
from ncukit.optimize.tune.prepare import Wish, prepare
from ncukit.optimize.tune.problem_names import problem_names
from ncukit.optimize.tune.record import Record, header
from ncukit.read import read

SIZES = {
    "naive/instance_norm.py": ("batch_size=14",),
    "naive/group_norm.py": ("batch_size=14",),
    "naive/rms_norm.py": ("batch_size=14",),
    "naive/frobenius_norm.py": ("batch_size=14",),
    "naive/batch_norm.py": ("batch_size=8",),
    "naive/l1_norm.py": ("batch_size=4096",),
    "naive/l2_norm.py": ("batch_size=4096",),
}
"""An eighth of the problem, far above what an L2 holds, so that a table takes minutes and not an hour."""
ROOT = Path(__file__).resolve().parents[2]
MOST = 200
"""Settings of a group that are measured: of more, every second, third …"""


def files(names: list[str]) -> list[Path]:
    """The kernels of a table: all naive ones and all sick ones, or those that were named."""
    found = sorted((ROOT / "kernels/naive").glob("*.py")) + sorted((ROOT / "kernels/clinic/sick").glob("*.py"))
    return [f for f in found if not names or f.stem in names or str(f.relative_to(ROOT)) in names]


def sizes_of(file: Path) -> tuple[str, ...]:
    """The sizes that a kernel is measured at here."""
    return SIZES.get(str(file.relative_to(ROOT / "kernels")), ())


def knobs_of(file: Path) -> Knobs:
    """What can be turned in a file."""
    problem = read_problem(str(file), sizes_of(file))
    return find_knobs(problem.code, problem.tree, problem_names(problem.tree))


class Rows:
    """All settings of one file, taken by several sessions."""

    def __init__(self, file: Path, lock: str) -> None:
        problem = read_problem(str(file), sizes_of(file))
        self.knobs = knobs_of(file)
        self.about = {"file": str(file.relative_to(ROOT)), "sizes": list(sizes_of(file))}
        self.job = {
            "do": "trial",
            "problem": problem.code,
            "text": problem.code,
            "sizes": dict(problem.sizes),
            "target_s": 0.1,
            "known": [],
            "lock": lock,
        }
        self.found: list[dict] = []
        self.work: queue.Queue = queue.Queue()
        for index, group in enumerate(self.knobs.groups):
            step = -(-len(group.settings) // MOST)
            for setting in {*group.settings[::step], *([group.own] if group.own else [])}:
                self.work.put((index, setting))

    def serve(self, session: Session) -> None:
        """Measure until nothing is left."""
        first = True
        while True:
            try:
                index, setting = self.work.get_nowait()
            except queue.Empty:
                return
            row = {**self.about, "group": index, "setting": list(setting)}
            try:
                if first or not session.running:
                    session.ask(dict(self.job), 300)
                    first = False
                text = self.knobs.edited({index: setting})
                answer = session.ask({**self.job, "text": text, "incumbent": self.job["problem"]}, 120)
                row |= answer if "error" not in answer else {"failed": answer["error"]["message"][-200:]}
            except Ended as error:
                row["failed"] = error.message
            self.found.append(row)


def table(names: list[str], jobs: int, out: Path) -> None:
    """Measure every setting of every group, the others as they stand in the file."""
    rows = json.loads(out.read_text())["rows"] if out.exists() else []
    sessions = [Session("gpu") for _ in range(jobs)]
    with tempfile.NamedTemporaryFile(prefix="gpu-lock-") as lock:
        for file in files(names):
            started = time.monotonic()
            one = Rows(file, lock.name)
            threads = [threading.Thread(target=one.serve, args=(session,)) for session in sessions]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            rows = [r for r in rows if r["file"] != one.about["file"]] + one.found
            out.write_text(json.dumps({"about": dict(sessions[0].about), "rows": rows}))
            print(f"{one.about['file']}: {len(one.found)} settings, {time.monotonic() - started:.0f} s", flush=True)
    for session in sessions:
        session.stop()


def best_of(path: Path) -> dict[tuple[str, int], float]:
    """The best speed of every group in a table: as measured here, or as kept in tests/golden/tune."""
    content = json.loads(path.read_text())
    if "cases" in content:
        return {(c["file"], c["group"]): max(s for _, s, _ in c["rows"] if s) for c in content["cases"]}
    best: dict[tuple[str, int], float] = {}
    for row in content["rows"]:
        if row.get("times") and max(row["errors"]) <= 1:
            ratio = statistics.median(a / b for a, b in zip(*row["times"], strict=True))
            best[row["file"], row["group"]] = max(best.get((row["file"], row["group"]), 1.0), ratio)
    return best


def search(names: list[str], out: Path) -> None:
    """Search each file for real; what it reaches over what the table has: below 1 the table knows better."""
    best = best_of(out)
    made = there = 0
    with Session("gpu") as session, tempfile.TemporaryDirectory() as folder:
        about = session.start()
        for file in files(names):
            name = str(file.relative_to(ROOT))
            problem = read_problem(str(file), sizes_of(file))
            run = ROOT / "profiles/h200" / name.removeprefix("kernels/").removesuffix(".py").replace("/", "_")
            arch = "sm_" + str(about["compute_capability"]).replace(".", "")
            diagnosis = diagnose(read(run), recompile=False)
            plan, _ = prepare(problem, Wish(), arch=arch, gpu=about["gpu"], diagnosis=diagnosis)
            record = Record(Path(folder) / f"{file.stem}.jsonl", header(problem, about, plan.knobs))
            tuned = Tuner(plan, session, record, len).run()
            settings = sum(len(group.settings) for group in plan.knobs.groups)
            made, there = made + len(tuned.trials), there + settings
            known = 1.0
            for index in range(len(plan.knobs.groups)):
                known *= best.get((name, index), 1.0)
            reached = tuned.race.ratio if tuned.race is not None else 1.0
            print(
                f"{name}: {reached:.3f}x by {len(tuned.trials)} of {settings} settings, table {known:.3f}x", flush=True
            )
    print(f"{made} of {there} settings, {made / there:.1%}")


def main() -> None:
    """Parse and run."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--table", type=Path)
    parser.add_argument("--search", type=Path, default=ROOT / "tests/golden/tune/h200.json")
    parser.add_argument("--jobs", type=int, default=6)
    parser.add_argument("files", nargs="*")
    options = parser.parse_args()
    if options.table:
        table(options.files, options.jobs, options.table)
        return
    try:
        search(options.files, options.search)
    except NcukitError as error:
        print(f"skipped: {error.message}")


if __name__ == "__main__":
    main()
