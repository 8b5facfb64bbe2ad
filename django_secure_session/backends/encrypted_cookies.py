"""The session engine: the whole session, encrypted, is the value of the cookie.

``session_key`` is the sealed token itself, because that is what Django's
SessionMiddleware puts into the cookie. What names a session across its tokens is
``sid``, sealed inside. Nothing here needs a database, a cache or a thread, so each
``a...`` method does what its twin does without a thread hop.
"""

from __future__ import annotations

import time
from typing import Any

from django.utils.crypto import constant_time_compare
from django.utils.encoding import force_str

from django_secure_session import conf
from django_secure_session.backends.extended import ExtendedSession
from django_secure_session.backends.reports import (
    aannounce,
    announce,
    log_rejection,
    log_undecodable,
)
from django_secure_session.codec import Metadata
from django_secure_session.exceptions import BadToken, Reason
from django_secure_session.signals import session_rejected, session_resealed

#: Cookies refused for these reasons stay in the browser: another host may know the
#: key, and a clock recovers.
LEFT_ALONE: frozenset[Reason | None] = frozenset({"unknown_key", "future"})

ENCODE_PURPOSE = "encode"

# A site with a wrong key must not start; Django imports its engine at start-up.
conf.get_config()


class SessionStore(ExtendedSession):
    """A session kept whole in its own cookie, encrypted and authenticated."""

    # Opening

    def load(self) -> dict[str, Any]:
        """Open the token and return its data; ``{}`` for one that is refused."""
        data, refused = self._open_session_key()
        if refused is not None:
            announce(session_rejected, type(self), alias=self.alias, reason=refused)
        return data

    async def aload(self) -> dict[str, Any]:
        """See :meth:`load`."""
        data, refused = self._open_session_key()
        if refused is not None:
            await aannounce(
                session_rejected, type(self), alias=self.alias, reason=refused
            )
        return data

    def _open_session_key(self) -> tuple[dict[str, Any], Reason | None]:
        """Return the data of the current token, or ``{}`` and why it was refused."""
        __traceback_hide__ = True
        if self.session_key is None:
            return {}, None
        self._begin()
        try:
            metadata, data = self._open(self.session_key)
        except BadToken as refusal:
            self._session_key = None
            self._rejection = refusal.reason
            log_rejection(self._config.cookie_name, refusal.reason)
            return {}, refusal.reason
        self._rejection = None
        stale_key = self._codec.is_stale(self.session_key)
        self._adopt(metadata, stale_key=stale_key)
        # One response with a cookie under the current key, and the old key can go.
        self.modified = self.modified or stale_key
        return data, None

    def _open(self, token: str) -> tuple[Metadata, dict[str, Any]]:
        __traceback_hide__ = True
        metadata, _, data = self._codec.decode(
            token,
            now=int(time.time()),
            age=self.get_session_cookie_age(),
            absolute=self._config.absolute_timeout,
        )
        return metadata, data

    def exists(self, session_key: str | None = None) -> bool:
        """Tell whether a token opens and was not ended by this very object.

        No engine without a store can know what other requests ended.
        """
        if session_key is None:
            return False
        try:
            metadata, _ = self._open(session_key)
        except BadToken:
            return False
        return metadata.sid not in self._ended

    async def aexists(self, session_key: str | None = None) -> bool:
        """See :meth:`exists`."""
        return self.exists(session_key)

    # Sealing

    def save(self, must_create: bool = False) -> None:
        """Seal the session into a new ``session_key``.

        Raise SessionTooLarge, SessionTooDeep, or what the serializer raises.
        """
        self._loaded()
        if self._seal():
            announce(session_resealed, type(self), alias=self.alias, sid=self.sid)

    async def asave(self, must_create: bool = False) -> None:
        """See :meth:`save`."""
        await self._aloaded()
        if self._seal():
            await aannounce(
                session_resealed, type(self), alias=self.alias, sid=self.sid
            )

    def _seal(self) -> bool:
        """Seal the loaded session; tell whether a fallback key had sealed it before."""
        __traceback_hide__ = True
        metadata = self._next_metadata()
        self._session_key = self._encode(metadata, self.purpose)
        resealed = self._stale_key
        self._adopt(metadata)
        self.modified = self._sealed_here = True
        return resealed

    # Beginning and ending

    def create(self) -> None:
        """Begin a new session with whatever data is loaded, and seal it."""
        if not hasattr(self, "_session_cache"):
            self._session_cache: dict[str, Any] = {}
        self._end_sid()
        self._begin()
        self.save()

    async def acreate(self) -> None:
        """See :meth:`create`."""
        self.create()

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
        """Remove all data; the session itself goes on."""
        self._loaded()  # or its sid and its age would be lost
        super().clear()

    def delete(self, session_key: str | None = None) -> None:
        """Drop this session and its data, or end another one named by its token."""
        self._loaded()
        sid = self._sid if session_key is None else self._sid_of(session_key)
        if sid:
            self._ended.add(sid)
        if session_key is None or (sid and constant_time_compare(sid, self._sid)):
            self._begin()
            self._session_cache = {}
            self._session_key = None
            self.modified = True

    async def adelete(self, session_key: str | None = None) -> None:
        """See :meth:`delete`."""
        await self._aloaded()
        self.delete(session_key)

    def _sid_of(self, token: str) -> bytes:
        try:
            metadata, _, _ = self._codec.unseal(token)
        except BadToken:
            return b""
        return metadata.sid

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

    def is_empty(self) -> bool:
        """Tell Django's middleware whether to delete the cookie."""
        if not self.modified and self._rejection in LEFT_ALONE:
            return False
        return super().is_empty()

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
            return other._open(force_str(session_data, errors="replace"))[1]
        except BadToken:
            log_undecodable()
            return {}
