"""Measure short functions side by side in this process.

Machines are shared and clocks of the CPU wander, so absolute times of two runs say
little. What repeats is the ratio of two functions measured in the same run:

- CPU time, not wall time: other processes do not count;
- short windows, half a millisecond if nothing else is said, so that few are hit by an
  interruption;
- every round takes one window of each function, in an order of its own, so that
  neither a slow spell nor what ran just before favours one of them;
- the lower quartile: noise only ever adds time, and the minimum is a lucky accident.
"""

from __future__ import annotations

import gc
import hashlib
import itertools
import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Case = Callable[[], Any]


def thread_time(case: Case, calls: int) -> int:
    """Return the CPU nanoseconds of this thread for so many calls."""
    start = time.thread_time_ns()
    for _ in itertools.repeat(None, calls):
        case()
    return time.thread_time_ns() - start


@dataclass(frozen=True)
class Meter:
    """How to measure: ``spent(case, calls)`` and the window, both in nanoseconds."""

    spent: Callable[[Case, int], int] = thread_time
    window: int = 500_000

    def calls_per_window(self, case: Case) -> int:
        """Return how many calls fill a window; warms up the interpreter too."""
        calls = 1
        while (spent := self.spent(case, calls)) < self.window:
            calls *= 2
        return max(1, round(calls * self.window / spent))


def lower_quartiles(
    cases: Mapping[str, Case], rounds: int, seed: str, meter: Meter | None = None
) -> dict[str, float]:
    """Return the CPU nanoseconds that one call of each case takes."""
    meter = meter or Meter()
    calls = {name: meter.calls_per_window(case) for name, case in cases.items()}
    orders = [shuffled(cases, f"{seed}/{i}") for i in range(rounds)]
    windows: dict[str, list[float]] = {name: [] for name in cases}
    # Collections stay on, as in a server, but need not walk what was imported.
    gc.collect()
    gc.freeze()
    for name in itertools.chain.from_iterable(orders):
        windows[name].append(meter.spent(cases[name], calls[name]) / calls[name])
    return {name: _lower_quartile(times) for name, times in windows.items()}


def _lower_quartile(times: list[float]) -> float:
    # "inclusive": of few windows the other method guesses times that no window took.
    return statistics.quantiles(times, method="inclusive")[0]


def shuffled(names: Iterable[str], seed: str) -> list[str]:
    """Return the names in an order that looks random and can be repeated."""
    return sorted(
        names, key=lambda name: hashlib.sha256(f"{seed}{name}".encode()).digest()
    )
