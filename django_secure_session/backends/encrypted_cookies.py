"""The session engine: the whole session, encrypted, is the value of the cookie.

``session_key`` is the sealed token itself, because that is what Django's
SessionMiddleware puts into the cookie. What names a session across its tokens is
``sid``, sealed inside. Where the settings put large sessions into the cache, the token
is a sealed pointer to an entry there. Only then is there I/O, and one thread hop in an
``a...`` method; whatever else those do, they do as their twins.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from django.contrib.auth import SESSION_KEY
from django.utils.crypto import constant_time_compare
from django.utils.encoding import force_str

from django_secure_session import conf
from django_secure_session.backends import spill
from django_secure_session.backends.choice import Opened
from django_secure_session.backends.opening import OpenedSession
from django_secure_session.backends.reports import aannounce, announce, log_undecodable
from django_secure_session.codec.metadata import MAX_CLOCK_SKEW, POINTER, Metadata
from django_secure_session.exceptions import BadToken
from django_secure_session.signals import session_resealed

ENCODE_PURPOSE = "encode"

# A site with a wrong key must not start; Django imports its engine at start-up.
conf.get_configs()


class Sealed(NamedTuple):
    """What saving makes: a token, and what goes into the cache if it points there."""

    token: str
    metadata: Metadata
    claims: bytes
    body: bytes
    entry: spill.Entry | None


class SessionStore(OpenedSession):
    """A session kept whole in its own cookie, encrypted and authenticated."""

    # Sealing

    def save(self, must_create: bool = False) -> None:
        """Seal the session into a new ``session_key``.

        Raise SessionTooLarge, SessionTooDeep, or what the serializer raises, and
        StoreUnavailable; then the session is as it was.
        """
        self._loaded()
        sealed = self._seal()
        if change := self._cache_change(sealed):
            self._reach(spill.replace, *change)
        if self._become(sealed):
            announce(session_resealed, type(self), alias=self.alias, sid=self.sid)

    async def asave(self, must_create: bool = False) -> None:
        """See :meth:`save`."""
        await self._aloaded()
        sealed = self._seal()
        if change := self._cache_change(sealed):
            await self._areach(spill.replace, *change)
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

    def _cache_change(
        self, sealed: Sealed
    ) -> tuple[spill.Entry | None, int, tuple[bytes, ...]] | None:
        """Return the new entry, the seconds it is kept, and the names of old ones."""
        if not (sealed.entry or self._entry_name or self._superseded):
            return None  # neither now nor before
        old = self._old_entries() if self._is_final() else ()
        if not sealed.entry and not old:
            return None
        seconds = sealed.metadata.expires - sealed.metadata.issued
        return sealed.entry, seconds + MAX_CLOCK_SKEW, old

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

    # Beginning and ending

    def create(self) -> None:
        """Begin a new session with whatever data is loaded, and seal it."""
        self._begin_anew()
        self.save()

    async def acreate(self) -> None:
        """See :meth:`create`."""
        self._begin_anew()
        await self.asave()

    def _begin_anew(self) -> None:
        if not hasattr(self, "_session_cache"):
            self._session_cache: dict[str, Any] = {}
        self._end_sid()
        claims, created = self._claims, self._created
        self._begin()
        if claims or SESSION_KEY in self._session_cache:
            # The data stays, and so does a log-in, which must not get younger.
            self._claims, self._created = claims, created

    def cycle_key(self) -> None:
        """Give the session a new sid and seal it at once; the data stays.

        An anonymous session begins anew with it, as at log-in; one that is logged in
        keeps ``created_at``, or a site could outlive ABSOLUTE_TIMEOUT by cycling.
        """
        self._loaded()
        self._renew_sid()
        self.save()

    async def acycle_key(self) -> None:
        """See :meth:`cycle_key`."""
        await self._aloaded()
        self._renew_sid()
        await self.asave()

    def clear(self) -> None:
        """Remove all data, and with it any log-in; the session itself goes on."""
        self._loaded()  # or its sid and its age would be lost
        super().clear()
        self._claims = b""

    def delete(self, session_key: str | None = None) -> None:
        """Drop this session and its data, or end another one named by its token."""
        self._loaded()
        sid, entries = self._named(session_key)
        if entries:
            self._reach(spill.remove, entries)
        self._end(sid, itself=session_key is None)

    async def adelete(self, session_key: str | None = None) -> None:
        """See :meth:`delete`."""
        await self._aloaded()
        sid, entries = self._named(session_key)
        if entries:
            await self._areach(spill.remove, entries)
        self._end(sid, itself=session_key is None)

    def _named(self, token: str | None) -> tuple[bytes, set[bytes]]:
        """Return sid and cache entries of the session with a token, None for this."""
        if token is None:
            return self._sid, set(self._old_entries())
        try:
            opened = Opened(token, *self._codec.unseal(token))
            name = opened.entry_name()
        except BadToken:
            return b"", set()
        sid = opened.metadata.sid
        ours = self._old_entries() if sid == self._sid else ()
        return sid, {*ours, *([name] if name else [])}

    def _end(self, sid: bytes, *, itself: bool) -> None:
        if sid:
            self._ended |= {sid}
        if itself or (sid and constant_time_compare(sid, self._sid)):
            self._begin()
            self._session_cache = {}
            self._session_key = self._entry_name = None
            self._superseded = ()
            self.modified = self._was_ended = True

    async def aflush(self) -> None:
        """End the session: no data, no sid, and the cookie will be deleted."""
        await self._aloaded()
        await super().aflush()

    @classmethod
    def clear_expired(cls) -> None:
        """Do nothing: an expired session is nowhere but in a browser."""

    @classmethod
    async def aclear_expired(cls) -> None:
        """See :meth:`clear_expired`."""

    # For other storage than the cookie

    def encode(self, session_dict: dict[str, Any]) -> str:
        """Seal any dict into a text that only :meth:`decode` opens, never a cookie."""
        other = type(self)(alias=self.alias, purpose=ENCODE_PURPOSE)
        other.update(session_dict)
        other.save()
        return str(other.session_key)

    def decode(self, session_data: bytes | str) -> dict[str, Any]:
        """Open what :meth:`encode` returned; ``{}`` and a warning for anything else."""
        other = type(self)(alias=self.alias, purpose=ENCODE_PURPOSE)
        try:
            opened = other._open(force_str(session_data, errors="replace"))
            return other._codec.read_body(opened.body)
        except BadToken:
            log_undecodable()
            return {}
