"""Who a request is from: the claims of its session, read again when they are old."""

from __future__ import annotations

import time

from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest

from django_secure_session import conf
from django_secure_session.accounts import claims
from django_secure_session.accounts.asking import aread_claims, read_claims
from django_secure_session.accounts.claims import Seen, look_at
from django_secure_session.accounts.keyed import admitted
from django_secure_session.backends.encrypted_cookies import SessionStore
from django_secure_session.identity import NOBODY, Claims, Identity

#: Where a request keeps what was found out; AccountMiddleware puts it there.
MEMORY = "_secure_session_identity"


def current(request: HttpRequest) -> Identity:
    """Return who a request is from, for as long as its session stays what it is.

    Raise StoreUnavailable if the provider has to be asked and its database is down.
    """
    if (by_key := admitted(request)) is not None:
        return by_key
    session = session_of(request)
    if session is None:
        return NOBODY
    seen = look_at(session)
    known = _known(request, session, seen)
    if known is None:
        answer = read_claims(request, session, claims.parse(seen.claims))
        known = _learn(request, session, seen, answer)
    return known


async def acurrent(request: HttpRequest) -> Identity:
    """See :func:`current`."""
    if (by_key := admitted(request)) is not None:
        return by_key
    session = session_of(request)
    if session is None:
        return NOBODY
    await session.aclaims()  # from here on it is loaded
    seen = look_at(session)
    known = _known(request, session, seen)
    if known is None:
        answer = await aread_claims(request, session, claims.parse(seen.claims))
        known = _learn(request, session, seen, answer)
    return known


def session_of(request: HttpRequest) -> SessionStore | None:
    """Return the request's session if it is one that is sealed with claims."""
    refuse_unprepared(request)
    session = getattr(request, "session", None)
    return session if isinstance(session, SessionStore) else None


def refuse_unprepared(request: object) -> None:
    """Raise ImproperlyConfigured, or TypeError, unless AccountMiddleware was here."""
    if hasattr(request, MEMORY):
        return
    if isinstance(request, HttpRequest):
        raise ImproperlyConfigured(
            f"Guards and request.account need {conf.ACCOUNT_MIDDLEWARE} in MIDDLEWARE, "
            "after the session middleware and Django's AuthenticationMiddleware."
        )
    raise TypeError(
        f"A guarded view was called with a {type(request).__name__} in the place of "
        "the request. A view is guarded once, a method of a class with "
        "@method_decorator(authenticated), and a class with AuthenticatedMixin."
    )


# What needs no I/O


def _known(request: HttpRequest, session: SessionStore, seen: Seen) -> Identity | None:
    """Return who it is, or None if the provider has to be asked."""
    memory = getattr(request, MEMORY)
    if memory is not None and memory[0] is session and memory[1] == seen:
        identity: Identity = memory[2]
        return identity
    known = _told(session, seen)
    if known is not None:
        setattr(request, MEMORY, (session, seen, known))
    return known


def _told(session: SessionStore, seen: Seen) -> Identity | None:
    """Return who the seal says it is, or None if it can't say."""
    found = claims.parse(seen.claims)
    if found is None or not seen.bears(found):
        return None if seen.log_in() else NOBODY
    if found.epoch < (session.epoch or 0):
        return None  # something about the account has changed since
    max_age = conf.get_config(session.alias).claims_max_age
    if claims.are_current(found, time.time(), max_age):
        return claims.identity(found)
    return None


def _learn(
    request: HttpRequest, session: SessionStore, seen: Seen, answer: Claims | None
) -> Identity:
    """Seal what the provider has said, and remember it for this request."""
    now = look_at(session)
    if _changed_hands(seen, now, answer):
        return _known(request, session, now) or NOBODY
    if answer is None:
        identity = NOBODY
    else:
        session.replace_claims(claims.dump(answer))
        identity = claims.identity(answer)
    setattr(request, MEMORY, (session, look_at(session), identity))
    return identity


def _changed_hands(seen: Seen, now: Seen, answer: Claims | None) -> bool:
    """Tell whether a session is another's than whom the provider was asked about.

    Another task of the request may have ended it, or logged somebody in.
    """
    is_theirs = answer is None or now.bears(answer)
    same = (seen.claims, seen.user_id) == (now.claims, now.user_id)
    return not (same and is_theirs)
