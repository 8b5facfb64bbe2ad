"""What people are told of a session: the state it is in, for a row and for a query."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, get_args

from django.db.models import F, Q

from django_secure_session.registry.models import SessionRecord

State = Literal[
    "ended",  # by a log-out, or with all others of its account
    "expired",  # too old
    "active",
]
STATES: tuple[State, ...] = get_args(State)


def state_of(row: SessionRecord, now: datetime) -> State:
    """Return the state of a row that knows it, the first that applies."""
    if not row.has_not_ended():
        return "ended"
    return "expired" if row.expires <= now else "active"


def is_in(state: State, now: datetime) -> Q:
    """Return the condition for such rows in a state."""
    ended = Q(revoked_at__isnull=False) | Q(epoch__lt=F("state_revoked_epoch"))
    if state == "ended":
        return ended
    is_old = Q(expires__lte=now)
    return ~ended & (is_old if state == "expired" else ~is_old)
