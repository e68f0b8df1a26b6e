"""Writes docs/kernels.md and its figure: how fast the bundled norms are, and what following the diagnosis gained.

    python docs/kernel_page.py [--check] [RUN.json ...]

Figures come from docs/kernels.json, what the diagnosis says from the recordings. RUN.json are results of
tests/bench/kernels.py on one machine: they are merged into docs/kernels.json first; of two runs with the same table the
later one counts. With --check nothing is written; the exit code is 1 when the page is not what JSON and recordings say.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import cases
import scoring
from accuracy import gain_range, write
from cases import ROOT, Program
from kernel_figure import DTYPES, PROBLEMS, cut, draw
from kernel_runs import dumped, merged

from ncukit.model import Severity
from ncukit.render import units

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ncukit.model import Gain

    Run = dict[str, Any]
    """What the bench writes: where it was measured, notes, bounds and results."""
    Row = dict[str, Any]
    """One variant of one table."""

PAGE = Path(__file__).with_name("kernels.md")
DATA, FIGURE = PAGE.with_suffix(".json"), PAGE.with_suffix(".svg")
MISSING = "not recorded"

INTRO = """\
# Kernels

<!-- generated from docs/kernels.json and the recordings by docs/kernel_page.py -->

*The eight norms of KernelBench, level 1, as bundled kernels: how fast each is beside PyTorch and beside a plain copy of
the same bytes; what the diagnosis said of the textbook version, and what following it gained.*

{measured}
{recorded}
`make kernels-page` writes this page again, without a GPU.

