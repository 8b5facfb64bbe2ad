"""The epoch of an account who logs in, for the claims that are sealed then."""

from __future__ import annotations

from asgiref.sync import sync_to_async

from django_secure_session import conf
from django_secure_session.accounts.asking import asking
from django_secure_session.backends.encrypted_cookies import SessionStore


def epoch_of(session: SessionStore, account_id: str) -> int:
    """Return the epoch of an account who logs in. Raise StoreUnavailable."""
    revoker = conf.revoker()
    with asking(session):
        return revoker.epoch(account_id) if revoker else 0


async def aepoch_of(session: SessionStore, account_id: str) -> int:
    """See :func:`epoch_of`."""
    if conf.revoker() is None:
        return 0
    return await sync_to_async(epoch_of)(session, account_id)
