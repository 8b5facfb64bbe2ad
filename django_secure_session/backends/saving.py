"""Saving a session: into a token, and where need be into stores beside it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import NamedTuple

from django_secure_session import conf
from django_secure_session.backends import spill
from django_secure_session.backends.opening import OpenedSession
from django_secure_session.backends.registered import Task
from django_secure_session.backends.reports import aannounce, announce
from django_secure_session.codec.metadata import MAX_CLOCK_SKEW, POINTER, Metadata
from django_secure_session.signals import session_resealed


class Sealed(NamedTuple):
    """What saving makes: a token, and what goes into the cache if it points there."""

    token: str
    metadata: Metadata
    claims: bytes
    body: bytes
    entry: spill.Entry | None

    def __repr__(self) -> str:
        return "<Sealed>"  # nothing of it is for an error page


def do(tasks: Iterable[Task]) -> None:
    """Do one after another, until one fails."""
    for task in tasks:
        task()


class SavedSession(OpenedSession):
    """A session that seals itself into a new token."""

    def save(self, must_create: bool = False) -> None:
        """Seal the session into a new ``session_key``.

        Raise SessionTooLarge, SessionTooDeep, or what the serializer raises, and
        StoreUnavailable; then the session is as it was.
        """
        self._loaded()
        sealed = self._seal()
        if storing := self._storing(sealed):
            self._reach(storing)
        if self._become(sealed):
            announce(session_resealed, type(self), alias=self.alias, sid=self.sid)

    async def asave(self, must_create: bool = False) -> None:
        """See :meth:`save`."""
        await self._aloaded()
        sealed = self._seal()
        if storing := self._storing(sealed):
            await self._areach(storing)
        if self._become(sealed):
            await aannounce(
                session_resealed, type(self), alias=self.alias, sid=self.sid
            )

    def _seal(self) -> Sealed:
        __traceback_hide__ = True
        codec = self._codec
        body = codec.dump(self._loaded())
        metadata = self._next_metadata()
        claims = self._claims
        token = codec.seal(metadata, body, claims)
        entry = None
        if self._spills(token):
            entry = self._new_entry(metadata, body)
            pointing = metadata._replace(flags=metadata.flags | POINTER)
            token = codec.seal(pointing, entry.pointer, claims)
        self._refuse_large(token, self.purpose)
        return Sealed(token, metadata, claims, body, entry)

    def _spills(self, token: str) -> bool:
        """Tell whether a token's content goes into the cache."""
        config = self._config
        if config.placement != "spill" or self.purpose != conf.SESSION_PURPOSE:
            return False
        return len(token) + len(config.cookie_name) > config.spill_above

    def _new_entry(self, metadata: Metadata, body: bytes) -> spill.Entry:
        codec = conf.get_codec(self.alias, conf.SPILL_PURPOSE)
        content = codec.seal_bytes(metadata, body)
        if len(content) > conf.SPILL_LIMIT:
            raise self._too_large("cache entry", len(content), conf.SPILL_LIMIT)
        return spill.new_entry(content)

    def _storing(self, sealed: Sealed) -> Task | None:
        """Return what tells the stores of a new token, None for nothing to tell.

        Only what the browser will have ends what it had.
        """
        tasks: list[Task] = []
        alias = self._config.cache_alias
        if sealed.entry:
            seconds = sealed.metadata.expires - sealed.metadata.issued + MAX_CLOCK_SKEW
            tasks.append(partial(spill.keep, alias, sealed.entry, seconds))
        if self._is_final():
            log_in = self._log_in(sealed.metadata, sealed.claims, self._loaded())
            # Before the old entries go: the browser keeps those if this fails.
            if noting := self._noting(log_in):
                tasks.append(noting)
            if old := self._old_entries():
                tasks.append(partial(spill.retire, alias, old))
        return partial(do, tasks) if tasks else None

    def _old_entries(self) -> tuple[bytes, ...]:
        current = (self._entry_name,) if self._entry_name else ()
        return (*self._superseded, *current)

    def _become(self, sealed: Sealed) -> bool:
        """Be what was sealed; tell whether a fallback key had sealed it before."""
        self._session_key = sealed.token
        self._adopt(sealed.metadata, sealed.claims, sealed.body)
        if sealed.entry or self._entry_name:
            self._superseded = () if self._is_final() else self._old_entries()
            self._entry_name = sealed.entry.name if sealed.entry else None
        self.modified = self._sealed_here = True
        self._is_renewed = False
        resealed, self._stale_key = self._stale_key, False
        return resealed
