"""Turn what was measured into tables."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping

from benchmarks.codec import cases
from benchmarks.processes import Measured
from benchmarks.sessions import Session, json_bytes
from benchmarks.tables import Row, against, heading, table

#: Goals on Python 3.13, as shares of the time of signed_cookies.
ROUND_TRIP_GOALS = {"log-in": 0.40, "shop": 0.52, "wizard": 0.65}
RING_GOAL = 1.02  # of one key
REFUSAL_GOAL = 0.20  # of opening the shortest session

_COLUMNS = (
    "session",
    "JSON",
    "zlib",
    "sealed",
    "signed",
    "sealed us",
    "signed us",
    "ratio",
    "goal",
    "",
)


def text(measured: Measured, of_size: Mapping[str, Session], processes: int) -> str:
    """Return the whole report."""
    return "\n".join(
        (
            *heading(processes),
            "\nEncode + decode: bytes of JSON, of it compressed, and of the cookie "
            "values;\nratio to signed_cookies",
            *table(_round_trips(measured, of_size)),
            "\nWith more keys; ratio to one key (control: one key measured twice)",
            *table(_rings(measured)),
            "\nRefusing a token; ratio to opening the log-in session",
            *table(_refusals(measured, of_size)),
        )
    )


def _round_trips(measured: Measured, of_size: Mapping[str, Session]) -> Iterator[Row]:
    yield _COLUMNS
    for size, session in of_size.items():
        ours, theirs = f"sealed {size}", f"signed {size}"
        yield (
            size,
            f"{len(json_bytes(session))}",
            f"{len(zlib.compress(json_bytes(session)))}",
            f"{len(cases.sealed(session))}",
            f"{len(cases.signed(session))}",
            f"{measured.microseconds(ours):.1f}",
            f"{measured.microseconds(theirs):.1f}",
            *against(measured.ratios(ours, theirs), ROUND_TRIP_GOALS[size]),
        )


def _rings(measured: Measured) -> Iterator[Row]:
    yield ("what", "keys", "us", "ratio", "goal", "")
    for what in ("round trip", "open current", "open last"):
        for ring in ("control", *cases.RINGS[1:]):
            case = f"{what} {ring}"
            yield (
                what,
                "1 (control)" if ring == "control" else f"{ring}",
                f"{measured.microseconds(case):.1f}",
                *against(measured.ratios(case, f"{what} 1"), RING_GOAL),
            )


def _refusals(measured: Measured, of_size: Mapping[str, Session]) -> Iterator[Row]:
    yield ("token", "length", "us", "ratio", "goal", "")
    for size, session in of_size.items():
        yield _share_of_opening(measured, f"open {size}", len(cases.sealed(session)))
    for name, length in cases.token_lengths(of_size).items():
        goal = REFUSAL_GOAL if name.startswith("unknown key") else None
        yield _share_of_opening(measured, f"refuse {name}", length, goal)


def _share_of_opening(
    measured: Measured, case: str, length: int, goal: float | None = None
) -> Row:
    return (
        case,
        f"{length}",
        f"{measured.microseconds(case):.1f}",
        *against(measured.ratios(case, "open log-in"), goal),
    )
