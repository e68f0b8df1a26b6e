"""What only a GPU tells: which kernels ran on which stream, whether work outlives the call, and whether it is possible.

A speed above the GPU's peak is no speed but a broken measurement: something was not computed, or not waited for.
"""

from __future__ import annotations

import re
import statistics
import time
from typing import TYPE_CHECKING, Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from ncukit.optimize.worker import words
from ncukit.optimize.worker.inputs import made, tensors
from ncukit.optimize.worker.load import build, call, outputs
from ncukit.optimize.worker.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ncukit.optimize.worker.attempt import Place

SLACK = 1.02
"""A rate may be above the peak by this much before it counts as impossible."""
TIMED_S = 0.3
LATE_S = 2e-4
"""Work that goes on for longer than this after the call's own stream is done was hidden from it."""
_LIBRARY = re.compile(
    r"cublas|cutlass|cudnn|gemm|gemv|xmma|winograd|flash_|cub::|triton_(poi|red|per|mm|tem)_", re.IGNORECASE
)
_NO_KERNELS = ("Memcpy", "Memset", "Stream ", "Event ", "Context ", "cuda", "gpu_")
_PRODUCTS = {"mm": (0, 1), "addmm": (1, 2), "bmm": (0, 1), "baddbmm": (1, 2)}
_DENSE = 0.9


def look(
    problem: Any, answer: Any, place: Place, job: Mapping[str, Any]
) -> tuple[list[dict[str, Any]], list[str], float]:
    """Streams, library kernels, and whether the time is possible, on the problem's own inputs.

    Returns:
        Reasons, what could not be looked at, and the median time of a call in microseconds (0 for none).
    """
    place.runs("answer")
    turns = [made(problem, seed, "cuda") for seed in range(2)]
    init = turns[0][1]
    reference = Reference(problem, init, "cuda", None, drawn=False, inside=place.inside)
    model = build(answer, init, "cuda", ("ModelNew",))
    reference.give(model)

    def run(turn: int = 0) -> Any:
        with torch.no_grad():
            return call(model, turns[turn % len(turns)][0])

    place.launches.begin()
    run()
    found, unproven = hidden(run, set(place.launches.kernels), allow_torch=place.allow_torch)
    if found:
        return found, [], 0.0
    place.runs("reference")
    try:
        found, other, taken = impossible(run, reference.model, turns[0][0], job["peaks"], job["about"])
    except torch.OutOfMemoryError:
        found, other, taken = [], "no memory is left to time it", 0.0
    return found, [text for text in (unproven, other) if text], taken


def hidden(run: Callable[[], Any], kernels: set[str], *, allow_torch: bool) -> tuple[list[dict[str, Any]], str]:
    """What a call does that it should not, and what could not be seen.

    Args:
        run: one forward pass.
        kernels: names of the answer's own kernels.
        allow_torch: whether libraries may work.
    """
    seen = _profiled(run)
    if not seen:
        return _outlasting(run), "the profiler saw no kernel: streams and library kernels were not looked at"
    (_, stream), *launched = seen
    foreign = [name for name, _ in launched if _LIBRARY.search(name) and not _named(name, kernels)]
    found = []
    if foreign and not allow_torch:
        told = f"on the GPU a library's kernel runs inside forward: {foreign[0][:120]}"
        found.append(words.reason("library-compute", told, "do this in a Triton kernel (or --allow-torch)"))
    elsewhere = [name for name, where in launched if where != stream]
    if elsewhere:
        told = f"{elsewhere[0][:120]} runs on another stream than the call's"
        found.append(words.reason("hidden-stream", told, "launch on the current stream"))
    if kernels and not any(_named(name, kernels) for name, _ in launched):
        told = "on the GPU none of the answer's Triton kernels ran"
        found.append(words.reason("no-triton-kernel", told, "compute with a @triton.jit kernel of your own"))
    return found or _outlasting(run), ""


def _named(name: str, kernels: Iterable[str]) -> bool:
    """Whether a kernel on the GPU is one of these: by its name, to which some versions of Triton add figures."""
    return any(re.fullmatch(rf"{re.escape(kernel)}(_[0-9cde]+)?", name) for kernel in kernels)


def _profiled(run: Callable[[], Any]) -> list[tuple[str, int]]:
    """Kernel and stream of everything that runs, a marker on the current stream first."""
    from torch.profiler import ProfilerActivity, profile

    marker = torch.zeros(1, device="cuda")
    run()
    torch.cuda.synchronize()
    try:
        with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as profiler:
            marker.add_(1)
            torch.cuda.synchronize()
            run()
            torch.cuda.synchronize()
        found = [e for e in profiler.profiler.kineto_results.events() if _is_kernel(e)]
        found.sort(key=lambda e: e.start_ns())
        return [(str(e.name()), int(e.device_resource_id())) for e in found]
    except (RuntimeError, AttributeError):
        return []


def _is_kernel(event: Any) -> bool:
    if "CUDA" not in str(event.device_type()) or event.is_user_annotation():
        return False
    if hasattr(event, "activity_type"):
        return "kernel" in str(event.activity_type()).lower()
    return not str(event.name()).startswith(_NO_KERNELS)


