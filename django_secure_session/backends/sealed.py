"""What the seal holds of a session beside its data: identity and lifetime."""

from __future__ import annotations

import base64
import secrets
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import SessionBase
from django.utils import timezone

from django_secure_session import conf
from django_secure_session.backends.expiry import clamp, expiry_at
from django_secure_session.codec import FIXED_DATE, Codec, Metadata
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
        super().__init__(session_key)
        self.alias = alias
        self.purpose = purpose
        # Django drops keys under eight characters, so load() will not see those.
        dropped = session_key is not None and self.session_key is None
        self._rejection: Reason | None = "malformed" if dropped else None
        #: Sids that this object ended; what other objects end it can't know.
        self._ended: set[bytes] = set()
        #: Whether ``session_key`` is a token that this object sealed.
        self._sealed_here = False
        self._begin()

    def _begin(self) -> None:
        """Become a session that no token holds yet. The data is the caller's affair."""
        self._sid = b""
        self._created: int | None = None
        self._sealed: Metadata | None = None
        self._stale_key = False

    def _adopt(self, metadata: Metadata, *, stale_key: bool = False) -> None:
        """Become the session that a token with this metadata holds."""
        self._sid = metadata.sid
        self._created = metadata.created
        self._sealed = metadata
        self._stale_key = stale_key

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
        return conf.get_config(self.alias)

    @property
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
        if SESSION_KEY not in self._loaded():
            self._created = None

    def _end_sid(self) -> None:
        if self._sid:
            self._ended.add(self._sid)

    # Identity and times

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
        return None if self._created is None else _utc(self._created)

    @property
    def issued_at(self) -> datetime | None:
        """When the session was last saved, or None."""
        self._loaded()
        return None if self._sealed is None else _utc(self._sealed.issued)

    @property
    def expires_at(self) -> datetime | None:
        """When the session dies unless it is saved again, or None if never saved."""
        self._loaded()
        if self._sealed is None:
            return None
        absolute = self._config.absolute_timeout
        return _utc(self._sealed.deadline(self.get_session_cookie_age(), absolute))

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

    async def aexpires_at(self) -> datetime | None:
        """See :attr:`expires_at`."""
        await self._aloaded()
        return self.expires_at

    async def arejection(self) -> Reason | None:
        """See :attr:`rejection`."""
        await self._aloaded()
        return self.rejection

    # Lifetime. Django's four methods, held to ABSOLUTE_TIMEOUT; called with arguments
    # they are pure functions of those, as in Django.

    def _next_metadata(self, max_age: float | timedelta | None = None) -> Metadata:
        """Return what to seal now beside the data."""
        custom = self._loaded().get("_session_expiry")
        now = int(time.time())
        # A clock that stepped back must not make a session older than its beginning.
        created = now if self._created is None else min(self._created, now)
        expires, age, flags = expiry_at(
            now,
            custom,
            cookie_age=self.get_session_cookie_age(),
            at_browser_close=self.get_expire_at_browser_close(),
        )
        if isinstance(max_age, timedelta):
            max_age = max_age.total_seconds()
        if max_age is not None:
            expires, age, flags = clamp(now + max_age), 0, FIXED_DATE
        absolute = self._config.absolute_timeout
        if absolute is not None:
            expires = min(expires, clamp(created + absolute))
        return Metadata(self._sid_bytes(), created, clamp(now), expires, age, flags)

    def get_expiry_age(self, **kwargs: Any) -> int:
        """Return the seconds until the session dies if it is saved now."""
        if kwargs:
            return super().get_expiry_age(**kwargs)
        metadata = self._next_metadata()
        return metadata.expires - metadata.issued

    def get_expiry_date(self, **kwargs: Any) -> datetime:
        """Return when the session dies if it is saved now."""
        date = super().get_expiry_date(**kwargs)
        if kwargs:
            return date
        # Naive with USE_TZ = False, as Django's is.
        zone = None if timezone.is_naive(date) else UTC
        expires = self._next_metadata().expires
        return min(date, datetime.fromtimestamp(expires, zone))

    async def aget_expiry_age(self, **kwargs: Any) -> int:
        """See :meth:`get_expiry_age`."""
        await self._aloaded()
        return self.get_expiry_age(**kwargs)

    async def aget_expiry_date(self, **kwargs: Any) -> datetime:
        """See :meth:`get_expiry_date`."""
        await self._aloaded()
        return self.get_expiry_date(**kwargs)


def sid_text(sid: bytes) -> str:
    """Return the 22 characters that people see of a sid."""
    return base64.urlsafe_b64encode(sid)[:22].decode()


def _utc(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
