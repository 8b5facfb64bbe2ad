"""The session of a request that an API key has let in."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib.auth import SESSION_KEY

from django_secure_session.backends.encrypted_cookies import SessionStore
from django_secure_session.codec.metadata import Metadata
from django_secure_session.conf import SESSION_PURPOSE
from django_secure_session.exceptions import SessionReadOnly


class KeySession(SessionStore):
    """A session in memory, so that a view finds one; it begins empty with each request.

    Whatever happens to it, no response brings or deletes a cookie for it.
    """

    def __init__(self, claims: bytes, *, accessed: bool = False) -> None:
        self._was_accessed = accessed
        super().__init__()
        self._session_cache: dict[str, Any] = {}
        self._claims = claims

    @property
    def modified(self) -> bool:
        """Never, so nothing saves it."""
        return False

    @modified.setter
    def modified(self, value: bool) -> None:
        pass

    @property
    def accessed(self) -> bool:
        """Whether the cookie's session was, before the key let the request in."""
        return self._was_accessed

    @accessed.setter
    def accessed(self, value: bool) -> None:
        pass

    def is_empty(self) -> bool:
        """Tell that there is a session, or Django's middleware would delete the cookie.

        With SESSION_SAVE_EVERY_REQUEST that would send one instead. It leaves only a
        response alone whose request has no session, which it finds out so.
        """
        if self._config.save_every_request:
            raise AttributeError("The session of an API key is for no middleware.")
        return False

    def __bool__(self) -> bool:
        return True

    def _forget_changes(self) -> None:
        self._session_cache = {}

    def save(self, must_create: bool = False) -> None:
        """Do nothing: the session ends with its request."""

    async def asave(self, must_create: bool = False) -> None:
        """See :meth:`save`."""

    def _seal_as(
        self, purpose: str, max_age: float | timedelta | None
    ) -> tuple[str, Metadata]:
        """Return a token, but none that is a session's cookie: that would log in.

        It would have no scopes, and not end with the key.
        """
        if purpose == SESSION_PURPOSE:
            raise SessionReadOnly
        return super()._seal_as(purpose, max_age)

    def encode(self, session_dict: dict[str, Any]) -> str:
        """Do as any session does."""
        return SessionStore().encode(session_dict)

    def decode(self, session_data: bytes | str) -> dict[str, Any]:
        """See :meth:`encode`."""
        return SessionStore().decode(session_data)

    def _note(self, key: str) -> None:
        if key == SESSION_KEY:  # Django's login(), which would come to nothing
            raise SessionReadOnly