def _outlasting(run: Callable[[], Any]) -> list[dict[str, Any]]:
    """Whether the device works on after the current stream says that the call is done."""
    late = []
    for _ in range(5):
        torch.cuda.synchronize()
        done = torch.cuda.Event()
        result = run()
        done.record()
        done.synchronize()
        at = time.perf_counter()
        torch.cuda.synchronize()
        late.append(time.perf_counter() - at)
        del result
    if min(late) < LATE_S:
        return []
    told = f"the GPU works on for {min(late) * 1e3:.2g} ms after the call's own stream is done"
    return [words.reason("hidden-stream", told, "launch on the current stream")]


def impossible(
    run: Callable[[int], Any], model: Any, inputs: Any, peaks: Mapping[str, Any], about: Mapping[str, Any]
) -> tuple[list[dict[str, Any]], str, float]:
    """Whether a call takes less time than the GPU can do it in.

    Args:
        run: one forward pass of the answer on the inputs of a turn.
        model: the reference.
        inputs: of the first turn.
        peaks: ``bytes_per_s`` and ``flops`` of the GPU; empty where they are not known.
        about: what the child knows of the GPU: ``l2_bytes``.

    Returns:
        Reasons, what could not be said, and the median time in microseconds.
    """
    from ncukit.optimize.worker.clock import Clock

    microseconds = statistics.median(Clock().turns([run], TIMED_S)[0])
    if not peaks:
        return [], "this GPU's peak rates are not known: an impossible speed would not show", microseconds
    seconds = microseconds / 1e6
    moved = compulsory(model, inputs) - int(about.get("l2_bytes", 0))
    found = []
    if moved / seconds > SLACK * float(peaks["bytes_per_s"]):
        told = (
            f"one call takes {microseconds:.4g} µs: at least {moved / 1e9:.3g} GB have to move, which makes "
            f"{moved / seconds / 1e9:.4g} GB/s; the GPU's memory gives {float(peaks['bytes_per_s']) / 1e9:.4g}"
        )
        found.append(words.reason("impossible-speed", told, "compute the whole output in every call"))
    operations = products(model, inputs)
    if peaks.get("flops") and operations / seconds > SLACK * float(peaks["flops"]):
        told = (
            f"one call takes {microseconds:.4g} µs: its products make {operations / seconds / 1e12:.4g} TFLOP/s; the "
            f"GPU does {float(peaks['flops']) / 1e12:.4g} at most"
        )
        found.append(words.reason("impossible-speed", told, "compute the whole output in every call"))
    return found, "", microseconds


def compulsory(model: Any, inputs: Any) -> int:
    """Bytes that any right kernel moves: the outputs, and of the inputs what the outputs hang on.

    That is taken from the reference's gradient, which is never too much: what counts but has none is left out.
    """
    with torch.no_grad():
        results = [t for t in outputs(call(model, inputs)) if isinstance(t, torch.Tensor)]
    total = sum(t.untyped_storage().nbytes() for t in {_address(t): t for t in results}.values())
    del results
    try:
        return int(total + _read(model, inputs))
    except (RuntimeError, TypeError, ValueError):  # no gradient, or no memory for it
        torch.cuda.empty_cache()
        return int(total)


def _read(model: Any, inputs: Any) -> int:
    leaves = [t for t in tensors(inputs) if t.is_floating_point()]
    leaves += list(model.parameters()) if hasattr(model, "parameters") else []
    wanted = [t.requires_grad for t in leaves]
    try:
        for leaf in leaves:
            leaf.requires_grad_(True)
        with torch.enable_grad():
            results = [t for t in outputs(call(model, inputs)) if isinstance(t, torch.Tensor) and t.requires_grad]
            # plain sums would cancel where a result is normalised
            loss = sum((t * torch.rand_like(t)).sum() for t in results if t.is_floating_point())
            gradients = torch.autograd.grad(loss, leaves, allow_unused=True)
    finally:
        for leaf, before in zip(leaves, wanted, strict=True):
            leaf.requires_grad_(before)
    seen: dict[int, int] = {}
    for leaf, gradient in zip(leaves, gradients, strict=True):
        if gradient is not None:
            size = leaf.untyped_storage().nbytes()
            used = int(torch.count_nonzero(gradient).item()) * leaf.element_size()
            seen[_address(leaf)] = min(size, max(used, seen.get(_address(leaf), 0)))
    return sum(seen.values())


class _Products(TorchDispatchMode):  # type: ignore[misc]
    """Matrix products of dense operands: what has to be multiplied and added."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[int, int]] = []
        """Operations, and number of results."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Not asked for: it would load torch's compiler, which takes seconds."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Let it happen, and count."""
        result = func(*args, **(kwargs or {}))
        places = _PRODUCTS.get(func._schema.name.removeprefix("aten::"))
        if places is not None:
            a, b = args[places[0]], args[places[1]]
            # a triangular or diagonal operand leaves most of the work undone, and rightly so
            dense = all(int(torch.count_nonzero(t).item()) > _DENSE * t.numel() for t in (a, b))
            self.found.append((2 * a.numel() * b.shape[-1] if dense else 0, result.numel()))
        return result


def products(model: Any, inputs: Any) -> int:
    """Operations of the one matrix product that a model consists of; 0 where a shorter way might exist."""
    try:
        with torch.no_grad(), _Products() as counted:
            results = [t for t in outputs(call(model, inputs)) if isinstance(t, torch.Tensor)]
    except RuntimeError:
        return 0
    if len(counted.found) != 1 or sum(t.numel() for t in results) != counted.found[0][1]:
        return 0  # what is summed or picked afterwards need not be computed first
    return int(counted.found[0][0])


def _address(tensor: torch.Tensor) -> int:
    return int(tensor.untyped_storage().data_ptr())
