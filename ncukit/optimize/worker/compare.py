"""Whether results are right: a float64 reference, the error that is allowed, and how far off the worst value is."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import torch

TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-4, torch.float16: 4e-3, torch.bfloat16: 2e-2}
"""Allowed error of a value, relative to it or to the root mean square of all, whichever is larger."""
COARSE = 0.1
"""The same for types with fewer bits."""
ROUNDINGS = 8.0
"""PyTorch's own largest error in the same type, this many times over, is allowed on top."""
PIECE = 1 << 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What one output has to be."""

    values: Any
    """In float64, or as PyTorch gives it where that is exact; not a tensor where the reference gives none."""
    dtype: torch.dtype | None
    shape: tuple[int, ...]
    device: str
    scale: float = 0.0
    """Root mean square."""
    noise: float = 0.0
    """Largest error of the reference in the type that the output has."""
    usable: bool = True
    """False where it is not finite, in float64 or in that type."""

    @property
    def exact(self) -> bool:
        """Whether every bit counts."""
        return self.dtype is None or not (self.dtype.is_floating_point or self.dtype.is_complex)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The worst value of one output."""

    ratio: float
    """Its error in what is allowed: above 1 is wrong."""
    index: tuple[int, ...] = ()
    expected: float = 0.0
    found: float = 0.0
    error: float = 0.0
    allowed: float = 0.0
    wrong: int = 0
    """How many values are wrong."""
    total: int = 0
    poisoned: int = 0
    """How many still hold what fresh memory was filled with."""
    factor: float | None = None
    """What all values are off by, where it is one factor."""
    first_wrong: int = 0
    """Place of the first wrong value, counted along the flattened output."""


def expect(plain: Any, precise: Any) -> Expected:
    """What one output has to be.

    Args:
        plain: what the reference gives in the case's own type.
        precise: what it gives in float64, or ``plain`` again where it cannot.
    """
    if not isinstance(plain, torch.Tensor):
        return Expected(values=plain, dtype=None, shape=(), device="")
    about: dict[str, Any] = {"dtype": plain.dtype, "shape": tuple(plain.shape), "device": plain.device.type}
    floating = plain.dtype.is_floating_point or plain.dtype.is_complex
    if not floating:
        return Expected(values=plain, **about)
    if not isinstance(precise, torch.Tensor) or precise.shape != plain.shape:
        precise = plain
    noise, squares, finite = 0.0, 0.0, True
    for a, e in _pieces(plain, precise):
        away = (a - e).abs()
        finite = finite and bool(torch.isfinite(away).all().item())
        noise = max(noise, away.max().item())
        squares += e.abs().square().sum().item()
    scale = math.sqrt(squares / max(1, plain.numel()))
    finite = finite and math.isfinite(scale)
    return Expected(values=precise, scale=scale, noise=noise, usable=finite, **about)


def differ(found: torch.Tensor, wanted: Expected) -> Difference:
    """The worst value of an output that has the right type and shape."""
    if wanted.exact:
        return _exactly(found, wanted)
    tolerance = TOLERANCE.get(wanted.dtype, COARSE)
    worst, wrong, poisoned, at, first = Difference(ratio=0.0, total=found.numel()), 0, 0, 0, -1
    dots, squares = 0.0, 0.0
    for f, e in _pieces(found, wanted.values):
        error = (f - e).abs()
        allowed = tolerance * e.abs().clamp(min=wanted.scale) + ROUNDINGS * wanted.noise
        ratio = torch.where(error == 0, 0.0, error / allowed)
        ratio = torch.where(torch.isfinite(f), ratio, math.inf)
        off = ratio > 1
        if first < 0 and bool(off.any().item()):
            first = at + int(off.to(torch.uint8).argmax().item())
        wrong += int(off.sum().item())
        poisoned += int(torch.isnan(f).sum().item())
        k = int(ratio.argmax().item())
        if ratio[k].item() > worst.ratio:
            worst = Difference(
                ratio=ratio[k].item(),
                index=_index(at + k, wanted.shape),
                expected=e[k].item(),
                found=f[k].item(),
                error=error[k].item(),
                allowed=allowed[k].item(),
                total=found.numel(),
            )
        dots += (f * e).sum().item()
        squares += e.square().sum().item()
        at += f.numel()
    factor = dots / squares if squares else math.nan
    return Difference(
        **{n: getattr(worst, n) for n in ("ratio", "index", "expected", "found", "error", "allowed", "total")},
        wrong=wrong,
        poisoned=_poisoned(found, poisoned),
        first_wrong=max(0, first),
        factor=factor if _is_factor(found, wanted, factor, tolerance) else None,
    )


