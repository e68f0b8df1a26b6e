"""Double precision arithmetic holds the kernel.

What it means
    The kernel computes in float64. In Triton that is rarely meant: a float64 tensor, a cast, a numpy scalar or a Python
    float of a float64 expression makes everything after it double.

Why it costs
    Data-centre GPUs have half as many double precision lanes as single precision ones, all others one in 32 or 64.
    Doubles also take two registers and twice the bytes.

How it is computed
    It fires when the FP64 pipe is the highest floor of the ladder, or holds at least 40 % of the time while double
    precision instructions are at least a tenth of all. Gain: the FP64 floor goes and its work appears on the FMA pipe
    at the ratio of the device's two rates. Conversions and the moves of register pairs go with it, and half of the
    double precision arithmetic where the source calls library functions (exp, log, erf: a third as long in single
    precision). The next floor then holds: 80 % of it best, half of it low.

    The lines that compute in double precision are read off the compiler's machine code, where the unchanged kernel file
    is at hand and Triton is installed: the recorded launch is compiled again without a GPU (no host code of the file is
    run). --no-compile leaves it out.

What to try
    float32, with a compensated or pairwise sum where digits matter; float64 only for the few final operations that need
    it.

When to ignore it
    When the result needs 15 digits.

Sources
    Rates: CUDA C++ Programming Guide, arithmetic instruction throughput, and the device's entry in ncukit gpus.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ncukit.diagnose import mix
from ncukit.diagnose.ladder import WORTH
from ncukit.model import Evidence, Finding, Gain, Severity, Suggestion

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ncukit.diagnose.facts import Kernel
    from ncukit.diagnose.ladder import Ladder
    from ncukit.diagnose.rules import Case
    from ncukit.source.inspection import Compiled

CODE = "CMP401"
CAUSE = "fp64"
NEEDS = ("fp64_pct",)

HOLDS = 0.4
OF_ALL = 0.1
LINES = 6
"""Source lines that are named."""
FULL_RATE = ("6.0", "7.0", "8.0", "9.0", "10.0")
"""Compute capabilities with one double precision lane for two of single precision."""


def judge(case: Case) -> Finding | str:
    """Fire when the FP64 pipe is what the time goes into."""
    kernel, ladder = case.kernel, case.ladder
    busy = kernel.metrics["fp64_pct"] / 100
    if busy < 0.05:
        return f"the FP64 pipe is busy {busy:.0%} of the time"
    kinds = mix.shares(kernel)
    highest = max(ladder.floors, key=lambda limit: ladder.floors[limit], default="")
    share = kinds.get("fp64", 0.0) + kinds.get("conversion", 0.0)
    if highest != "pipe-fp64" and not (busy >= HOLDS and (not kinds or share >= OF_ALL)):
        return f"the FP64 pipe is busy {busy:.0%} of the time, and {highest} is the nearer limit"
    new = {"pipe-fp64": 0.0, "pipe-fma": ladder.floors.get("pipe-fma", 0.0) + busy * ratio(kernel) * _time(case)}
    if kinds.get("conversion", 0.0) > 0:
        new |= ladder.scaled(0.2, "pipe-xu")
    new |= ladder.scaled(1 - _vanishing(kernel, kinds), "issue")
    gain = ladder.down_to(new)
    if kernel.function is not None and kernel.function.special_lines:
        gain = _widened(gain, ladder, new)
    if gain is None or gain.best < WORTH:
        return f"the FP64 pipe is busy {busy:.0%} of the time, but the next limit is as near"
    rows = [Evidence(metric="fp64_pct", value=100 * busy, unit="%", compared_with="0 % in a single precision kernel")]
    if (count := kernel.get("fp64_instructions")) is not None and kinds:
        said = f"{kinds['fp64']:.0%} of all thread instructions"
        rows.append(Evidence(metric="fp64_instructions", value=count, unit="inst", compared_with=said))
    return Finding(
        code=CODE,
        cause=CAUSE,
        severity=Severity.TUNE,
        confidence="high" if busy >= HOLDS else "medium",
        title=f"double precision: its pipe is busy {busy:.0%} of the time",
        evidence=tuple(rows),
        gain=gain,
        suggestions=(_suggestion(kernel),),
        kernels=(kernel.name,),
    )


def against(kernel: Kernel, compiled: Compiled) -> str:
    """Code without double precision is not what was measured to compute in it."""
    if compiled.sass.mix.get("fp64"):
        return ""
    return f"it has no double precision, whose pipe was busy {kernel.metrics['fp64_pct']:.0f} % of the time"


def _vanishing(kernel: Kernel, kinds: Mapping[str, float]) -> float:
    """Share of the instructions that only double precision needs.

    Conversions, moves of register pairs, and half of the arithmetic where the source calls library functions.
    """
    functions = kernel.function is not None and bool(kernel.function.special_lines)
    return kinds.get("conversion", 0.0) + kinds.get("misc", 0.0) + (0.5 * kinds.get("fp64", 0.0) if functions else 0.0)


def _widened(gain: Gain | None, ladder: Ladder, new: Mapping[str, float]) -> Gain | None:
    """The high end: a library function in single precision is half as long or less."""
    shorter = ladder.down_to({**new, "issue": new.get("issue", 0.0) / 2, "pipe-fma": new["pipe-fma"] / 2})
    if gain is None or shorter is None:
        return gain
    return Gain(low=gain.low, best=gain.best, high=max(gain.high, shorter.high))


def ratio(kernel: Kernel) -> float:
    """Double over single precision rate of the device: 1/2 on data-centre GPUs, 1/64 on the others."""
    gpu = kernel.limits.gpu
    if gpu is not None and gpu.fp64_tflops and gpu.fp32_tflops:
        return gpu.fp64_tflops / gpu.fp32_tflops
    return 1 / 2 if gpu is None or gpu.compute_capability in FULL_RATE else 1 / 64


def _time(case: Case) -> float:
    return case.ladder.measured_us or 0.0


def _suggestion(kernel: Kernel) -> Suggestion:
    doubles = [t for t in kernel.triton.tensors if t.dtype == "float64"] if kernel.triton is not None else []
    casts = kernel.function.float64_lines if kernel.function is not None else ()
    place = f"{kernel.source.path}:{casts[0]}" if casts and kernel.source is not None else kernel.where
    where_from = f"{doubles[0].name} is a float64 tensor" if doubles else "nothing in the arguments asks for it"
    why = f"{where_from}; this device computes doubles at {ratio(kernel):.3g} of its single precision rate"
    code, lines = kernel.code, kernel.code.compiled.sass.fp64_lines if kernel.code is not None else ()
    if code is not None and lines:
        place = place if casts else code.at(lines[0])
        why += f"; it does at {', '.join(f':{n}' for n in lines[:LINES])}{code.doubt}"
    return Suggestion(
        action="compute in float32: cast on load, keep float64 for the few operations that need its digits",
        location=place,
        why=why,
        watch="the error against a float64 reference",
    )
