"""The job ``trial``: one configuration of a kernel file, checked against the reference and timed beside the incumbent.

The reference, its inputs and what was loaded stay in the process between trials of one problem.
"""

from __future__ import annotations

import contextlib
import copy
import fcntl
import hashlib
import statistics
from typing import TYPE_CHECKING, Any

import torch

from ncukit.optimize.worker.clock import Clock
from ncukit.optimize.worker.load import call, load, outputs
from ncukit.optimize.worker.rivals import Inputs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

ABANDONED = 0.8
"""A configuration that is this much slower than the incumbent after three turns is not measured further."""
SAFETY = 8.0
"""Error that is allowed, in those of PyTorch's own answer in the same precision and of the file as it is."""
MOST_AWAY = 0.02
"""Error of the file as it stands, relative to the root mean square of the exact answer, up to which it counts as right
though PyTorch's own is smaller: what formulas of less care lose in fp32, and far from a part that is missing."""
LEAST_ERROR = 1e-6
"""The same relative to the root mean square of the exact answer: about eight roundings of fp32."""

_known: dict[str, _Bench] = {}


class _Bench:
    """One problem: inputs, exact answers, and the incumbent."""

    def __init__(self, job: Mapping[str, Any], folder: Path) -> None:
        self.inputs = Inputs(job, folder)
        self.clock = Clock()
        self.incumbents: dict[str, Callable[[int], Any]] = {}
        with torch.no_grad():
            self.expected = [_exact(self.inputs, index) for index in range(min(2, len(self.inputs.sets)))]
        self.allowed = [_roundings(self.inputs, index, expected) for index, expected in enumerate(self.expected)]

    def incumbent(self, text: str, folder: Path, job: Mapping[str, Any]) -> Callable[[int], Any]:
        """The forward pass of the file that is to be beaten."""
        if text not in self.incumbents:
            self.incumbents.clear()
            module = load(text, "incumbent", folder, job["sizes"], job.get("beside", ""))
            self.incumbents[text] = self.inputs.caller(self.inputs.model(module))
        return self.incumbents[text]


def trial(job: dict[str, Any], folder: Path, tell: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Compile, check, and time one configuration.

    Args:
        job: ``problem``, ``text``, ``incumbent`` (text; absent for the first, which sets what errors are allowed),
            ``sizes``, ``beside``, ``known`` (identities that were measured), ``target_s``, ``lock`` (a file that is
            held while the GPU works, or empty).
        folder: the session's.
        tell: told each step.

    Returns:
        ``identity`` (of machine code, grids and numbers passed), ``launches``, ``errors`` (largest error against the
        allowed one), and ``times``: of the incumbent and of this one; empty when it is wrong or was measured already.
    """
    key = hashlib.sha256(repr((job["problem"], sorted(job["sizes"].items()))).encode()).hexdigest()
    tell({"step": "load"})
    with _alone(job.get("lock", "")):
        if key not in _known:
            _known.clear()
            _known[key] = _Bench(job, folder)
    bench = _known[key]
    module = load(job["text"], "trial", folder, job["sizes"], job.get("beside", ""))
    run = bench.inputs.caller(bench.inputs.model(module))
    if job.get("lock"):
        tell({"step": "compile"})
        with _only_compiling():
            run(0)
    with _alone(job.get("lock", "")):
        tell({"step": "check"})
        return _measured(job, folder, bench, run)


def _measured(job: Mapping[str, Any], folder: Path, bench: _Bench, run: Callable[[int], Any]) -> dict[str, Any]:
    with _poisoned(), _watched() as launches:  # not while it is timed: to look takes time
        run(0)  # an autotuner chooses here
        launches.clear()
        errors = [_error(bench, run, index) for index in range(len(bench.expected))]
    each = launches[: max(1, len(launches) // len(errors))]
    identity = hashlib.sha256(repr([(one["code"], one["grid"]) for one in each]).encode()).hexdigest()[:16]
    found: dict[str, Any] = {"identity": identity, "launches": each, "errors": errors, "times": []}
    if "incumbent" not in job:
        # the file as it is sets the measure: its own error is what another configuration may have too
        away = max((a * e for a, e in zip(bench.allowed, errors, strict=True)), default=0.0)
        found["right"] = max(errors, default=0.0) <= 1.0 or away <= MOST_AWAY
        if found["right"]:
            bench.allowed = [a * max(1.0, e) for a, e in zip(bench.allowed, errors, strict=True)]
        found["times"] = [bench.clock.turns([run], float(job["target_s"]))[0]]
        return found
    if max(errors) > 1.0 or identity in job["known"]:
        return found
    rival = bench.incumbent(job["incumbent"], folder, job)
    found["times"] = bench.clock.turns([rival, run], float(job["target_s"]), _hopeless)
    return found


def _hopeless(times: list[list[float]]) -> bool:
    return len(times[1]) >= 3 and statistics.median(b / a for b, a in zip(*times, strict=True)) < ABANDONED


@contextlib.contextmanager
def _alone(path: str) -> Iterator[None]:
    """Hold the GPU's lock, where several trials are prepared side by side."""
    if not path:
        yield
        return
    with open(path, "w") as file:  # noqa: PTH123 - a lock, not a file to read
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield
            torch.cuda.synchronize()
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)


@contextlib.contextmanager
def _only_compiling() -> Iterator[None]:
    """Compile what is launched, and launch nothing."""
    from triton.runtime.jit import JITFunction

    launch = JITFunction.run

    def run(fn: Any, *args: Any, grid: Any, **kwargs: Any) -> Any:
        return launch(fn, *args, grid=grid, **{**kwargs, "warmup": True})

    JITFunction.run = run
    try:
        with contextlib.suppress(Exception):  # it fails again where its error is told
            yield
    finally:
        JITFunction.run = launch


