"""Autotuners in the child: every configuration may be chosen on somebody's GPU, so each is tried in turn."""

from __future__ import annotations

import contextlib
import weakref
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Choice:
    """Which configuration autotuners take.

    Attributes:
        number: place in the list of configurations, counted round; None to let Triton measure.
        trials: whether all configurations run once before, on the very tensors, as they do when Triton measures.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self.trials = False
        self._seen: weakref.WeakSet[Any] = weakref.WeakSet()

    @property
    def count(self) -> int:
        """Configurations of the autotuner that has most; 0 where none was called."""
        return max((len(tuner.configs) for tuner in self._seen), default=0)

    def take(self, number: int | None, *, trials: bool = False) -> None:
        """Choose anew."""
        if number != self.number or trials:
            for tuner in self._seen:
                tuner.cache.clear()
        self.number, self.trials = number, trials

    def describe(self) -> str:
        """What the autotuners took last: ``BLOCK: 64, num_warps: 4``."""
        taken = [getattr(tuner, "best_config", None) for tuner in self._seen]
        return "; ".join(sorted(_shown(config) for config in taken if config is not None))[:200]

    def bench(self, original: Callable[..., Any], tuner: Any, args: Any, config: Any, meta: Any) -> Any:
        """What a configuration's time is taken to be."""
        self._seen.add(tuner)
        if self.number is None:
            return original(tuner, *args, config=config, **meta)
        if self.trials:
            with _once(tuner):
                times = original(tuner, *args, config=config, **meta)
            if times[0] == float("inf"):
                return times  # it does not fit the device, so nobody's autotuner takes it
        rank = float((tuner.configs.index(config) - self.number) % len(tuner.configs))
        return [rank + 1.0] * 3


def _shown(config: Any) -> str:
    kept = {**config.kwargs, "num_warps": config.num_warps, "num_stages": config.num_stages}
    return ", ".join(f"{name}: {value}" for name, value in kept.items())


@contextlib.contextmanager
def _once(tuner: Any) -> Iterator[None]:
    """Measuring is calling once."""
    had, before = "do_bench" in vars(tuner), vars(tuner).get("do_bench")
    tuner.do_bench = _call
    try:
        yield
    finally:
        if had:
            tuner.do_bench = before
        else:
            vars(tuner).pop("do_bench", None)


def _call(function: Callable[[], Any], *_: Any, **__: Any) -> list[float]:
    function()
    return [1.0] * 3


@contextlib.contextmanager
def chosen() -> Iterator[Choice]:
    """Autotuners inside take what the choice says."""
    from triton.runtime.autotuner import Autotuner

    choice = Choice()
    original = Autotuner._bench

    def bench(tuner: Any, *args: Any, config: Any, **meta: Any) -> Any:
        return choice.bench(original, tuner, args, config, meta)

    Autotuner._bench = bench
    try:
        yield choice
    finally:
        Autotuner._bench = original
