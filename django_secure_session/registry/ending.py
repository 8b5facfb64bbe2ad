"""End sessions, and say so to whoever believes the cache.

The database first, as it is the truth. Inside of a transaction others are told to ask
it at once, and the end itself when it is committed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from django.db import connections, transaction
from django.db.models import F
from django.utils import timezone

from django_secure_session.backends.reports import announce
from django_secure_session.registry import cached, records
from django_secure_session.registry.models import (
    AccountState,
    SessionRecord,
)
from django_secure_session.signals import session_revoked


def end(handle: str, account_id: str | None = None) -> bool | None:
    """End a session, of an account if one is given; tell whether it went on till now.

    None is for no such session. Raise StoreUnavailable; then it may live on.
    """
    named = {"account_id": account_id} if account_id is not None else {}
    with records.reaching() as using:
        rows = SessionRecord.objects.using(using).filter(handle=handle, **named)
        ended = records.living(rows).update(revoked_at=timezone.now())
        # Read after that: from now on nothing gives the row another sid.
        row = rows.first()
        if row is None:
            return None
        tell(using, partial(cached.end, row.digests()), row.digests())
        if ended:
            announce_end(using, row.account_id, handle)
    return bool(ended)


def end_all(account_id: str, but: str | None = None) -> int:
    """End all sessions of an account but for one, and return its new epoch.

    However many they are, it takes three writes. Raise StoreUnavailable; then they may
    live on.
    """
    digests: list[str] = []
    with records.reaching() as using:
        with transaction.atomic(using=using):
            state = _count(using, account_id)
            if but is not None:
                digests = _spare(using, but, state)
            state.revoked_epoch = state.epoch
            state.save(update_fields=["revoked_epoch"])
        tell(using, partial(cached.doubt, digests, account_id), digests, account_id)
        announce_end(using, account_id, "")
    return state.epoch


def note_change(account_id: str) -> None:
    """Have the claims about an account read again. Raise StoreUnavailable."""
    with records.reaching() as using:
        _count(using, account_id)
        tell(using, partial(cached.doubt, (), account_id), (), account_id)


def _spare(using: str, handle: str, state: AccountState) -> list[str]:
    """Let a session that goes on do so in the new epoch; return its digests."""
    rows = SessionRecord.objects.using(using)
    kept = records.living(rows).filter(handle=handle, account_id=state.pk)
    digests = [digest for row in kept for digest in row.digests()]
    kept.update(epoch=state.epoch)
    return digests


def _count(using: str, account_id: str) -> AccountState:
    """Begin another epoch of an account and return its state.

    In a transaction the row is locked from then on.
    """
    states = AccountState.objects.using(using)
    mine = states.filter(pk=account_id)
    # Counted by the database, so that of two at a time none is lost; and first of all,
    # as SQLite does not wait for a lock where a transaction has read before it writes.
    if not mine.update(epoch=F("epoch") + 1):
        states.get_or_create(pk=account_id)
        mine.update(epoch=F("epoch") + 1)
    return mine.get()


def tell(
    using: str,
    told: Callable[[], None],
    digests: Iterable[str],
    account_id: str | None = None,
) -> None:
    """Tell the cache what has happened, or that it is about to."""
    if connections[using].in_atomic_block:
        cached.doubt(digests, account_id)
    transaction.on_commit(told, using=using, robust=True)


def announce_end(using: str, account_id: str, handle: str) -> None:
    """Send ``session_revoked`` once it is true."""
    named = {"account_id": account_id, "handle": handle}
    telling = partial(announce, session_revoked, SessionRecord, **named)
    transaction.on_commit(telling, using=using, robust=True)
