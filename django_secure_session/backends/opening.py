"""Opening a session: from the received cookies to the data, wherever that is."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

from django.contrib.auth import HASH_SESSION_KEY

from django_secure_session import conf
from django_secure_session.backends import spill
from django_secure_session.backends.choice import Opened, choose
from django_secure_session.backends.exchange import ExchangedSession
from django_secure_session.backends.reports import (
    aannounce,
    announce,
    log_rejection,
)
from django_secure_session.exceptions import BadToken, Reason
from django_secure_session.protocols import Registration
from django_secure_session.signals import session_rejected


class Found(NamedTuple):
    """A session that was opened, and what stores have of it."""

    opened: Opened
    entry_name: bytes | None
    data: dict[str, Any]
    registration: Registration | None

    def __repr__(self) -> str:
        return "<Found>"  # nothing of it is for an error page


class OpenedSession(ExchangedSession):
    """A session that is in its cookie, or in the cache entry its cookie points to."""

    #: Name of the cache entry that the last token points to.
    _entry_name: bytes | None = None

    def load(self) -> dict[str, Any]:
        """Open the token and return its data; ``{}`` for one that is refused.

        Raise StoreUnavailable if the session is in the cache and that is down.
        """
        __traceback_hide__ = True
        self.accessed = True
        if self._session_key is None:
            return {}
        try:
            return self._take(self._find(self._choose()))
        except BadToken as refusal:
            reason = self._refuse(refusal.reason)
        announce(session_rejected, type(self), alias=self.alias, reason=reason)
        return {}

    async def aload(self) -> dict[str, Any]:
        """See :meth:`load`."""
        __traceback_hide__ = True
        self.accessed = True
        if self._session_key is None:
            return {}
        try:
            return self._take(await self._afind(self._choose()))
        except BadToken as refusal:
            reason = self._refuse(refusal.reason)
        await aannounce(session_rejected, type(self), alias=self.alias, reason=reason)
        return {}

    def exists(self, session_key: str | None = None) -> bool:
        """Tell whether a token opens and was not ended by this very object.

        What others have ended only a registry knows.
        """
        __traceback_hide__ = True
        try:
            found = self._find(self._open(session_key or ""))
        except BadToken:
            return False
        return found.opened.metadata.sid not in self._ended

    async def aexists(self, session_key: str | None = None) -> bool:
        """See :meth:`exists`."""
        __traceback_hide__ = True
        try:
            found = await self._afind(self._open(session_key or ""))
        except BadToken:
            return False
        return found.opened.metadata.sid not in self._ended

    # What stores have of it

    def _find(self, opened: Opened) -> Found:
        """Return all of a session: what it points to, and where it stands.

        Raise BadToken.
        """
        __traceback_hide__ = True
        name = opened.entry_name()
        if name is not None:
            opened = self._follow(opened, self._reach(*self._fetching(name)))
        data = self._codec.read_body(opened.body)
        checking = self._checking(opened, data)
        registration = self._reach(checking) if checking else None
        return Found(opened, name, data, registration)

    async def _afind(self, opened: Opened) -> Found:
        """See :meth:`_find`."""
        __traceback_hide__ = True
        name = opened.entry_name()
        if name is not None:
            content = await self._areach(*self._fetching(name))
            opened = self._follow(opened, content)
        data = self._codec.read_body(opened.body)
        checking = self._checking(opened, data)
        registration = await self._areach(checking) if checking else None
        return Found(opened, name, data, registration)

    def _fetching(self, name: bytes) -> tuple[Callable[..., object], str, bytes]:
        return spill.fetch, self._config.cache_alias, name

    def _follow(self, opened: Opened, found: object) -> Opened:
        """Return a pointer's session with the body found in the cache.

        Raise BadToken.
        """
        __traceback_hide__ = True
        content = spill.verified(opened.body, found)
        codec = conf.get_codec(self.alias, conf.SPILL_PURPOSE)
        return opened._replace(body=codec.unseal_bytes(content)[2])

    def _checking(
        self, opened: Opened, data: Mapping[str, Any]
    ) -> Callable[[], Registration] | None:
        """Return what asks the registry, None if there is nothing to ask."""
        revoker = conf.revoker()
        log_in = self._log_in(opened.metadata, opened.claims, data)
        return partial(revoker.check, log_in) if revoker and log_in else None

    # The token

    def _choose(self) -> Opened:
        """Open the token, or the right one of several. Raise BadToken."""
        __traceback_hide__ = True
        if len(self._candidates) > 1:
            opened = choose(self._candidates, self._codec, self._open)
            # Settled, also if the cache is down and the session is asked for again.
            self._session_key, self._candidates = opened.token, ()
            return opened
        return self._open(str(self._session_key))

    def _open(self, token: str) -> Opened:
        __traceback_hide__ = True
        lifetime = self.lifetime()
        opened = self._codec.open(token, now=int(time.time()), lifetime=lifetime)
        return Opened(token, *opened)

    def _take(self, found: Found) -> dict[str, Any]:
        """Become the session that was found and return its data."""
        __traceback_hide__ = True
        opened, entry_name, data, self._registration = found
        token, metadata, claims, body = opened
        self._rejection = None
        self._entry_name = entry_name
        self._adopt(metadata, claims, body)
        self._opened_sid = metadata.sid
        self.was_registered = self._registration is not None
        self._opened_hash = data.get(HASH_SESSION_KEY)
        if self._codec.is_stale(token):
            # One response with a cookie under the current key, and the old key can go.
            self._stale_key = self.modified = True
        return data

    def _refuse(self, reason: Reason) -> Reason:
        """Become a session without a token."""
        self._begin()
        self._session_key = self._registration = None
        self._rejection = reason
        log_rejection(self._config.cookie_name, reason)
        return reason
