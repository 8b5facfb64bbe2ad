"""Turn what was measured into tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from benchmarks.counted import queries
from benchmarks.processes import Measured
from benchmarks.registry.cases import SIZES, name
from benchmarks.registry.clocks import on_the_wall
from benchmarks.registry.project import (
    CACHE,
    DB,
    LOCMEM,
    NO_SESSION,
    OURS,
    REDIS,
    WITHOUT,
)
from benchmarks.registry.project import setups as all_setups
from benchmarks.tables import Row, against, heading, table

#: On Python 3.13, for the CPU time that the registry adds to a session: shares of what
#: these engines of Django's add to a request, the first on the same Redis.
GOALS = {CACHE: 1.3, DB: 0.5}
#: What they are for.
WITH_GOALS = (LOCMEM, REDIS)

#: What others do on the machine is in the time on the wall, so it has no goals.
_CLOCKS: dict[str, Callable[[str], str]] = {"CPU": str, "wall": on_the_wall}


def text(measured: Mapping[str, Measured], processes: int) -> str:
    """Return the whole report."""
    goals = ", ".join(f"{goal:.2f} of {engine}" for engine, goal in GOALS.items())
    lines = [
        *heading(processes),
        '"above" is what sessions add; the ratios are of that. '
        f"Goals for what the registry adds to them, in CPU time: {goals}.",
    ]
    for transport, figures in measured.items():
        for clock, named in _CLOCKS.items():
            lines += [
                f"\n{transport}, {clock} time: a request that reads a user's session",
                *table(_rows(figures, named)),
            ]
    return "\n".join(lines)


def _rows(figures: Measured, named: Callable[[str], str]) -> Iterator[Row]:
    ratios = (each for engine in GOALS for each in (f"of {engine}", ""))
    yield ("sessions", "session", "us", "above", "queries", *ratios)
    for size in SIZES:
        floor = named(name(size, NO_SESSION))
        for setup in all_setups():
            case = named(name(size, setup))
            yield (
                setup,
                size,
                f"{figures.microseconds(case):.1f}",
                f"{figures.microseconds(case, floor):.1f}",
                f"{figures.most(queries(name(size, setup)))}",
                *_ratios(figures, named, size, setup),
            )
        for setup in WITH_GOALS:
            case, plain = (named(name(size, each)) for each in (setup, WITHOUT))
            added = f"{figures.microseconds(case, plain):.1f}"
            shares = _ratios(figures, named, size, setup, alone=True)
            yield (f"the registry alone, {setup}", size, "", added, "", *shares)


def _ratios(
    figures: Measured,
    named: Callable[[str], str],
    size: str,
    setup: str,
    *,
    alone: bool = False,
) -> Iterator[str]:
    ours, none, plain = (
        named(name(size, each)) for each in (setup, NO_SESSION, WITHOUT)
    )
    for engine, goal in GOALS.items():
        if setup not in OURS:
            yield from ("", "")
            continue
        theirs = named(name(size, engine))
        is_judged = alone and named is not on_the_wall
        ratios = figures.ratios(ours, theirs, none, plain if alone else "")
        shown, _, verdict = against(ratios, goal if is_judged else None)
        yield from (shown, verdict)
