"""Print what was measured: tables, and ratios beside their goals."""

from __future__ import annotations

import platform
import statistics
from collections.abc import Iterable, Iterator, Sequence

import django
import nacl

import django_secure_session

Row = Sequence[str]


def heading(processes: int) -> Iterator[str]:
    """Tell what ran, and what the figures are."""
    yield (
        f"django-secure-session {django_secure_session.__version__}, "
        f"Python {platform.python_version()}, Django {django.__version__}, "
        f"PyNaCl {nacl.__version__}, {platform.machine()}"
    )
    yield (
        f"CPU time in microseconds; medians of {processes} fresh processes, in "
        "brackets the least and the most."
    )


def against(ratios: Sequence[float], goal: float | None) -> tuple[str, str, str]:
    """Return the ratio, its goal and whether it is met as far as digits are shown."""
    ratio = round(statistics.median(ratios), 3)
    shown = f"{ratio:.3f} ({min(ratios):.3f}-{max(ratios):.3f})"
    if goal is None:
        return shown, "", ""
    return shown, f"{goal:.2f}", "met" if ratio <= goal else "MISSED"


def table(rows: Iterable[Row]) -> Iterator[str]:
    """Align the first column to the left and the others to the right."""
    cells = list(rows)
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for first, *others in cells:
        aligned = (
            cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)
        )
        yield "  ".join((first.ljust(widths[0]), *aligned)).rstrip()
