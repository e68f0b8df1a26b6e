"""Two kernel files on the same inputs: what ``race`` and ``trial`` share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from ncukit.optimize.worker.load import build, call, inputs_of, load

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

SETS = 3
"""Sets of inputs that take turns, memory permitting: what a kernel remembers of one does not help with the next."""


class Inputs:
    """Sets of inputs of one problem, of different values and at different addresses."""

    def __init__(self, job: Mapping[str, Any], folder: Path) -> None:
        self.module = load(job["problem"], "problem", folder, job["sizes"], job.get("beside", ""))
        torch.manual_seed(0)
        first, self.init = inputs_of(self.module)
        self.sets = [first]
        size = max(1, sum(t.nbytes for t in _tensors(first)))
        while len(self.sets) < SETS and torch.cuda.mem_get_info()[0] > 6 * size:
            torch.manual_seed(len(self.sets))
            self.sets.append(inputs_of(self.module)[0])

    def model(self, module: Any) -> Any:
        """A kernel file's model, with the parameters of the reference where they have the same names."""
        model = build(module, self.init, "cuda")
        reference = build(self.module, self.init, "cuda", ("Model",))
        if hasattr(model, "state_dict"):
            theirs, ours = reference.state_dict(), model.state_dict()
            if theirs and theirs.keys() == ours.keys():
                model.load_state_dict(theirs)
        return model

    def caller(self, model: Any) -> Callable[[int], Any]:
        """The model's forward pass on the set of a turn."""

        def run(turn: int) -> Any:
            with torch.no_grad():
                return call(model, self.sets[turn % len(self.sets)])

        return run


def _tensors(value: Any) -> list[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        return [value]
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
    return [tensor for part in parts for tensor in _tensors(part)]
