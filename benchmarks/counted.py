"""Requests that may ask the database: what they cost, and how often they ask it."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import replace
from unittest import mock

from django.db.backends.utils import CursorWrapper

from benchmarks.measuring import Case, lower_quartiles
from benchmarks.transports import ASGI, WSGI

#: Nanoseconds. A request that asks the database leaves cold caches to the next one, so
#: several of a kind have to follow one another, as they do in a server.
WINDOW = 2_000_000


def queries(case: str) -> str:
    """Return what the count of a case's queries is called in a process's figures."""
    return f"queries of {case}"


def figures(
    groups: Iterable[dict[str, Case]],
    transport: WSGI | ASGI,
    options: argparse.Namespace,
) -> dict[str, float]:
    """Return nanoseconds and queries by case; the cases of a group are compared."""
    meter = replace(transport.meter, window=WINDOW)
    found: dict[str, float] = {}
    for group in groups:
        found |= lower_quartiles(group, options.rounds, options.seed, meter)
        # Counted last: if claims went stale meanwhile, it shows here.
        found |= {queries(name): _count(transport, group[name]) for name in group}
    return found


def _count(transport: WSGI | ASGI, case: Case) -> int:
    """Return how many queries a request makes, in whichever thread."""
    executed = mock.patch.object(
        CursorWrapper, "execute", autospec=True, side_effect=CursorWrapper.execute
    )
    with executed as execute:
        transport.answer(case)
    return execute.call_count