def on_host(wanted: Expected) -> Expected:
    """The same with its values in the host's memory."""
    return replace(wanted, values=wanted.values.cpu()) if isinstance(wanted.values, torch.Tensor) else wanted


def all_zero_passes(wanted: list[Expected]) -> bool:
    """Whether a kernel that writes nothing but zeros could not be told from a right one."""
    return all(_zero_passes(one) for one in wanted if isinstance(one.values, torch.Tensor))


def _zero_passes(wanted: Expected) -> bool:
    if wanted.exact:
        return not bool(wanted.values.any().item())
    tolerance = TOLERANCE.get(wanted.dtype, COARSE)
    for e, _ in _pieces(wanted.values, wanted.values):
        allowed = tolerance * e.abs().clamp(min=wanted.scale) + ROUNDINGS * wanted.noise
        if bool((e.abs() > allowed).any().item()):
            return False
    return True


def _exactly(found: torch.Tensor, wanted: Expected) -> Difference:
    a, b = found.reshape(-1), wanted.values.reshape(-1).to(found.device)
    off = a != b
    wrong = int(off.sum().item())
    if not wrong:
        return Difference(ratio=0.0, total=a.numel())
    k = int(off.to(torch.uint8).argmax().item())
    largest = True if a.dtype == torch.bool else torch.iinfo(a.dtype).max
    return Difference(
        ratio=math.inf,
        index=_index(k, wanted.shape),
        expected=float(b[k].item()),
        found=float(a[k].item()),
        error=abs(float(a[k].item()) - float(b[k].item())),
        wrong=wrong,
        total=a.numel(),
        poisoned=0 if a.dtype == torch.bool else int((off & (a == largest)).sum().item()),
        first_wrong=k,
    )


def _poisoned(found: torch.Tensor, nans: int) -> int:
    """NaN that fresh memory was filled with. One that arithmetic gives has other bits, on CPUs and on GPUs."""
    views = {torch.float32: torch.int32, torch.float64: torch.int64, torch.float16: torch.int16,
             torch.bfloat16: torch.int16}  # fmt: skip
    if not nans or found.dtype not in views:
        return 0
    pattern = torch.full((1,), math.nan, dtype=found.dtype, device=found.device).view(views[found.dtype])
    flat = found.reshape(-1).view(views[found.dtype])
    return sum(int((flat[at : at + PIECE] == pattern).sum().item()) for at in range(0, flat.numel(), PIECE))


def _is_factor(found: torch.Tensor, wanted: Expected, factor: float, tolerance: float) -> bool:
    """Whether all values are right but for one factor, which then says what went wrong."""
    if not math.isfinite(factor) or abs(factor) < 1e-6:
        return False
    for f, e in _pieces(found, wanted.values):
        allowed = 4 * tolerance * (factor * e).abs().clamp(min=abs(factor) * wanted.scale)
        if bool(((f - factor * e).abs() > allowed).any().item()):
            return False
    return True


def _pieces(a: torch.Tensor, b: torch.Tensor) -> Any:
    """Both in float64, a piece at a time: of two tensors of gigabytes there is no third."""
    if a.is_complex():
        a, b = torch.view_as_real(a.resolve_conj()), torch.view_as_real(b.to(torch.complex128).resolve_conj())
    a, b = a.detach().reshape(-1), b.detach().reshape(-1)
    for at in range(0, a.numel(), PIECE):
        yield a[at : at + PIECE].to(torch.float64), b[at : at + PIECE].to(a.device, torch.float64)


def _index(place: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    found: list[int] = []
    for size in reversed(shape):
        found.append(place % size)
        place //= size
    return tuple(reversed(found))
