"""A matrix product runs on the FMA pipe while the tensor cores are idle.

What it means
    The kernel multiplies matrices, but not one tensor-core instruction was executed: `tl.dot` on float32 with
    input_precision="ieee", on types or tiles the tensor cores do not take, or a product written as a broadcast multiply
    and a sum.

Why it costs
    Tensor cores multiply at 7 (TF32) to 15 (FP16, BF16) times the rate of the FMA pipe on an H200, and they take their
    operands from shared memory instead of through a load per value.

How it is computed
    It fires when the kernel holds a dot (recorded, or seen in the source), tensor cores are busy under 1 % and under a
    tenth of the FMA pipe's share, and the FMA pipe holds 30 % of the time, or 5 % where the issue slots or shared
    memory hold the kernel. Where neither source nor recording is at hand, an FMA pipe that is half busy and fed from
    shared memory is taken for one, with low confidence. The work of the FMA pipe then moves to the tensor cores at the
    device's TF32 to FP32 ratio, or FP16's where the operands are half precision or the device has no TF32 (computed
    from the spec table); issue, L1 and load/store floors fall alike. Best: Triton reaches 55 % of the tensor cores'
    peak; low: 30 %; high: all of it. DRAM and L2 floors stay.

    Where the unchanged kernel file is at hand and Triton is installed, the recorded launch is compiled again without a
    GPU (no host code of the file is run), and what its loop computes on is counted in the machine code. Code with
    tensor-core instructions is not what was measured, and is left aside (--explain says so). --no-compile leaves all of
    it out.

What to try
    input_precision="tf32" (10 bits of mantissa) or "tf32x3" (nearly float32, a third of the rate); bf16 or fp16
    operands with float32 accumulation; tiles of at least 16 in every dimension, K a multiple of 16; tl.dot in place of
    a broadcast product.

When to ignore it
    When the result needs all 23 bits of float32 and three TF32 products are not exact enough.

Sources
    Rates: data sheets named in ncukit's spec table. Share of peak: Triton's matrix multiplication tutorial reports half
    to three quarters of peak for tuned tiles.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ncukit.model import Confidence, Evidence, Finding, Gain, Severity, Suggestion

if TYPE_CHECKING:
    from ncukit.diagnose.facts import Kernel
    from ncukit.diagnose.rules import Case
    from ncukit.source.inspection import Compiled

CODE = "CMP402"
CAUSE = "tensor-core-unused"
NEEDS = ("tensor_pct", "fma_pct")

IDLE_PCT = 1.0
HOLDS = 0.3
LOW, BEST = 0.3, 0.55
BUSY_PCT, FED = 50.0, 0.05
"""FMA utilisation and shared-memory wavefronts an instruction from which an unknown kernel looks like a product."""
LEAST_PCT = 5.0
"""FMA utilisation below which the product is not what takes the time, whatever does."""
MIRRORS = ("small-grid", "launch-overhead")
DEFAULT_RATIO = 4.0
"""TF32 over FP32 rate where the device is unknown: that of the RTX 30 series, the lowest with TF32."""
WORTH = 1.1


def judge(case: Case) -> Finding | str:
    """Fire on a matrix product without tensor cores."""
    kernel, ladder = case.kernel, case.ladder
    tensor, fma = kernel.metrics["tensor_pct"], kernel.metrics["fma_pct"]
    if tensor >= IDLE_PCT or tensor > fma / 10:
        return f"tensor cores are busy {tensor:.0f} % of the time"
    by_hand = kernel.function is not None and bool(kernel.function.product_lines)
    guessed = kernel.has_dot is None and not by_hand and _looks_like_one(kernel)
    if not kernel.has_dot and not by_hand and not guessed:
        return (
            "no matrix product was seen" if kernel.has_dot is False else "nothing tells whether it multiplies matrices"
        )
    if kernel.limits.gpu is not None and not kernel.limits.gpu.tf32_tflops and not kernel.limits.gpu.fp16_tflops:
        return "this device has no tensor cores"
    if fma < 100 * HOLDS and (ladder.bound not in ("pipe-fma", "issue", "l1", "sm") or fma < LEAST_PCT):
        return f"the FMA pipe is busy {fma:.0f} % of the time, and {ladder.bound} holds the kernel"
    gain = _gain(case)
    if gain is None or gain.best < WORTH:
        return "the next limit leaves nothing to win"
    place = kernel.function.product_lines[0] if by_hand and kernel.function is not None else None
    dots = kernel.function.dot_lines if kernel.function is not None else ()
    line = place or (dots[0] if dots else None)
    confidence: Confidence = "high" if kernel.has_dot else "low" if guessed else "medium"
    gpu = kernel.limits.gpu
    tf32 = not halves(kernel) and (gpu is None or gpu.tf32_tflops is not None)
    wide, kind = bool(kernel.has_dot) and tf32, "TF32" if tf32 else "FP16"
    action = 'use the tensor cores: tl.dot(..., input_precision="tf32"), or bf16/fp16 operands with fp32 accumulation'
    if halves(kernel):
        action = "give tl.dot the half-precision tiles as they are: their products are exact, the sum stays in float32"
    elif not tf32:
        action = "use the tensor cores: fp16 operands with fp32 accumulation (this device has no TF32)"
    if by_hand and not kernel.has_dot:
        action = "write the product as tl.dot: a broadcast multiply and sum never reaches the tensor cores"
    return Finding(
        code=CODE,
        cause=CAUSE,
        severity=Severity.TUNE,
        confidence=confidence,
        title=f"a matrix product on the FMA pipe ({fma:.0f} % busy); tensor cores {tensor:.1f} %",
        evidence=(
            Evidence(metric="tensor_pct", value=tensor, unit="%", compared_with=f"the FMA pipe's {fma:.0f} %"),
            Evidence(metric="fma_pct", value=fma, unit="%", compared_with=f"tensor cores are {ratio(kernel):.1f}x it"),
        ),
        gain=gain,
        suggestions=(
            Suggestion(
                action=action,
                knob="input_precision" if wide else None,
                from_value="ieee" if wide else None,
                to_value="tf32" if wide else None,
                location=f"{kernel.source.path}:{line}" if line and kernel.source else kernel.where,
                why=f"tensor cores multiply {kind} at {ratio(kernel):.1f}x this device's FP32 rate{_instead(kernel)}",
                watch="the error against float64"
                if not tf32
                else "TF32 keeps 10 bits of mantissa: check the error against float64; tf32x3 keeps nearly all",
            ),
        ),
        kernels=(kernel.name,),
    )


def against(kernel: Kernel, compiled: Compiled) -> str:
    """Code that multiplies on tensor cores is not what was measured to leave them idle."""
    count, busy = compiled.sass.tensor_core, kernel.metrics["tensor_pct"]
    return f"it has {count} tensor-core instructions, and tensor cores were busy {busy:.1f} %" if count else ""


def _instead(kernel: Kernel) -> str:
    """What the longest loop of the machine code computes on, in words; empty where that is not known."""
    code = kernel.code
    loop = max(code.compiled.sass.loops, key=lambda x: x.mix.get("fp32", 0), default=None) if code is not None else None
    if code is None or loop is None or not loop.mix.get("fp32"):
        return ""
    of = f"{loop.mix['fp32']:,} of the {loop.instructions:,} instructions"
    return f"; {of} of the loop at :{loop.line} are FP32 arithmetic, none is a tensor core's{code.doubt}"


def _looks_like_one(kernel: Kernel) -> bool:
    """An FMA pipe that is busy and fed from shared memory: what a matrix product without tensor cores looks like."""
    shared, instructions = kernel.get("shared_wavefronts") or 0.0, kernel.get("instructions") or 0.0
    return kernel.metrics["fma_pct"] >= BUSY_PCT and instructions > 0 and shared >= FED * instructions


def halves(kernel: Kernel) -> bool:
    """Whether what the kernel loads is half precision, as recorded."""
    loaded = [t.dtype for t in kernel.triton.tensors if t.loaded] if kernel.triton is not None else []
    return bool(loaded) and all(dtype in ("float16", "bfloat16") for dtype in loaded)


def ratio(kernel: Kernel) -> float:
    """Tensor rate over FP32 rate: FP16's where the operands are half precision or the device knows no TF32."""
    gpu = kernel.limits.gpu
    if gpu is None:
        return DEFAULT_RATIO
    rate = gpu.fp16_tflops if halves(kernel) or not gpu.tf32_tflops else gpu.tf32_tflops
    return rate / gpu.fp32_tflops if rate and gpu.fp32_tflops else DEFAULT_RATIO


def _gain(case: Case) -> Gain | None:
    ladder = case.ladder
    if ladder.measured_us is None or not ladder.floors:
        return None
    time = ladder.measured_us
    tensor = ladder.floors.get("pipe-fma", 0.0) / ratio(case.kernel)
    stay = max((t for limit, t in ladder.floors.items() if limit in ("dram", "l2", "launch", "pipe-xu")), default=0.0)

    def to(efficiency: float) -> float:
        floor = max(tensor / efficiency, stay)
        return max(1.0, time / floor) if floor > 0 else 1.0

    return Gain(low=to(LOW), best=to(BEST), high=to(1.0)) if max(tensor, stay) > 0 else None
