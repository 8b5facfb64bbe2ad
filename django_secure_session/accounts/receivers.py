"""Seal claims where Django logs a user in."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare

from django_secure_session.accounts import claims
from django_secure_session.accounts.asking import (
    ask,
    asking,
    is_proven,
    log_in_of,
    provider_of,
)
from django_secure_session.accounts.devices import device_of
from django_secure_session.accounts.epochs import epoch_of
from django_secure_session.backends.encrypted_cookies import SessionStore
from django_secure_session.identity import Claims

DJANGO_KEYS = (SESSION_KEY, BACKEND_SESSION_KEY, HASH_SESSION_KEY)


def receive_log_in(
    *, request: HttpRequest | None = None, user: Any = None, **_: object
) -> None:
    """Seal claims for a user whom Django has just logged in (``user_logged_in``).

    Libraries send that signal for tokens too, so the session has to be one into which
    Django has written this very user.
    """
    session = getattr(request, "session", None)
    if not isinstance(session, SessionStore) or not session.take_log_in():
        return
    if session.get(SESSION_KEY) != _id_of(user):
        return
    session.device = device_of(request)
    fresh = _first_claims(session, user)
    if fresh is not None:
        session.renew(claims.dump(fresh), log_in=True, keep=_kept(session, fresh))
    elif session.claims:
        session.renew(b"", log_in=True, keep=_kept(session, None))


def _first_claims(session: SessionStore, user: Any) -> Claims | None:
    """Return the claims of a user who has just logged in, None for no account."""
    if not _is_proven_by(session, user):
        return None
    provider = provider_of(session)
    log_in = log_in_of(session, None)  # the user's: another may come while it is asked
    user_id = str(session[SESSION_KEY])
    epoch = epoch_of(session, user_id)
    with asking(session):
        account, org = ask(
            provider, lambda org_id: provider.account_for_user(user, org_id), None
        )
    if account and account.id != user_id:
        epoch = epoch_of(session, account.id)
    fresh = claims.new_claims(account, org, log_in, None, epoch)
    return fresh and fresh._replace(authenticated_at=fresh.read_at)


def _kept(session: SessionStore, fresh: Claims | None) -> tuple[str, ...] | None:
    """Return what data a user may take over, None for all of it.

    Django empties the session of another user, but knows no other accounts.
    """
    old = claims.parse(session.claims)
    if old is None:
        return DJANGO_KEYS if session.claims else None
    is_same = fresh is not None and fresh.account.id == old.account.id
    return None if old.log_in or is_same else DJANGO_KEYS


def _is_proven_by(session: SessionStore, user: Any) -> bool:
    """Tell whether the session holds the user's session hash, as Django will ask."""
    # No variable has the hash: an error page shows those.
    if not is_proven(user) or not isinstance(session.get(HASH_SESSION_KEY), str):
        return False
    return constant_time_compare(
        session.get(HASH_SESSION_KEY, ""), user.get_session_auth_hash()
    )


def _id_of(user: Any) -> str | None:
    """Return a user's id as Django's login() writes it."""
    key = getattr(getattr(user, "_meta", None), "pk", None)
    return None if key is None else str(key.value_to_string(user))
