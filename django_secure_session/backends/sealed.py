"""What the seal holds of a session beside its data: its identity."""

from __future__ import annotations

import base64
import secrets
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import SessionBase

from django_secure_session import conf
from django_secure_session.codec import Codec
from django_secure_session.codec.metadata import Metadata
from django_secure_session.exceptions import Reason

SID_BYTES = 16


class SealedSession(SessionBase):
    """A Django session that knows its own id, its times and why it was refused.

    *alias* names the session in the settings and *purpose* the use of the token; a
    token of one pair never opens as another.
    """

    def __init__(
        self,
        session_key: str | None = None,
        *,
        alias: str = conf.DEFAULT_ALIAS,
        purpose: str = conf.SESSION_PURPOSE,
    ) -> None:
        # As in SessionBase.__init__, but for the serializer. Looking that up is half of
        # what it costs to make a session, and these leave it to their codec.
        self._session_key = session_key
        self.accessed = self.modified = False
        self.alias = alias
        self.purpose = purpose
        # Django drops keys under eight characters, so load() will not see those.
        if session_key is not None and self._session_key is None:
            self._rejection = "malformed"

    # What a session is that no token holds yet; a store is made for each request, so
    # it costs nothing until something is written.
    _sid = b""
    _created: int | None = None
    _sealed: Metadata | None = None
    _sealed_body = b""
    #: What is sealed about an account, now and by the next save; b"" for nothing.
    _sealed_claims = b""
    _claims = b""
    _stale_key = False
    #: Whether ``session_key`` is a token that this object sealed.
    _sealed_here = False
    #: Sids that this object ended; what other objects end it can't know.
    _ended: frozenset[bytes] = frozenset()
    _rejection: Reason | None = None
    #: The sid that came in the cookie.
    _opened_sid = b""

    def _begin(self) -> None:
        """Become a session that no token holds yet. The data is the caller's affair."""
        self._sid = b""
        self._created = self._sealed = None
        self._sealed_body = self._sealed_claims = self._claims = b""
        self._stale_key = self._sealed_here = False

    def _adopt(self, metadata: Metadata, claims: bytes, body: bytes) -> None:
        """Become the session that a token holds."""
        self._sid = metadata.sid
        self._created = metadata.created
        self._sealed = metadata
        self._sealed_claims = self._claims = claims
        self._sealed_body = body

    @property
    def serializer(self) -> Any:
        """The class that SESSION_SERIALIZER names, as every Django session has it."""
        return conf.serializer_class()

    # Django documents no name for "the data, loaded if need be"; its own engines use
    # these two, and so does this one, here only.

    def _loaded(self) -> dict[str, Any]:
        data: dict[str, Any] = self._session  # type: ignore[attr-defined]
        return data

    async def _aloaded(self) -> dict[str, Any]:
        data: dict[str, Any] = await self._aget_session()  # type: ignore[attr-defined]
        return data

    @property
    def _config(self) -> conf.SessionConfig:
        # Asked for each time: settings that a test changes count at once.
        return conf.get_configs().get(self.alias) or conf.get_config(self.alias)

    @cached_property
    def _codec(self) -> Codec:
        return conf.get_codec(self.alias, self.purpose)

    def _sid_bytes(self) -> bytes:
        if not self._sid:
            self._sid = secrets.token_bytes(SID_BYTES)
        return self._sid

    def _renew_sid(self) -> None:
        """Go on under another sid; an anonymous session also begins anew."""
        self._end_sid()
        self._sid = b""
        if not self._claims and SESSION_KEY not in self._loaded():
            self._created = None

    def _end_sid(self) -> None:
        if self._sid:
            self._ended |= {self._sid}

    # Identity

    @property
    def session_key(self) -> str | None:
        """The sealed session, which is the cookie's value; None before a first save."""
        self.accessed = True  # so a response made from it is told to vary
        key: str | None = self._session_key
        return key

    @property
    def sid(self) -> str:
        """The session's name for its whole life, 22 characters; never a secret token.

        It is there at once but lasts only if the session is saved.
        """
        self._loaded()
        return sid_text(self._sid_bytes())

    @property
    def created_at(self) -> datetime | None:
        """When the session began, or None if it was never saved."""
        self._loaded()
        return None if self._created is None else utc(self._created)

    @property
    def issued_at(self) -> datetime | None:
        """When the session was last saved, or None."""
        self._loaded()
        return None if self._sealed is None else utc(self._sealed.issued)

    @property
    def rejection(self) -> Reason | None:
        """Why the cookie was refused, or None."""
        self._loaded()
        return self._rejection

    async def asid(self) -> str:
        """See :attr:`sid`."""
        await self._aloaded()
        return self.sid

    async def acreated_at(self) -> datetime | None:
        """See :attr:`created_at`."""
        await self._aloaded()
        return self.created_at

    async def aissued_at(self) -> datetime | None:
        """See :attr:`issued_at`."""
        await self._aloaded()
        return self.issued_at

    async def arejection(self) -> Reason | None:
        """See :attr:`rejection`."""
        await self._aloaded()
        return self.rejection


def sid_text(sid: bytes) -> str:
    """Return the 22 characters that people see of a sid."""
    return base64.urlsafe_b64encode(sid)[:22].decode()


def utc(seconds: int) -> datetime:
    """Return Unix seconds as a date."""
    return datetime.fromtimestamp(seconds, UTC)
