"""Log-ins that a registry knows of, where one is installed.

A cookie holds all of its session, so nobody but a registry can say that a copy of it
must not count any more. Sessions of nobody are no business of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

from asgiref.sync import sync_to_async
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.utils.asyncio import async_unsafe
from django.utils.crypto import constant_time_compare

from django_secure_session import conf
from django_secure_session.backends.extended import ExtendedSession
from django_secure_session.codec.metadata import Metadata
from django_secure_session.exceptions import StoreUnavailable
from django_secure_session.protocols import (
    Device,
    LogIn,
    Registration,
    SessionRevoker,
)

T = TypeVar("T")
Task = Callable[[], None]


class RegisteredSession(ExtendedSession):
    """A session that asks the registry whether it may be opened, and tells it more."""

    #: Where somebody logs in from; what knows the request says so.
    device = Device()
    #: Whether a store that this session needs did not answer.
    unavailable = False
    #: What the registry has of this session, None where it has nothing.
    _registration: Registration | None = None
    #: Whether the registry had it when it was opened.
    was_registered = False
    #: Django's session hash that came in the cookie.
    _opened_hash: object = None

    @property
    def registration(self) -> Registration | None:
        """Where the session stands in the registry, or None."""
        self._loaded()
        return self._registration

    @property
    def epoch(self) -> int | None:
        """The account's epoch when the session was opened, None if nobody counts it."""
        registration = self.registration
        return registration.epoch if registration else None

    def _log_in(
        self, metadata: Metadata, claims: bytes, data: Mapping[str, Any]
    ) -> LogIn | None:
        """Return what a registry is asked about, None if there is nothing to ask."""
        if conf.revoker() is None or not _is_logged_in(claims, data):
            return None
        if self.purpose == conf.ENCODE_PURPOSE:
            return None
        sid, created, issued, expires = metadata[:4]
        user_id = data.get(SESSION_KEY)
        return LogIn(self.alias, sid, claims, user_id, created, issued, expires)

    def _noting(self, log_in: LogIn | None) -> Task | None:
        """Return what tells the registry of a token, None for nothing to tell."""
        revoker = conf.revoker()
        if revoker is None:
            return None
        if log_in is not None:
            return partial(self._note_log_in, revoker, log_in)
        if self._registration is None:
            return None
        # Whoever was logged in is so no more, and their cookie must not count.
        return partial(self._end_there, revoker, self._registration)

    def _note_log_in(self, revoker: SessionRevoker, log_in: LogIn) -> None:
        # After a change of the password Django would end the session for a request
        # that comes with the old one, and with it the new one.
        has_grace = _is_same(self._opened_hash, self._loaded().get(HASH_SESSION_KEY))
        kept = revoker.keep(
            log_in, self._registration, self.device, has_grace=has_grace
        )
        if kept is None:
            raise UpdateError(
                "Another request has ended this session, or gave it another sid."
            )
        self._registration = kept

    def _end_there(self, revoker: SessionRevoker, registration: Registration) -> None:
        revoker.end(registration)
        self._registration = None

    def _is_noted(self) -> bool:
        """Tell whether the registry knows all that it has to of a loaded session."""
        if conf.revoker() is None:
            return True
        if not _is_logged_in(self._claims, self._loaded()):
            return self._registration is None
        registration = self._registration
        return registration is not None and registration.sid == self._sid

    # Tokens that are no cookie of this response

    def seal(self, *, purpose: str, max_age: float | timedelta | None = None) -> str:
        """Return a token of the session as it is now; the session is left alone.

        With *max_age*, in seconds, it lives that long, not what the session would.
        """
        __traceback_hide__ = True
        self._loaded()
        token, metadata = self._seal_as(purpose, max_age)
        if noting := self._noting_token(metadata):
            with _interrupting():
                self._reach(noting)
        return token

    async def aseal(
        self, *, purpose: str, max_age: float | timedelta | None = None
    ) -> str:
        """See :meth:`seal`."""
        __traceback_hide__ = True
        await self._aloaded()
        token, metadata = self._seal_as(purpose, max_age)
        if noting := self._noting_token(metadata):
            with _interrupting():
                await self._areach(noting)
        return token

    def _noting_token(self, metadata: Metadata) -> Task | None:
        log_in = self._log_in(metadata, self._claims, self._loaded())
        before = self._registration
        if log_in is None or (before and before.sid != self._sid):
            return None  # its new sid is noted when the session itself is saved
        return self._noting(log_in)

    # Stores

    @async_unsafe(
        "This session has to be looked up in a cache or a database. In async code "
        "await the a... methods of the session, for example aget() instead of get() or "
        "aset() instead of []."
    )
    def _reach(self, operation: Callable[..., T], *args: Any) -> T:
        """Do something with a store. Raise StoreUnavailable."""
        try:
            return operation(*args)
        except StoreUnavailable:
            self.unavailable = True
            raise

    async def _areach(self, operation: Callable[..., T], *args: Any) -> T:
        """See :meth:`_reach`; the one thread hop, as Django's caches have it."""
        return await sync_to_async(self._reach, thread_sensitive=True)(operation, *args)


@contextmanager
def _interrupting() -> Iterator[None]:
    """Answer as Django's middleware does where a session has ended meanwhile: 400."""
    try:
        yield
    except UpdateError as error:
        raise SessionInterrupted(str(error)) from error


def _is_same(one: object, other: object) -> bool:
    if isinstance(one, str) and isinstance(other, str):
        return constant_time_compare(one, other)
    return one is other


def _is_logged_in(claims: bytes, data: Mapping[str, Any]) -> bool:
    return bool(claims) or SESSION_KEY in data
