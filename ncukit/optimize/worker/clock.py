"""Timing on the GPU: events, a flushed L2, rotating inputs, and kernels that are compared measured in turns.

A CPU that is slow to launch shows in no time here: before each measured call the GPU is kept busy until the call's
launches are queued. What is timed is what the GPU does.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

FEWEST, MOST = 7, 101
"""Turns that are measured: as many as fit the time, within these."""
WARM_UP = 2
FLUSHED_BYTES = 256 << 20
"""Least that is written between two calls, to push what they read and wrote out of L2 (the largest L2 is 126 MB)."""
LONGEST_LEAD_S = 0.01


class Clock:
    """Measures calls on the current device."""

    def __init__(self) -> None:
        about = torch.cuda.get_device_properties(0)
        size = max(FLUSHED_BYTES, 2 * int(getattr(about, "L2_cache_size", 0)))
        free = torch.cuda.mem_get_info()[0]
        self._flushed = torch.empty(min(size, free // 8) // 4, dtype=torch.int32, device="cuda")
        self._cycles_per_s = 1e3 * float(getattr(about, "clock_rate", 2e6))

    def once(self, call: Callable[[], Any], lead_s: float) -> float:
        """Microseconds that the GPU takes for one call."""
        start, stop = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        self._flushed.zero_()
        # the spin covers the launches' way through Python, so that they follow one another on the GPU
        torch.cuda._sleep(int(min(LONGEST_LEAD_S, lead_s) * self._cycles_per_s))
        start.record()
        result = call()
        stop.record()
        stop.synchronize()
        del result
        return float(start.elapsed_time(stop)) * 1e3

    def lead(self, call: Callable[[], Any]) -> float:
        """Seconds that the host needs to queue one call, with room to spare; after warming it up."""
        for _ in range(WARM_UP):
            call()
        torch.cuda.synchronize()
        started = time.perf_counter()
        result = call()
        taken = time.perf_counter() - started
        torch.cuda.synchronize()
        del result
        return 1.5 * taken + 5e-5

    def turns(
        self,
        calls: Sequence[Callable[[int], Any]],
        target_s: float,
        give_up: Callable[[list[list[float]]], bool] | None = None,
    ) -> list[list[float]]:
        """Measure several calls alternately, there and back, so that a drift of the clocks meets all alike.

        Args:
            calls: each is called with the number of the turn, by which it chooses its inputs.
            target_s: about as long as all of it should take on the GPU.
            give_up: looks at what there is after each turn and says if that is enough.

        Returns:
            Microseconds, a list a call, an entry a turn.
        """
        leads = [self.lead(lambda call=call: call(0)) for call in calls]  # type: ignore[misc]
        times: list[list[float]] = [[] for _ in calls]
        turn, most = 0, FEWEST
        while turn < most:
            order = range(len(calls)) if turn % 2 == 0 else range(len(calls) - 1, -1, -1)
            for index in order:
                times[index].append(self.once(lambda index=index, turn=turn: calls[index](turn), leads[index]))  # type: ignore[misc]
            turn += 1
            if turn == 1:
                each = sum(row[0] for row in times) / 1e6 + len(calls) * 3e-4
                most = max(FEWEST, min(MOST, int(target_s / each)))
            if give_up is not None and give_up(times):
                break
        return times
