"""Sessions outside a request: for WebSockets, jobs, e-mails and tests.

Each function has an ``a...`` twin. There is no I/O but for sessions that the settings
put into the cache: for those ``create_session()`` and ``decode_session()`` ask it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django_secure_session.backends.encrypted_cookies import SessionStore
from django_secure_session.conf import DEFAULT_ALIAS, SESSION_PURPOSE


def encode_session(
    data_or_session: Mapping[str, Any] | SessionStore,
    *,
    alias: str = DEFAULT_ALIAS,
    purpose: str = SESSION_PURPOSE,
    max_age: float | timedelta | None = None,
) -> str:
    """Seal a session, or a dict as a new session, into a token.

    It opens only with the same *alias* and *purpose*. With *max_age*, in seconds, it
    lives that long instead of what the session would; ABSOLUTE_TIMEOUT bounds both. A
    session given keeps its sid, its age and its own alias and is left as it is.
    Raise SessionTooLarge, SessionTooDeep, or what the serializer raises.
    """
    if isinstance(data_or_session, SessionStore):
        return data_or_session.seal(purpose=purpose, max_age=max_age)
    store = SessionStore(alias=alias)
    store.update(dict(data_or_session))
    return store.seal(purpose=purpose, max_age=max_age)


async def aencode_session(
    data_or_session: Mapping[str, Any] | SessionStore,
    *,
    alias: str = DEFAULT_ALIAS,
    purpose: str = SESSION_PURPOSE,
    max_age: float | timedelta | None = None,
) -> str:
    """See :func:`encode_session`."""
    if isinstance(data_or_session, SessionStore):
        return await data_or_session.aseal(purpose=purpose, max_age=max_age)
    store = SessionStore(alias=alias)
    await store.aupdate(dict(data_or_session))
    return await store.aseal(purpose=purpose, max_age=max_age)


def decode_session(
    token: str | None, *, alias: str = DEFAULT_ALIAS, purpose: str = SESSION_PURPOSE
) -> SessionStore | None:
    """Open a token of :func:`encode_session` or a cookie; None for a refused one."""
    __traceback_hide__ = True
    store = SessionStore(token, alias=alias, purpose=purpose)
    return None if store.rejection or store.session_key is None else store


async def adecode_session(
    token: str | None, *, alias: str = DEFAULT_ALIAS, purpose: str = SESSION_PURPOSE
) -> SessionStore | None:
    """See :func:`decode_session`."""
    __traceback_hide__ = True
    store = SessionStore(token, alias=alias, purpose=purpose)
    return None if await store.arejection() or store.session_key is None else store


def create_session(
    data: Mapping[str, Any], *, alias: str = DEFAULT_ALIAS
) -> SessionStore:
    """Return a new saved session; its ``session_key`` is the value for the cookie."""
    store = SessionStore(alias=alias)
    store.update(dict(data))
    store.save()
    return store


async def acreate_session(
    data: Mapping[str, Any], *, alias: str = DEFAULT_ALIAS
) -> SessionStore:
    """See :func:`create_session`."""
    store = SessionStore(alias=alias)
    await store.aupdate(dict(data))
    await store.asave()
    return store