@contextlib.contextmanager
def _poisoned() -> Iterator[None]:
    """Let memory that is allocated hold NaN, so that what a kernel does not write shows."""
    before = torch.are_deterministic_algorithms_enabled(), torch.utils.deterministic.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = True
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0])
        torch.utils.deterministic.fill_uninitialized_memory = before[1]


@contextlib.contextmanager
def _watched() -> Iterator[list[dict[str, Any]]]:
    """What is launched meanwhile: kernel, grid, hash of its code and scalars, registers, spills, shared memory."""
    from triton.runtime.jit import JITFunction

    launch = JITFunction.run
    found: list[dict[str, Any]] = []

    def run(fn: Any, *args: Any, grid: Any, warmup: bool = False, **kwargs: Any) -> Any:
        compiled = launch(fn, *args, grid=grid, warmup=warmup, **kwargs)
        if not warmup and compiled is not None:
            given = _given(fn, args, kwargs)
            # the same machine code does other work when it is passed another number
            scalars = [given.get(p.name) for p in fn.params if not p.is_constexpr]
            numbers = repr([value for value in scalars if isinstance(value, bool | int | float)])
            code = compiled.asm.get("cubin", b"")
            code = code if isinstance(code, bytes) else str(code).encode()
            found.append(
                {
                    "kernel": fn.__name__,
                    "grid": [int(size) for size in (grid(given) if callable(grid) else grid)],
                    "code": hashlib.sha256(code + numbers.encode()).hexdigest()[:16],
                    "registers": compiled.n_regs,
                    "spills": compiled.n_spills,
                    "shared_bytes": compiled.metadata.shared,
                    "num_warps": compiled.metadata.num_warps,
                }
            )
        return compiled

    JITFunction.run = run
    try:
        yield found
    finally:
        JITFunction.run = launch


def _given(fn: Any, args: Any, kwargs: Any) -> dict[str, Any]:
    """A launch's arguments by name, as a grid that is a function gets them."""
    defaults: dict[str, Any] = {p.name: p.default for p in fn.params if p.has_default}
    return {**defaults, **dict(zip(fn.arg_names, args, strict=False)), **kwargs}


def _exact(inputs: Inputs, index: int) -> list[Any]:
    """The reference's answer in float64, kept in float32 where the answer has no more digits."""
    from ncukit.optimize.worker.load import build

    model = build(inputs.module, inputs.init, "cuda", ("Model",))
    try:
        exact = outputs(call(_doubled(copy.deepcopy(model)), _doubled(inputs.sets[index])))
    except torch.OutOfMemoryError:
        torch.cuda.empty_cache()
        exact = outputs(call(model, inputs.sets[index]))
    return [x.float() if isinstance(x, torch.Tensor) and x.dtype == torch.float64 else x for x in exact]


def _doubled(value: Any) -> Any:
    if isinstance(value, torch.nn.Module):
        return value.double()
    if isinstance(value, torch.Tensor):
        return value.double() if value.is_floating_point() else value
    if isinstance(value, dict):
        return {key: _doubled(member) for key, member in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_doubled(member) for member in value)
    return value


def _roundings(inputs: Inputs, index: int, expected: list[Any]) -> float:
    """Error that PyTorch's own answer in the inputs' precision has, relative to the root mean square, with safety."""
    from ncukit.optimize.worker.load import build

    with torch.no_grad():
        own = outputs(call(build(inputs.module, inputs.init, "cuda", ("Model",)), inputs.sets[index]))
    found = [_distance(a, b) for a, b in zip(own, expected, strict=True)]
    return max(LEAST_ERROR, SAFETY * max(found, default=0.0))


def _error(bench: _Bench, run: Callable[[int], Any], index: int) -> float:
    """Largest error of one call, in what is allowed; infinite for another shape or for what was not written."""
    got, expected = outputs(run(index)), bench.expected[index]
    if len(got) != len(expected):
        return float("inf")
    worst = max((_distance(a, b) for a, b in zip(got, expected, strict=True)), default=0.0)
    return worst / bench.allowed[index]


def _distance(got: Any, expected: Any) -> float:
    """Largest difference relative to the root mean square of what is expected."""
    if not isinstance(expected, torch.Tensor):
        return 0.0 if got == expected else float("inf")
    if not isinstance(got, torch.Tensor) or got.shape != expected.shape:
        return float("inf")
    if not expected.is_floating_point() and not got.is_floating_point():
        return 0.0 if torch.equal(got.to(expected.dtype), expected) else float("inf")
    # in pieces: the difference of two tensors of 7 GB is another one
    a, b = got.reshape(-1), expected.reshape(-1)
    piece = 1 << 26
    worst, squares = 0.0, 0.0
    for at in range(0, b.numel(), piece):
        exact = b[at : at + piece].double() if b.numel() <= piece else b[at : at + piece].float()
        mine, finite = a[at : at + piece].to(exact.dtype), exact.isfinite()
        if not finite.all():  # where the reference itself is infinite or no number, the same has to stand
            alike = (mine == exact) | (mine.isnan() & exact.isnan())
            if not alike[~finite].all():
                return float("inf")
            mine, exact = mine[finite], exact[finite]
        if not exact.numel():
            continue
        away = (mine - exact).abs().max().item()
        if away != away:  # NaN: memory that nobody wrote
            return float("inf")
        worst = max(worst, away)
        squares += exact.square().sum().item()
    scale = (squares / max(1, b.numel())) ** 0.5
    return worst / scale if scale else (0.0 if worst == 0 else float("inf"))
