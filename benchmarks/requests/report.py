"""Turn what was measured into tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from benchmarks.processes import Measured
from benchmarks.requests.cases import UNTOUCHED, USES, name
from benchmarks.requests.project import (
    BESIDE_STORES,
    NO_SESSION,
    OURS,
    SIGNED,
    STOCK,
    STORES,
)
from benchmarks.tables import Row, against, heading, table

#: Goals on Python 3.13, as shares of what signed_cookies adds to a request.
USE_GOALS = {
    "sync": {"log-in": 0.60, "wizard": 0.70},
    "async": {"log-in": 0.35, "wizard": 0.35},
}
UNTOUCHED_GOAL = 1.0  # of what the stock middleware adds with the same engine

_ENGINES = (SIGNED, *STORES, STOCK, OURS)
_COLUMNS = ("request", "session", NO_SESSION, *_ENGINES, "ratio", "goal", "")


def text(measured: Mapping[str, Measured], our_middleware: str, processes: int) -> str:
    """Return the whole report."""
    lines = [
        *heading(processes),
        f'"{OURS}" is under {our_middleware},\nall others under the stock middleware.',
    ]
    for transport, times in measured.items():
        lines += [
            f"\n{transport}: a request without sessions, and what each engine adds; "
            f"ratio of {OURS} to {SIGNED}",
            *table(_uses(times, USE_GOALS[transport])),
            f"\n{transport}: a request that does not touch the session; "
            f"ratio of {OURS} to {STOCK}",
            *table(_untouched(times)),
        ]
    return "\n".join(lines)


def _uses(times: Measured, goals: Mapping[str, float]) -> Iterator[Row]:
    yield _COLUMNS
    for action, size in USES:
        yield _row(times, action, size, SIGNED, goals[size])


def _untouched(times: Measured) -> Iterator[Row]:
    yield _COLUMNS
    for action, size in UNTOUCHED:
        yield _row(times, action, size, STOCK, UNTOUCHED_GOAL)


def _row(times: Measured, action: str, size: str, baseline: str, goal: float) -> Row:
    floor, ours, theirs = (
        name(action, size, setup) for setup in (NO_SESSION, OURS, baseline)
    )
    return (
        action,
        size,
        f"{times.microseconds(floor):.1f}",
        *(f"{_added(times, action, size, engine):.1f}" for engine in _ENGINES),
        *against(times.ratios(ours, theirs, floor), goal),
    )


def _added(times: Measured, action: str, size: str, engine: str) -> float:
    floor = BESIDE_STORES if engine in STORES else NO_SESSION
    return times.microseconds(name(action, size, engine), name(action, size, floor))
