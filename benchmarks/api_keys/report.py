"""Turn what was measured into tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from benchmarks.api_keys import timing
from benchmarks.api_keys.cases import name
from benchmarks.api_keys.project import (
    BEHIND_OURS,
    DRF,
    KEY_ONLY,
    KNOX,
    OURS,
    PLAIN,
    STACKS,
)
from benchmarks.counted import queries
from benchmarks.processes import Measured
from benchmarks.tables import Row, against, heading, table

#: On Python 3.13, as a share of knox's time.
GOALS = {"sync": 0.90, "async": None}

_LABELS = {
    OURS: "@authorized(scopes=[...])",
    KNOX: "knox, IsAuthenticated",
    KEY_ONLY: "HasAPIKey, loads no account",
    PLAIN: "for everybody",
    BEHIND_OURS: "for everybody, our middleware",
    DRF: "for everybody, an APIView",
}


def text(measured: Mapping[str, Measured], processes: int) -> str:
    """Return the report on requests that are let in."""
    lines = [*heading(processes)]
    for transport, figures in measured.items():
        lines += [
            f"\n{transport}: a request with a good key; ratio of ours to each",
            *table(_views(figures, GOALS[transport])),
        ]
    return "\n".join(lines)


def _views(figures: Measured, goal: float | None) -> Iterator[Row]:
    yield ("view", "middleware", "us", "queries", "ratio", "goal", "")
    for stack in STACKS:
        for view, label in _LABELS.items():
            case = name(stack, view)
            yield (
                label,
                stack,
                f"{figures.microseconds(case):.1f}",
                f"{figures.most(queries(case))}",
                *_ratio(figures, stack, view, goal),
            )


def _ratio(
    figures: Measured, stack: str, view: str, goal: float | None
) -> tuple[str, str, str]:
    if view not in (KNOX, KEY_ONLY):
        return "", "", ""
    ratios = figures.ratios(name(stack, OURS), name(stack, view))
    return against(ratios, goal if view == KNOX else None)


def timing_text(times: Measured, pairs: int) -> str:
    """Return the report on what the time of a refusal tells."""
    title = (
        f"\nA key that is refused, against an unknown id: median of {pairs} pairs of "
        "requests,\nin brackets its 95 % interval; CPU microseconds and share of a "
        "request"
    )
    return "\n".join((title, *table(_refusals(times))))


def _refusals(times: Measured) -> Iterator[Row]:
    yield ("key", "request", "difference", "share", "")
    for kind in timing.KINDS:
        median, low, high, request = map(
            times.microseconds, timing.names(kind).values()
        )
        yield (
            kind,
            f"{request:.1f}",
            f"{median:+.2f} ({low:+.2f} to {high:+.2f})",
            f"{median / request:+.2%}",
            "SEEN" if _least(low, high) > _MOVES * request else "none seen",
        )


#: The share of a request by which the control moves from one run to the next: which
#: keys were drawn, and where they lie in memory, decides about so much.
_MOVES = 0.002


def _least(low: float, high: float) -> float:
    """Return how far an interval is from zero."""
    return max(low, -high, 0.0)
