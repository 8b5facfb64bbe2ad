"""Opening a session: from the received cookies to the data, wherever that is."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from asgiref.sync import sync_to_async
from django.utils.asyncio import async_unsafe

from django_secure_session import conf
from django_secure_session.backends import spill
from django_secure_session.backends.choice import Opened, choose
from django_secure_session.backends.exchange import ExchangedSession
from django_secure_session.backends.reports import (
    aannounce,
    announce,
    log_rejection,
    log_unavailable,
)
from django_secure_session.exceptions import BadToken, Reason, StoreUnavailable
from django_secure_session.signals import session_rejected

T = TypeVar("T")


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
            opened = self._choose()
            name = opened.entry_name()
            if name is not None:
                opened = self._follow(opened, self._reach(spill.fetch, name))
            return self._take(opened, name)
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
            opened = self._choose()
            name = opened.entry_name()
            if name is not None:
                opened = self._follow(opened, await self._areach(spill.fetch, name))
            return self._take(opened, name)
        except BadToken as refusal:
            reason = self._refuse(refusal.reason)
        await aannounce(session_rejected, type(self), alias=self.alias, reason=reason)
        return {}

    def exists(self, session_key: str | None = None) -> bool:
        """Tell whether a token opens and was not ended by this very object.

        No engine without a store can know what other requests ended.
        """
        try:
            opened = self._open(session_key or "")
            name = opened.entry_name()
            if name is not None:
                self._follow(opened, self._reach(spill.fetch, name))
        except BadToken:
            return False
        return opened.metadata.sid not in self._ended

    async def aexists(self, session_key: str | None = None) -> bool:
        """See :meth:`exists`."""
        try:
            opened = self._open(session_key or "")
            name = opened.entry_name()
            if name is not None:
                self._follow(opened, await self._areach(spill.fetch, name))
        except BadToken:
            return False
        return opened.metadata.sid not in self._ended

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

    def _take(self, opened: Opened, entry_name: bytes | None) -> dict[str, Any]:
        """Become the session that was opened and return its data. Raise BadToken."""
        __traceback_hide__ = True
        token, metadata, claims, body = opened
        data = self._codec.read_body(body)
        self._rejection = None
        self._entry_name = entry_name
        self._adopt(metadata, claims, body)
        self._opened_sid = metadata.sid
        if self._codec.is_stale(token):
            # One response with a cookie under the current key, and the old key can go.
            self._stale_key = self.modified = True
        return data

    def _refuse(self, reason: Reason) -> Reason:
        """Become a session without a token."""
        self._begin()
        self._session_key = None
        self._rejection = reason
        log_rejection(self._config.cookie_name, reason)
        return reason

    # The cache

    def _follow(self, opened: Opened, found: object) -> Opened:
        """Return a pointer's session with the body found in the cache.

        Raise BadToken.
        """
        __traceback_hide__ = True
        content = spill.verified(opened.body, found)
        codec = conf.get_codec(self.alias, conf.SPILL_PURPOSE)
        return opened._replace(body=codec.unseal_bytes(content)[2])

    @async_unsafe(
        "This session is in the cache. In async code await the a... methods of the "
        "session, for example aget() instead of get() or aset() instead of []."
    )
    def _reach(self, operation: Callable[..., T], *args: Any) -> T:
        """Do something with the cache. Raise StoreUnavailable."""
        try:
            return operation(self._config.cache_alias, *args)
        except StoreUnavailable as error:
            self.unavailable = True
            log_unavailable(error)
            raise

    async def _areach(self, operation: Callable[..., T], *args: Any) -> T:
        """See :meth:`_reach`; the one thread hop, as Django's caches have it."""
        return await sync_to_async(self._reach, thread_sensitive=True)(operation, *args)
