"""What is sealed about an account beside the data: bytes that mean nothing here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.contrib.auth import SESSION_KEY

from django_secure_session.backends.timed import TimedSession


class ClaimedSession(TimedSession):
    """A session with claims, which no key of its data can touch.

    ``accounts`` makes and reads them. Whoever changes them has loaded the session
    before, so none of this does I/O.
    """

    _log_in_was_written = False
    #: Whether there are claims that must not get lost for want of space.
    _is_renewed = False

    @property
    def claims(self) -> bytes:
        """What ``accounts`` sealed with the session, ``b""`` for nothing."""
        self._loaded()
        return self._claims

    async def aclaims(self) -> bytes:
        """See :attr:`claims`."""
        await self._aloaded()
        return self._claims

    def claims_and_data(self) -> tuple[bytes, Mapping[str, Any]]:
        """Return the claims and the data, which is not to be changed.

        For what looks at both in each request; each get() would load anew.
        """
        data = self._loaded()
        return self._claims, data

    def replace_claims(self, claims: bytes) -> None:
        """Seal other claims from now on."""
        self._loaded()
        self._claims = claims
        self.modified = True

    def renew(
        self, claims: bytes, *, log_in: bool = False, keep: Iterable[str] | None = None
    ) -> None:
        """Go on with other claims under a sid that no client knows yet.

        With *log_in* the session is a new one in age too. With *keep* its data is
        dropped but for these keys.
        """
        self._loaded()
        if keep is not None:
            self._keep_only(keep)
        # Another account's may have been saved under the present one by now.
        if self._sid and (keep is not None or self._sid == self._opened_sid):
            self._renew_sid()
        if log_in:
            self._created = None
        self._is_renewed = True
        self.replace_claims(claims)

    def _keep_only(self, keep: Iterable[str]) -> None:
        data = self._loaded()
        self._session_cache = {key: data[key] for key in keep if key in data}

    def take_log_in(self) -> bool:
        """Tell once whether Django has written a log-in into this session.

        Its signal alone does not say so: libraries send that for tokens too.
        """
        was_written, self._log_in_was_written = self._log_in_was_written, False
        return was_written

    def __setitem__(self, key: str, value: Any) -> None:
        self._note(key)
        super().__setitem__(key, value)

    async def aset(self, key: str, value: Any) -> None:
        """Set a value; ``session[key] = value`` for async code."""
        self._note(key)
        await super().aset(key, value)

    def _note(self, key: str) -> None:
        if key == SESSION_KEY:  # only Django's login() writes it
            self._log_in_was_written = True
