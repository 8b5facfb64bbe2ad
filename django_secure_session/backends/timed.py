"""When a session dies."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils import timezone

from django_secure_session.backends.expiry import (
    Expiry,
    clamp,
    custom_expiry,
    expiry_in,
    policy_expiry,
)
from django_secure_session.backends.sealed import SealedSession, utc
from django_secure_session.codec.metadata import Lifetime, Metadata


class TimedSession(SealedSession):
    """A session that dies when this session's settings say, or its set_expiry().

    Django's methods are held to ABSOLUTE_TIMEOUT; called with arguments they are pure
    functions of those.
    """

    @property
    def expires_at(self) -> datetime | None:
        """When the session dies unless it is saved again, or None if never saved."""
        self._loaded()
        if self._sealed is None:
            return None
        return utc(self._sealed.deadline(self.lifetime()))

    async def aexpires_at(self) -> datetime | None:
        """See :attr:`expires_at`."""
        await self._aloaded()
        return self.expires_at

    def get_session_cookie_age(self) -> int:
        """Return COOKIE_AGE, for the site's own session SESSION_COOKIE_AGE."""
        return self._config.cookie_age

    def get_expire_at_browser_close(self) -> bool:
        """Tell whether the browser forgets the cookie when it closes."""
        custom = self.get("_session_expiry")
        return self._config.ends_with_browser if custom is None else custom == 0

    async def aget_expire_at_browser_close(self) -> bool:
        """See :meth:`get_expire_at_browser_close`."""
        await self._aloaded()
        return self.get_expire_at_browser_close()

    def lifetime(self) -> Lifetime:
        """Return the policy of today. IDLE_TIMEOUT takes the place of COOKIE_AGE."""
        config = self._config
        idle = config.idle_timeout
        if idle is None:
            age = self.get_session_cookie_age()
            return Lifetime(age, config.absolute_timeout)
        return Lifetime(idle, config.absolute_timeout, idle=True)

    def _next_metadata(self, max_age: float | timedelta | None = None) -> Metadata:
        """Return what to seal now beside the data."""
        custom = self._loaded().get("_session_expiry")
        now = clamp(time.time())
        # A clock that stepped back must not make a session older than its beginning.
        created = now if self._created is None else min(self._created, now)
        lifetime = self.lifetime()
        expires, age, flags = self._next_expiry(now, custom, lifetime.age, max_age)
        if lifetime.absolute is not None:
            expires = min(expires, created + lifetime.absolute)
        return Metadata(self._sid_bytes(), created, now, expires, age, flags)

    def _next_expiry(
        self,
        now: int,
        custom: object,
        policy_age: int,
        max_age: float | timedelta | None,
    ) -> Expiry:
        if max_age is not None:
            return expiry_in(now, max_age)
        if custom is not None:
            return custom_expiry(now, custom, policy_age)
        ends_with_browser = self.get_expire_at_browser_close()
        return policy_expiry(now, policy_age, ends_with_browser=ends_with_browser)

    def get_expiry_age(self, **kwargs: Any) -> int:
        """Return the seconds until the session dies if it is saved now."""
        if kwargs:
            return super().get_expiry_age(**kwargs)
        metadata = self._next_metadata()
        return metadata.expires - metadata.issued

    def get_expiry_date(self, **kwargs: Any) -> datetime:
        """Return when the session dies if it is saved now."""
        if kwargs:
            return super().get_expiry_date(**kwargs)
        # Naive with USE_TZ = False, as Django's is.
        zone = None if timezone.is_naive(timezone.now()) else UTC
        return datetime.fromtimestamp(self._next_metadata().expires, zone)

    async def aget_expiry_age(self, **kwargs: Any) -> int:
        """See :meth:`get_expiry_age`."""
        await self._aloaded()
        return self.get_expiry_age(**kwargs)

    async def aget_expiry_date(self, **kwargs: Any) -> datetime:
        """See :meth:`get_expiry_date`."""
        await self._aloaded()
        return self.get_expiry_date(**kwargs)
