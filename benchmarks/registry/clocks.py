"""What a request costs: CPU time, and time."""

from __future__ import annotations

import itertools
import time

from benchmarks.measuring import Case, Meter
from benchmarks.transports import ASGI, WSGI


def on_the_wall(case: str) -> str:
    """Return what the time of a case is called in a process's figures."""
    return f"{case} on the wall"


def wall_time(case: Case, calls: int) -> int:
    """Return the nanoseconds that so many calls take."""
    start = time.perf_counter_ns()
    for _ in itertools.repeat(None, calls):
        case()
    return time.perf_counter_ns() - start


class WaitingWSGI(WSGI):
    """WSGI by the clock on the wall."""

    def __init__(self) -> None:
        super().__init__()
        self.meter = Meter(wall_time)


class WaitingASGI(ASGI):
    """ASGI by the clock on the wall."""

    def _spent(self, case: Case, calls: int) -> int:
        return self._runner.run(_awaited(case, calls))


async def _awaited(case: Case, calls: int) -> int:
    start = time.perf_counter_ns()
    for _ in itertools.repeat(None, calls):
        await case()
    return time.perf_counter_ns() - start


WAITING: dict[str, type[WSGI | ASGI]] = {"sync": WaitingWSGI, "async": WaitingASGI}
