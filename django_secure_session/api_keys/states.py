"""What people are told of a key: the state it is in, for a row and for a query."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal, get_args

from django.db.models import Q

from django_secure_session.api_keys.models import ApiKey

State = Literal[
    "revoked",  # somebody has ended it
    "expired",  # too old, or its successor's turn has come
    "rotated",  # still good; its successor is there
    "expiring",  # good, but not for long
    "active",
]
STATES: tuple[State, ...] = get_args(State)
SOON = timedelta(days=14)


def state_of(key: ApiKey, now: datetime) -> State:
    """Return the state of a key, the first that applies."""
    if (ended := key.end_reason(now)) is not None:
        return ended
    if key.successor_id is not None:
        return "rotated"
    is_ending = key.expires is not None and key.expires - now < SOON
    return "expiring" if is_ending else "active"


def printable(text: str) -> str:
    """Return a text without what moves a terminal's cursor, whoever wrote the row."""
    return text if text.isprintable() else repr(text)


def is_in(state: State, now: datetime) -> Q:
    """Return the condition for keys in a state: it applies, and none before it."""
    applies = {
        "revoked": Q(revoked_at__isnull=False),
        "expired": Q(expires__lte=now),
        "rotated": Q(successor__isnull=False),
        "expiring": Q(expires__lt=now + SOON),
        "active": Q(),
    }
    found = applies[state]
    for earlier in STATES[: STATES.index(state)]:
        found &= ~applies[earlier]
    return found
