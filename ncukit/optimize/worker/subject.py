"""The two files that are held against each other in the child: their modules at any sizes, and what inputs weigh."""

from __future__ import annotations

import ast
import math
from typing import TYPE_CHECKING, Any

from ncukit.optimize.worker import cases, sizes
from ncukit.optimize.worker.inputs import made, tensors
from ncukit.optimize.worker.load import build, load
from ncukit.source.worker import host

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ncukit.optimize.worker.reference import Inside

MOST_REAL = 1 << 20
"""Values that may be made to count them, where that cannot be told otherwise."""


class ProblemError(Exception):
    """The problem's own code fails."""


class Subject:
    """A problem and an answer to it.

    Args:
        job: ``problem`` and ``answer`` (texts), ``sizes`` and ``beside``.
        folder: where modules are written.
        device: where inputs are made.
        inside: what the user's code runs in.
    """

    def __init__(self, job: Mapping[str, Any], folder: Path, device: str, inside: Inside) -> None:
        given = {name: ast.literal_eval(text) for name, text in job["sizes"].items()}
        self.code = sizes.resized(job["problem"], given)
        self.own = sizes.scalable(self.code)
        try:
            self.answer_code = sizes.resized(job["answer"], given)
        except SyntaxError:
            self.answer_code = job["answer"]  # it is told when it is loaded
        self._beside = job.get("beside", "")
        self._folder, self._device, self._inside = folder, device, inside
        self._shared = sizes.shared(self.own, self.answer_code)
        self._modules: dict[tuple[str, str], Any] = {}
        self._counted: dict[tuple[tuple[str, int], ...], float] = {}

    def problem(self, settings: Mapping[str, int]) -> Any:
        """The problem's module at these constants."""
        return self._load(self.code, "problem", settings)

    def answer(self, settings: Mapping[str, int]) -> Any:
        """The answer's, with those of the constants that it states too."""
        return self._load(self.answer_code, "answer", {k: v for k, v in settings.items() if k in self._shared})

    def _load(self, code: str, role: str, settings: Mapping[str, int]) -> Any:
        text = sizes.resized(code, settings) if settings else code
        if (role, text) not in self._modules:
            beside = self._beside if role == "problem" else ""
            with self._inside():
                self._modules[role, text] = load(text, role, self._folder, {}, beside)
        return self._modules[role, text]

    def about(self, base: Mapping[str, int]) -> cases.Problem:
        """What the inputs are at these constants.

        Raises:
            ProblemError: the problem's code raises.
        """
        try:
            inputs, _, model = self._real(base)
        except Exception as error:
            raise ProblemError(" ".join(f"{type(error).__name__}: {error}".split())[:500]) from error
        there = tensors(inputs)
        floating = [t for t in there if t.is_floating_point()]
        first = next(iter(floating or there), None)
        return cases.Problem(
            own=self.own,
            base=base,
            dtype=str(first.dtype).removeprefix("torch.") if first is not None else "no tensors",
            floating=bool(floating),
            shapes=[tuple(t.shape) for t in there],
            parameters=hasattr(model, "parameters") and any(True for _ in model.parameters()),
        )

    def elements(self, settings: Mapping[str, int]) -> float:
        """Values of inputs and parameters at these constants; infinite where that cannot be told."""
        key = tuple(sorted(settings.items()))
        if key not in self._counted:
            self._counted[key] = self._count(settings)
        return self._counted[key]

    def _count(self, settings: Mapping[str, int]) -> float:
        try:
            module = self.problem(settings)
            with host.tensors("meta", gradients=False, line=lambda: None):
                inputs, init = module.get_inputs(), module.get_init_inputs()
                model = module.Model(**init) if isinstance(init, dict) else module.Model(*init)
        except Exception:
            if math.prod(settings.values()) > MOST_REAL:
                return math.inf
            try:  # what reads its own values cannot be made without any
                inputs, init, model = self._real(settings)
            except Exception:
                return math.inf
        held = list(model.parameters()) if hasattr(model, "parameters") else []
        return float(sum(t.numel() for t in (*tensors(inputs), *tensors(init), *held)))

    def _real(self, settings: Mapping[str, int]) -> tuple[Any, Any, Any]:
        module = self.problem(settings)
        with self._inside():
            inputs, init = made(module, 0, self._device)
            return inputs, init, build(module, init, self._device, ("Model",))
