"""The reference in the child: what ``Model`` gives, in the case's own type and in float64."""

from __future__ import annotations

import contextlib
import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from ncukit.optimize.worker.compare import Expected, expect
from ncukit.optimize.worker.inputs import Fenced, converted, tensors
from ncukit.optimize.worker.load import build, call, outputs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Inside = Callable[[], contextlib.AbstractContextManager[object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a call has to give."""

    outputs: list[Expected]
    changes_inputs: bool = False
    """Whether the reference itself writes to its inputs."""
    random: bool = False
    """Whether it draws random numbers: another call gives something else."""
    note: str = ""


class Reference:
    """``Model`` with the parameters that an answer gets too.

    Args:
        module: the problem.
        init: arguments of the model.
        device: where it runs.
        dtype: type of its floating parameters; None to leave them.
        drawn: whether parameters get values of their own, rather than those they are made with.
        inside: what the user's code runs in.
    """

    def __init__(
        self, module: Any, init: Any, device: str, dtype: torch.dtype | None, *, drawn: bool, inside: Inside
    ) -> None:
        self._inside = inside
        self._arguments = (module, init, device)
        self._dtype, self._drawn = dtype, drawn
        self._initial: dict[str, torch.Tensor] = {}
        self.model = self._made()

    def _made(self) -> Any:
        with self._inside():
            model = build(*self._arguments, ("Model",))
        if self._dtype is not None and hasattr(model, "to"):
            model = model.to(self._dtype)
        named = dict(model.named_parameters()) if hasattr(model, "named_parameters") else {}
        self._initial = {name: p.detach().clone() if self._drawn else p.detach() for name, p in named.items()}
        if self._drawn:
            draw(model)
        return model

    def give(self, model: Any) -> bool:
        """Give its parameters and buffers to an answer's model; whether that has a place for each parameter.

        They go by name, or else by shape and the value that both sides start with, where that leaves no choice.
        """
        theirs, ours = (dict(m.state_dict()) if hasattr(m, "state_dict") else {} for m in (self.model, model))
        if {k: v.shape for k, v in theirs.items()} == {k: v.shape for k, v in ours.items()}:
            if theirs:
                model.load_state_dict(theirs)
            return True
        wanted = dict(self.model.named_parameters()) if hasattr(self.model, "named_parameters") else {}
        there = dict(model.named_parameters()) if hasattr(model, "named_parameters") else {}
        pairs = {name: [n for n, p in there.items() if _same(p, self._initial[name])] for name in wanted}
        places = [names[0] for names in pairs.values() if len(names) == 1]
        if len(set(places)) != len(wanted):
            return False
        with torch.no_grad():
            for name, place in zip(wanted, places, strict=True):
                there[place].copy_(wanted[name])
        return True

    def wanted(self, inputs: Any) -> Wanted:
        """What these inputs have to give. They are left as they are."""
        given = Fenced(inputs)
        with _defaults():
            before = _random_state(inputs)
            plain = outputs(self._run(lambda model: model, given.value))
            drew = any(not torch.equal(a, b) for a, b in zip(before, _random_state(inputs), strict=True))
            changes = bool(given.changed())
            del given
            precise, note = plain, ""
            if any(isinstance(one, torch.Tensor) and one.dtype.is_floating_point for one in plain):
                precise, note = self._precise(inputs, plain)
        wanted = [expect(a, b) for a, b in zip(plain, precise, strict=True)]
        return Wanted(outputs=wanted, changes_inputs=changes, random=drew, note=note)

    def _run(self, change: Callable[[Any], Any], inputs: Any) -> Any:
        try:
            model = copy.deepcopy(self.model)
        except Exception:
            model = self._made()
        with torch.no_grad(), self._inside():
            return call(change(model), inputs)

    def _precise(self, inputs: Any, plain: list[Any]) -> tuple[list[Any], str]:
        try:
            doubled = converted(Fenced(inputs).value, torch.float64)
            found = outputs(self._run(lambda m: m.double() if hasattr(m, "double") else m, doubled))
        except torch.OutOfMemoryError:
            torch.cuda.empty_cache()
            return plain, "too large for float64 here: held to PyTorch's own result"
        except Exception as error:
            return plain, f"the reference does not run in float64 ({type(error).__name__}): held to its own result"
        return (found, "") if len(found) == len(plain) else (plain, "")


def _same(a: torch.Tensor, b: torch.Tensor) -> bool:
    return a.shape == b.shape and a.dtype == b.dtype and bool(torch.equal(a, b))


def draw(model: Any) -> None:
    """Give parameters other values: what they are made with (weights 1, biases 0) hides who ignores them."""
    if not hasattr(model, "parameters"):
        return
    source = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            if not parameter.is_floating_point() or parameter.numel() == 0:
                continue
            factor, offset = (torch.rand(parameter.shape, generator=source).to(parameter) for _ in range(2))
            constant = bool((parameter == parameter.flatten()[0]).all().item())
            parameter.mul_(factor + 0.5)
            if constant:
                parameter.add_(offset - 0.5)


@contextlib.contextmanager
def _defaults() -> Iterator[None]:
    """The reference computes as PyTorch does by itself, whatever an answer has set since."""
    matmul, convolution = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, convolution.allow_tf32
    matmul.allow_tf32, convolution.allow_tf32 = False, True
    try:
        yield
    finally:
        matmul.allow_tf32, convolution.allow_tf32 = before


def _random_state(inputs: Any) -> list[torch.Tensor]:
    found = [torch.get_rng_state()]
    if any(t.is_cuda for t in tensors(inputs)):
        found.append(torch.cuda.get_rng_state())
    return found