- **GB/s**, of ours, counts compulsory bytes: input read once, output written once, parameters once.
- **Of copy** is the time in which torch copies as many bytes, over the time taken.
- **Of the bound** is the same for the fewest passes over memory that the problem allows on this device
  ([why](#why-the-bound)). What L2 still holds from one pass to the next is not counted, and a sweep that only reads
  runs faster than a copy, so a little over 100 % is possible.
- **naive** is the textbook version in Triton, **eager** PyTorch's functional form, **max-autotune** that mode of
  torch.compile. A ratio is their time over ours: above 1 ours is faster.
{notes}"""

FIGURE_TEXT = """\
![Fraction of copy over the size of the input, one panel a problem](kernels.svg)

Below a full batch the samples become fewer, then the image smaller; the line at 100 % is the copy of the same size.
Small inputs pay for their launches, of which a copy has one. An input that L2 holds need not reach memory twice.
"""

DIAGNOSED = """\
Of the textbook kernel: the cause that is ranked first, and the promise for curing it, for the whole program (low – best
– high). Measured is naive over ours, both in fp32 from the table at the top; ✓ where it lies in the promised range. Of
ours: the limit that it is said to run at, else the best advice that is left.
"""


class Tables:
    """The results of a run, by what they are of."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.rows: dict[tuple[str, str, str], dict[str, Row]] = {}
        for row in run.get("results", []):
            if row["size"] == "bench":
                self.rows.setdefault((row["problem"], row["dtype"], "bench"), {})[row["variant"]] = row
        self.sweep = [row for row in run.get("results", []) if row["size"] == "sweep" and row["ms"]]

    def bench(self, problem: str, dtype: str) -> dict[str, Row]:
        """Variant → its row at KernelBench's shape."""
        return self.rows.get((problem, dtype, "bench"), {})

    def ratio(self, problem: str, dtype: str, rival: str) -> float | None:
        """The rival's time over ours."""
        rows = self.bench(problem, dtype)
        times = [rows.get(variant, {}).get("ms") for variant in (rival, "ours")]
        return times[0] / times[1] if all(times) else None


SHORTFALLS = """## What falls short, and why

Written by hand. Times are from runs of November 2026 on the same kind of machine that are not in the tables.

- **40 LayerNorm** reads x twice. A sample fits the registers, but its weight and bias do not beside it: they are
  as long as the sample. Written as soon as its mean is known, each sample needs them again: 16 + 16 + 32 MiB a
  sample. Two sweeps, the second by position over all samples, need 16 + 16 + 16 MiB a sample and the parameters once.
  That is 839 MB where 570 would be the least; the kernel moves them at 96% of copy speed. Without parameters the
  cooperative way of `group_norm.py` (one group) reads once. In bf16 it took 0.075 ms where two sweeps took 0.110, in
  fp32 0.216 and 0.203 ms, since two parts a program hold one and a half samples of fp32. No such way is in
  `layer_norm.py`.
- **33 BatchNorm in bf16 and fp16**: a channel (33.6 MB) would just fit the registers, were nothing else in them; beside
  the code they hold 26 MB, and Triton 3.6 keeps nothing in shared memory across a wait. A cooperative variant that
  kept a quarter of a channel in registers and read the rest again, backwards, read 2.5 GB instead of 4.3 and took
  1.48 ms where three passes take 1.52: its programs wait for one another at each of 64 channels. So two plain sweeps.
- **Level, not faster**: BatchNorm, RMSNorm and the Frobenius norm of fp32 are within 1% of max-autotune. RMSNorm is at
  96% of its bound, the others above theirs: nothing is left there but to move fewer bytes.
  In fp16 torch.compile's BatchNorm is 4% faster; its Frobenius norm of 16 bits is level.
- **Clusters** (Triton 3.8 and later) would spare the slots and the waits of the cooperative kernels. They were not
  tried: no GPU with such a Triton was at hand.
- Small inputs: a cooperative kernel needs its slots filled by a launch of its own.
"""


def page(run: Run | None = None) -> str:
    """The page as Markdown."""
    tables = Tables(_saved() if run is None else run)
    low = [(p, d) for d in ("bfloat16", "float16") for p in PROBLEMS if tables.bench(p, d)]
    parts = [
        INTRO.format(
            measured=_measured(tables),
            recorded=_recorded(),
            notes="".join(f"- {note}.\n" for note in tables.run.get("notes", [])),
        ),
        "## KernelBench's shapes, fp32\n",
        _table(FULL, [_full(tables, problem) for problem in PROBLEMS]),
        _faster(tables),
        _not_timed(tables),
        "## bf16 and fp16\n",
        _table(SHORT, [_short(tables, *key) for key in low]) if low else f"{MISSING.capitalize()}.\n",
        "## Over sizes\n",
        FIGURE_TEXT if tables.sweep else f"{MISSING.capitalize()}.\n",
        cut(tables.sweep),
        "## Why the bound\n",
        "\n".join(_why(tables, problem) for problem in PROBLEMS) + "\n",
        SHORTFALLS,
        "## What the diagnosis said\n",
        DIAGNOSED,
        _table(SAID, [_said(tables, problem) for problem in PROBLEMS]),
    ]
    return "\n".join(part for part in parts if part)


def _saved() -> Run:
    return json.loads(DATA.read_text(encoding="utf-8")) if DATA.exists() else {}


# Where the figures are from


def _measured(tables: Tables) -> str:
    run = tables.run
    if not run:
        return f"Measurements: {MISSING}."
    spreads = [(r["high"] - r["low"]) / r["ms"] for rows in tables.rows.values() for r in rows.values() if r["ms"]]
    spread = f" Quartiles lie at most {max(spreads):.1%} of the median apart." if spreads else ""
    return (
        f"Measured on an {run['device']} ({run['sms']} SMs, driver {run['driver']}, Triton {run['triton']}, torch "
        f"{run['torch']}; clocks {run['clocks']}) by `tests/bench/kernels.py`: medians of {run['rounds']} rounds in "
        f"which all variants take turns, CUDA events, L2 overwritten before each.{spread}"
    )


def _recorded() -> str:
    found = [scoring.report(p).environment for name in PROBLEMS for p in _programs(name) if p.recording.is_dir()]
    names = {
        f"an {e.gpu} (driver {e.driver_version}), ncu {e.ncu_version}, Triton {e.triton_version}, "
        f"torch {e.torch_version}, {'clocks free' if e.clock_control == 'none' else f'clocks at {e.clock_control}'}"
        for e in found
    }
    return f"Recordings: {'; '.join(sorted(names)) or MISSING}."


def _programs(problem: str) -> tuple[Program, Program]:
    """The textbook kernel and ours."""
    naive, ours = f"kernels/naive/{problem}.py", f"kernels/{problem}.py"
    return (
        Program(source=ROOT / naive, recording=cases.RECORDED / f"naive_{problem}"),
        Program(source=ROOT / ours, recording=cases.RECORDED / problem),
    )


# Tables


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; columns whose head ends in a colon stand right."""
    names = [h.removesuffix(":") for h in head]
    rules = ["---:" if h.endswith(":") else "---" for h in head]
    # `rows` may be shorter than the head: a problem that was not recorded says so once
    filled = [[*row, *[""] * (len(head) - len(row))] for row in rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in [names, rules, *filled]) + "\n"


FULL = (
    "problem", "input", "ours, ms:", "naive:", "eager:", "torch.compile:", "max-autotune:", "copy:", "GB/s:",
    "of copy:", "of the bound:", "max-autotune / ours:", "eager / ours:",
)  # fmt: skip
SHORT = (
    "problem", "dtype", "ours, ms:", "eager:", "torch.compile:", "GB/s:", "of copy:", "of the bound:",
    "torch.compile / ours:", "eager / ours:",
)  # fmt: skip
SAID = ("problem", "cause of the textbook kernel", "promised", "measured:", "inside", "ours")


def _name(problem: str) -> str:
    path = _programs(problem)[1].source
    return f"[{PROBLEMS[problem]}](../{path.relative_to(ROOT)})" if path.exists() else PROBLEMS[problem]


def _full(tables: Tables, problem: str) -> list[str]:
    rows = tables.bench(problem, "float32")
    if not rows:
        return [_name(problem), MISSING]
    (shape,) = {"x".join(map(str, row["shape"])) for row in rows.values()}
    times = [_ms(rows.get(v)) for v in ("ours", "naive", "eager", "torch.compile", "max-autotune", "copy")]
    ratios = [_ratio(tables.ratio(problem, "float32", rival)) for rival in ("max-autotune", "eager")]
    return [_name(problem), shape, *times, *_rates(rows.get("ours")), *ratios]


def _short(tables: Tables, problem: str, dtype: str) -> list[str]:
    rows = tables.bench(problem, dtype)
    times = [_ms(rows.get(v)) for v in ("ours", "eager", "torch.compile")]
    ratios = [_ratio(tables.ratio(problem, dtype, rival)) for rival in ("torch.compile", "eager")]
    return [_name(problem), DTYPES[dtype], *times, *_rates(rows.get("ours")), *ratios]


def _ms(row: Row | None) -> str:
    if row is None:
        return "–"
    if not row["ms"]:
        return "not timed"
    return f"{row['ms']:.2f}" if row["ms"] >= 1 else f"{row['ms']:.3f}"


def _rates(row: Row | None) -> list[str]:
    if row is None or not row["ms"]:
        return ["–"] * 3
    return [f"{row['gbps']:,.0f}", f"{row['of_copy']:.1%}", f"{row['of_bound']:.1%}"]


def _ratio(value: float | None) -> str:
    return f"{value:.2f}x" if value else "–"


def _faster(tables: Tables) -> str:
    """Where ours is not the fastest of its table."""
    found = [
        f"{row['variant']} on {PROBLEMS[p]} ({DTYPES[d]}, {_ms(row)} ms, ours {_ms(rows['ours'])})"
        for (p, d, _), rows in tables.rows.items()
        if rows.get("ours", {}).get("ms")
        for row in rows.values()
        if row["variant"] not in ("copy", "ours") and row["ms"] and row["ms"] < rows["ours"]["ms"]
    ]
    if not tables.rows:
        return ""
    return f"Faster than ours: {'; '.join(found) or 'nothing that was measured, in any of the tables'}.\n"


def _not_timed(tables: Tables) -> str:
    """Other libraries that were measured, and variants that gave no figure."""
    lines = []
    for (problem, dtype, _), rows in tables.rows.items():
        where = f"{PROBLEMS[problem]}, {DTYPES[dtype]}"
        for row in rows.values():
            if not row["ms"]:
                lines.append(f"- {row['variant']} on {where}: not timed. `{row['failed']}`")
            elif row["variant"] in ("liger", "quack"):
                ratio = _ratio(tables.ratio(problem, dtype, row["variant"]))
                lines.append(f"- {row['variant']} ({row['how']}) on {where}: {_ms(row)} ms, {ratio} ours")
    return "\n".join(lines) + "\n" if lines else ""


def _why(tables: Tables, problem: str) -> str:
    limit = next(
        (
            b
            for b in tables.run.get("bounds", [])
            if (b["problem"], b["dtype"], b["size"]) == (problem, "float32", "bench")
        ),
        None,
    )
    if limit is None:
        return f"- **{PROBLEMS[problem]}**: {MISSING}"
    return f"- **{PROBLEMS[problem]}**, {units.size(limit['bytes'])}: {limit['reason']}"


# What the diagnosis said


class Promise(NamedTuple):
    """The cause that is ranked first, and what curing it is worth."""

    cause: str
    gain: Gain | None


def _said(tables: Tables, problem: str) -> list[str]:
    naive, ours = _programs(problem)
    measured = tables.ratio(problem, "float32", "naive")
    cells = [_name(problem), *[MISSING] * 2, f"{measured:.2f}x" if measured else MISSING, "–", MISSING]
    if naive.recording.is_dir():
        promise = _promise(naive)
        cells[1] = f"[`{promise.cause}`](rules/{promise.cause}.md)" if promise.cause else "none: at its roof"
        cells[2] = gain_range(promise.gain)
        left = None if promise.cause else _left(naive)
        if left is not None:
            cells[2] = f"at most {left:.2f}"
        if measured and (promise.gain or left is not None):
            low, high = (promise.gain.low, promise.gain.high) if promise.gain else (1.0, left or 1.0)
            cells[4] = "✓" if round(low, 2) <= round(measured, 2) <= round(high, 2) else "✗"
    if ours.recording.is_dir():
        cells[5] = _now(ours)
    return cells


def _promise(program: Program) -> Promise:
    ranked = scoring.ranking(scoring.diagnosed(program))
    return Promise(ranked[0].cause, ranked[0].gain) if ranked else Promise("", None)


def _left(program: Program) -> float | None:
    """The factor between the measured time of all kernels and their bytes at the roof."""
    rungs = {rung.limit: rung.time_us for rung in scoring.diagnosed(program).ladder}
    return rungs["measured"] / rungs["dram"] if rungs.get("dram") else None


def _now(program: Program) -> str:
    """The limit that the kernel which takes most of the time runs at, else the best advice that is left."""
    diagnosis = scoring.diagnosed(program)
    kernel = max(diagnosis.kernels, key=lambda k: k.launches * (k.duration_us or 0.0))
    roofs = [f for f in kernel.findings if f.severity == Severity.LIMIT]
    if roofs:
        return f"`{roofs[0].cause}`: {roofs[0].title}".replace("|", "\\|")
    promise = _promise(program)
    if not promise.cause:
        return f"no cause found, held by {kernel.bound}"
    return f"not at a roof: `{promise.cause}`, {units.gain(promise.gain)}"


def main() -> int:
    """Merge runs, write the page and its figure; or compare the page."""
    runs = [Path(name) for name in sys.argv[1:] if name != "--check"]
    if "--check" not in sys.argv:
        if runs:
            found = merged([json.loads(path.read_text(encoding="utf-8")) for path in (DATA, *runs) if path.exists()])
            DATA.write_text(dumped(found), encoding="utf-8")
        if sweep := Tables(_saved()).sweep:
            draw(sweep, FIGURE)
    return write(PAGE, page())


if __name__ == "__main__":
    sys.exit(main())
