"""Repeat a measurement in fresh processes and compare what they found.

Where objects happen to lie in memory makes a process a few per cent faster or slower
at one thing for its whole life. Only new processes average that out.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterable, Sequence

#: Without these glibc gives memory back to the system and takes it again, depending on
#: what else lies on the heap, and one ``zlib.compress`` costs 6 or 40 microseconds.
PINNED = {
    "MALLOC_MMAP_THRESHOLD_": "33554432",
    "MALLOC_TRIM_THRESHOLD_": "33554432",
}


class Measured:
    """What each process measured: nanoseconds per call, by the name of the case.

    What a process has counted is there too, under a name of its own. With a *floor* all
    is counted above the case of that name.
    """

    def __init__(self, runs: Sequence[dict[str, float]]) -> None:
        self._runs = runs

    def microseconds(self, name: str, floor: str = "") -> float:
        """Return the median over the processes."""
        return statistics.median(_above(run, name, floor) for run in self._runs) / 1000

    def most(self, name: str) -> int:
        """Return the highest count that any process found."""
        return round(max(run[name] for run in self._runs))

    def ratios(
        self, name: str, baseline: str, floor: str = "", own_floor: str = ""
    ) -> list[float]:
        """Return time of the case / time of the baseline of each process, sorted.

        With an *own_floor* the case is counted above that instead.
        """
        return sorted(
            _above(run, name, own_floor or floor) / _above(run, baseline, floor)
            for run in self._runs
        )


def _above(run: dict[str, float], name: str, floor: str) -> float:
    return run[name] - (run[floor] if floor else 0)


def measure(module: str, arguments: Sequence[str], processes: int) -> Measured:
    """Run ``python -m module`` so many times, one after another; each prints JSON.

    Each is told its number with ``--seed``, so that each has another order.
    """
    return Measured(
        [_run(module, [*arguments, f"--seed={i}"]) for i in range(processes)]
    )


def measure_each(
    transports: Iterable[str], module: str, arguments: Sequence[str], processes: int
) -> dict[str, Measured]:
    """Do so with each transport, and return what was found by their names."""
    return {
        transport: measure(module, [*arguments, f"--transport={transport}"], processes)
        for transport in transports
    }


def _run(module: str, arguments: Sequence[str]) -> dict[str, float]:
    command = [sys.executable, "-m", module, *arguments]
    child = subprocess.run(
        command, check=True, env=os.environ | PINNED, stdout=subprocess.PIPE
    )
    times: dict[str, float] = json.loads(child.stdout)
    return times
