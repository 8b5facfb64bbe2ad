"""Turn what was measured into tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from benchmarks.counted import queries
from benchmarks.guards.cases import FORM, FORMS, GUARDED, SIZES, name, view_of
from benchmarks.guards.project import OURS, USUAL, setups
from benchmarks.processes import Measured
from benchmarks.tables import Row, against, heading, table

#: On Python 3.13, as a share of the usual view's time.
GOALS = {"sync": 0.32, "async": None}

_LABELS = {
    "read": "reads the session",
    "class-read": "a class that reads the session",
    "guarded-read": "@authenticated, reads the session",
    "account": "request.account, no guard",
    GUARDED: "@authenticated, request.account",
    "narrow": "the same with roles and fresh",
    "any_of": "the same with any_of(authenticated, authorized)",
    "inside": "request.authenticated() in the view",
    "class": "AuthenticatedMixin, request.account",
}


def text(measured: Mapping[str, Measured], processes: int) -> str:
    """Return the whole report."""
    lines = [
        *heading(processes),
        f'"{OURS}" is @authenticated and request.account, all others @login_required '
        "and request.user.",
    ]
    for transport, figures in measured.items():
        lines += [
            f"\n{transport}: a request of a user who is logged in; ratio of {OURS} to "
            "each",
            *table(_views(figures, GOALS[transport])),
            f"\n{transport}, {OURS}: what guards cost above a view without one that "
            "reads the session",
            *table(_forms(figures)),
        ]
    return "\n".join(lines)


def _views(figures: Measured, goal: float | None) -> Iterator[Row]:
    yield ("sessions", "session", "us", "queries", "ratio", "goal", "")
    for size in SIZES:
        for setup in setups():
            case = name(view_of(setup), size, setup)
            yield (
                setup,
                size,
                f"{figures.microseconds(case):.1f}",
                f"{figures.most(queries(case))}",
                *_ratio(figures, size, setup, goal),
            )


def _ratio(
    figures: Measured, size: str, setup: str, goal: float | None
) -> tuple[str, str, str]:
    if setup == OURS:
        return "", "", ""
    ours, theirs = (name(view_of(each), size, each) for each in (OURS, setup))
    return against(figures.ratios(ours, theirs), goal if setup == USUAL else None)


def _forms(figures: Measured) -> Iterator[Row]:
    yield ("view", "us", "above", "queries")
    for view in (*dict.fromkeys(FORMS.values()), *FORMS):
        case, floor = (name(each, FORM, OURS) for each in (view, FORMS.get(view, view)))
        yield (
            _LABELS[view],
            f"{figures.microseconds(case):.1f}",
            f"{figures.microseconds(case, floor):.1f}" if case != floor else "",
            f"{figures.most(queries(case))}",
        )
